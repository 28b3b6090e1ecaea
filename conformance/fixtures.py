"""What a check may ask for: the subject it judges, and the facts of that subject."""

from __future__ import annotations

from typing import Any, cast

import pytest

from conformance.asked import RUN
from conformance.check import NotApplicable
from conformance.facts.authentication import Authentication
from conformance.facts.behaviours import BEHAVIOURS, Behaviour
from conformance.facts.delivery import Delivery
from conformance.facts.dkim import KeyRecord
from conformance.facts.dmarc import DmarcWalk, ReportDestinations
from conformance.facts.domain import MailDomains
from conformance.facts.gather import Gathered
from conformance.facts.greeted import Greeted, MailFrom
from conformance.facts.greeting import Exchanges, HeloName, ServerNames
from conformance.facts.impostor import Impostor
from conformance.facts.message import Author, Copy, HeaderDomain, SeenIds
from conformance.facts.neighbours import Neighbours
from conformance.facts.participation import Participation
from conformance.facts.reshaped import Reshaped
from conformance.facts.reverse import ForwardNames, ReverseName, ReverseZone
from conformance.facts.servercert import ServerCertificate, require_tls
from conformance.facts.session import Session
from conformance.facts.spf import SpfPaths, SpfRecords
from conformance.facts.spfcheck import SpfResult
from conformance.facts.trial import Trial
from conformance.facts.trials import TRIALS, Recipe, fixture_name
from conformance.facts.tried import Tried
from conformance.fleet.model import Address, Domain, Fleet, Listener, Mta, Probe, Selector, Sender, Stream
from conformance.reading.automatic import is_report, keyword
from conformance.reading.message import Message
from conformance.reading.mime import Structure
from conformance.reading.orgdomain import registrable
from conformance.subjects import Nobody


def _subject(request: pytest.FixtureRequest) -> Any:
    if isinstance(request.param, Nobody):
        raise NotApplicable(request.param.reason)
    return request.param


@pytest.fixture(scope="session")
def fleet(request: pytest.FixtureRequest) -> Fleet:
    """The whole fleet as declared."""
    return request.config.stash[RUN].fleet


@pytest.fixture(scope="session")
def gathered(request: pytest.FixtureRequest) -> Gathered:
    """The facts of this run."""
    return request.config.stash[RUN].gathered


@pytest.fixture(scope="session")
def own_domains(fleet: Fleet) -> frozenset[str]:
    """The registrable domains of the fleet's catalogue."""
    names = [name for domain in fleet.domains for name in (domain.name, domain.mail_from)]
    return frozenset(found for name in names if (found := registrable(name)))


@pytest.fixture
def mta(request: pytest.FixtureRequest) -> Mta:
    """A mail host."""
    return cast(Mta, _subject(request))


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Address:
    """One source address of a sending host."""
    return cast(Address, _subject(request))


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> Listener:
    """A port on which a host accepts SMTP."""
    return cast(Listener, _subject(request))


@pytest.fixture
def domain(request: pytest.FixtureRequest) -> Domain:
    """A domain that mail is sent for."""
    return cast(Domain, _subject(request))


@pytest.fixture
def parked_domain(request: pytest.FixtureRequest) -> Domain:
    """A domain that never sends."""
    return cast(Domain, _subject(request))


@pytest.fixture
def selector(request: pytest.FixtureRequest) -> Selector:
    """A declared DKIM selector."""
    return cast(Selector, _subject(request))


@pytest.fixture
def sender(request: pytest.FixtureRequest) -> Sender:
    """A source address with one domain of its host."""
    return cast(Sender, _subject(request))


@pytest.fixture
def own_name(address: Address, own_domains: frozenset[str]) -> str:
    """A name in a domain of the fleet that is fit for the address, or a blank."""
    if not own_domains:
        return address.proper_name
    fit = (name for name in address.fit_names if registrable(name) in own_domains)
    return next(fit, f"<host>.{min(own_domains)}")


@pytest.fixture
def ptr(gathered: Gathered, address: Address) -> ReverseName:
    """The PTR records of the address."""
    return cast(ReverseName, gathered("ptr", address))


@pytest.fixture
def ptr_names(ptr: ReverseName) -> tuple[str, ...]:
    """The PTR names of the address; not applicable when it has none."""
    if not ptr.names:
        raise NotApplicable("there is no PTR record, see ptr.exists")
    return ptr.names


@pytest.fixture
def reverse_zone(gathered: Gathered, address: Address) -> ReverseZone:
    """Whether the reverse zone of the address answers."""
    return cast(ReverseZone, gathered("reverse_zone", address))


