"""Parameters of MAIL and RCPT: what goes with the extensions that were offered."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from conformance.receiver.command import CommandSyntaxError, read_parameter
from conformance.receiver.reply import Reply

MAIL = {
    "SIZE": ("SIZE", r"[0-9]{1,20}"),
    "BODY": ("8BITMIME", r"7BIT|8BITMIME"),
    "SMTPUTF8": ("SMTPUTF8", r""),
    "RET": ("DSN", r"FULL|HDRS"),
    "ENVID": ("DSN", r".{1,100}"),
    "REQUIRETLS": ("REQUIRETLS", r""),
}
RCPT = {
    "NOTIFY": ("DSN", r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}"),
    "ORCPT": ("DSN", r"[^;]{1,40};.{1,500}"),
}
"""Keywords with the extension that brings them and the form of their values (RFC 1870, 3461, 6152, 6531, 8689)."""


def unfit(parameters: Collection[str], known: Mapping[str, tuple[str, str]], offered: Collection[str]) -> Reply | None:
    """Return the refusal of parameters that were not offered or are ill-formed; None: they are fit."""
    seen = set()
    for parameter in parameters:
        try:
            keyword, value = read_parameter(parameter)
        except CommandSyntaxError:
            return Reply.of(501, "5.5.4", "a parameter is ill-formed")
        extension, form = known.get(keyword, ("", ""))
        if extension not in offered:
            return Reply.of(555, "5.5.4", "a parameter was not offered")
        if keyword in seen or not re.fullmatch(form, value, re.IGNORECASE):
            return Reply.of(501, "5.5.4", f"{keyword} is ill-formed")
        seen.add(keyword)
    return None


def value_of(keyword: str, parameters: Collection[str]) -> str | None:
    """Return the value of a parameter; None: it is not there. The parameters are fit."""
    pairs = (read_parameter(parameter) for parameter in parameters)
    return next((value for name, value in pairs if name == keyword), None)
