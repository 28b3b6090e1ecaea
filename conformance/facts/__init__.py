"""GATHERED: what was seen of the fleet."""
