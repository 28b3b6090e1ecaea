"""What record sets a finding asks to be changed: what its remedy prints, else the smallest change that heals it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from conformance.outcome import NotApplicable, Undetermined
from conformance.reading import mending, tlsrpt
from conformance.reading.fields import is_record
from conformance.reading.mtasts import parse as parse_sts
from conformance.reading.orgdomain import to_ascii
from conformance.reading.zonetext import split
from conformance.records import healing_dmarc, healing_spf
from conformance.records.bench import Verdict
from conformance.records.change import Change, printed

Healer = Callable[[Verdict], Iterable[Change]]


def changes(verdict: Verdict) -> tuple[Change, ...]:
    """Return the changes that a finding asks for; none where no record heals it, or its owner has to decide."""
    healer = _HEALERS.get(verdict.check.id) or _BY_AREA.get(verdict.check.area) or as_printed
    try:
        return tuple(healer(verdict))
    except (NotApplicable, Undetermined):
        return ()


def as_printed(verdict: Verdict) -> Iterator[Change]:
    """Yield what the remedy says to publish, unless that is to be done on a condition only."""
    yield from printed(verdict.result["fix"])


def _nothing(_verdict: Verdict) -> Iterator[Change]:
    yield from ()


def _ptr(verdict: Verdict) -> Iterator[Change]:
    """Yield one name, the fleet's own, and its way back: what all remedies of reverse names come to."""
    address, name = verdict.fact("address"), verdict.fact("own_name")
    if "<" in name:
        return
    names = verdict.fact("ptr").names
    yield Change(verdict.fact("ptr").answer.owner, "PTR", (name,), among="all")
    if [one.lower() for one in names] == [name]:
        yield Change(name, address.forward_type, (str(address.ip),), among="none")


def _named_as_greeted(verdict: Verdict) -> Iterator[Change]:
    """Yield the name that the host greets with, where it leads to the address; else the greeting is what is wrong."""
    address, helo = verdict.fact("address"), verdict.fact("helo")
    name = to_ascii(helo.name) or ""
    if name in address.fit_names and not helo.forward.aliases and helo.forward.leads_to(address.ip):
        yield Change(verdict.fact("ptr").answer.owner, "PTR", (name,), among="all")


def _greeting(verdict: Verdict) -> Iterator[Change]:
    """Yield an address for the name that a host greets with."""
    yield from (one for one in as_printed(verdict) if one.rdtype in ("A", "AAAA"))


def _exchangers(verdict: Verdict) -> Iterator[Change]:
    """Yield for an envelope domain that takes no mail the exchangers of the domain that it is used for."""
    domain, mail = verdict.fact("domain"), verdict.fact("mail_domains").names[0]
    whole = verdict.fact("gathered")("mail_domains", domain)
    own = next(one for one in whole.names if one.name == domain.name)
    if mail.name == domain.name or mail.mx.aliases or not own.mx.found or own.null_mx:
        return
    note = f"the exchangers of {domain.name}: they have to take mail for {mail.name}"
    yield Change(mail.name, "MX", own.mx.exchanges, among="all", note=note)


def _canonical_exchangers(verdict: Verdict) -> Iterator[Change]:
    """Yield the exchangers by the names that aliases lead to, and without a null MX beside others."""
    mail = verdict.fact("mail_domains").names[0]
    led = {one.name: one.aliases[-1] for one in mail.targets if one.aliases and one.resolves}
    better = tuple(dict.fromkeys((rank, led.get(name, name)) for rank, name in mail.mx.exchanges if name != "."))
    if better != mail.mx.exchanges:
        yield Change(mail.mx.owner, "MX", better, among="all")


def _key(change: Callable[[str, str], str | None]) -> Healer:
    def healer(verdict: Verdict) -> Iterator[Change]:
        key = verdict.fact("dkim_key")
        yield Change(key.answer.owner, "TXT", (split(mending.key_with(key.texts[0], change)),))

    return healer


def _key_syntax(verdict: Verdict) -> Iterator[Change]:
    key = verdict.fact("dkim_key")
    if len(key.texts) == 1 and (mended := mending.key_mended(key.texts[0])):
        yield Change(key.answer.owner, "TXT", (split(mended),))


def _strict_transport(verdict: Verdict) -> Iterator[Change]:
    """Yield one record. A domain without any needs its policy served first, which no record does."""
    transport = verdict.fact("strict_transport")
    published = transport.published
    good = [text for text in published.answer.joined if is_record(text, "STSv1") and not parse_sts(text).problems]
    if good:
        yield Change(published.answer.owner, "TXT", (split(max(good, key=lambda text: parse_sts(text).id)),))
    elif transport.faults:
        yield from as_printed(verdict)


def _tls_reporting(verdict: Verdict) -> Iterator[Change]:
    published = verdict.fact("tls_reporting").published
    mended = [text for one in published.records if (text := mending.tlsrpt_mended(one))]
    if len(mended) == 1:
        yield Change(published.answer.owner, "TXT", (split(mended[0]),))
    elif mended:
        uris = dict.fromkeys(one.uri for text in mended for one in tlsrpt.parse(text).destinations)
        note = f"of {len(published.records)} that discard each other: reports go where they all say"
        yield Change(published.answer.owner, "TXT", (split(f"v=TLSRPTv1; rua={','.join(uris)}"),), note=note)
    else:
        yield from as_printed(verdict)


def _reachable_reports(verdict: Verdict) -> Iterator[Change]:
    """Yield the destinations that reports can reach, else the address that the rule for the record proposes."""
    from conformance.catalogue import checks
    from conformance.facts.tlsrpt import deafness

    domain = verdict.fact("domain")
    published = verdict.fact("gathered")("tls_reporting", domain).published
    asked = verdict.fact("report_hosts").destinations
    kept = [one.uri for one, seen in asked if not deafness(one, seen)]
    if not kept and domain.name in [one.host for one, _ in asked]:
        return
    if kept:
        yield Change(published.answer.owner, "TXT", (split(f"v=TLSRPTv1; rua={','.join(kept)}"),))
    else:
        yield from printed(checks()["tlsrpt.record"].fix.format(domain=domain))


_HEALERS: Mapping[str, Healer] = {
    **healing_spf.HEALERS,
    **healing_dmarc.HEALERS,
    "ptr.answers": _nothing,
    "ptr.dnssec-ok": _nothing,
    "ptr.matches-helo": _named_as_greeted,
    "helo.exists": _greeting,
    "helo.resolves": _greeting,
    "dom.from-resolves": _exchangers,
    "dom.mx-or-a": _exchangers,
    "dom.no-null-mx": _exchangers,
    "dom.mx-valid": _canonical_exchangers,
    "dkim.key-syntax": _key_syntax,
    "dkim.key-not-test": _key(mending.without_flag("y")),
    "dkim.key-hash": _key(mending.without_tag("h")),
    "dkim.key-service": _key(mending.without_tag("s")),
    "mtasts.record": _strict_transport,
    "tlsrpt.record": _tls_reporting,
    "tlsrpt.rua-accepts": _reachable_reports,
}
_BY_AREA: Mapping[str, Healer] = {"ptr": _ptr}
