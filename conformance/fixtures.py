"""What a check may ask for: the subject it judges, and the facts of that subject."""

from __future__ import annotations

from typing import cast

import pytest

from conformance import fixtures_dkim, fixtures_sent, fixtures_spf
from conformance.asked import RUN
from conformance.check import NotApplicable
from conformance.earlier import before
from conformance.facts.answer import Status
from conformance.facts.consoles import Consoles
from conformance.facts.dane import Dane
from conformance.facts.dkim import KeyRecord
from conformance.facts.dmarc import DmarcWalk, ReportDestinations
from conformance.facts.dmarcaround import ReportMailboxes, SkippedParents
from conformance.facts.dnsbl import ListAnswers, Listings
from conformance.facts.domain import MailDomain, MailDomains
from conformance.facts.gather import Gathered
from conformance.facts.greeting import Exchanges, HeloName, ServerNames
from conformance.facts.mtasts import PolicyBefore, StrictPolicy, StrictTransport
from conformance.facts.reverse import ForwardNames, ReverseName, ReverseZone
from conformance.facts.routing import Route
from conformance.facts.servercert import ServerCertificate, require_tls
from conformance.facts.session import Session
from conformance.facts.spf import SpfPaths, SpfRecords
from conformance.facts.spfcheck import SpfResult
from conformance.facts.store import Store, canonical
from conformance.facts.survey import NameServers, Survey
from conformance.facts.tlsrpt import ReportHosts, TlsReporting
from conformance.facts.validity import Validity
from conformance.facts.zone import Authorization, DomainZones
from conformance.fleet.model import Address, Blocklist, Domain, Fleet, Listener, Mta, Selector, Sender
from conformance.fleet.slots import Observed, Signing
from conformance.reading.orgdomain import is_within, owned
from conformance.subjects import judged


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
    """The domains that the fleet's catalogue shows to be its own: registered ones, or a customer's below a suffix."""
    names = [name for domain in fleet.domains for name in (domain.name, domain.mail_from)]
    return frozenset(found for name in names if (found := owned(name)))


@pytest.fixture
def mta(request: pytest.FixtureRequest) -> Mta:
    """A mail host."""
    return cast(Mta, judged(request))


@pytest.fixture
def address(request: pytest.FixtureRequest, gathered: Gathered, fleet: Fleet) -> Address:
    """One source address of a sending host: a declared one, or one that mail was seen to come from."""
    subject = judged(request)
    if not isinstance(subject, Observed):
        return cast(Address, subject)
    found = cast(Address, gathered("address", subject))
    check = request.function.check
    if check.area in ("ptr", "ip") and "helo" not in check.id:
        for declared in fleet.by_name[found.host].addresses:
            if declared.ip == found.ip:
                raise NotApplicable(f"same address as {declared.id}")
    return found


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> Listener:
    """A port on which a host accepts SMTP."""
    return cast(Listener, judged(request))


@pytest.fixture
def domain(request: pytest.FixtureRequest) -> Domain:
    """A domain that mail is sent for."""
    return cast(Domain, judged(request))


@pytest.fixture
def parked_domain(request: pytest.FixtureRequest) -> Domain:
    """A domain that never sends."""
    return cast(Domain, judged(request))


@pytest.fixture
def selector(request: pytest.FixtureRequest, gathered: Gathered) -> Selector:
    """A DKIM selector: a declared one, or one that a signature was seen to name."""
    subject = judged(request)
    return cast(Selector, gathered("selector", subject) if isinstance(subject, Signing) else subject)


@pytest.fixture
def blocklist(request: pytest.FixtureRequest) -> Blocklist:
    """A DNS list that the inventory has asked."""
    return cast(Blocklist, judged(request))


@pytest.fixture
def sender(request: pytest.FixtureRequest) -> Sender:
    """A source address with one domain of its host."""
    return cast(Sender, judged(request))


@pytest.fixture
def own_name(address: Address, own_domains: frozenset[str], fleet: Fleet) -> str:
    """A name in a domain of the fleet that is fit for the address, or a blank in one that its host sends for."""
    if not own_domains:
        return address.proper_name
    fit = (name for name in address.fit_names if is_within(name, own_domains))
    sending = {owned(name) for name in fleet.by_name[address.host].sends_for}
    return next(fit, f"<host>.{min(own_domains & sending or own_domains)}")


@pytest.fixture
def ptr(gathered: Gathered, address: Address) -> ReverseName:
    """The PTR records of the address."""
    return cast(ReverseName, gathered("ptr", address))


@pytest.fixture(scope="session")
def earlier(request: pytest.FixtureRequest) -> Store | None:
    """What the last run observed; None where there was none."""
    return before(request.config.stash[RUN].settings)


@pytest.fixture
def ptr_before(earlier: Store | None, address: Address) -> tuple[str, ...]:
    """The PTR names that the address had in the last run; not applicable where that is not known."""
    asked = canonical(address.reverse_name), "PTR"
    answer = earlier.answers.get(asked) if earlier else None
    if answer is None or answer.status is Status.UNDETERMINED:
        raise NotApplicable("no earlier run tells its PTR name")
    return answer.texts


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
def reverse_survey(gathered: Gathered, address: Address) -> Survey | None:
    """What each server of the reverse zone of the address says; None where they are not asked."""
    return cast("Survey | None", gathered("reverse_survey", address))


@pytest.fixture
def reverse_validity(gathered: Gathered, address: Address) -> Validity:
    """Whether DNSSEC protects the PTR records of the address, or stands in the way."""
    return cast(Validity, gathered("reverse_validity", address))


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
    return cast(SpfPaths, gathered("spf_sender", sender)).of(sender.address)


