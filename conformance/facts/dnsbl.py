"""What DNS lists say of the fleet's addresses and names, and whether they are to be believed (RFC 5782)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from conformance.facts.answer import Answer, Status
from conformance.facts.store import Asker
from conformance.fleet.model import Address, Blocklist, Domain, Fleet, Mta
from conformance.outcome import NotApplicable, Undetermined, findings
from conformance.reading import dnsbl
from conformance.reading.excerpt import listed, quoted
from conformance.reading.orgdomain import registrable

NO_ADDRESS_LIST = "mailconform_dnsbl names no list of addresses to be asked"
NO_NAME_LIST = "mailconform_dnsbl names no list of names to be asked"


@dataclass(frozen=True, slots=True)
class Proof:
    """The test entries of a list: what it has to list, and what it must not. ``family`` is 0 for a list of names."""

    blocklist: Blocklist
    family: int
    listed: Answer
    unlisted: Answer

    @property
    def errors(self) -> tuple[str, ...]:
        """Answers that are error codes."""
        return tuple(text for answer in (self.listed, self.unlisted) for text in errors(answer))

    @property
    def silent(self) -> bool:
        """Whether neither is listed: the list holds nothing of the kind. Raises Undetermined."""
        return not self.listed.found and not self.unlisted.found

    @property
    def fault(self) -> str:
        """What keeps the list from being believed; empty when it may be. Raises Undetermined."""
        if self.errors:
            return f"{self.errors[0]}, see ip.dnsbl-codes"
        if self.unlisted.status is Status.FOUND:
            return f"{self.unlisted.question} answers {listed(self.unlisted.texts, 3)}: what no list may list"
        if not self.listed.found:
            return f"{self.listed.question} answered {self.listed.describe()}: its own test entry is not listed"
        self.unlisted.known()
        return ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What one list says of one address or name. ``reason`` is the TXT record of a listing (RFC 5782 section 2.1)."""

    blocklist: Blocklist
    what: str
    proofs: tuple[Proof, ...]
    """Of the address family asked for first; then that of the whole list."""
    answer: Answer
    reason: Answer | None

    @property
    def codes(self) -> tuple[str, ...]:
        """The answers that list it. Raises Undetermined when the list cannot be believed or did not answer.

        Raises NotApplicable when the list holds nothing of the kind.
        """
        if len(self.proofs) > 1 and not self.proofs[-1].fault and self.proofs[0].silent:
            raise NotApplicable(f"{self.blocklist.zone} does not list IPv6 addresses")
        if fault := self.proofs[0].fault:
            cause = f"{self.blocklist.zone} is not believed: {fault}"
            raise Undetermined(cause, cause=cause)
        if wrong := errors(self.answer):
            raise Undetermined(wrong[0], cause=f"{self.blocklist.zone} answers with errors: {wrong[0]}")
        return self.answer.texts

    @property
    def harmful(self) -> tuple[str, ...]:
        """The answers that tell of more than a dynamic address. Raises as ``codes``."""
        return tuple(code for code in self.codes if code not in (*self.blocklist.dynamic, *self.blocklist.ignore))

    @property
    def dynamic(self) -> tuple[str, ...]:
        """The answers that say that the address is dynamic. Raises as ``codes``; NotApplicable where none could."""
        if not self.blocklist.dynamic:
            raise NotApplicable(f"no answer of {self.blocklist.zone} is declared to mean a dynamic address")
        return tuple(code for code in self.codes if code in self.blocklist.dynamic)

    def describe(self, codes: Iterable[str]) -> str:
        """Return a sentence of what the list says."""
        texts = self.reason.joined if self.reason and self.reason.status is Status.FOUND else ()
        why = f" ({quoted(texts[0], 200)})" if texts else ""
        return f"{self.what} is on {self.blocklist.zone}: {listed(codes, 3)}{why}"


def errors(answer: Answer) -> tuple[str, ...]:
    """Return the error codes in an answer, each with its question and meaning; none when there was no answer."""
    if answer.status is not Status.FOUND:
        return ()
    return tuple(f"{answer.question} answers {code}: {why}" for code in answer.texts if (why := dnsbl.error(code)))


@dataclass(frozen=True, slots=True)
class Listings:
    """What all lists say of one subject. ``unseen`` are answers that may name more to ask for, and did not come."""

    each: tuple[Listing, ...]
    unseen: tuple[Answer, ...] = ()

    @property
    def harmful(self) -> list[str]:
        """A sentence for each listing. Raises Undetermined, and NotApplicable where no list may be asked."""
        found = findings(self.each, lambda one: one.describe(codes) if (codes := one.harmful) else "")
        for answer in self.unseen if not found else ():
            answer.known()
        return found

    @property
    def dynamic(self) -> list[str]:
        """A sentence for each list that calls it dynamic. Raises as ``harmful``."""
        return findings(self.each, lambda one: one.describe(codes) if (codes := one.dynamic) else "")


@dataclass(frozen=True, slots=True)
class ListAnswers:
    """All that one list answers in a run."""

    blocklist: Blocklist
    proofs: tuple[Proof, ...]
    answers: tuple[Answer, ...]

    @property
    def faults(self) -> list[str]:
        """What keeps the list from being believed. A list that holds no IPv6 address is a list all the same.

        Raises Undetermined, and NotApplicable for a list that answers with error codes.
        """
        if any(proof.errors for proof in self.proofs):
            raise NotApplicable("it answers with error codes, see ip.dnsbl-codes")
        whole = self.proofs[0]
        return findings(self.proofs, lambda proof: proof.fault if proof is whole or not proof.silent else "")

    @property
    def errors(self) -> list[str]:
        """Answers that are no listings, each with its meaning. Raises Undetermined when some are missing."""
        tests = (answer for proof in self.proofs for answer in (proof.listed, proof.unlisted))
        return findings((*tests, *self.answers), lambda answer: next(iter(errors(answer.known())), ""))


