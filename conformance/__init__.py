"""mailconform: conformance checks for outbound mail fleets."""

__version__ = "0.1.0"
