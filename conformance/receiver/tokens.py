"""Tokens: what makes a recipient ours, and nobody can guess. The archive knows what each stands for."""

from __future__ import annotations

import secrets

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
"""Base 32 (RFC 4648 section 6) in small letters: the same in any case, fit for a DNS label and a local part."""
TOKEN_LENGTH = 20
"""Letters of a token: 100 bits."""
LABEL_LENGTH = 12


def token() -> str:
    """Return a new token."""
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))


def label() -> str:
    """Return a new name for the domain of an opening, a DNS label that is none of the receiver's own names."""
    return "p" + "".join(secrets.choice(ALPHABET) for _ in range(LABEL_LENGTH - 1))


def bearer() -> str:
    """Return a new bearer token (RFC 6750): 256 bits that a client of the interface shows."""
    return secrets.token_urlsafe(32)
