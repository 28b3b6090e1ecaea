"""Records of the form ``v=NAME; field=value``, as MTA-STS and TLS reporting write them (RFC 8461 3.1, RFC 8460 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from conformance.reading.excerpt import quoted

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_VALUE = re.compile(r"[!-:<>-~]+")
_BLANKS = " \t"


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a record after its version, the first of each name, and what is wrong with the others."""

    values: tuple[tuple[str, str], ...]
    problems: tuple[str, ...] = ()

    def get(self, name: str) -> str | None:
        """Return the value of a field, None without it."""
        return next((value for known, value in self.values if known == name), None)


def read(text: str) -> Fields:
    """Return the fields of a record; of several with one name the first counts (RFC 8461 section 3.2)."""
    values: dict[str, str] = {}
    problems: list[str] = []
    parts = text.split(";")[1:]
    for number, part in enumerate(parts, 1):
        bare = part.strip(_BLANKS)
        name, equals, value = bare.partition("=")
        if not bare and number == len(parts):
            continue
        if not bare:
            problems.append("a semicolon follows no field")
        elif not equals or not _NAME.fullmatch(name):
            problems.append(f"{quoted(bare, 60)} is not of the form name=value")
        elif name == "rua" or _VALUE.fullmatch(value):
            values.setdefault(name, value)
        else:
            problems.append(f"{quoted(value, 60)} cannot be the value of {name}=")
    return Fields(tuple(values.items()), tuple(problems))


def is_record(text: str, version: str) -> bool:
    """Whether senders take a text for a record of a version at all."""
    return text.startswith(f"v={version};")


def records(texts: Sequence[str], version: str) -> tuple[str, ...]:
    """Return the TXT records of a name that senders take for one of a version (RFC 8461 3.1, RFC 8460 3).

    The grammar has blanks before the first semicolon; only where a name has several records they lose it its place.
    """
    if len(texts) == 1 and re.match(rf"v={version}[ \t]+;", texts[0]):
        return tuple(texts)
    return tuple(text for text in texts if is_record(text, version))


def near_miss(text: str, version: str) -> bool:
    """Whether a text that is no record of a version was meant as one: other case, blanks, quotes, no semicolon."""
    squeezed = re.sub(r"[\s\"'\\]", "", text[:100]).lower()
    return squeezed.startswith(f"v={version.lower()}") and not is_record(text, version)
