"""How much the receiver takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the receiver. Times are seconds and are not divided by its pace; sizes are octets."""

    sessions: int = 500
    """Sessions at a time; more are told 421."""
    session_seconds: float = 3600.0
    session_octets: int = 64 * 1024 * 1024
    """Octets that a client may send in one session, TLS counted."""
    idle_seconds: float = 300.0
    """Time that a client may be silent (RFC 5321 section 4.5.3.2.7), or read nothing."""
    commands: int = 2000
    command: int = 4096
    """Length of a command line with its end: more than RFC 5321 section 4.5.3.1.4 demands, so that rules can judge."""
    recipients: int = 1000
    """Recipients of one transaction (RFC 5321 section 4.5.3.1.8 demands 100)."""
    message: int = 20_480_000
    """Size of a message, as announced with SIZE (RFC 1870)."""
    held: int = 512 * 1024 * 1024
    """Octets of messages that all sessions together hold; more are put off with 452."""
    lines: int = 2000
    """Lines that a capture shows."""
    chunks: int = 10_000
    """Chunks that a transaction tells apart."""
    shown: int = 4096
    """Octets of one line, or of what came too early, that a capture shows."""
    farewell_seconds: float = 2.0
    """Time that a client has to close after the receiver's last reply."""
    stop_seconds: float = 5.0
    """Time that sessions have to end when the receiver stops."""
