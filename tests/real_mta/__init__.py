"""Real mail servers, made to send in a network of their own and judged by the whole suite."""
