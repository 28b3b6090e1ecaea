"""check_host() of RFC 7208 by pyspf, with every look-up taken from an asker."""

from __future__ import annotations

import asyncio
import copy
import re
import warnings
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any

from conformance.facts.answer import Answer, Status
from conformance.facts.store import Asker, canonical
from conformance.fleet.origin import IPAddress
from conformance.outcome import Undetermined
from conformance.reading.spf import is_spf

_MOST_ROUNDS = 60
"""Rounds of look-ups one evaluation may need: pyspf stops at 10 terms with at most 10 names each."""

Question = tuple[str, str]

_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=")


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What check_host() said (RFC 7208 section 2.6)."""

    ip: IPAddress
    domain: str
    helo: str
    result: str
    explanation: str
    mechanism: str
    unknown: Undetermined | None = None
    record: str = ""
    """The record at the domain; empty when there is none or several."""
    owner: str = ""
    """Where that record stands: the domain, or what its CNAME leads to."""
    ms: float = 0.0
    """Milliseconds that the look-ups took which were answered, one after the other."""

    def known(self) -> SpfResult:
        """Return this result, or raise Undetermined when a look-up could not be made."""
        if self.unknown:
            raise copy.copy(self.unknown)
        return self

    @property
    def named(self) -> bool:
        """Whether the address passes, and by more than what the record says of everybody."""
        return self.unknown is None and self.result == "pass" and not self.by_default

    @property
    def by_default(self) -> bool:
        """Whether ``all`` decided, or nothing at all."""
        return self.mechanism.lower().lstrip("+-~?") in ("", "all")

    def describe(self) -> str:
        """Return the result with the term that decided or the error, for a sentence."""
        if self.result in ("permerror", "temperror"):
            return self.explanation.replace("SPF Permanent Error", self.result).replace(
                "SPF Temporary Error", self.result
            )
        return f"{self.result}, decided by {self.mechanism}" if self.mechanism else self.result


class _Need(BaseException):
    """A look-up that was not made yet. Not an Exception: pyspf catches those."""


_answers: ContextVar[_Answers] = ContextVar("answers")


class _Answers:
    """The look-ups of one evaluation: those made so far, those still wanted, the first that failed."""

    def __init__(self) -> None:
        self.made: dict[Question, Answer] = {}
        self.wanted: list[Question] = []
        self.failed: Answer | None = None

    def look_up(self, name: str, rdtype: str, spf: ModuleType) -> list[tuple[Question, Any]]:
        if rdtype == "SPF":
            return []
        question = canonical(name), rdtype
        if (answer := self.made.get(question)) is None:
            self.wanted.append(question)
            raise _Need
        if answer.status is Status.UNDETERMINED:
            self.failed = self.failed or answer
            raise spf.TempError(f"DNS {answer.question}: {answer.error or answer.rcode}")
        return [((name, rdtype), _value(record)) for record in answer.records]

    def forgive_loop(self) -> bool:
        """Forget the look-up that failed if its aliases lead in a circle, which is seen and not silence."""
        if self.failed is None or not self.failed.circular:
            return False
        self.failed = None
        return True

    def owner(self, domain: str) -> str:
        """Return where the record of a domain stands."""
        answer = self.made.get((canonical(domain), "TXT"))
        return answer.owner if answer else domain

    def record(self, domain: str) -> str:
        """Return the SPF record at a domain that was looked up; empty when there is none or several."""
        answer = self.made.get((canonical(domain), "TXT"))
        if answer is None or answer.status is not Status.FOUND:
            return ""
        found = [text for text in answer.joined if is_spf(text)]
        return found[0] if len(found) == 1 else ""


def _value(record: Any) -> Any:
    if isinstance(record, tuple) and not isinstance(record[0], int):
        return tuple(text.encode("latin-1", "replace") for text in record)
    return record


@cache
def _pyspf() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import spf

        module: ModuleType = spf

    def look_up(name: str, qtype: str, strict: object = True, timeout: object = None) -> list[tuple[Question, Any]]:
        return _answers.get().look_up(name, qtype, spf)

    spf.DNSLookup = look_up
    return module


def _plain_modifiers(record: str) -> str:
    """Return a record with the names of its modifiers in lower case, and apart where nobody knows them."""
    words = record.split(" ")
    return " ".join([*words[:1], *(_plain_modifier(word, number) for number, word in enumerate(words[1:]))])


def _plain_modifier(word: str, number: int) -> str:
    if (match := _MODIFIER.match(word)) is None:
        return word
    name = match[1].lower()
    return (name if name in ("redirect", "exp") else f"{name}.{number}") + word[match.end(1) :]


@cache
def _query() -> Any:
    """Return pyspf's query, but one that keeps to RFC 7208 in four more places.

    A record that includes itself fails where it does so and not before: only a syntax error spoils a record whose
    earlier terms decide (section 4.6). A PTR name whose aliases lead in a circle is skipped (section 5.5). redirect=
    counts as a look-up where it is followed, not where it stands (section 4.6.4). Modifiers are known in any case, and
    those that nobody knows may be repeated (section 6).
    """
    spf = _pyspf()

    class Query(spf.query):  # type: ignore[name-defined,misc]
        depth = -1
        """Includes around the record that is being evaluated."""
        uncounted = False
        """Whether pyspf is about to count a redirect= that it only reads."""

        def check0(self, record: str, recursion: int) -> tuple[str, int, str]:
            plain = _plain_modifiers(record or "")
            outside = self.depth
            self.depth, self.uncounted = recursion, " redirect=" in plain
            try:
                found: tuple[str, int, str] = super().check0(plain, recursion)
            finally:
                self.depth = outside
            return found

        def check1(self, record: str, domain: str, recursion: int) -> tuple[str, int, str]:
            if recursion == self.depth:
                self.check_lookups()
            found: tuple[str, int, str] = super().check1(record, domain, recursion)
            return found

        def check_lookups(self) -> None:
            if self.uncounted:
                self.uncounted = False
            else:
                super().check_lookups()

        def validated_ptrs(self) -> list[str]:
            names: list[str] = self.dns_ptr(self.i)[: spf.MAX_PTR]
            return [name for name in names if self.cidrmatch(self._addresses(name), self.cidrmax)]

        def _addresses(self, name: str) -> list[Any]:
            try:
                found: list[Any] = self.dns_a(name, self.A)
            except spf.TempError:
                if not _answers.get().forgive_loop():
                    raise
                return []
            return found

        def validate_mechanism(self, mech: str) -> tuple[str, str, str, int, str]:
            try:
                found: tuple[str, str, str, int, str] = super().validate_mechanism(mech)
            except spf.PermError as error:
                if error.msg != "include has trivial recursion":
                    raise
                return mech, "include", self.d, self.cidrmax, spf.RESULTS.get(mech[0], "pass")
            return found

    return Query


def _evaluate(ip: IPAddress, mail_from: str, helo: str, answers: _Answers) -> SpfResult | None:
    """Run pyspf over the look-ups made so far; None when it wants more of them."""
    query = _query()(i=str(ip), s=mail_from, h=helo, strict=True, querytime=0)
    token = _answers.set(answers)
    try:
        result, _, explanation = query.check()
    except _Need:
        return None
    except Exception as error:
        result, explanation = "temperror", f"pyspf could not evaluate the record: {error}"
        failure = Undetermined(f"SPF of {query.d} for {ip}: {explanation}")
        return SpfResult(ip, query.d, helo, result, explanation, "", failure)
    finally:
        _answers.reset(token)
    if answers.wanted:
        return None
    unknown: Undetermined | None = None
    if result == "temperror":
        failed = answers.failed
        cause = failed.cause if failed else ""
        unknown = Undetermined(f"SPF of {query.d} for {ip}: {explanation}", cause=cause or explanation)
    return SpfResult(ip, query.d, helo, result, explanation, query.mechanism or "", unknown)


async def check_host(ask: Asker, ip: IPAddress, mail_from: str, helo: str) -> SpfResult:
    """Evaluate SPF for one address, as a receiver would.

    ``mail_from`` is an address or a domain; empty means the null reverse-path, for which the HELO identity is
    checked (RFC 7208 section 2.4). Never raises for what DNS says: see :meth:`SpfResult.known`.
    """
    answers = _Answers()
    for _ in range(_MOST_ROUNDS):
        answers.wanted.clear()
        if (result := _evaluate(ip, mail_from, helo, answers)) is not None:
            return replace(
                result,
                record=answers.record(result.domain),
                owner=answers.owner(result.domain),
                ms=sum(one.ms for one in answers.made.values() if one.status is not Status.UNDETERMINED),
            )
        wanted = list(dict.fromkeys(answers.wanted))
        found = await asyncio.gather(*(ask.dns(name, rdtype) for name, rdtype in wanted))
        answers.made.update(zip(wanted, found, strict=True))
    text = f"SPF of {mail_from or helo} for {ip} did not end after {_MOST_ROUNDS} rounds of look-ups"
    return SpfResult(ip, mail_from, helo, "temperror", text, "", Undetermined(text))
