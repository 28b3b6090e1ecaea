"""The key records of declared DKIM selectors."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.facts.answer import Answer
from conformance.facts.store import Asker
from conformance.fleet.model import Selector
from conformance.outcome import NotApplicable
from conformance.reading.dkim import Key, parse_key


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
    def key(self) -> Key:
        """The key of the only record. Raises Undetermined, NotApplicable, and DkimSyntaxError of the reader."""
        texts = self.texts
        if not texts:
            raise NotApplicable("no key record is there, see dkim.key-exists")
        if len(texts) > 1:
            raise NotApplicable("several records are there, see dkim.key-single")
        return parse_key(texts[0])


async def key_record(ask: Asker, selector: Selector) -> KeyRecord:
    """Look the record of a selector up."""
    return KeyRecord(selector, await ask.dns(selector.record_name, "TXT"))
