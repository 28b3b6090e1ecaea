"""The key records of declared DKIM selectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from conformance.facts.answer import Answer
from conformance.facts.store import Asker
from conformance.fleet.model import Domain, Selector
from conformance.outcome import NotApplicable
from conformance.reading.dkim import DkimSyntaxError, Key, near_miss, parse_key

UNUSED = "mailconform"
"""A selector that no domain has, so that a wildcard answers for it where there is one."""


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
    def rsa_bits(self) -> int:
        """Size of an RSA key. Raises as ``key``, and NotApplicable for a key without such a size."""
        key = self.key
        if key.bits is None:
            raise NotApplicable("the key is revoked, see dkim.key-not-revoked")
        if key.key_type != "rsa":
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
