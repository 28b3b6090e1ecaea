"""SPF records as text (RFC 7208): the grammar of section 12, with the place of every error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from conformance.reading.typography import DECORATION, plain

MOST_LOOKUPS: Final = 10
"""Terms that may make receivers ask (section 4.6.4)."""
MOST_VOID: Final = 2
"""Answers without records to what they ask (section 4.6.4)."""
MOST_EXCHANGES: Final = 10
"""Exchangers whose addresses a term may ask for (section 4.6.4)."""

_VERSION: Final = "v=spf1"
_MECHANISMS: Final = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")
_QUERYING: Final = ("include", "a", "mx", "ptr", "exists")
_ONCE: Final = ("redirect", "exp")

_HEAD = re.compile(r"([+\-?~]?)([A-Za-z][A-Za-z0-9\-_.]*)")
_MACRO = re.compile(r"%\{([A-Za-z])([0-9]*)[rR]?[.\-+,/_=]*\}|%[%_\-]")
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]+")
_CIDRS = re.compile(r"(?:/([0-9]+))?(?://([0-9]+))?\Z")
_ALNUM_HYPHEN = re.compile(r"[A-Za-z0-9\-]+")
_DOMAIN_LETTERS: Final = "slodiphv"
_ALL_LETTERS: Final = _DOMAIN_LETTERS + "crt"

_TERM = re.compile("[^ ]+")
_TERM_LIKE = r"[+\-~?]?(?:all\b|include:|ip[46]:|a\b|mx\b|ptr\b|exists:|redirect=|exp=)"
_BARE_VERSION = re.compile(rf"spf1[ ;,]+{_TERM_LIKE}", re.IGNORECASE)
_OTHER_VERSION = re.compile(r"v\s*[=:\-]?\s*spf\W?\s?\w*", re.IGNORECASE)
_BURIED_VERSION = re.compile(rf"v=spf1 +{_TERM_LIKE}", re.IGNORECASE)


class SpfSyntaxError(ValueError):
    """A record, or one of its terms, is not SPF: ``position`` is the offset from 0, ``text`` the term there."""

    def __init__(self, position: int, text: str, why: str) -> None:
        super().__init__(f"{why} (at position {position}, in {text[:80]!r})")
        self.position = position
        self.text = text
        self.why = why


def mechanism_of(ip: IPv4Address | IPv6Address) -> str:
    """Return the mechanism that authorises exactly one address (section 5.6)."""
    return f"ip{ip.version}:{ip}"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A directive: ``value`` is its domain-spec or address as written, empty when it has none.

    ``name`` is in lower case, ``qualifier`` is ``+`` when none is written; ``cidr4`` and ``cidr6`` are prefix lengths
    as written, ``network`` is what ip4 and ip6 name (host bits cleared).
    """

    qualifier: str
    name: str
    value: str
    position: int
    text: str
    cidr4: int | None = None
    cidr6: int | None = None
    network: IPv4Network | IPv6Network | None = None


@dataclass(frozen=True, slots=True)
class Modifier:
    """``name=value``; ``name`` is in lower case."""

    name: str
    value: str
    position: int
    text: str


Term = Mechanism | Modifier


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose terms are all well-formed (or the well-formed ones of a record that is not)."""

    text: str
    terms: tuple[Term, ...]

    @property
    def mechanisms(self) -> tuple[Mechanism, ...]:
        """Mechanisms in the order in which they are tried."""
        return tuple(term for term in self.terms if isinstance(term, Mechanism))

    @property
    def modifiers(self) -> tuple[Modifier, ...]:
        """Modifiers, known and unknown."""
        return tuple(term for term in self.terms if isinstance(term, Modifier))

    @property
    def all(self) -> str | None:
        """Qualifier of the first ``all``, None without one."""
        return next((term.qualifier for term in self.mechanisms if term.name == "all"), None)

    @property
    def redirect(self) -> str | None:
        """Target of ``redirect=``, also where ``all`` makes it void; None without one."""
        return next((term.value for term in self.modifiers if term.name == "redirect"), None)

    @property
    def unreachable(self) -> tuple[Term, ...]:
        """Terms that ``all`` makes void: mechanisms after it and ``redirect=`` anywhere (sections 5.1 and 6.1)."""
        end = next((term.position for term in self.mechanisms if term.name == "all"), None)
        if end is None:
            return ()
        return tuple(
            term
            for term in self.terms
            if (term.position > end if isinstance(term, Mechanism) else term.name == "redirect")
        )

    @property
    def querying(self) -> tuple[Term, ...]:
        """Reachable terms that count against the limit of ten look-ups (section 4.6.4), ``redirect=`` last."""
        void = {term.position for term in self.unreachable}
        asking = [term for term in self.mechanisms if term.name in _QUERYING and term.position not in void]
        redirects = [term for term in self.modifiers if term.name == "redirect" and term.position not in void]
        return (*asking, *redirects)

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks that ip4 and ip6 authorise (qualifier ``+``)."""
        return tuple(term.network for term in self.mechanisms if term.network is not None and term.qualifier == "+")

    @property
    def macros(self) -> frozenset[str]:
        """Macro letters used, in lower case (section 7.2)."""
        return frozenset(letter for term in self.terms for letter in expanded_letters(term.value))

    @property
    def mistaken(self) -> tuple[Modifier, ...]:
        """Modifiers that bear a mechanism's name (``ip4=192.0.2.1``): lawful, ignored, never what was meant."""
        return tuple(term for term in self.modifiers if term.name in _MECHANISMS)


