"""TLS reporting: the record at ``_smtp._tls`` that says where reports go (RFC 8460 section 3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from conformance.reading import fields
from conformance.reading.excerpt import quoted
from conformance.reading.orgdomain import to_ascii

VERSION = "TLSRPTv1"

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_MOST_DESTINATIONS = 20


@dataclass(frozen=True, slots=True)
class Destination:
    """Where reports go: ``mailto`` or ``https``, and the domain or host that takes them (A-labels, lower case)."""

    uri: str
    scheme: str
    host: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its destinations. ``problems`` are why it, or a part of it, is not used."""

    text: str
    destinations: tuple[Destination, ...] = ()
    problems: tuple[str, ...] = ()


def parse(text: str) -> Record:
    """Read a record; ``problems`` is empty when it is valid and every destination in it can be used."""
    found = fields.read(text)
    problems = list(found.problems)
    destinations: list[Destination] = []
    rua = found.get("rua")
    if rua is None:
        return Record(text, (), (*problems, "it has no rua="))
    for uri in rua.split(",")[:_MOST_DESTINATIONS]:
        bare = uri.strip(" \t")
        if (read := _destination(bare)) is None:
            problems.append(f"rua={quoted(bare, 80)} is neither mailto: with an address nor https: with a host")
        else:
            destinations.append(read)
    return Record(text, tuple(destinations), tuple(problems))


def _destination(uri: str) -> Destination | None:
    if not _URI.fullmatch(uri) or "!" in uri:
        return None
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme == "mailto":
        local, at, host = unquote(parts.path).rpartition("@")
        if not (local and at):
            return None
    elif parts.scheme != "https":
        return None
    name = to_ascii(host or "")
    return Destination(uri, parts.scheme, name) if name else None
