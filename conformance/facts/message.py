"""The message of a captured delivery as it was read, and what DNS says of the domains in its header."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from conformance.facts.delivery import Delivery, delivery, nothing_came
from conformance.facts.domain import MailDomain, mail_domain
from conformance.facts.store import Asker
from conformance.facts.tried import made, refused_as_such
from conformance.fleet.sending import Probe
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.hostname import is_ip_text, is_qualified
from conformance.reading.html import host_of, links
from conformance.reading.mailbox import AddressList, Mailbox, read_addresses
from conformance.reading.message import Field, Message, read
from conformance.reading.mime import Structure, structure
from conformance.reading.orgdomain import to_ascii

AUTHORS = ("From", "Sender", "Reply-To")
"""Fields whose addresses are the sender's own affair."""
_MOST_DOMAINS = 10


async def message(ask: Asker, probe: Probe) -> Message:
    """Return the first message of a stream. Raises Undetermined where it did not come whole or has no end of header."""
    return of_delivery(await delivery(ask, probe))


def of_delivery(came: Delivery) -> Message:
    """Read the message of a delivery. Raises Undetermined."""
    found = read(came.whole.message)
    if found.incomplete:
        raise Undetermined(f"{came.trial.ref}: {found.incomplete}")
    return found


async def parts(ask: Asker, probe: Probe) -> Structure:
    """Return the MIME parts of the message."""
    return structure(await message(ask, probe))


async def composed(ask: Asker, probe: Probe) -> Message:
    """Return the message if the host's own software wrote it. Raises NotApplicable where mailconform did."""
    came = await delivery(ask, probe)
    found = of_delivery(came)
    if came.letter.message and not _list_fields(found) - _list_fields(read(came.letter.message.encode("latin-1"))):
        raise NotApplicable("mailconform wrote this message; what the host writes is seen with how: command or manual")
    return found


def of_kind(*kinds: str) -> Callable[[Asker, Probe], Awaitable[Message]]:
    """Return the fact of what the host's own software wrote for streams of some kinds; not applicable for others."""

    async def build(ask: Asker, probe: Probe) -> Message:
        if probe.stream.kind not in kinds:
            raise NotApplicable(f"the stream is of kind {probe.stream.kind}, not {' or '.join(kinds)}")
        return await composed(ask, probe)

    return build


def _list_fields(one: Message) -> frozenset[str]:
    return frozenset(field.key for field in one.fields if field.key.startswith("list-"))


@dataclass(frozen=True, slots=True)
class Author:
    """The one address in From, with its domain as A-labels."""

    mailbox: Mailbox
    domain: str


async def author(ask: Asker, probe: Probe) -> Author:
    """Return the address in From. Raises NotApplicable where From is not one address with a domain name."""
    found = addresses(await message(ask, probe), "From")
    if len(found.valid) != 1 or len(found.mailboxes) != 1:
        raise NotApplicable("From is not one valid address, see msg.from-one, msg.from-single and msg.from-valid")
    mailbox = found.valid[0]
    if (domain := to_ascii(mailbox.domain)) is None:
        raise NotApplicable("the address in From has no domain name, see msg.from-valid")
    return Author(mailbox, domain)


def addresses(one: Message, *names: str) -> AddressList:
    """Return the addresses of all fields of some names."""
    read_ones = [read_addresses(field.text) for name in names for field in one.named(name)]
    return AddressList(
        tuple(mailbox for found in read_ones for mailbox in found.mailboxes),
        tuple(group for found in read_ones for group in found.groups),
        tuple(fault for found in read_ones for fault in found.faults),
        tuple(slip for found in read_ones for slip in found.obsolete),
        any(found.cut for found in read_ones),
    )


@dataclass(frozen=True, slots=True)
class HeaderDomain:
    """A domain in the header: the fields that name it, and what DNS says of it."""

    fields: tuple[str, ...]
    domain: MailDomain

    @property
    def where(self) -> str:
        """How findings name it."""
        return f"{self.domain.name} in {' and '.join(self.fields)}"