def is_spf(text: str) -> bool:
    """Say whether a TXT record is selected as SPF: ``v=spf1``, then a space or the end (section 4.5)."""
    return text[:6].lower() == _VERSION and text[6:7] in ("", " ")


def near_miss(text: str) -> str | None:
    """Say why a text that was meant as SPF is not selected as a record; None for SPF and for anything else."""
    if is_spf(text):
        return None
    if text[:6].lower() == _VERSION:
        return f"v=spf1 is followed by {text[6]!r}; only a space or the end may follow"
    seen = plain(text)
    bare = seen.lstrip(DECORATION)
    if bare[:7].lower() == "spf2.0/":
        return None
    if bare[:6].lower() == _VERSION:
        stray = seen[: len(seen) - len(bare)]
        return f"{stray!r} stands before v=spf1" if stray else "a character that is not ASCII stands at v=spf1"
    if match := _OTHER_VERSION.match(bare):
        return f"the version is written {match[0]!r} and not v=spf1"
    if _BARE_VERSION.match(bare):
        return "v= is missing before spf1"
    if match := _BURIED_VERSION.search(seen):
        return f"other text stands before v=spf1: {seen[: match.start()][:40]!r}"
    return None


def fixed_part(spec: str) -> str:
    """Return the labels at the end of a domain-spec that no macro can change (section 7); empty without any."""
    before, _, tail = spec.rpartition("}")
    return tail.partition(".")[2] if before else spec


def expanded_letters(spec: str) -> frozenset[str]:
    """Return the macro letters of a domain-spec, in lower case (section 7.2)."""
    return frozenset(match[1].lower() for match in _MACRO.finditer(spec) if match[1])


def explanation_errors(text: str) -> tuple[SpfSyntaxError, ...]:
    """List what keeps receivers from using a text as an explanation (section 6.2): at most one error a word."""
    errors: list[SpfSyntaxError] = []
    for match in _TERM.finditer(text):
        try:
            _check_macro_string(match[0], match[0], match.start(), _ALL_LETTERS)
        except SpfSyntaxError as error:
            errors.append(error)
    return tuple(errors)


def parse(text: str) -> Record:
    """Read a record. Raises SpfSyntaxError, for the first error anywhere (section 4.6: one error is a permerror)."""
    record, errors = parse_all(text)
    if errors:
        raise errors[0]
    return record


def parse_all(text: str) -> tuple[Record, tuple[SpfSyntaxError, ...]]:
    """Read a record and list every error, in order, with the terms that are well-formed."""
    if not is_spf(text):
        return Record(text, ()), (SpfSyntaxError(0, text, near_miss(text) or "this is not an SPF record"),)
    terms: list[Term] = []
    errors: list[SpfSyntaxError] = []
    once: set[str] = set()
    for match in _TERM.finditer(text, len(_VERSION)):
        try:
            term = _term(match[0], match.start())
            if term.name in _ONCE and isinstance(term, Modifier):
                if term.name in once:
                    raise SpfSyntaxError(term.position, term.text, f"{term.name}= is given twice")
                once.add(term.name)
            terms.append(term)
        except SpfSyntaxError as error:
            errors.append(error)
    return Record(text, tuple(terms)), tuple(errors)


def _term(text: str, at: int) -> Term:
    head = _HEAD.match(text)
    if not head:
        bad = next((index for index, char in enumerate(text) if not "\x21" <= char <= "\x7e"), 0)
        raise SpfSyntaxError(at + bad, text, "this is neither a mechanism nor a modifier")
    qualifier, name, rest, start = _split(head, at)
    if not rest.startswith("="):
        return _mechanism(text, at, head)
    if qualifier:
        raise SpfSyntaxError(at, text, f"the modifier {name}= takes no {qualifier}")
    if name in _ONCE:
        _check_domain_spec(text, rest[1:], start + 1)
    else:
        _check_macro_string(text, rest[1:], start + 1, _ALL_LETTERS)
    return Modifier(name, rest[1:], at, text)


def _split(head: re.Match[str], at: int) -> tuple[str, str, str, int]:
    """Return qualifier, name, what follows the name, and where that begins."""
    return head[1], head[2].lower(), head.string[head.end() :], at + head.end()


