"""The TXT record by which a domain that takes mail announces a policy about TLS (RFC 8461 3.1, RFC 8460 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from conformance.facts.answer import Answer
from conformance.outcome import NotApplicable
from conformance.reading import fields
from conformance.reading.excerpt import listed, quoted


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """The TXT records at the name of a policy; those that are not meant as one are nobody's concern."""

    answer: Answer
    mx: Answer
    """The MX records of the domain: one that takes no mail needs no policy."""
    version: str
    """What a record begins with, after ``v=``."""

    @property
    def records(self) -> tuple[str, ...]:
        """The texts that senders take for a record; with several none counts. Raises Undetermined."""
        return fields.records(self.answer.joined, self.version)

    def faults(self, problems: Callable[[str], Iterable[str]]) -> list[str]:
        """Return why what was published is not used; ``problems`` judges one record. Raises Undetermined.

        Raises NotApplicable for a domain that publishes nothing and takes no mail.
        """
        records = self.records
        if not records:
            missed = [text for text in self.answer.joined if fields.near_miss(text, self.version)]
            if not missed:
                self.need_mail()
            return [f"{self.answer.question}: {quoted(text)} is not taken for a record" for text in missed]
        if len(records) > 1:
            texts = listed((quoted(text) for text in records), 3, joint=" and ")
            return [f"{self.answer.question} has {len(records)} records, which discard each other: {texts}"]
        return [f"{self.answer.question}: {problem}" for problem in problems(records[0])]

    @property
    def spaced(self) -> str:
        """The record, if blanks stand before its first semicolon, for a sentence. Raises Undetermined."""
        odd = [text for text in self.records if not fields.is_record(text, self.version)]
        return (
            f"{self.answer.question}: some senders take no blank before the semicolon: {quoted(odd[0])}" if odd else ""
        )

    def need_mail(self) -> None:
        """Raise NotApplicable for a domain to which no mail comes, and Undetermined."""
        exchanges = self.mx.exchanges
        if not exchanges:
            raise NotApplicable(f"{self.mx.name} has no MX record, by which a domain says that it takes mail")
        if not [name for _, name in exchanges if name != "."]:
            raise NotApplicable(f"{self.mx.name} has a null MX: it takes no mail")

    @property
    def absence(self) -> str:
        """What was answered in place of a record, for a sentence. Raises Undetermined."""
        other = f", none of which begins with v={self.version};" if self.answer.found else ""
        return f"{self.answer.question} answered {self.answer.describe()}{other}"
