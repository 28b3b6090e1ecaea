"""What is said of the records of a domain, over the DNS of small worlds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.check import Level
from conformance.facts.gather import Limits, gather
from conformance.facts.plan import Wanted
from conformance.facts.snapshot import Gathering
from conformance.facts.store import Store
from conformance.fleet.ansible import load
from conformance.fleet.model import Fleet
from conformance.lab.world import serve_world
from conformance.records.bench import Bench
from conformance.records.entry import Entry, whole
from conformance.records.survey import Survey
from tests import worlds

KEY = "QNpk0tFaBC2N4XKN6W6I3ailGxaWX3VuY38MVHk6Zps="
GOOD = f"""
@ MX 10 mx.example.net.
@ TXT "v=spf1 ip4:203.0.113.1 -all"
s._domainkey TXT "v=DKIM1; k=ed25519; t=s; p={KEY}"
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@{{name}}"
_mta-sts TXT "v=STSv1; id=1"
mta-sts A 203.0.113.80
_smtp._tls TXT "v=TLSRPTv1; rua=mailto:t@{{name}}"
"""
HOST = f"""
@ MX 10 mx
@ TXT "v=spf1 -all"
mx A 203.0.113.1
mx TXT "v=spf1 a -all"
reports MX 10 mx
_dmarc TXT "v=DMARC1; p=none"
key TXT "v=DKIM1; k=ed25519; t=s; p={KEY}"
"""


@dataclass(frozen=True)
class Case:
    """A domain that differs from one in order: lines in place of those of the same owner and type, or none."""

    name: str
    changes: Mapping[str, tuple[str, ...]]
    wanted: Mapping[str, str]
    """By name and type: state and what is to stand there, as ``state: text | text``; ``state`` alone: not told."""
    declared: Mapping[str, Any] | None = None


CASES = (
    Case("good", {}, {}),
    Case(
        "other-text-stays",
        {"@ TXT": ('"google-site-verification=1"', '"v=spf1 ip4:203.0.113.9 -all"')},
        {" TXT": "wrong: google-site-verification=1 | v=spf1 ip4:203.0.113.9 ip4:203.0.113.1 -all"},
    ),
    Case("no-spf", {"@ TXT": ('"hello"',)}, {" TXT": "missing: hello | v=spf1 ip4:203.0.113.1 ~all"}),
    Case(
        "two-spf",
        {"@ TXT": ('"v=spf1 mx -all"', '"v=spf1 ip4:203.0.113.1 ~all"')},
        {" TXT": "wrong: v=spf1 mx ip4:203.0.113.1 ~all"},
    ),
    Case(
        "garbled-spf",
        {"@ TXT": ('"v=spf1 ipv4:203.0.113.1 -al -all"',)},
        {" TXT": "wrong: v=spf1 ip4:203.0.113.1 -all"},
    ),
    Case("near-spf", {"@ TXT": ('"spf1 ip4:203.0.113.1 -all"',)}, {" TXT": "wrong: v=spf1 ip4:203.0.113.1 -all"}),
    Case(
        "two-faults",
        {"@ TXT": ('"v=spf1 ptr include:gone.{name} ?all"',)},
        {" TXT": "wrong: v=spf1 ip4:203.0.113.1 ~all"},
    ),
    Case("open-spf", {"@ TXT": ('"v=spf1 +all"',)}, {" TXT": "wrong: v=spf1 ip4:203.0.113.1 ~all"}),
    Case("wide-spf", {"@ TXT": ('"v=spf1 ip4:203.0.0.0/12 -all"',)}, {}),
    Case(
        "envelope",
        {"bounce TXT": ('"v=spf1 -all"',)},
        {
            "bounce TXT": "wrong: v=spf1 ip4:203.0.113.1 -all",
            "bounce MX": "missing: 10 mx.example.net",
        },
        {"envelope": "bounce.{name}"},
    ),
    Case(
        "no-key",
        {"s._domainkey TXT": ()},
        {"s._domainkey TXT": "missing"},
    ),
    Case(
        "escaped-key",
        {"s._domainkey TXT": (f'"v=DKIM1\\\\; k=ed25519\\\\; p={KEY}"',)},
        {"s._domainkey TXT": f"wrong: v=DKIM1; k=ed25519; p={KEY}"},
    ),
    Case("revoked-key", {"s._domainkey TXT": ('"v=DKIM1; p="',)}, {"s._domainkey TXT": "wrong"}),
    Case("alias-key", {"s._domainkey TXT": (), "s._domainkey CNAME": ("key.example.net.",)}, {}),
    Case(
        "alias-gone",
        {"s._domainkey TXT": (), "s._domainkey CNAME": ("gone.example.net.",)},
        {"gone.example.net TXT": "missing"},
    ),
    Case("retired-key", {"s._domainkey TXT": ()}, {}, {"dkim": [{"selector": "s", "state": "retired"}]}),
    Case(
        "test-key",
        {"s._domainkey TXT": (f'"v=DKIM1; k=ed25519; t=y; p={KEY}"',)},
        {"s._domainkey TXT": f"wrong: v=DKIM1; k=ed25519; p={KEY}"},
    ),
    Case(
        "no-dmarc",
        {"_dmarc TXT": ()},
        {"_dmarc TXT": "missing: v=DMARC1; p=quarantine; rua=mailto:reports@{name}; np=reject"},
        {"dmarc": {"p": "quarantine", "rua": "mailto:reports@{name}"}},
    ),
    Case("monitoring", {"_dmarc TXT": ('"v=DMARC1; p=none; rua=mailto:d@{name}"',)}, {}),
    Case(
        "foreign-reports",
        {"_dmarc TXT": ('"v=DMARC1; p=reject; rua=mailto:d@reports.example.net"',)},
        {"{name}._report._dmarc.reports.example.net TXT": "missing: v=DMARC1"},
    ),
    Case(
        "garbled-dmarc",
        {"_dmarc TXT": ('"v=DMARC1 p=reject, rua=d@{name}"',)},
        {"_dmarc TXT": "wrong: v=DMARC1; p=reject; rua=mailto:d@{name}"},
    ),
    Case(
        "two-dmarc",
        {"_dmarc TXT": ('"v=DMARC1; p=reject; rua=mailto:d@{name}"', '"v=DMARC1; p=none"')},
        {"_dmarc TXT": "wrong: v=DMARC1; p=none; rua=mailto:d@{name}"},
    ),
    Case("no-sts", {"_mta-sts TXT": (), "mta-sts A": ()}, {"_mta-sts TXT": "missing", "mta-sts A": "missing"}),
    Case("two-sts", {"_mta-sts TXT": ('"v=STSv1; id=1"', '"v=STSv1; id=2"')}, {"_mta-sts TXT": "wrong: v=STSv1; id=2"}),
    Case("no-tlsrpt", {"_smtp._tls TXT": ()}, {"_smtp._tls TXT": "missing: v=TLSRPTv1; rua=mailto:tls-reports@{name}"}),
    Case(
        "two-tlsrpt",
        {"_smtp._tls TXT": ('"v=TLSRPTv1; rua=mailto:t@{name}"', '"v=TLSRPTv1; rua=mailto:t@{name},mailto:u@{name}"')},
        {"_smtp._tls TXT": "wrong: v=TLSRPTv1; rua=mailto:t@{name},mailto:u@{name}"},
    ),
    Case(
        "reports-to-nobody",
        {"_dmarc TXT": ('"v=DMARC1; p=reject; rua=mailto:d@{name},mailto:d@gone.example.net"',)},
        {"_dmarc TXT": "wrong: v=DMARC1; p=reject; rua=mailto:d@{name}"},
    ),
    Case("no-mx", {"@ MX": ()}, {" MX": "missing", "_dmarc TXT": "wrong", "_smtp._tls TXT": "wrong"}),
    Case("host-in-it", {"@ MX": ("10 mail",), "mail A": ("203.0.113.1",)}, {}),
    Case("alias-mx", {"@ MX": ("10 mail",), "mail CNAME": ("mx.example.net.",)}, {" MX": "wrong: 10 mx.example.net"}),
    Case(
        "parked",
        {"@ MX": (), "@ TXT": ('"v=spf1 mx ~all"',), "_dmarc TXT": ('"v=DMARC1; p=none"',)},
        {
            " TXT": "wrong: v=spf1 -all",
            "_dmarc TXT": "wrong: v=DMARC1; p=reject",
            "*._domainkey TXT": "missing: v=DKIM1; p=",
        },
        {"no_mail": True},
    ),
    Case(
        "parked-web",
        {"@ MX": (), "@ A": ("203.0.113.80",), "@ TXT": (), "_dmarc TXT": ()},
        {
            " TXT": "missing: v=spf1 -all",
            " MX": "missing: 0 .",
            "_dmarc TXT": "missing: v=DMARC1; p=reject",
            "*._domainkey TXT": "missing: v=DKIM1; p=",
        },
        {"no_mail": True},
    ),
    Case(
        "parked-shared",
        {
            "@ MX": (),
            "@ TXT": ('"v=spf1 -all"',),
            "*._domainkey TXT": ('"v=DKIM1; p="',),
            "s._domainkey TXT": (),
            "_dmarc TXT": (),
            "_dmarc CNAME": ("_dmarc.example.net.",),
        },
        {"_dmarc.example.net TXT": "wrong"},
        {"no_mail": True},
    ),
    Case(
        "parked-mail",
        {"@ TXT": ('"v=spf1 -all"',), "*._domainkey TXT": ('"v=DKIM1; p="',), "s._domainkey TXT": ()},
        {},
        {"no_mail": True},
    ),
)
SILENT = ("silent", "half-silent")


def zone(case: Case) -> str:
    """Return the records of a domain, those that are in order and those that are not."""
    lines = [line for line in GOOD.strip().splitlines() if " ".join(line.split(" ")[:2]) not in case.changes]
    lines += [f"{key} {one}" for key, data in case.changes.items() for one in data]
    return worlds.HEAD + "\n".join(lines).replace("{name}", f"{case.name}.example") + "\n"


@dataclass(frozen=True)
class Served:
    """The fleet of all cases, with DNS that answers for it."""

    fleet: Fleet
    resolver: str
    bench: Bench

    def entries(self, name: str, level: Level = Level.SHOULD) -> tuple[Entry, ...]:
        return self.survey(name, level).entries()

    def survey(self, name: str, level: Level = Level.SHOULD) -> Survey:
        limits = Limits(resolvers=(self.resolver,), probe="none", dns_timeout=0.4, dns_retries=0)

        def asked(store: Store, wanted: Any) -> None:
            known: list[Wanted] = list(wanted)
            gather(known, self.fleet, store, limits, Gathering(), lambda _: None)

        domain = self.fleet.catalogue[f"{name}.example"]
        return Survey(domain, self.bench, asked, Store(), level)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the DNS of all cases, and read their inventory."""
    domains = {f"{one.name}.example": _filled(one.declared or {"dkim": [{"selector": "s"}]}, one.name) for one in CASES}
    for name in SILENT:
        domains[f"{name}.example"] = {"dkim": [{"selector": "s"}]}
    host = {
        "mailconform_helo": "mx.example.net",
        "mailconform_send_from": "203.0.113.1",
        "mailconform_sends_for": [name for name, one in domains.items() if not one.get("no_mail")],
        "mailconform_treat_as_public": ["203.0.113.0/24"],
    }
    variables = {"mailconform_domains": {**domains, "example.net": {}}, "mailconform_role": "mta_out"}
    inventory = tmp_path_factory.mktemp("records") / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"vars": variables, "hosts": {"mx.example.net": host}}}))
    zones = {f"{one.name}.example.": zone(one) for one in CASES}
    zones |= {f"{name}.example.": zone(Case(name, {}, {})) for name in SILENT}
    zones |= {
        "example.net.": f"{worlds.HEAD}{HOST}",
        "example.": worlds.HEAD,
        "113.0.203.in-addr.arpa.": f"{worlds.HEAD}1 PTR mx.example.net.\n",
    }
    faults = ["silent.example. drop subtree", "_dmarc.half-silent.example. TXT servfail"]
    with serve_world(zones, faults=faults) as served:
        fleet = load((str(inventory),))
        yield Served(fleet, served.resolver, Bench(fleet, (), ("common",)))