def _mechanism(text: str, at: int, head: re.Match[str]) -> Mechanism:
    qualifier, name, rest, start = _split(head, at)
    cidr4 = cidr6 = network = None
    match name:
        case "all":
            if rest:
                raise SpfSyntaxError(start, text, f"{rest[:40]!r} may not follow all")
        case "ip4" | "ip6":
            network = _network(text, name, rest, start)
            rest, slash, _ = rest.partition("/")
            if slash and name == "ip4":
                cidr4 = network.prefixlen
            elif slash:
                cidr6 = network.prefixlen
        case "a" | "mx":
            rest, cidr4, cidr6 = _split_cidrs(text, rest, start)
            _check_target(text, name, rest, start, required=False)
        case "include" | "exists" | "ptr":
            _check_target(text, name, rest, start, required=name != "ptr")
        case _:
            hint = f"; it is a modifier, written {name}=" if name in _ONCE else ""
            raise SpfSyntaxError(at, text, f"there is no mechanism {name[:40]!r}{hint}")
    return Mechanism(qualifier or "+", name, rest[1:], at, text, cidr4, cidr6, network)


def _check_target(text: str, name: str, rest: str, at: int, *, required: bool) -> None:
    """Check ``:domain-spec`` after a mechanism's name."""
    if not rest and not required:
        return
    if not rest.startswith(":"):
        why = f"{name} needs a domain: {name}:example.org" if not rest else f"{rest[:40]!r} may not follow {name}"
        raise SpfSyntaxError(at, text, why)
    _check_domain_spec(text, rest[1:], at + 1)


def _split_cidrs(text: str, rest: str, at: int) -> tuple[str, int | None, int | None]:
    """Take the dual-cidr-length off the end of what follows ``a`` or ``mx``."""
    match = _CIDRS.search(rest)
    if not match:
        return rest, None, None
    cidr4 = _prefix(text, match[1], 32, at + match.start(1)) if match[1] else None
    cidr6 = _prefix(text, match[2], 128, at + match.start(2)) if match[2] else None
    return rest[: match.start()], cidr4, cidr6


def _prefix(text: str, digits: str, most: int, at: int) -> int:
    plain_number = digits.isascii() and digits.isdigit() and len(digits) <= 3
    if not plain_number or (len(digits) > 1 and digits[0] == "0") or int(digits) > most:
        raise SpfSyntaxError(at, text, f"{digits[:20]!r} is not a prefix length of 0 to {most}")
    return int(digits)


def _network(text: str, name: str, rest: str, at: int) -> IPv4Network | IPv6Network:
    if not rest.startswith(":"):
        raise SpfSyntaxError(at, text, f"{name} needs an address: {name}:...")
    address, slash, digits = rest[1:].partition("/")
    at_prefix = at + 1 + len(address) + 1
    try:
        if len(address) > 45 or "%" in address:
            raise ValueError(address)
        if name == "ip4":
            ip4 = IPv4Address(address)
            return IPv4Network((ip4, _prefix(text, digits, 32, at_prefix) if slash else 32), strict=False)
        ip6 = IPv6Address(address)
        return IPv6Network((ip6, _prefix(text, digits, 128, at_prefix) if slash else 128), strict=False)
    except SpfSyntaxError:
        raise
    except ValueError:
        family = "IPv4" if name == "ip4" else "IPv6"
        raise SpfSyntaxError(at + 1, text, f"{address[:60]!r} is not an {family} address") from None


def _check_domain_spec(text: str, value: str, at: int) -> None:
    """Check a domain-spec: a macro-string that ends in a macro or in a dot and a top label (section 7.1)."""
    if not value:
        raise SpfSyntaxError(at, text, "a domain is missing")
    tail = _check_macro_string(text, value, at, _DOMAIN_LETTERS)
    if tail == len(value):
        return
    before, dot, label = value[tail:].removesuffix(".").rpartition(".")
    if not dot:
        raise SpfSyntaxError(
            at + tail, text, f"{value[tail:][:60]!r} is not a domain name: it has no dot before its end"
        )
    legal = _ALNUM_HYPHEN.fullmatch(label) and label[0] != "-" and label[-1] != "-" and not label.isdigit()
    if not legal:
        place = at + tail + len(before) + 1
        raise SpfSyntaxError(place, text, f"{label[:60]!r} cannot be the last label of a domain name")


def _check_macro_string(text: str, value: str, at: int, letters: str) -> int:
    """Check a macro-string; return where the plain text after its last macro begins."""
    index = tail = 0
    while index < len(value):
        if literal := _LITERAL.match(value, index):
            index = literal.end()
            continue
        macro = _MACRO.match(value, index)
        if not macro:
            why = "% begins no macro" if value[index] == "%" else f"the character {value[index]!r} may not stand here"
            raise SpfSyntaxError(at + index, text, why)
        if macro[1] and macro[1].lower() not in letters:
            only = " outside an explanation" if macro[1].lower() in _ALL_LETTERS else ""
            raise SpfSyntaxError(at + index, text, f"there is no macro letter {macro[1]!r}{only}")
        if macro[2] and not macro[2].strip("0"):
            raise SpfSyntaxError(at + index, text, "a macro cannot keep 0 labels")
        index = tail = macro.end()
    return tail
