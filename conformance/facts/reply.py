"""What one DNS reply says about the question it answers."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import dns.flags
import dns.rcode
import msgspec
from dns.message import Message
from dns.name import Name
from dns.rcode import Rcode
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rrset import RRset
from msgspec.structs import replace

from conformance.facts.answer import Answer, Record, Status
from conformance.facts.plain import Plain
from conformance.facts.wire import MalformedError, Question, make_query, read_reply, show_name

MAX_ALIASES = 8
"""CNAME records followed for one question."""

_FOUND, _ABSENT, _UNDETERMINED = Status.FOUND, Status.ABSENT, Status.UNDETERMINED
"""Looked up once: in Python 3.11 a member of an enumeration takes as long to find as a call."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """The answer to one question as it was sent, before any further question about the target of an alias.

    ``chain`` holds the CNAME targets within the reply. ``onward`` says that nothing is known of the last one.
    """

    answer: Answer
    chain: tuple[Name, ...] = ()
    onward: bool = False
    proof: Message | None = None
    """The whole reply to a question that asked for proofs."""

    @property
    def usable(self) -> bool:
        """Whether no other server needs to be asked."""
        return self.onward or self.answer.status is not _UNDETERMINED

    def like(self, other: Step | None) -> bool:
        """Whether another step says the same, whenever it was read."""
        return other is not None and replace(self, answer=replace(self.answer, at=other.answer.at)) == other


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a reply came from: server, ``udp`` or ``tcp``, milliseconds, and the zone the question belongs to.

    ``authority`` says that the server was asked for what it knows itself.
    """

    server: str
    transport: str
    ms: float
    zone: str
    authority: bool = False


def understand(reply: Message, question: Question, origin: Origin) -> Step:
    """Read the reply to a question (RFC 1034 section 4.3.2, RFC 2308 section 2)."""
    step = _understand(reply, question, origin)
    return replace(step, proof=reply) if question.proof else step


def _understand(reply: Message, question: Question, origin: Origin) -> Step:
    links = _links(reply, question)
    chain = tuple(_target(link) for link in links)
    last = chain[-1] if chain else question.name
    records = reply.get_rrset(reply.answer, last, RdataClass.IN, question.rdtype)
    denial = None if records else _denial(reply, last)
    ttls = [rrset.ttl for rrset in (*links, records) if rrset is not None]
    base = Answer(
        name=question.text,
        rdtype=question.kind,
        status=Status.ABSENT,
        rcode=dns.rcode.to_text(reply.rcode()),
        aliases=tuple(show_name(target) for target in chain),
        ttl=min(ttls if denial is None else [*ttls, denial], default=None),
        server=origin.server,
        transport=origin.transport,
        ms=origin.ms,
        at=now(),
        authenticated=bool(reply.flags & dns.flags.AD),
        authoritative=origin.authority and bool(reply.flags & dns.flags.AA),
        zone=_zone(reply, last, bool(records)) if question.rdtype == RdataType.SOA else "",
    )
    if trouble := _trouble(reply, bool(records), bool(links), origin):
        rcode, error, cause = trouble
        failed = replace(base, status=Status.UNDETERMINED, rcode=rcode, ttl=None, error=error, cause=cause)
        return Step(failed, chain)
    if records:
        return Step(replace(base, status=Status.FOUND, records=tuple(record_of(rdata) for rdata in records)), chain)
    # RFC 6604 section 3: the rcode is about the last name of the chain.
    onward = bool(links) and reply.rcode() == Rcode.NOERROR and denial is None
    return Step(base, chain, onward)


def plain_step(plain: Plain, question: Question, server: str, ms: float, at: str) -> Step:
    """Return what :func:`understand` would make of a reply over UDP that was plain; ``at`` is when it came."""
    return Step(
        Answer(
            question.text,
            question.kind,
            _FOUND if plain.records else _ABSENT,
            "NXDOMAIN" if plain.nxdomain else "NOERROR",
            plain.records,
            (),
            plain.ttl,
            server,
            "udp",
            ms,
            at,
            authenticated=plain.authenticated,
        )
    )


