"""MTA-STS of a domain: its record, that of its parent, the policy that it serves, and its mail exchangers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from conformance.facts.answer import Answer, Status
from conformance.facts.page import Fetched, Page, Place
from conformance.facts.policyrecord import PolicyRecord
from conformance.facts.reverse import Forward, forward_of
from conformance.facts.store import Asker, Store
from conformance.fleet.model import Domain
from conformance.outcome import NotApplicable
from conformance.reading import fields, mtasts
from conformance.reading.excerpt import quoted
from conformance.reading.orgdomain import registrable

_parse = lru_cache(maxsize=1024)(mtasts.parse)
_parse_policy = lru_cache(maxsize=1024)(mtasts.parse_policy)


@dataclass(frozen=True, slots=True)
class StrictTransport:
    """The record at ``_mta-sts`` of a domain, and at that of the domain it belongs to (RFC 8461 section 3.1)."""

    domain: Domain
    published: PolicyRecord
    parent: str = ""
    """The domain above that was registered; empty for that domain itself."""
    above: Answer | None = None

    @property
    def faults(self) -> list[str]:
        """What keeps the record from being used. Raises Undetermined."""
        return self.published.faults(lambda text: _parse(text).problems)

    @property
    def record(self) -> mtasts.Record:
        """The record that senders use. Raises Undetermined, and NotApplicable without one."""
        records = self.published.records
        if len(records) != 1 or (record := _parse(records[0])).problems:
            raise NotApplicable(f"{self.domain.name} has no usable record of MTA-STS, see mtasts.record")
        return record

    def need_record(self) -> None:
        """Raise NotApplicable without a record that senders use, and Undetermined."""
        _ = self.record

    @property
    def parent_record(self) -> str:
        """The record of the parent, for a domain that takes mail; empty without one. Raises Undetermined.

        Raises NotApplicable for a domain without a parent of its own and for one with a record.
        """
        if self.above is None:
            raise NotApplicable(f"{self.domain.name} is no subdomain")
        if self.published.records:
            raise NotApplicable(f"{self.domain.name} has a record of its own")
        self.published.need_mail()
        return next(iter(fields.records(self.above.joined, mtasts.VERSION)), "")


@dataclass(frozen=True, slots=True)
class PolicyBefore:
    """The policy of a domain in an earlier run, with the id that its record had."""

    id: str
    body: str


async def strict_transport(ask: Asker, domain: Domain) -> StrictTransport:
    """Look the record up, and that of the domain above."""
    parent = registrable(domain.name, private=True) or domain.name
    names = dict.fromkeys((domain.name, parent))
    mx, own, *above = await asyncio.gather(
        ask.dns(domain.name, "MX"), *(ask.dns(f"_mta-sts.{name}", "TXT") for name in names)
    )
    published = PolicyRecord(own, mx, mtasts.VERSION)
    return StrictTransport(domain, published, parent if above else "", above[0] if above else None)


@dataclass(frozen=True, slots=True)
class StrictPolicy:
    """The policy that a domain serves, with the mail exchangers that it has to name (RFC 8461 section 3.2)."""

    transport: StrictTransport
    forward: Forward
    page: Page

    @property
    def faults(self) -> list[str]:
        """Why senders get no policy. Raises Undetermined when it was not seen whether they do."""
        page = self.page.known()
        match page.state:
            case Fetched.NO_ADDRESS:
                return [f"{page.host} has no address ({self.forward.describe()})"]
            case Fetched.PRIVATE:
                return [f"{page.host} leads to {page.error}"]
            case Fetched.DISTRUSTED:
                return [f"the certificate at {page.host} was not verified: {page.error}"]
        if page.status != 200:
            to = f", to {quoted(page.location)}: senders follow no redirection" if page.location else ""
            return [f"{page.url} answered {page.status}{to}"]
        return [f"{page.url} is larger than {mtasts.LARGEST} octets"] if page.cut else []

    @property
    def other_type(self) -> str:
        """The media type, where it is not text/plain; empty where it is. Raises Undetermined."""
        kind = self.page.known().media_type
        return "" if kind.partition(";")[0].strip().lower() == "text/plain" else kind or "none"

    @property
    def policy(self) -> mtasts.Policy:
        """The policy as it is written. Raises Undetermined, and NotApplicable when senders get none."""
        if self.faults:
            raise NotApplicable(f"senders get no policy of {self.transport.domain.name}, see mtasts.policy")
        return _parse_policy(self.page.body)

    @property
    def valid(self) -> mtasts.Policy:
        """The policy as senders use it. Raises Undetermined, and NotApplicable when they cannot."""
        policy = self.policy
        if policy.problems:
            raise NotApplicable(f"the policy of {self.transport.domain.name} is not valid, see mtasts.fields")
        return policy

    @property
    def lines(self) -> list[str]:
        """What the policy says, whatever its line ends and blank lines. Raises as ``policy``."""
        _ = self.policy
        return _lines(self.page.body)

    def before(self, earlier: Store | None) -> PolicyBefore:
        """Return the policy that an earlier run saw. Raises NotApplicable where it saw none with one record."""
        question = self.transport.published.answer
        answer = earlier.answers.get((question.name, question.rdtype)) if earlier else None
        page = earlier.pages.get(self.page.host) if earlier else None
        if answer is None or answer.status is not Status.FOUND or page is None or page.status != 200 or page.cut:
            raise NotApplicable("no earlier run tells the policy")
        records = fields.records(answer.joined, mtasts.VERSION)
        if len(records) != 1:
            raise NotApplicable("the earlier run saw no record that counts")
        return PolicyBefore(_parse(records[0]).id, page.body)

    def changed_since(self, before: PolicyBefore) -> bool:
        """Whether the policy says something else than then. Raises as ``policy``."""
        return self.lines != _lines(before.body)

    @property
    def left_out(self) -> list[str]:
        """Mail exchangers that the policy does not name. Raises Undetermined, and NotApplicable for mode none."""
        policy, mx = self.valid, self.transport.published.mx
        if policy.mode == "none":
            raise NotApplicable("the mode of the policy is none")
        hosts = [host for _, host in mx.exchanges] or [mx.name]
        if hosts == ["."]:
            raise NotApplicable(f"{mx.name} has a null MX")
        return policy.left_out(hosts)


def _lines(body: str) -> list[str]:
    return [line.strip() for line in body.splitlines() if line.strip()]


async def strict_policy(ask: Asker, domain: Domain) -> StrictPolicy:
    """Fetch the policy of a domain that announces one. Raises NotApplicable and Undetermined for any other."""
    transport = await strict_transport(ask, domain)
    transport.need_record()
    host = f"mta-sts.{domain.name}"
    place = Place(host, domain.policy_host, domain.policy_port)
    forward, page = await asyncio.gather(forward_of(ask, host), ask.web(place))
    return StrictPolicy(transport, forward, page)