@dataclass(frozen=True, slots=True)
class Watched:
    """An address or some names, and the lists that are asked for them."""

    what: tuple[str, ...]
    lists: tuple[Blocklist, ...]


@dataclass(frozen=True, slots=True)
class Users:
    """A list with the addresses or names that it is asked for."""

    blocklist: Blocklist
    what: tuple[str, ...]


def watched_address(fleet: Fleet, address: Address) -> Watched:
    """Return the lists that are asked for an address. Raises NotApplicable for none."""
    found = tuple(one for one in fleet.by_name[address.host].blocklists if not one.of_names)
    if not found:
        raise NotApplicable(NO_ADDRESS_LIST)
    return Watched((str(address.ip),), found)


def watched_domain(fleet: Fleet, domain: Domain) -> NamesOf:
    """Return the lists that are asked for the names of a domain's mail. Raises NotApplicable for none."""
    hosts = [fleet.by_name[name] for name in domain.hosts if name in fleet.by_name] or list(fleet.mtas)
    found = dict.fromkeys(one for host in hosts for one in host.blocklists if one.of_names)
    if not found:
        raise NotApplicable(NO_NAME_LIST)
    return NamesOf(domain, tuple(hosts), tuple(found))


@dataclass(frozen=True, slots=True)
class NamesOf:
    """A domain with the hosts that send for it, and the lists that are asked for its names."""

    domain: Domain
    hosts: tuple[Mta, ...]
    lists: tuple[Blocklist, ...]

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses of the hosts."""
        return tuple(address for host in self.hosts for address in host.addresses)


def users(fleet: Fleet, blocklist: Blocklist) -> Users:
    """Return a list with all that it is asked for."""
    if blocklist.of_names:
        names = (name for domain in fleet.sending_domains for name in (domain.name, domain.mail_from))
        return Users(blocklist, tuple(dict.fromkeys(names)))
    hosts = (mta for mta in fleet.mtas if blocklist in mta.blocklists)
    return Users(blocklist, tuple(dict.fromkeys(str(address.ip) for mta in hosts for address in mta.addresses)))


async def listings(ask: Asker, watched: Watched) -> Listings:
    """Ask each list for each address or name."""
    asked = (_listing(ask, blocklist, what) for what in watched.what for blocklist in watched.lists)
    return Listings(tuple(await asyncio.gather(*asked)))


async def domain_listings(ask: Asker, names: NamesOf) -> Listings:
    """Ask each list of names for those that a domain's mail shows: in From, MAIL FROM and d=, greeting and PTR."""
    domain = names.domain
    greeting = [one for address in names.addresses if (one := registrable(address.helo))]
    answers = await asyncio.gather(*(ask.dns(address.reverse_name, "PTR") for address in names.addresses))
    reverse = [text for answer in answers if answer.status is Status.FOUND for text in answer.texts]
    shown = [domain.name, domain.mail_from, *(selector.signing_domain for selector in domain.selectors)]
    wide = [one for name in (*shown, *greeting, *reverse) if (one := registrable(name))]
    found = await listings(ask, Watched(tuple(dict.fromkeys((*shown, *wide))), names.lists))
    return Listings(found.each, tuple(answer for answer in answers if answer.status is Status.UNDETERMINED))


async def list_answers(ask: Asker, users: Users) -> ListAnswers:
    """Ask a list for its test entries and for all that it is asked for."""
    blocklist = users.blocklist
    families = [0] if blocklist.of_names else [4, 6] if any(":" in one for one in users.what) else [4]
    proofs = await asyncio.gather(*map(partial(_proof, ask, blocklist), families))
    questions = (ask.dns(_question(blocklist, one), "A") for one in users.what)
    return ListAnswers(blocklist, tuple(proofs), tuple(await asyncio.gather(*questions)))


async def _listing(ask: Asker, blocklist: Blocklist, what: str) -> Listing:
    families = [0] if blocklist.of_names else [6, 4] if ":" in what else [4]
    proofs = await asyncio.gather(*map(partial(_proof, ask, blocklist), families))
    question = _question(blocklist, what)
    answer = await ask.dns(question, "A")
    listed_by = answer.status is Status.FOUND and not errors(answer)
    reason = await ask.dns(question, "TXT") if listed_by else None
    return Listing(blocklist, what, tuple(proofs), answer, reason)


async def _proof(ask: Asker, blocklist: Blocklist, family: int) -> Proof:
    there = dnsbl.LISTED_TEST[family] if family else dnsbl.LISTED_NAME
    absent = dnsbl.UNLISTED_TEST[family] if family else dnsbl.UNLISTED_NAME
    answers = await asyncio.gather(*(ask.dns(_question(blocklist, one), "A") for one in (there, absent)))
    return Proof(blocklist, family, *answers)


def _question(blocklist: Blocklist, what: str) -> str:
    label = what if blocklist.of_names else dnsbl.label_of(what)
    return f"{label}.{blocklist.zone}"
