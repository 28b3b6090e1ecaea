"""DNS messages: what is asked, and which datagram is the reply."""

from __future__ import annotations

import re
from functools import cache, lru_cache

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdataclass
import dns.rdatatype
import msgspec
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.tlsabase import TLSABase

PAYLOAD = 1232
"""UDP size announced by EDNS, small enough never to be fragmented (RFC 9715 section 3)."""

_LONGEST_TEXT = 4 * 255
_HEADER = 12
_LONGEST_PLAIN = 253
_PLAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
"""Names that need no escapes, in the lower case in which they are compared."""

_RECURSION = int(dns.flags.RD | dns.flags.AD)
_NO_CHECKING = int(dns.flags.CD)
_LENGTHS = [bytes((length,)) for length in range(64)]
"""The octet before a label, by how long the label is."""
_COUNTS = bytes.fromhex("0001 0000 0000 0001")
"""The number of records in each section: one question, and the OPT record."""
_INTERNET = b"\0\1"
_EDNS = bytes.fromhex("00 0029") + PAYLOAD.to_bytes(2, "big") + bytes(6)
"""The OPT record of a query (RFC 6891 section 6.1.2)."""
_EDNS_PROVING = _EDNS[:7] + int(dns.flags.DO).to_bytes(2, "big") + bytes(2)


def is_plain(text: str) -> bool:
    """Whether a name is in the form in which names are compared, and needs no escapes."""
    return len(text) <= _LONGEST_PLAIN and _PLAIN.fullmatch(text) is not None


class Question(msgspec.Struct, eq=False, gc=False):
    """A question, the same for all spellings of its name: ``text`` is that in lower case, without final dot.

    ``checking`` says that the resolver may withhold what it cannot validate (RFC 4035 section 3.2.2). ``proof`` asks
    for signatures and proofs as well (RFC 3225).
    """

    text: str
    rdtype: RdataType
    key: tuple[str, int, bool, bool]
    """What is compared: numbers and text are hashed much faster than objects of our own or of an enumeration."""
    plain: bool = False
    """Whether the name needs no escapes."""
    spelled: Name | None = None

    @classmethod
    def of(cls, name: Name, rdtype: RdataType, *, checking: bool = True, proof: bool = False) -> Question:
        """Return the question for records of a type at a name."""
        text = show_name(name).lower()
        return cls(text, rdtype, (text, int(rdtype), checking, proof), is_plain(text), name)

    @classmethod
    def read(cls, text: str, rdtype: RdataType, *, checking: bool = True) -> Question:
        """Return the question for records of a type at a name, given as presentation text. Raises ValueError."""
        if is_plain(text):
            return cls(text, rdtype, (text, int(rdtype), checking, False), True)
        return cls.of(parse_name(text), rdtype, checking=checking)

    @classmethod
    def proving(cls, name: Name, rdtype: RdataType) -> Question:
        """Return the question for records together with what proves them, whatever the resolver thinks of that."""
        return cls.of(name, rdtype, checking=False, proof=True)

    @property
    def checking(self) -> bool:
        """Whether the resolver may withhold what it cannot validate."""
        return self.key[2]

    @property
    def proof(self) -> bool:
        """Whether signatures and proofs are asked for as well."""
        return self.key[3]

    @property
    def name(self) -> Name:
        """The name."""
        if self.spelled is None:
            self.spelled = parse_name(self.text)
        return self.spelled

    @property
    def kind(self) -> str:
        """The record type as text."""
        return shown_type(self.key[1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Question) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return f"{self.text} {self.kind}"


@lru_cache(maxsize=4096)
def _labels(text: str) -> bytes:
    """Return a plain name as it travels; cached, since several names of a zone are asked for one after the other."""
    labels = [_LENGTHS[len(label)] + label for label in text.encode("ascii").split(b".") if label]
    return b"%b\0" % b"".join(labels)


def take_any_tlsa() -> None:
    """Have dnspython read TLSA records whose digest has the wrong length: else one of them spoils a whole reply."""
    getattr(TLSABase, "_cert_length_by_mtype", {}).clear()


take_any_tlsa()


class MalformedError(Exception):
    """A datagram answers the query by its id but is no DNS message."""


def parse_name(text: str) -> Name:
    r"""Read a name in presentation form: ``\DDD`` escapes (RFC 1035 section 5.1), other octets as Latin-1.

    Raises ValueError, saying why, for what can be no name in the DNS (RFC 1035 section 2.3.4).
    """
    if len(text) > _LONGEST_TEXT:
        raise ValueError("not a domain name: longer than 255 octets")
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("not a domain name: it holds characters that are not octets") from None
    try:
        # dnspython reads a lone @ as the origin of a zone file.
        return dns.name.from_text(b"\\@" if octets == b"@" else octets)
    except dns.name.EmptyLabel:
        why = "an empty label"
    except dns.name.LabelTooLong:
        why = "a label longer than 63 octets"
    except dns.name.NameTooLong:
        why = "longer than 255 octets"
    except dns.exception.DNSException:
        why = "a malformed escape"
    raise ValueError(f"not a domain name: {why}")


@cache
def shown_type(rdtype: int) -> str:
    """Return a record type as text."""
    return dns.rdatatype.to_text(RdataType.make(rdtype))


@lru_cache(maxsize=256)
def parse_type(text: str) -> RdataType:
    """Read a record type (``TXT``, ``TYPE65``). Raises ValueError for an unknown one and for ANY and its like."""
    try:
        rdtype = dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"unknown record type {text!r}") from None
    if dns.rdatatype.is_metatype(rdtype):
        raise ValueError(f"{text!r} is not a type of records")
    return rdtype


