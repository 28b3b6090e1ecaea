"""Simulated mail servers that send: they take mail by submission and deliver it, rightly or wrong in one way."""
