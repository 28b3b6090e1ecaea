"""What a check may ask for of streams and of what they sent: trials, deliveries, messages."""

from __future__ import annotations

from typing import Any, cast

import pytest

from conformance.check import NotApplicable
from conformance.facts.authentication import Authentication
from conformance.facts.behaviours import BEHAVIOURS, Behaviour
from conformance.facts.delivery import Delivery
from conformance.facts.gather import Gathered
from conformance.facts.greeted import Greeted, MailFrom
from conformance.facts.impostor import Impostor
from conformance.facts.imprint import Imprint
from conformance.facts.message import Author, Copies, HeaderDomain, SeenIds
from conformance.facts.neighbours import Neighbours
from conformance.facts.participation import Participation
from conformance.facts.reshaped import Reshaped
from conformance.facts.returned import Returned
from conformance.facts.tlsreports import TlsReports
from conformance.facts.trial import Trial
from conformance.facts.trials import TRIALS, Recipe, fixture_name
from conformance.facts.tried import Tried
from conformance.fleet.model import Address, Fleet
from conformance.fleet.sending import Probe, Stream
from conformance.reading.automatic import is_report, keyword
from conformance.reading.message import Message
from conformance.reading.mime import Structure
from conformance.subjects import judged


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> Stream:
    """A kind of mail that a host sends, as it is made to send some to a receiver that behaves in some way."""
    return cast(Stream, judged(request))


@pytest.fixture
def probe(request: pytest.FixtureRequest) -> Probe:
    """One delivery of a stream that is to be captured."""
    return cast(Probe, judged(request))


@pytest.fixture
def delivery(gathered: Gathered, probe: Probe) -> Delivery:
    """The captured delivery: session, transaction and message."""
    return cast(Delivery, gathered("delivery", probe))


@pytest.fixture
def authentication(gathered: Gathered, probe: Probe) -> Authentication:
    """What SPF, DKIM and DMARC say of the captured delivery."""
    return cast(Authentication, gathered("authentication", probe))


@pytest.fixture
def null_sender(gathered: Gathered, stream: Stream) -> Authentication:
    """What SPF, DKIM and DMARC say of a delivery of the stream with the null sender."""
    return cast(Authentication, gathered("null_sender", stream))


@pytest.fixture
def participation(gathered: Gathered, probe: Probe) -> Participation:
    """How far the author's domain takes part in DMARC."""
    return cast(Participation, gathered("participation", probe))


@pytest.fixture
def converted(gathered: Gathered, stream: Stream) -> tuple[Reshaped, ...]:
    """Deliveries that had to be rewritten for a receiver that takes less, with their signatures."""
    return cast(tuple[Reshaped, ...], gathered("converted", stream))


@pytest.fixture
def transcribed(gathered: Gathered, stream: Stream) -> tuple[Reshaped, ...]:
    """Deliveries whose lines SMTP writes otherwise than they were, with their signatures."""
    return cast(tuple[Reshaped, ...], gathered("transcribed", stream))


@pytest.fixture
def message(gathered: Gathered, probe: Probe) -> Message:
    """The message as it was read: header fields, body."""
    return cast(Message, gathered("message", probe))


@pytest.fixture
def composed(gathered: Gathered, probe: Probe) -> Message:
    """The message, if the host's own software wrote it; not applicable where mailconform did."""
    return cast(Message, gathered("composed", probe))


@pytest.fixture
def subscribed(gathered: Gathered, probe: Probe) -> Message:
    """The message of a stream of kind bulk or list, if the host wrote it."""
    return cast(Message, gathered("subscribed", probe))


@pytest.fixture
def bulk_mail(gathered: Gathered, probe: Probe) -> Message:
    """The message of a stream of kind bulk, if the host wrote it."""
    return cast(Message, gathered("bulk_mail", probe))


@pytest.fixture
def list_mail(gathered: Gathered, probe: Probe) -> Message:
    """The message of a stream of kind list, if the host wrote it."""
    return cast(Message, gathered("list_mail", probe))


@pytest.fixture
def form_mail(gathered: Gathered, probe: Probe) -> Message:
    """The message of a stream of kind form, if the host wrote it."""
    return cast(Message, gathered("form_mail", probe))


@pytest.fixture
def auto_mail(gathered: Gathered, probe: Probe) -> Message:
    """The message of a stream of kind auto, if the host wrote it."""
    return cast(Message, gathered("auto_mail", probe))


@pytest.fixture
def auto_reply(auto_mail: Message, parts: Structure) -> Message:
    """The message of a stream of kind auto, if it says that it is a reply and is no report of a mail server."""
    if is_report(parts):
        raise NotApplicable("it is a report of a mail server")
    if keyword(auto_mail) != "auto-replied":
        raise NotApplicable("it does not say that it is an automatic reply")
    return auto_mail