def show_name(name: Name) -> str:
    """Return a name as presentation text without its final dot, in its own case."""
    return name.to_text(omit_final_dot=True)


def _flags(checking: bool, recursion: bool) -> int:
    flags = _RECURSION if recursion else 0
    return flags if checking else flags | _NO_CHECKING


@cache
def _frame(rdtype: int, checking: bool, proof: bool, recursion: bool) -> tuple[bytes, bytes]:
    """Return what stands before the name in a query, without the id, and after it."""
    kind = rdtype.to_bytes(2, "big") + _INTERNET
    return _flags(checking, recursion).to_bytes(2, "big") + _COUNTS, kind + (_EDNS_PROVING if proof else _EDNS)


def make_query(question: Question, *, edns: bool, recursion: bool = True, number: int = 0) -> Message:
    """Build a query with an id, that asks for recursion and for the AD bit (RFC 6840 section 5.7), or for neither."""
    asked, flags = (question.name, question.rdtype), _flags(question.checking, recursion)
    if edns:
        want = int(dns.flags.DO) if question.proof else 0
        return dns.message.make_query(*asked, flags=flags, id=number, use_edns=0, ednsflags=want, payload=PAYLOAD)
    return dns.message.make_query(*asked, flags=flags, id=number, use_edns=False)


def encode_query(question: Question, number: int, *, recursion: bool = True) -> bytes:
    """Return :func:`make_query` with EDNS as it travels."""
    text, rdtype, checking, proof = question.key
    head, tail = _frame(rdtype, checking, proof, recursion)
    if question.plain:
        first, _, rest = text.partition(".")
        return b"%b%b%b%b%b%b" % (
            number.to_bytes(2, "big"),
            head,
            _LENGTHS[len(first)],
            first.encode("ascii"),
            _labels(rest),
            tail,
        )
    return b"%b%b%b%b" % (number.to_bytes(2, "big"), head, question.name.canonicalize().to_wire() or b"", tail)


def question_in(query: bytes) -> bytes:
    """Return name, type and class in a query of :func:`encode_query` (RFC 1035 section 4.1.2)."""
    return query[_HEADER : -len(_EDNS)]


def read_reply(data: bytes, query: Message) -> Message | None:
    """Return the reply to a query, None when the datagram is something else. Raises MalformedError.

    A truncated reply may end within a record (RFC 2181 section 9), so only its question is read.
    """
    if len(data) < _HEADER:
        raise MalformedError
    flags = int.from_bytes(data[2:4], "big")
    if not flags & dns.flags.QR or dns.opcode.from_flags(flags) != dns.opcode.QUERY:
        return None
    try:
        reply = dns.message.from_wire(data, question_only=bool(flags & dns.flags.TC))
    except (dns.exception.DNSException, ValueError) as error:
        raise MalformedError from error
    return reply if query.is_response(reply) else None
