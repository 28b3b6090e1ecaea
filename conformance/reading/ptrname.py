"""Tell a name that a person gave from one that a machine made from an address.

Receivers distrust names that a provider generates for a whole network. The verdict rests on three kinds of
evidence in the labels below the registrable domain: words, the octets of the address, and long serial numbers.
It never depends on who the provider is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from conformance.reading.hostname import is_ip_text, is_localhost, zone_suffix
from conformance.reading.octets import Embedding, Number, address_form, find_octets, numbers
from conformance.reading.orgdomain import registrable, special_use, to_ascii
from conformance.reading.ptrwords import (
    HOME_MADE,
    HOSTING,
    LOOSE,
    SERVER,
    STATIC,
    VACANT,
    is_access,
    is_mail,
    is_subscriber,
    is_vacant,
)

__all__ = ["Embedding", "Verdict", "embedded", "isp_words", "judge", "placeholder"]

Address = IPv4Address | IPv6Address

_WORD: Final = re.compile(r"[a-z]+", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)
_MAC: Final = re.compile(r"(?<![0-9a-z])[a-z]{0,4}?(?=[a-f]{0,11}[0-9])([0-9a-f]{12})(?![0-9a-z])")
_HEX_ID: Final = re.compile(r"(?<![0-9a-z])(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8}(?![0-9a-z])")
_SERIAL: Final = re.compile(r"[0-9]{6,}", re.ASCII)
_NUMBERED: Final = re.compile(r"[a-z]{1,8}-?[0-9]{6,}|[a-z][0-9]{5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a name looks like, and why.

    ``kind`` is ``invalid`` (no host's name), ``dynamic`` (an access line), ``generic`` (a provider's default),
    ``suspect`` (a hint only), ``named-ip`` (a mail host's name with its address in it), ``own-ip`` (looks
    generated, but in the fleet's own domain) or ``named``. ``evidence`` says which words and digits convinced.
    """

    kind: str
    evidence: str


class _Name:
    """A name cut at its registrable domain, and what can be seen in the host part below."""

    def __init__(self, name: str, address: Address | None) -> None:
        self.whole = to_ascii(name) or ""
        self.address = address
        self.domain = registrable(self.whole) or ".".join(self.whole.split(".")[-2:])
        self.host = self.whole.removesuffix(self.domain).removesuffix(".")
        self.labels = self.host.split(".")
        self.words = tuple(dict.fromkeys(_WORD.findall(self.host)))
        self.digits = sum(map(str.isdigit, self.host))

    def having(self, test: Callable[[str], bool]) -> tuple[str, ...]:
        return tuple(word for word in self.words if test(word))

    @cached_property
    def numbers(self) -> list[Number]:
        return list(numbers(self.host))

    @cached_property
    def below(self) -> Embedding:
        return find_octets(self.host, self.address) if self.address else Embedding(0, "")

    @cached_property
    def embedding(self) -> Embedding:
        """Octets below the domain, or three and more anywhere: so many do not meet by chance."""
        anywhere = find_octets(self.whole, self.address) if self.address else self.below
        return anywhere if anywhere.degree > max(2, self.below.degree) else self.below

    @cached_property
    def form(self) -> str | None:
        """The part that is written like an address, though it need not be this one."""
        return address_form(self.host, hexadecimal=self.address is None)

    @cached_property
    def has_address(self) -> bool:
        return self.embedding.degree >= 3 or self.form is not None

    @cached_property
    def has_octets(self) -> bool:
        """Whether neighbouring octets of the address are there, and not so small that they may be by chance."""
        return self.embedding.degree >= 2 and sum(map(str.isdigit, self.embedding.text)) >= 3

    @cached_property
    def figures(self) -> str:
        """Words for the digits that were seen: octets where they are, else the longest number."""
        if self.embedding.degree >= 3 or (self.embedding.degree and not self.form):
            octets = "octets" if self.embedding.degree > 1 else "last octet"
            return f"the address's {octets} {self.embedding.text}"
        if self.form:
            return f"{self.form}, which is written like an address"
        return f"the number {max(_DIGITS.findall(self.host), key=len, default='')}"


