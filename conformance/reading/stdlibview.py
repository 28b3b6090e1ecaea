"""What libraries that receivers use make of a message, as a second opinion."""

from __future__ import annotations

import email
import email.parser
import email.policy
from email.message import Message

__all__ = ["address_fault", "parts"]


def parts(octets: bytes) -> Message:
    """Return a message with its parts as the standard library sees them; any octets are read.

    One whose parts nest deeper than the library can follow is read as if it had none.
    """
    policy = email.policy.compat32
    try:
        return email.message_from_bytes(octets, policy=policy)
    except RecursionError:
        return email.parser.BytesHeaderParser(policy=policy).parsebytes(octets)


def address_fault(spec: str) -> str:
    """Return why email-validator takes a text for no address; empty where it does. Nothing is looked up."""
    from email_validator import EmailNotValidError, validate_email

    try:
        validate_email(
            spec,
            check_deliverability=False,
            allow_quoted_local=True,
            allow_domain_literal=True,
            test_environment=True,
            globally_deliverable=False,
            strict=True,
        )
    except EmailNotValidError as error:
        return str(error).rstrip(".")
    except (ValueError, IndexError, TypeError):
        return ""
    return ""