def full_step(data: bytes, question: Question, number: int, origin: Origin) -> Step | None:
    """Return what dnspython makes of a reply to a query with the given id; None when it is none."""
    query = make_query(question, edns=True, number=number)
    try:
        reply = read_reply(data, query)
    except MalformedError:
        return None
    return understand(reply, question, origin) if reply else None


def now() -> str:
    """Return the time in UTC as ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _trouble(reply: Message, records: bool, links: bool, origin: Origin) -> tuple[str, str, str] | None:
    """Return rcode, error and cause of a reply that decides nothing; None when it decides."""
    rcode = reply.rcode()
    if rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        code = dns.rcode.to_text(rcode)
        text = f"{code} from {origin.server}"
        return code, text, f"{text} about {origin.zone}" if rcode == Rcode.SERVFAIL else text
    if records and rcode == Rcode.NXDOMAIN:
        text = f"malformed answer from {origin.server}: records of a name that it denies"
    elif reply.answer and not records and not links:
        text = f"malformed answer from {origin.server}: only records that were not asked for"
    elif rcode == Rcode.NOERROR and not reply.answer and _is_referral(reply):
        text = f"referral from {origin.server}, which does not resolve names of {origin.zone}"
        return "REFERRAL", text, text
    else:
        return None
    return "MALFORMED", text, f"{text} ({origin.zone})"


def _is_referral(reply: Message) -> bool:
    """Whether the server only points to others (RFC 2308 section 2.2)."""
    types = {rrset.rdtype for rrset in reply.authority}
    return not reply.flags & dns.flags.AA and RdataType.NS in types and RdataType.SOA not in types


def _links(reply: Message, question: Question) -> list[RRset]:
    """Return the CNAME records that lead on from the name, up to one too many or the one that closes a loop."""
    links: list[RRset] = []
    name = question.name
    seen = {name}
    while question.rdtype != RdataType.CNAME and len(links) <= MAX_ALIASES:
        link = reply.get_rrset(reply.answer, name, RdataClass.IN, RdataType.CNAME)
        if not link or reply.get_rrset(reply.answer, name, RdataClass.IN, question.rdtype):
            break
        links.append(link)
        name = _target(link)
        if name in seen:
            break
        seen.add(name)
    return links


def _target(link: RRset) -> Name:
    target = link[0].target
    assert isinstance(target, Name)
    return target


def _zone(reply: Message, name: Name, found: bool) -> str:
    """Return the zone of a name: it has an SOA record of its own, or the denial says whose it is (RFC 2308)."""
    if found:
        return show_name(name).lower()
    owners = (rrset.name for rrset in reply.authority if rrset.rdtype == RdataType.SOA)
    return next((show_name(owner).lower() for owner in owners if name.is_subdomain(owner)), "")


def _denial(reply: Message, name: Name) -> int | None:
    """Return how long the denial of a name may be kept (RFC 2308 section 5), None when no SOA denies it."""
    for rrset in reply.authority:
        if rrset.rdtype == RdataType.SOA and rrset and name.is_subdomain(rrset.name):
            return min(rrset.ttl, int(rrset[0].minimum))
    return None


def record_of(rdata: Rdata) -> Record:
    """Return a record as :data:`Record`; types without a form of their own as in a zone file."""
    match rdata.rdtype:
        case RdataType.A | RdataType.AAAA:
            return str(rdata.address)  # type: ignore[attr-defined]
        case RdataType.PTR | RdataType.NS | RdataType.CNAME:
            return show_name(rdata.target)  # type: ignore[attr-defined]
        case RdataType.MX:
            return int(rdata.preference), show_name(rdata.exchange)  # type: ignore[attr-defined]
        case RdataType.TXT | RdataType.SPF:
            return tuple(string.decode("latin-1") for string in rdata.strings)  # type: ignore[attr-defined]
        case _:
            return rdata.to_text()