def judge(name: str, ip: Address | str | None = None, own_domains: Iterable[str] = frozenset()) -> Verdict:
    """Judge a PTR or HELO name; ``own_domains`` are the fleet's registrable domains. Takes any text.

    Without ``ip`` (a stranger's HELO) only the form of an address can be seen, not whether it is this one.
    """
    if reason := _invalid(name):
        return Verdict("invalid", reason)
    parts = _Name(name, _address(ip))
    if not parts.host and not parts.has_address:
        return Verdict("named", "nothing stands below the registrable domain")
    if word := placeholder(name):
        return Verdict("generic", f"the placeholder {word!r}")
    verdict = next(filter(None, (rule(parts) for rule in _RULES)), None)
    if verdict is None:
        return Verdict("named", "nothing in it looks generated")
    own = {domain.lower().removesuffix(".") for domain in own_domains}
    if verdict.kind in ("dynamic", "generic", "suspect") and own & {parts.domain, registrable(name, private=True)}:
        return Verdict("own-ip", f"{verdict.evidence}, in an own domain")
    return verdict


def embedded(name: str, ip: Address | str | None) -> Embedding:
    """Return how much of the address a name's host part holds; without ``ip`` 4 for the form of an address, else 0."""
    parts = _Name(name, _address(ip))
    if parts.address is None and parts.form:
        return Embedding(4, parts.form, tail=True)
    return parts.embedding


def isp_words(name: str) -> tuple[str, ...]:
    """Return the access-network and subscriber words of the host part, in order."""
    return _Name(name, None).having(lambda word: is_access(word) or is_subscriber(word))


def placeholder(name: str) -> str | None:
    """Return the label that says that nobody has chosen a name (``unassigned``, ``hosted-by``), None without one."""
    parts = _Name(name, None)
    for label in parts.labels:
        if is_vacant(_letters(label)):
            return label
    return parts.host if _letters(parts.host) in VACANT else None


def _letters(text: str) -> str:
    return "".join(_WORD.findall(text))


def _address(ip: Address | str | None) -> Address | None:
    if not isinstance(ip, str):
        return ip
    try:
        return ip_address(ip)
    except ValueError:
        return None


def _invalid(name: str) -> str | None:
    text = to_ascii(name)
    if text is None:
        return "it is not a name"
    if is_ip_text(text) or not _letters(text):
        return "it is an address or a number in text"
    if zone := zone_suffix(text):
        return f"it ends in the reverse zone {zone}"
    if "." not in text:
        return "it has one label only"
    top = text.rpartition(".")[2]
    # Documentation names stand for real ones: worlds and examples are written with them.
    if is_localhost(text) or top in HOME_MADE or (top != "example" and special_use(text)):
        return f"{top} is not a domain of the public tree"
    return None


def _said(words: Iterable[str]) -> str:
    quoted = [repr(word) for word in words]
    return f"the word{'s' if len(quoted) > 1 else ''} {' and '.join(quoted)}"


def _mail(parts: _Name) -> Verdict | None:
    """Exempt a mail word, unless the whole address and access technology speak against it."""
    mail = parts.having(is_mail)
    if not mail:
        return None
    whole = parts.embedding.degree == 4 or (parts.address is None and parts.form is not None)
    access = parts.having(is_access)
    if whole and access:
        return Verdict("dynamic", f"{_said(access)} and {parts.figures}, in spite of {_said(mail)}")
    if whole:
        return Verdict("named-ip", f"{_said(mail)}, but {parts.figures} too")
    return Verdict("named", _said(mail))


def _static(parts: _Name) -> Verdict | None:
    """See a line with a lasting address: static or business, and digits that count."""
    words = parts.having(STATIC.__contains__)
    several = len(parts.numbers) >= 2 and parts.digits >= 3
    if words and (parts.has_address or parts.has_octets or several or _SERIAL.search(parts.host)):
        return Verdict("generic", f"{_said(words)} and {parts.figures}")
    return None