@pytest.fixture
def spf_siblings(gathered: Gathered, sender: Sender) -> SpfPaths:
    """The SPF results of every address that sends for the sender's domain."""
    return cast(SpfPaths, gathered("spf_siblings", sender))


@pytest.fixture
def spf_helo(gathered: Gathered, address: Address) -> SpfResult:
    """The SPF result of the HELO identity."""
    return cast(SpfResult, gathered("spf_helo", address))


@pytest.fixture
def signing_domain(gathered: Gathered, selector: Selector) -> MailDomain:
    """The d= domain of the selector with its addresses and mail exchangers."""
    return cast(MailDomain, gathered("signing_domain", selector))


@pytest.fixture
def dmarc(gathered: Gathered, domain: Domain) -> DmarcWalk:
    """The DMARC records on the tree walk from the domain."""
    return cast(DmarcWalk, gathered("dmarc", domain))


@pytest.fixture
def dmarc_reports(gathered: Gathered, domain: Domain) -> ReportDestinations:
    """The report destinations outside the organisational domain, with their consent."""
    return cast(ReportDestinations, gathered("dmarc_reports", domain))


@pytest.fixture
def dmarc_mailboxes(gathered: Gathered, domain: Domain) -> ReportMailboxes:
    """The domains of the mailboxes that DMARC reports go to."""
    return cast(ReportMailboxes, gathered("dmarc_mailboxes", domain))


@pytest.fixture
def dmarc_skipped(gathered: Gathered, domain: Domain) -> SkippedParents:
    """The parents of the domain that the tree walk passes over."""
    return cast(SkippedParents, gathered("dmarc_skipped", domain))


@pytest.fixture
def mail_domains(gathered: Gathered, domain: Domain) -> MailDomains:
    """The From domain and the envelope domain with their addresses and mail exchangers."""
    return cast(MailDomains, gathered("mail_domains", domain))


@pytest.fixture
def dane(gathered: Gathered, domain: Domain) -> Dane:
    """The mail exchangers of the domain with their TLSA records and certificates."""
    return cast(Dane, gathered("dane", domain))


@pytest.fixture
def route(gathered: Gathered, address: Address) -> Route:
    """Which network announces the address, by the declared zone."""
    return cast(Route, gathered("route", address))


@pytest.fixture
def consoles(gathered: Gathered, domain: Domain) -> Consoles:
    """The records by which receivers' consoles know the domain."""
    return cast(Consoles, gathered("consoles", domain))


@pytest.fixture
def listings(gathered: Gathered, address: Address) -> Listings:
    """What the declared DNS lists say of the address."""
    return cast(Listings, gathered("listings", address))


@pytest.fixture
def domain_listings(gathered: Gathered, domain: Domain) -> Listings:
    """What the declared DNS lists of names say of the names that mail of the domain shows."""
    return cast(Listings, gathered("domain_listings", domain))


@pytest.fixture
def list_answers(gathered: Gathered, blocklist: Blocklist) -> ListAnswers:
    """All that a declared DNS list answers: its test entries, and what it is asked for."""
    return cast(ListAnswers, gathered("list_answers", blocklist))


@pytest.fixture
def domain_zones(gathered: Gathered, domain: Domain) -> DomainZones:
    """The zones of the From domain and the envelope domain, with their name servers."""
    return cast(DomainZones, gathered("domain_zones", domain))


@pytest.fixture
def name_servers(gathered: Gathered, domain: Domain) -> NameServers:
    """What each server of the zones of the domain says."""
    return cast(NameServers, gathered("name_servers", domain))


@pytest.fixture
def domain_validity(gathered: Gathered, domain: Domain) -> Validity:
    """Whether DNSSEC protects the zone of the domain, or stands in the way."""
    return cast(Validity, gathered("domain_validity", domain))


@pytest.fixture
def authorization(gathered: Gathered, domain: Domain) -> Authorization:
    """The CAA records that count for the domain."""
    return cast(Authorization, gathered("authorization", domain))


@pytest.fixture
def strict_transport(gathered: Gathered, domain: Domain) -> StrictTransport:
    """The record of MTA-STS of the domain."""
    return cast(StrictTransport, gathered("strict_transport", domain))


@pytest.fixture
def strict_policy(gathered: Gathered, domain: Domain) -> StrictPolicy:
    """The MTA-STS policy that the domain serves; not applicable when it announces none."""
    return cast(StrictPolicy, gathered("strict_policy", domain))


@pytest.fixture
def policy_before(earlier: Store | None, strict_policy: StrictPolicy) -> PolicyBefore:
    """The MTA-STS policy and its record in the last run; not applicable where they are not known."""
    return strict_policy.before(earlier)


@pytest.fixture
def tls_reporting(gathered: Gathered, domain: Domain) -> TlsReporting:
    """The record of TLS reporting of the domain."""
    return cast(TlsReporting, gathered("tls_reporting", domain))


@pytest.fixture
def report_hosts(gathered: Gathered, domain: Domain) -> ReportHosts:
    """Where reports about TLS go, with what DNS says of it."""
    return cast(ReportHosts, gathered("report_hosts", domain))


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
def parked_key(gathered: Gathered, parked_domain: Domain) -> KeyRecord:
    """What stands at any DKIM selector of a domain that never sends."""
    return cast(KeyRecord, gathered("parked_key", parked_domain))


@pytest.fixture
def parked_mail(gathered: Gathered, parked_domain: Domain) -> MailDomains:
    """Addresses and mail exchangers of a domain that never sends."""
    return cast(MailDomains, gathered("parked_mail", parked_domain))


for _module in (fixtures_dkim, fixtures_sent, fixtures_spf):
    globals().update({name: one for name, one in vars(_module).items() if hasattr(one, "_get_wrapped_function")})