@pytest.fixture
def served(world: Served) -> Iterator[Served]:
    """Give each test a bench of its own."""
    with world.bench:
        yield world


def _filled(value: Any, name: str) -> Any:
    return json.loads(json.dumps(value).replace("{name}", f"{name}.example"))


def told(entries: tuple[Entry, ...], name: str) -> dict[str, str]:
    """Return all that is not right, by owner within the domain and type."""
    found = {}
    for one in entries:
        if one.state != "right":
            owner = one.name.removesuffix(f"{name}.example").rstrip(".") if "_report" not in one.name else one.name
            wanted = f": {' | '.join(map(whole, one.wanted))}" if one.wanted is not None else ""
            found[f"{owner} {one.rdtype}"] = f"{one.state}{wanted}"
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_not_right(served: Served, case: Case) -> None:
    assert told(served.entries(case.name), case.name) == _filled(dict(case.wanted), case.name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_breaks_that_held(served: Served, case: Case) -> None:
    survey = served.survey(case.name, Level.INFO)
    survey.entries()
    before = {(one.check.id, one.result["subject"], one.task.slot) for one in survey.before if one.outcome == "pass"}
    broken = [one for one in survey.after if one.broken and one.weighs is not Level.INFO]
    assert [
        one.result["seen"] for one in broken if (one.check.id, one.result["subject"], one.task.slot) in before
    ] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_proposed_is_proposed_no_further(served: Served, case: Case) -> None:
    survey = served.survey(case.name)
    survey.entries()
    again = Survey(survey.domain, survey.bench, lambda _store, _wanted: None, survey.store, Level.SHOULD)
    again.sets = survey.sets
    again.before = again.after = survey.after
    assert again._changed() == survey.sets


def test_what_nobody_could_look_at_is_neither_right_nor_missing(served: Served) -> None:
    own = [one for one in served.entries("silent") if one.name.endswith("silent.example")]
    assert {one.state for one in own} == {"unknown"}
    assert all(one.cause and one.wanted is None for one in own)


def test_what_is_known_is_told_beside_what_is_not(served: Served) -> None:
    states = {f"{one.name} {one.rdtype}": one.state for one in served.entries("half-silent")}
    assert states["_dmarc.half-silent.example TXT"] == "unknown"
    assert states["half-silent.example TXT"] == "right"


def test_where_a_key_is_taken_from(served: Served) -> None:
    key = next(one for one in served.entries("no-key") if "_domainkey" in one.name)
    assert "opendkim-genkey" in key.source
    assert key.wanted is None


def test_what_is_only_advised_changes_nothing_unless_asked(served: Served) -> None:
    usual = next(one for one in served.entries("monitoring") if one.name.startswith("_dmarc"))
    assert usual.state == "right"
    assert [one["check"] for one in usual.findings] == ["dmarc.enforced", "dmarc.nonexistent"]
    asked = next(one for one in served.entries("monitoring", Level.INFO) if one.name.startswith("_dmarc"))
    assert [whole(one) for one in asked.wanted or ()] == [
        "v=DMARC1; p=none; rua=mailto:d@monitoring.example; np=reject"
    ]


def test_a_domain_that_never_sends_may_take_mail(served: Served) -> None:
    mail = next(one for one in served.entries("parked-mail") if one.rdtype == "MX")
    assert (mail.state, mail.now) == ("right", ((10, "mx.example.net"),))
    assert [one["check"] for one in mail.findings] == ["parked.null-mx"]


def test_an_alias_is_what_the_domain_publishes(served: Served) -> None:
    key = next(one for one in served.entries("alias-key") if "_domainkey" in one.name)
    assert (key.name, key.rdtype, key.wanted) == ("s._domainkey.alias-key.example", "CNAME", ("key.example.net",))


def test_records_of_hosts(served: Served) -> None:
    found = {f"{one.name} {one.rdtype}": one for one in served.entries("good")}
    assert found["1.113.0.203.in-addr.arpa PTR"].now == ("mx.example.net",)
    assert found["mx.example.net A"].zone == "example.net"
    assert found["mx.example.net TXT"].purpose == "SPF of the greeting of mx.example.net"