async def header_domains(ask: Asker, probe: Probe) -> tuple[HeaderDomain, ...]:
    """Look up the domains in From, Sender and Reply-To. Raises NotApplicable when there is none."""
    found = await message(ask, probe)
    named: dict[str, list[str]] = {}
    for name in AUTHORS:
        for mailbox in addresses(found, name).valid:
            domain = to_ascii(mailbox.domain)
            if domain is not None and is_qualified(domain) and not is_ip_text(domain):
                named.setdefault(domain, []).append(name)
    chosen = list(named)[:_MOST_DOMAINS]
    if not chosen:
        raise NotApplicable("no address in From, Sender or Reply-To has a qualified domain name, see msg.from-valid")
    looked_up = await asyncio.gather(*(mail_domain(ask, name) for name in chosen))
    return tuple(HeaderDomain(tuple(dict.fromkeys(named[one.name])), one) for one in looked_up)


@dataclass(frozen=True, slots=True)
class SeenIds:
    """The Message-ID fields of the messages that a stream was seen to send one after the other.

    ``unseen`` says why there are not two messages to compare.
    """

    fields: tuple[tuple[str, ...], ...]
    unseen: NotApplicable | Undetermined | None = None


async def message_ids(ask: Asker, probe: Probe) -> SeenIds:
    """Return the Message-IDs of two letters, as far as they came."""
    first = await message(ask, probe)
    seen = [tuple(field.text for field in first.named("Message-ID"))]
    try:
        trial = await made(ask, probe.stream, "twice")
    except (NotApplicable, Undetermined) as unseen:
        return SeenIds(tuple(seen), unseen)
    letters: dict[str, tuple[str, ...]] = {}
    for _, transaction in trial.accepted:
        token = next((one.token for one in transaction.recipients if one.token), "")
        which = next((letter.handed for letter in trial.letters if token in letter.tokens), token)
        fields = tuple(field.text for field in read(transaction.message).named("Message-ID"))
        letters.setdefault(which, fields)
    if len(letters) < 2:
        text = f"{trial.ref}: {len(letters)} of {len(trial.letters)} messages came"
        return SeenIds((*seen, *letters.values()), Undetermined(text))
    return SeenIds((*seen, *letters.values()))


@dataclass(frozen=True, slots=True)
class Copy:
    """A message with the recipients it was delivered to at once."""

    message: Message
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copies:
    """Messages that came; ``unseen`` says why those of a letter with a Bcc are not among them."""

    found: tuple[Copy, ...]
    unseen: Undetermined | None = None


async def bcc_copies(ask: Asker, probe: Probe) -> Copies:
    """Return the stream's own message, and those of a letter with a Bcc. Raises Undetermined where the first lacks."""
    came = await delivery(ask, probe)
    found = [Copy(of_delivery(came), tuple(one.address for one in came.transaction.recipients))]
    try:
        trial = await made(ask, probe.stream, "bcc")
    except NotApplicable:
        return Copies(tuple(found))
    except Undetermined as unseen:
        return Copies(tuple(found), unseen)
    if not trial.accepted:
        return Copies(tuple(found), None if refused_as_such(trial) else nothing_came(trial))
    for _, transaction in trial.accepted:
        found.append(Copy(read(transaction.message), tuple(one.address for one in transaction.recipients)))
    return Copies(tuple(found))


async def domains_named(ask: Asker, probe: Probe) -> tuple[tuple[str, str], ...]:
    """Return the domains that a message names, with where: From, Sender, Reply-To, MAIL FROM, signatures, links."""
    came = await delivery(ask, probe)
    found = of_delivery(came)
    named = [(name, one.domain) for name in AUTHORS for one in addresses(found, name).valid]
    named.append(("MAIL FROM", came.sender.rpartition("@")[2]))
    named += [("d= of a signature", d) for field in found.named("DKIM-Signature") if (d := _signing_domain(field))]
    named += [("a link", host) for host in link_hosts(structure(found))]
    return tuple(dict.fromkeys((where, domain) for where, domain in named if domain))


def _signing_domain(field: Field) -> str:
    match = re.search(r"(?:^|;)\s*d\s*=\s*([^;\s]{1,253})", field.text[:8192])
    return match[1] if match else ""


def link_hosts(parts: Structure) -> tuple[str, ...]:
    """Return the hosts that links of a message lead to."""
    return tuple(dict.fromkeys(host for link in links(parts) if (host := host_of(link))))