def _hosting(parts: _Name) -> Verdict | None:
    """See a rented machine: its word and the address or a serial number, or a domain made of the address."""
    if parts.embedding.degree > parts.below.degree:
        return Verdict("generic", f"{parts.figures} in the registrable domain")
    words = parts.having(HOSTING.__contains__) or tuple(label for label in parts.labels if label == "ip")
    # An access word says more than that there is a host, and so does a place in a network.
    if not words or parts.having(is_access) or (words == ("host",) and parts.having(_elsewhere)):
        return None
    counted = parts.embedding.degree >= 1 and len(parts.numbers) >= 2 and parts.digits >= 6
    if parts.has_address or parts.has_octets or counted:
        return Verdict("generic", f"{_said(words)} and {parts.figures}")
    if serial := _HEX_ID.search(parts.host) or _SERIAL.search(parts.host):
        return Verdict("generic", f"{_said(words)} and the serial number {serial[0]}")
    return None


def _elsewhere(word: str) -> bool:
    return word in LOOSE and word != "host" and word not in HOSTING


def _octets(parts: _Name) -> Verdict | None:
    """See three octets or more, or anything in the form of an address."""
    if not parts.has_address:
        return None
    words = parts.having(lambda word: is_access(word) or is_subscriber(word) or word in LOOSE)
    return Verdict("dynamic", f"{_said(words)} and {parts.figures}" if words else parts.figures)


def _access(parts: _Name) -> Verdict | None:
    """See access technology twice, or once with any number; alone it is a hint."""
    words = parts.having(is_access)
    if not words:
        return None
    if parts.digits:
        return Verdict("dynamic", f"{_said(words)} and {parts.figures}")
    return Verdict("dynamic" if len(words) > 1 else "suspect", _said(words))


def _subscriber(parts: _Name) -> Verdict | None:
    """See somebody's line: a subscriber's word and two numbers, or two such words and one."""
    words = parts.having(is_subscriber)
    two_numbers = len(parts.numbers) >= 2 and parts.digits >= 4
    two_words = len(words) >= 2 and parts.digits >= 2
    if words and (two_numbers or two_words or parts.has_octets or _SERIAL.search(parts.host)):
        return Verdict("dynamic", f"{_said(words)} and {parts.figures}")
    return None


def _place(parts: _Name) -> Verdict | None:
    """See a place in a network, and the address's last octets or many digits."""
    words = parts.having(LOOSE.__contains__)
    octet = parts.embedding.degree == 1 or parts.address is None
    counted = octet and len(parts.numbers) >= 2 and parts.digits >= 5
    if words and (counted or (parts.embedding.tail and parts.has_octets)):
        return Verdict("dynamic", f"{_said(words)} and {parts.figures}")
    return None


def _serial(parts: _Name) -> Verdict | None:
    """See numbers that no person gives: hardware addresses, long serials, glued octets, nothing but digits."""
    if mac := _MAC.search(parts.host):
        kind = "dynamic" if parts.having(is_subscriber) else "generic"
        return Verdict(kind, f"{mac[1]}, which is written like a hardware address")
    if not _letters(parts.host) and len(parts.numbers) >= 3:
        return Verdict("generic", "nothing but numbers below the registrable domain")
    if parts.having(SERVER.__contains__):
        return None
    lowest = parts.labels[0]
    serial = _SERIAL.search(lowest)
    if _NUMBERED.fullmatch(parts.host) or (serial and len(parts.labels) > 1):
        return Verdict("generic", f"the serial number in {lowest!r}")
    if parts.embedding.degree and len(_DIGITS.findall(lowest)) >= 4:
        return Verdict("generic", f"four numbers in {lowest!r}, one of them the address's last octet")
    return None


def _hint(parts: _Name) -> Verdict | None:
    """See what good mail hosts do too."""
    if parts.embedding.tail:
        return Verdict("suspect", f"{parts.figures} only")
    if (words := parts.having(STATIC.__contains__)) and parts.digits:
        return Verdict("suspect", f"{_said(words)} and {parts.figures}")
    if serial := _HEX_ID.search(parts.host) or _SERIAL.search(parts.host):
        return Verdict("suspect", f"the serial number {serial[0]}")
    return None


_RULES: Final = (_mail, _static, _hosting, _octets, _access, _subscriber, _place, _serial, _hint)
"""In this order; the first that has something to say decides."""
