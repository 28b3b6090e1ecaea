"""One DNS question and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from conformance.outcome import Undetermined

CIRCLE: Final = "CNAME loop"
"""How the cause begins where aliases lead in a circle."""

_HEADER_OCTETS: Final = 12
_QUESTION_OCTETS: Final = 4
_RECORD_OCTETS: Final = 12
"""Octets of a record besides its data, its owner being two octets that point to the question."""

Record = str | tuple[int, str] | tuple[str, ...]
"""A, AAAA, PTR, NS, CNAME, SOA: text. MX: (preference, exchange). TXT, SPF: strings, octets decoded as Latin-1."""


class Status(StrEnum):
    """The three answers."""

    FOUND = "found"
    ABSENT = "absent"
    UNDETERMINED = "undetermined"


class Answer(msgspec.Struct, frozen=True, gc=False):
    r"""What a name server said to one question.

    Names are presentation text without the final dot, in the case the server sent, with ``\DDD`` escapes
    (RFC 1035 section 5.1). ``name`` is the question: lower case, without final dot. ``ABSENT`` is NXDOMAIN or
    NODATA from a server that answered; everything else without records is ``UNDETERMINED``, with the reason in
    ``error`` and in ``cause`` the text shared by all questions that failed for the same reason. ``rdtype`` says also
    how it was asked where that was not the usual way: ``SOA @192.0.2.1`` of one server, ``SOA +cdflag`` unvalidated.

    Tens of thousands are made in a run: a struct of msgspec takes a tenth of the time of a frozen dataclass. Texts and
    numbers make no circles, so that no search for garbage has to look at them.
    """

    name: str
    rdtype: str
    status: Status
    rcode: str
    records: tuple[Record, ...] = ()
    aliases: tuple[str, ...] = ()
    """Targets of the CNAME records followed, in order."""
    ttl: int | None = None
    server: str = ""
    transport: str = ""
    """``udp`` or ``tcp``; empty when nothing was answered."""
    ms: float = 0.0
    at: str = ""
    """Time of the answer, ISO 8601 in UTC."""
    layer: str = "live"
    error: str = ""
    cause: str = ""
    authenticated: bool = False
    """Whether the resolver says that it has validated the answer (AD, RFC 4035 section 3.2.3)."""
    authoritative: bool = False
    """Whether a server that was asked directly answers with authority (AA, RFC 1035 section 4.1.1)."""
    zone: str = ""
    """Answers to questions for SOA: the zone that the last name lies in, where the reply tells."""

    @property
    def question(self) -> str:
        """``name type``, as in a zone file."""
        return f"{self.name} {self.rdtype}"

    @property
    def owner(self) -> str:
        """Where records of this question stand or would have to: the name, or what its CNAME leads to."""
        return self.aliases[-1].rstrip(".") if self.aliases else self.name

    @property
    def circular(self) -> bool:
        """Whether the aliases of the name were seen to lead back to themselves."""
        return self.status is Status.UNDETERMINED and self.cause.startswith(CIRCLE)

    def known(self) -> Answer:
        """Return this answer, or raise Undetermined when there was none."""
        if self.status is Status.UNDETERMINED:
            raise Undetermined(
                f"{self.question}: {self.error or self.rcode}", cause=self.cause or f"{self.question}: {self.rcode}"
            )
        return self

    @property
    def found(self) -> bool:
        """Whether there are records. Raises Undetermined."""
        return self.known().status is Status.FOUND

    @property
    def texts(self) -> tuple[str, ...]:
        """Records that are plain text (A, AAAA, PTR, NS, CNAME, SOA). Raises Undetermined."""
        return tuple(record for record in self.known().records if isinstance(record, str))

    @property
    def exchanges(self) -> tuple[tuple[int, str], ...]:
        """MX records as (preference, exchange), lowest preference first. Raises Undetermined."""
        mx = [r for r in self.known().records if isinstance(r, tuple) and len(r) == 2 and isinstance(r[0], int)]
        return tuple(sorted(mx, key=lambda r: (r[0], r[1])))

    @property
    def strings(self) -> tuple[tuple[str, ...], ...]:
        """TXT records, each as its strings. Raises Undetermined."""
        return tuple(tuple(str(s) for s in record) for record in self.known().records if isinstance(record, tuple))

    @property
    def joined(self) -> tuple[str, ...]:
        """TXT records with their strings joined without a space (RFC 7208 section 3.3). Raises Undetermined."""
        return tuple("".join(strings) for strings in self.strings)

    def size(self, texts: Iterable[tuple[str, ...]]) -> int:
        """Return the octets of a reply with some TXT records, without EDNS (RFC 1035 section 4.1.4: compressed)."""
        links = sum(_RECORD_OCTETS + _name_octets(alias) for alias in self.aliases)
        records = sum(_RECORD_OCTETS + sum(1 + len(string) for string in strings) for strings in texts)
        return _HEADER_OCTETS + _name_octets(self.name) + _QUESTION_OCTETS + links + records

    def describe(self) -> str:
        """Return rcode or a count, for a sentence: ``NXDOMAIN``, ``NODATA``, ``2 records``."""
        if self.status is Status.FOUND:
            return f"{len(self.records)} record{'s' if len(self.records) != 1 else ''}"
        if self.status is Status.ABSENT and self.aliases:
            return f"{'NODATA' if self.rcode == 'NOERROR' else self.rcode} at {self.owner}, where a CNAME leads"
        if self.status is Status.ABSENT:
            return "NODATA" if self.rcode == "NOERROR" else self.rcode
        return self.error or self.rcode


def _name_octets(name: str) -> int:
    return len(name.rstrip(".")) + 2
