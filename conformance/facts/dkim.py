"""The key records of declared DKIM selectors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from conformance.facts.answer import Answer
from conformance.facts.domain import MailDomain, mail_domain
from conformance.facts.store import Asker
from conformance.fleet.model import Domain, Selector
from conformance.outcome import NotApplicable, findings
from conformance.reading.dkim import DkimSyntaxError, Key, near_miss, parse_key, weakness
from conformance.reading.excerpt import listed, quoted

UNUSED = "mailconform"
"""A selector that no domain has, so that a wildcard answers for it where there is one."""
_LEAST_BITS, _MOST_BITS = 1024, 4096
"""Sizes of RSA keys that every verifier takes (RFC 8301 section 3.2)."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What stands at one selector (RFC 6376 section 3.6.2)."""

    selector: Selector
    answer: Answer

    @property
    def texts(self) -> tuple[str, ...]:
        """The TXT records, strings joined. Raises Undetermined."""
        return self.answer.joined

    @property
    def expected(self) -> tuple[str, ...]:
        """The TXT records of a selector that signs or will sign. Raises Undetermined, NotApplicable when retired."""
        if self.selector.state == "retired":
            raise NotApplicable("the selector is retired, see dkim.retired")
        return self.texts

    @property
    def meant(self) -> tuple[str, ...]:
        """Those of the expected records that are keys, or were meant as keys. Raises as ``expected``."""
        return tuple(text for text in self.expected if isinstance(_read(text), Key) or near_miss(text))

    @property
    def faults(self) -> tuple[tuple[str, str], ...]:
        """Records that no verifier can use, each with the reason. Raises as ``expected``, NotApplicable without any."""
        if not self.meant:
            raise NotApplicable("no key record is there, see dkim.key-exists")
        return tuple((text, why) for text in self.meant if (why := _unusable(text)))

    @property
    def key(self) -> Key:
        """The key of the only record. Raises Undetermined, and NotApplicable where another rule has the finding."""
        texts = self.expected
        if not self.meant:
            raise NotApplicable("no key record is there, see dkim.key-exists")
        if len(texts) > 1:
            raise NotApplicable("several records are there, see dkim.key-single")
        key = _read(texts[0])
        if isinstance(key, DkimSyntaxError) or not key.known_type:
            raise NotApplicable("no verifier can use the record, see dkim.key-syntax")
        return key

    @property
    def valid(self) -> Key:
        """The key, of which may be asked what it admits. Raises as ``key``, and NotApplicable for a revoked one."""
        key = self.key
        if key.revoked:
            raise NotApplicable("the key is revoked, see dkim.key-not-revoked")
        return key

    @property
    def unfit(self) -> str:
        """Why no verifier takes the record for mail with rsa-sha256; empty where all do. Raises Undetermined."""
        texts = self.texts
        if not self.meant:
            others = listed(quoted(text) for text in texts)
            return f"holds no key but {others}" if others else f"answered {self.answer.describe()}"
        if len(texts) > 1:
            return f"has {len(texts)} records"
        if why := _unusable(texts[0]):
            return why
        key = parse_key(texts[0])
        if key.bits is None:
            return "the key is revoked, p= is empty"
        faults = {
            f"the key has {key.bits} bits": key.key_type == "rsa" and not _LEAST_BITS <= key.bits <= _MOST_BITS,
            f"the key is of type {key.key_type}, and seals are made with RSA": key.key_type != "rsa",
            f"h={':'.join(key.hashes)} leaves sha256 out": not key.allows_hash("sha256"),
            f"s={':'.join(key.services)} leaves email out": not key.serves("email"),
            f"t={':'.join(key.flags)} says that the key is tested": key.testing,
        }
        return "; ".join(text for text, wrong in faults.items() if wrong)

    @property
    def weakness(self) -> str | None:
        """What is unsound about the numbers of an RSA key. Raises as ``rsa_bits``."""
        return weakness(self.key) if self.rsa_bits else None

    @property
    def rsa_bits(self) -> int:
        """Size of an RSA key. Raises as ``key``, and NotApplicable for a key without such a size."""
        key = self.valid
        if key.bits is None or key.key_type != "rsa":
            raise NotApplicable(f"the key is of type {key.key_type}, whose size is fixed")
        return key.bits

    @property
    def revoked(self) -> bool:
        """Whether all records, at least one, are revoked keys (RFC 6376 section 3.6.1). Raises Undetermined."""
        keys = [_read(text) for text in self.texts]
        return bool(keys) and all(isinstance(key, Key) and key.revoked for key in keys)

    @property
    def living(self) -> tuple[str, ...]:
        """Records of a retired selector that still hold a key. Raises Undetermined, NotApplicable unless retired."""
        if self.selector.state != "retired":
            raise NotApplicable(f"the selector is {self.selector.state}")
        return tuple(text for text in self.texts if isinstance(key := _read(text), Key) and not key.revoked)


@lru_cache(maxsize=1024)
def _read(text: str) -> Key | DkimSyntaxError:
    """Return the key of a text or what is wrong with it: several rules ask, and each reading of a key costs."""
    try:
        return parse_key(text)
    except DkimSyntaxError as error:
        return error


def _unusable(text: str) -> str:
    """Say why no verifier can use a text that was meant as a key; empty when they can."""
    key = _read(text)
    if isinstance(key, DkimSyntaxError):
        return near_miss(text) or str(key)
    return "" if key.known_type else f"verifiers know no key type {key.key_type}"


async def parked_key(ask: Asker, domain: Domain) -> KeyRecord:
    """Look up what a domain that never sends has at a selector that nobody uses: what a wildcard there says."""
    return await key_record(ask, Selector(domain.name, UNUSED, domain.name))


async def key_record(ask: Asker, selector: Selector) -> KeyRecord:
    """Look the record of a selector up."""
    return KeyRecord(selector, await ask.dns(selector.record_name, "TXT"))


@dataclass(frozen=True, slots=True)
class KeyNode:
    """The node ``_domainkey`` of a domain, with the records of selectors below it."""

    answer: Answer
    keys: tuple[Answer, ...]

    @property
    def hidden(self) -> str:
        """What a name server said does not exist although keys stand below it. Raises Undetermined, NotApplicable."""
        if not findings(self.keys, lambda key: key.found):
            raise NotApplicable(f"no key is there below {self.answer.name}, see dkim.key-exists")
        return self.answer.name if self.answer.known().rcode == "NXDOMAIN" else ""


async def key_nodes(ask: Asker, domain: Domain) -> tuple[KeyNode, ...]:
    """Look up where the keys of a domain stand, and the node above each. Raises NotApplicable without selectors."""
    selectors = [one for one in domain.selectors if one.state != "retired"]
    if not selectors:
        raise NotApplicable(f"no selector of {domain.name} is declared")
    names = list(dict.fromkeys(one.signing_domain for one in selectors))
    nodes = await asyncio.gather(*(ask.dns(f"_domainkey.{name}", "TXT") for name in names))
    keys = await asyncio.gather(*(ask.dns(one.record_name, "TXT") for one in selectors))
    found = list(zip(selectors, keys, strict=True))
    below = [tuple(key for one, key in found if one.signing_domain == name) for name in names]
    return tuple(KeyNode(node, keys) for node, keys in zip(nodes, below, strict=True))


async def signing_domain(ask: Asker, selector: Selector) -> MailDomain:
    """Look up the domain that a selector signs for."""
    return await mail_domain(ask, selector.signing_domain)
