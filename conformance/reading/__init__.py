"""Text to dataclass, without input or output."""