@pytest.fixture
def forward(gathered: Gathered, address: Address) -> ForwardNames:
    """The PTR names of the address with the addresses of each."""
    return cast(ForwardNames, gathered("forward", address))


@pytest.fixture
def helo(gathered: Gathered, address: Address) -> HeloName:
    """The HELO name of the address with its addresses; not applicable when it is no name."""
    return cast(HeloName, gathered("helo", address))


@pytest.fixture
def exchanges(gathered: Gathered, address: Address) -> Exchanges:
    """The MX records of all domains that the host of the address sends for."""
    return cast(Exchanges, gathered("exchanges", address))


@pytest.fixture
def spf(gathered: Gathered, domain: Domain) -> SpfRecords:
    """The SPF records of the domain and of its envelope domain, with all that they include."""
    return cast(SpfRecords, gathered("spf", domain))


@pytest.fixture
def spf_paths(gathered: Gathered, domain: Domain) -> SpfPaths:
    """The SPF results of every address that sends for the domain."""
    return cast(SpfPaths, gathered("spf_paths", domain))


@pytest.fixture
def spf_sender(gathered: Gathered, sender: Sender) -> SpfResult:
    """The SPF result of the address for the envelope domain."""
    return cast(SpfResult, gathered("spf_sender", sender))


@pytest.fixture
def spf_siblings(gathered: Gathered, sender: Sender) -> SpfPaths:
    """The SPF results of every address that sends for the sender's domain."""
    return cast(SpfPaths, gathered("spf_siblings", sender))


@pytest.fixture
def spf_helo(gathered: Gathered, address: Address) -> SpfResult:
    """The SPF result of the HELO identity."""
    return cast(SpfResult, gathered("spf_helo", address))


@pytest.fixture
def dkim_key(gathered: Gathered, selector: Selector) -> KeyRecord:
    """The record at the selector."""
    return cast(KeyRecord, gathered("dkim_key", selector))


@pytest.fixture
def dmarc(gathered: Gathered, domain: Domain) -> DmarcWalk:
    """The DMARC records on the tree walk from the domain."""
    return cast(DmarcWalk, gathered("dmarc", domain))


@pytest.fixture
def dmarc_reports(gathered: Gathered, domain: Domain) -> ReportDestinations:
    """The report destinations outside the organisational domain, with their consent."""
    return cast(ReportDestinations, gathered("dmarc_reports", domain))


@pytest.fixture
def mail_domains(gathered: Gathered, domain: Domain) -> MailDomains:
    """The From domain and the envelope domain with their addresses and mail exchangers."""
    return cast(MailDomains, gathered("mail_domains", domain))


@pytest.fixture
def session(gathered: Gathered, listener: Listener) -> Session:
    """The SMTP session with the listener."""
    return cast(Session, gathered("session", listener))


@pytest.fixture
def server_names(gathered: Gathered, listener: Listener) -> ServerNames:
    """The names that the listener calls itself by."""
    return cast(ServerNames, gathered("server_names", listener))


@pytest.fixture
def tls_session(session: Session) -> Session:
    """The SMTP session with the listener, if it came to TLS."""
    return require_tls(session)


@pytest.fixture
def server_certificate(gathered: Gathered, listener: Listener) -> ServerCertificate:
    """The certificate that the listener presents, and the names it could be for."""
    return cast(ServerCertificate, gathered("server_certificate", listener))


@pytest.fixture
def parked_spf(gathered: Gathered, parked_domain: Domain) -> SpfRecords:
    """The SPF record of a domain that never sends."""
    return cast(SpfRecords, gathered("parked_spf", parked_domain))


@pytest.fixture
def parked_dmarc(gathered: Gathered, parked_domain: Domain) -> DmarcWalk:
    """The DMARC records on the tree walk from a domain that never sends."""
    return cast(DmarcWalk, gathered("parked_dmarc", parked_domain))


@pytest.fixture
def parked_mail(gathered: Gathered, parked_domain: Domain) -> MailDomains:
    """Addresses and mail exchangers of a domain that never sends."""
    return cast(MailDomains, gathered("parked_mail", parked_domain))


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> Stream:
    """A kind of mail that a host sends, as it is made to send some to a receiver that behaves in some way."""
    return cast(Stream, _subject(request))


@pytest.fixture
def probe(request: pytest.FixtureRequest) -> Probe:
    """One delivery of a stream that is to be captured."""
    return cast(Probe, _subject(request))


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
def bcc_copies(gathered: Gathered, probe: Probe) -> tuple[Copy, ...]:
    """The copies that came of a message with a Bcc."""
    return cast(tuple[Copy, ...], gathered("bcc_copies", probe))


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
