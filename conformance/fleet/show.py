"""Shows the fleet: what is effective for a host, and where each value was written."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.fleet.errors import InventoryError, Problem, printable
from conformance.fleet.model import Domain, Fleet, Mta
from conformance.fleet.origin import Origin
from conformance.fleet.sending import Stream, Submission
from conformance.reading.excerpt import did_you_mean
from conformance.reading.scripts import in_both_forms

_NOT_SHOWN = ("forward", "attest", "ipv6", "role_groups", "enabled", "lab", "tls_policies")


def describe(fleet: Fleet, host: str | None = None) -> list[str]:
    """Return lines that show one mail host, or the whole fleet. Raises InventoryError for an unknown host."""
    return [printable(line) for line in (_overview(fleet) if host is None else _host(fleet, host))]


def _overview(fleet: Fleet) -> Iterator[str]:
    for mta in fleet.mtas:
        yield from _mta(mta)
        yield ""
    for domain in fleet.domains:
        yield from _domain(domain)
    if fleet.out_of_scope:
        yield f"out of scope: {', '.join(fleet.out_of_scope)}"
    if fleet.ignored:
        yield f"no mail hosts: {', '.join(fleet.ignored)}"
    yield from (f"warning: {warning}" for warning in fleet.warnings)


def _host(fleet: Fleet, name: str) -> Iterator[str]:
    mta = fleet.by_name.get(name)
    if mta is None:
        if name in fleet.out_of_scope:
            raise InventoryError([Problem(f"'{name}' is out of scope", hint="see its mailconform_enabled")])
        if name in fleet.ignored:
            raise InventoryError([Problem(f"'{name}' has no role in mail", hint="see mailconform_role")])
        hint = did_you_mean(name, fleet.by_name) or "see: mailconform list hosts"
        raise InventoryError([Problem(f"no mail host is named '{name}'", hint=hint)])
    yield from _mta(mta)
    yield ""
    for domain in mta.sends_for:
        yield from _domain(fleet.catalogue[domain])


def _mta(mta: Mta) -> Iterator[str]:
    yield _line(mta.name, "", mta.origin, indent="")
    yield _line("role", ", ".join(mta.roles) or "none", _where(mta, "role"), default="from groups")
    yield _line("helo", mta.helo or "none", _where(mta, "helo"))
    for address in mta.addresses:
        yield _line("send_from", str(address.ip), address.origin)
        if address.helo != mta.helo:
            yield _line("  helo", address.helo, address.helo_origin)
    for listener in mta.listeners:
        yield _line("listen", f"{listener.port}, tls {listener.tls}, auth {listener.auth}", listener.origin)
    dialled = _where(mta, "connect_to") or mta.declared.get("ansible_host")
    yield _line("connect_to", mta.connect_to, dialled, default="the host's name")
    yield _line("sends_for", ", ".join(mta.sends_for) or "none", None)
    for name in ("sends_for", "group_sends_for", "host_sends_for"):
        if f"mailconform_{name}" in mta.declared:
            yield _line(f"  {name}", "", _where(mta, name))
    yield _line("profile", ", ".join(mta.profiles) or "of the run", _where(mta, "profile"))
    for check, level in mta.levels.items():
        yield _line("levels", f"{check}: {level}", _where(mta, "levels"))
    yield _line("probe", mta.probe.level, _where(mta, "probe"), default="default")
    for waiver in mta.waivers:
        what = f"{', '.join(waiver.rules)} until {waiver.expires}: {waiver.reason}"
        yield _line("waive", what, Origin(waiver.path, waiver.line))
    for stream in mta.streams:
        yield from _stream(stream)
    if "mailconform_submission" in mta.declared:
        yield _line("submission", _submission(mta.submission), _where(mta, "submission"))
    if mta.treat_as_public:
        yield _line("treat_as_public", ", ".join(mta.treat_as_public), _where(mta, "treat_as_public"))
    if mta.blocklists:
        yield _line("dnsbl", ", ".join(one.zone for one in mta.blocklists), _where(mta, "dnsbl"))
    if mta.routing:
        zones = ", ".join(filter(None, (mta.routing.zone, mta.routing.zone6)))
        origins = "".join(f" AS{number}" for number in mta.routing.origins)
        yield _line("routing", f"{zones}{':' if origins else ''}{origins}", _where(mta, "routing"))
    if mta.tags:
        yield _line("tags", ", ".join(mta.tags), _where(mta, "tags"))
    for name in _NOT_SHOWN:
        if f"mailconform_{name}" in mta.declared:
            yield _line(name, "is set", _where(mta, name))
    yield _line("groups", ", ".join(mta.groups), None)


def _stream(stream: Stream) -> Iterator[str]:
    yield _line("stream", f"{stream.name}, {stream.kind}, how {stream.how}", stream.origin)
    yield _line("  from", stream.author, None)
    yield _line("  envelope", stream.sender, None)
    yield _line("  leaves from", ", ".join(map(str, stream.sources)) or "not declared", None)
    if stream.trials != ("*",):
        yield _line("  trials", ", ".join(stream.trials), None)


def _submission(door: Submission | None) -> str:
    if door is None:
        return "to no listener of this host"
    account = f"as {door.username}" if door.username else "without an account"
    distrusted = "" if door.verify else ", any certificate"
    return f"{door.server} port {door.port}, tls {door.tls}{distrusted}, {account}"


def _domain(domain: Domain) -> Iterator[str]:
    sends = "never sends" if domain.no_mail else f"envelope {domain.mail_from}"
    yield _line(in_both_forms(domain.name), sends, domain.origin, indent="")
    for selector in domain.selectors:
        signing = "" if selector.signing_domain == domain.name else f", d={selector.signing_domain}"
        yield _line("dkim", f"{selector.name}, {selector.state}{signing}", selector.origin)
    for console, _ in domain.consoles:
        yield _line("console", console, None)
    wishes = {"spf all": domain.spf_all, "dmarc p": domain.dmarc_p}
    for name, wish in wishes.items():
        if wish:
            yield _line(name, ", ".join(wish), None)


def _where(mta: Mta, name: str) -> Origin | None:
    return mta.declared.get(f"mailconform_{name}")


def _line(name: str, value: str, origin: Origin | None, indent: str = "  ", default: str = "") -> str:
    shown = f"{indent}{name}: {value}" if value else f"{indent}{name}"
    place = str(origin) if origin else default
    return f"{shown:<56}  {place}".rstrip()
