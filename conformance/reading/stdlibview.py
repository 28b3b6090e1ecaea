"""What libraries that receivers use make of a message, as a second opinion."""

from __future__ import annotations

__all__ = ["address_fault"]


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