@pytest.fixture
def parts(gathered: Gathered, probe: Probe) -> Structure:
    """The MIME parts of the message."""
    return cast(Structure, gathered("parts", probe))


@pytest.fixture
def author(gathered: Gathered, probe: Probe) -> Author:
    """The address in From; not applicable where that is not one."""
    return cast(Author, gathered("author", probe))


@pytest.fixture
def header_domains(gathered: Gathered, probe: Probe) -> tuple[HeaderDomain, ...]:
    """The domains in From, Sender and Reply-To with their addresses and mail exchangers."""
    return cast(tuple[HeaderDomain, ...], gathered("header_domains", probe))


@pytest.fixture
def message_ids(gathered: Gathered, probe: Probe) -> SeenIds:
    """The Message-IDs of several messages of the stream."""
    return cast(SeenIds, gathered("message_ids", probe))


@pytest.fixture
def bcc_copies(gathered: Gathered, probe: Probe) -> Copies:
    """The copies that came of a message with a Bcc."""
    return cast(Copies, gathered("bcc_copies", probe))


@pytest.fixture
def domains_named(gathered: Gathered, probe: Probe) -> tuple[tuple[str, str], ...]:
    """The domains that the message and its envelope name, each with where."""
    return cast(tuple[tuple[str, str], ...], gathered("domains_named", probe))


@pytest.fixture
def greeted(gathered: Gathered, probe: Probe) -> Greeted:
    """The name that the delivery greeted with, and its addresses in DNS."""
    return cast(Greeted, gathered("greeted", probe))


@pytest.fixture
def mail_from(gathered: Gathered, probe: Probe) -> MailFrom:
    """The envelope sender of the delivery with the domain in it."""
    return cast(MailFrom, gathered("mail_from", probe))


@pytest.fixture
def treat_as_public(fleet: Fleet, probe: Probe) -> tuple[str, ...]:
    """Networks that stand for public ones at the host of the probe."""
    return fleet.by_name[probe.stream.host].treat_as_public


@pytest.fixture
def source_addresses(fleet: Fleet, probe: Probe) -> tuple[Address, ...]:
    """The declared addresses of the host of the probe."""
    return fleet.by_name[probe.stream.host].addresses


@pytest.fixture
def declared_helo(source_addresses: tuple[Address, ...], delivery: Delivery) -> str:
    """The name that is declared for the address that the delivery came from."""
    known = next((address.helo for address in source_addresses if address.ip == delivery.peer), None)
    if known is None:
        raise NotApplicable(f"{delivery.peer} is not declared, see ip.declared")
    return known


@pytest.fixture
def neighbours(gathered: Gathered, probe: Probe) -> Neighbours:
    """The delivery beside those of the host's streams of the other class."""
    return cast(Neighbours, gathered("neighbours", probe))


@pytest.fixture
def impostor(gathered: Gathered, stream: Stream) -> Impostor:
    """What became of mail with an author that is not the fleet's."""
    return cast(Impostor, gathered("impostor", stream))


@pytest.fixture
def tls_reports(gathered: Gathered, stream: Stream) -> TlsReports:
    """The TLS reports that came of the stream's mail; not applicable where none did."""
    return cast(TlsReports, gathered("tls_reports", stream))


@pytest.fixture
def imprint(gathered: Gathered, probe: Probe) -> Imprint:
    """The sender's postal address in a message of kind bulk or list, if the host wrote it."""
    return cast(Imprint, gathered("imprint", probe))


@pytest.fixture
def parked_names(fleet: Fleet) -> frozenset[str]:
    """The domains that are declared never to send."""
    if not fleet.parked_domains:
        raise NotApplicable("no domain is declared with no_mail")
    return frozenset(domain.name for domain in fleet.parked_domains)


@pytest.fixture
def returned(gathered: Gathered, stream: Stream) -> Returned:
    """The authentication of a bounce."""
    return cast(Returned, gathered("returned", stream))


def _trial_fixture(name: str, recipe: Recipe) -> Any:
    def trial(gathered: Gathered, stream: Stream) -> Trial:
        return cast(Trial, gathered(fixture_name(name), stream))

    trial.__name__ = fixture_name(name)
    trial.__doc__ = f"What the stream did with a receiver like this: {recipe.about}."
    return pytest.fixture(trial)


def _behaviour_fixture(name: str, behaviour: Behaviour) -> Any:
    def view(gathered: Gathered, stream: Stream) -> Tried:
        return cast(Tried, gathered(name, stream))

    view.__name__ = name
    view.__doc__ = behaviour.about
    return pytest.fixture(view)


globals().update({name: _behaviour_fixture(name, behaviour) for name, behaviour in BEHAVIOURS.items()})
globals().update({fixture_name(name): _trial_fixture(name, recipe) for name, recipe in TRIALS.items()})
