"""Plans of octoDNS, dnscontrol and Terraform, as these tools write them (tests/data/plans/README.md)."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.plans import read_plan
from conformance.reading.plans.plan import Plan
from conformance.reading.zone import RecordSet, ZoneError

FOLDER = Path(__file__).parents[1] / "data" / "plans"


def read(name: str) -> Plan:
    return read_plan((FOLDER / name).read_text("utf-8"), name)


def told(one: RecordSet) -> str:
    """Return a set in one line: what comes, what goes, what is not known."""
    if one.unknown:
        return f"? {one.unknown}"
    data = " ".join(f"+ {rdata}" if one.removed is not None else str(rdata) for rdata in one.rdatas)
    gone = " ".join(f"- {rdata}" for rdata in one.removed or ())
    return " ".join(filter(None, (str(one.ttl), data, gone))) if data or gone else "deleted"


def sets(plan: Plan) -> dict[str, str]:
    found = plan.zones[0].sets if plan.zones else plan.sets
    return {f"{name} {rdtype.name}": told(one) for (name, rdtype), one in found.items()}


def problems(text: str, file: str = "plan.json") -> tuple[str, ...]:
    with pytest.raises(ZoneError) as raised:
        read_plan(text, file)
    return raised.value.problems


def test_a_plan_of_octodns() -> None:
    plan = read("octodns.json")
    assert plan.zones == ()
    assert sets(plan) == {
        "old.example.com. CNAME": "deleted",
        "s1._domainkey.example.com. TXT": "deleted",
        "_443._tcp.mx1.example.com. TLSA": "3600 3 1 1 "
        "8755cdaa8fe24ef16cc0f2c918063185e433faaf1415664911d9e30a924138c4",
        "mx1.example.com. AAAA": "3600 2001:db8::1",
        "mx2.example.com. A": "600 198.51.100.2",
        "s2._domainkey.example.com. TXT": '3600 "v=DKIM1; k=rsa; p=BBBB"',
        "sub.example.com. NS": "3600 ns1.example.net. ns2.example.net.",
        "example.com. MX": "3600 10 mx1.example.com. 20 mx2.example.com.",
        "example.com. TXT": '3600 "v=spf1 mx ip4:198.51.100.0/28 -all"',
    }
    assert {one.place for one in plan.sets.values()} >= {"octodns.json:example.com. s1._domainkey TXT"}


def test_two_providers_of_octodns_are_given_the_same() -> None:
    change = {"name": "a", "record_type": "A", "type": "create", "new": {"ttl": 60, "value": "192.0.2.1"}}
    other = change | {"new": {"ttl": 60, "value": "192.0.2.2"}}

    def plan(second: dict[str, Any]) -> str:
        return json.dumps({who: {"e.org.": {"changes": [one]}} for who, one in (("one", change), ("two", second))})

    assert sets(read_plan(plan(change), "p")) == {"a.e.org. A": "60 192.0.2.1"}
    assert "a.e.org. A is set by plan.json:e.org. a A already" in problems(plan(other))[0]


def test_a_zone_file_of_octodns_is_the_whole_zone_but_for_soa_and_ns() -> None:
    plan = read("octodns/example.com.yaml")
    (zone,) = plan.zones
    assert (str(zone.origin), zone.managed) == ("example.com.", False)
    assert sets(plan)["s2._domainkey.example.com. TXT"] == '3600 "v=DKIM1; k=rsa; p=BBBB"'
    assert {one.place for one in zone.sets.values()} >= {"octodns/example.com.yaml:12"}


ALIAS = "? an ALIAS, which the DNS provider resolves"
DYNAMIC = "? a dynamic record, answered to each asker apart"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {type: A, ttl: 0100, values: [192.0.2.1, 192.0.2.2]}", {"a.e.org. A": "100 192.0.2.1 192.0.2.2"}),
        ("1: {type: PTR, value: mx1.example.com.}", {"1.e.org. PTR": "3600 mx1.example.com."}),
        ("'*.x': {type: MX, values: [{priority: 5, value: mx}]}", {"*.x.e.org. MX": "3600 5 mx.e.org."}),
        ("'': {type: ALIAS, value: a.b.}", {"e.org. A": ALIAS, "e.org. AAAA": ALIAS}),
        ("a: {type: A, value: 192.0.2.1, dynamic: {rules: []}}", {"a.e.org. A": DYNAMIC}),
        ("a: {type: A, value: 192.0.2.1, geo: {AF: [192.0.2.9]}}", {"a.e.org. A": DYNAMIC}),
        ('a: {type: TXT, value: \'"one" "two"\'}', {"a.e.org. TXT": '3600 "onetwo"'}),
        ("a: {type: CAA, value: {flags: 0, tag: issue, value: x}}", {"a.e.org. CAA": '3600 0 issue "x"'}),
    ],
)
def test_records_of_octodns(text: str, expected: dict[str, str]) -> None:
    assert sets(read_plan(text, "e.org.yaml")) == expected


def test_long_texts_are_split_as_providers_split_them() -> None:
    (one,) = read_plan(f"k: {{type: TXT, value: '{'x' * 300}'}}", "e.org.yaml").zones[0].sets.values()
    assert [len(part) for part in one.rdatas[0].strings] == [255, 45]


def test_a_plan_of_terraform_with_route_53() -> None:
    plan = read("route53.json")
    assert sets(plan) == {
        "s2._domainkey.example.com. TXT": '3600 "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" '
        '"oHtOPS0n2yMbjB7b"',
        "mx2.example.com. A": "300 198.51.100.2",
        "example.com. MX": "300 10 mx1.example.com. 20 mx2.example.com.",
        "s1._domainkey.example.com. TXT": "deleted",
        "example.com. TXT": '3600 "site-verification=1" "v=spf1 mx ip4:198.51.100.0/28 -all"',
    }
    assert {one.place for one in plan.sets.values()} >= {'route53.json:aws_route53_record.hosts["mx2"]'}


def changed(index: str, **after: Any) -> str:
    """Return the Route 53 plan with other values of one resource."""
    document = json.loads((FOLDER / "route53.json").read_text("utf-8"))
    for resource in document["resource_changes"]:
        if resource["address"].endswith(index):
            unknown = after.pop("unknown", {})
            resource["change"]["after"] |= after
            resource["change"]["after_unknown"] |= unknown
    return json.dumps(document)


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ({"unknown": {"records": True}}, "known only once the plan is applied"),
        ({"unknown": {"records": [True]}}, "known only once the plan is applied"),
        ({"alias": [{"name": "lb"}], "records": None}, "an alias of Route 53, which resolves it"),
        ({"weighted_routing_policy": [{"weight": 1}]}, "a routing policy of Route 53, answered to each asker apart"),
    ],
)
def test_what_route_53_tells_nobody_yet(after: dict[str, Any], why: str) -> None:
    assert sets(read_plan(changed('mx2"]', **after), "p"))["mx2.example.com. A"] == f"? {why}"


def test_a_record_that_moves_leaves_its_place() -> None:
    found = sets(read_plan(changed("record.mx", name="new.example.com"), "p"))
    assert (found["example.com. MX"], found["new.example.com. MX"][:4]) == ("deleted", "300 ")


def resource(kind: str, before: dict[str, Any] | None, after: dict[str, Any] | None, **unknown: Any) -> dict[str, Any]:
    """Return a change of a resource, as Terraform tells it."""
    actions = ["update"] if before and after else ["delete"] if before else ["create"]
    change = {"actions": actions, "before": before, "after": after, "after_unknown": unknown}
    return {"address": f"{kind}.{(after or before or {})['name']}", "mode": "managed", "type": kind, "change": change}


def planned(*resources: dict[str, Any]) -> dict[str, str]:
    return sets(read_plan(json.dumps({"resource_changes": resources}), "p"))


OLD = {"name": "a.example.com", "type": "A", "ttl": 60, "records": ["192.0.2.1"]}
NEW = OLD | {"records": ["192.0.2.2"]}


@pytest.mark.parametrize("turned", [False, True])
def test_what_one_resource_gives_up_another_takes_over(turned: bool) -> None:
    changes = [resource("aws_route53_record", OLD, None), resource("aws_route53_record", None, NEW)]
    assert planned(*(changes[::-1] if turned else changes)) == {"a.example.com. A": "60 192.0.2.2"}


def test_records_of_one_policy_are_one_set_that_nobody_knows() -> None:
    weighted = [NEW | {"set_identifier": name, "weighted_routing_policy": [{"weight": 1}]} for name in ("x", "y")]
    found = planned(*(resource("aws_route53_record", None, one) for one in weighted))
    assert found == {"a.example.com. A": "? a routing policy of Route 53, answered to each asker apart"}


def test_a_routing_policy_of_google_is_not_known() -> None:
    values = {"name": "a.example.com.", "type": "A", "ttl": 60, "rrdatas": None, "routing_policy": [{"wrr": []}]}
    found = planned(resource("google_dns_record_set", None, values))
    assert found == {"a.example.com. A": "? a routing policy of Google Cloud DNS, answered to each asker apart"}


def cloudflare(**values: Any) -> dict[str, Any]:
    return {"name": "a.example.com", "hostname": "a.example.com", "ttl": 60, "zone_id": "9", **values}


def test_a_record_of_cloudflare_that_is_known_later() -> None:
    found = planned(resource("cloudflare_record", None, cloudflare(type="A"), content=True))
    assert found == {"a.example.com. A": "? known only once the plan is applied"}


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("SRV", {"priority": 1, "weight": 2, "port": 25, "target": "mx.example.com"}, "1 2 25 mx.example.com."),
        ("CAA", {"flags": "0", "tag": "issue", "value": "ca.example"}, '0 issue "ca.example"'),
        ("TLSA", {"usage": 3, "selector": 1, "matching_type": 1, "certificate": "ab" * 32}, f"3 1 1 {'ab' * 32}"),
    ],
)
def test_records_of_cloudflare_in_fields(kind: str, data: dict[str, Any], shown: str) -> None:
    for written in (data, [data]):
        found = planned(resource("cloudflare_record", None, cloudflare(type=kind, data=written)))
        assert found == {f"a.example.com. {kind}": f"60 + {shown}"}


def test_what_goes_and_comes_again_stays() -> None:
    values = cloudflare(type="A", content="192.0.2.1")
    moved = [resource("cloudflare_record", values, None), resource("cloudflare_record", None, values)]
    assert planned(*moved) == {"a.example.com. A": "60 + 192.0.2.1"}


def test_a_data_source_changes_nothing() -> None:
    read_only = resource("aws_route53_record", OLD, NEW)
    read_only["mode"], read_only["change"]["actions"] = "data", ["read"]
    assert planned(read_only) == {}


def test_octal_escapes_of_route_53() -> None:
    found = sets(read_plan(changed('mx2"]', name="\\052.example.com"), "p"))
    assert found["*.example.com. A"] == "300 198.51.100.2"


def test_a_plan_of_terraform_with_google_cloud_dns() -> None:
    assert sets(read("google.json")) == {
        "example.com. TXT": '300 "v=spf1 ip4:198.51.100.0/28 -all"',
        "s1._domainkey.example.com. TXT": "deleted",
        "mx1.example.com. A": "? known only once the plan is applied",
    }


def test_a_plan_of_terraform_with_cloudflare_changes_single_records() -> None:
    assert sets(read("cloudflare.json")) == {
        "example.com. TXT": '300 + "v=spf1 ip4:198.51.100.0/28 -all" - "v=spf1 mx -all"',
        "s2._domainkey.example.com. TXT": '3600 + "v=DKIM1; k=rsa; p=BBBB"',
        "s1._domainkey.example.com. TXT": '0 - "v=DKIM1; k=rsa; p=AAAA"',
        "example.com. MX": "300 + 20 mx2.example.com.",
        "www.example.com. A": "? proxied, so that Cloudflare answers with addresses of its own",
        "www.example.com. AAAA": "? proxied, so that Cloudflare answers with addresses of its own",
    }


def test_a_name_whose_zone_nobody_tells_is_refused() -> None:
    values = {"name": "mx1", "type": "A", "content": "192.0.2.1", "zone_id": "9", "hostname": None}
    change = {"actions": ["create"], "before": None, "after": values, "after_unknown": {}}
    resource = {"address": "cloudflare_record.a", "type": "cloudflare_record", "change": change}
    (problem,) = problems(json.dumps({"resource_changes": [resource]}))
    assert problem.startswith("plan.json:cloudflare_record.a: ")
    assert "a zone whose name the plan does not tell" in problem


REPORT = {
    "private.example.com. A": "300 + 192.0.2.6 + 192.0.2.7 - 192.0.2.1",
    "private.example.com. TXT": '300 + "v=spf1 include:spf.example.net -all"',
    "s1._domainkey.private.example.com. TXT": '300 + "v=DKIM1; k=rsa; p=AAAA"',
    "private.example.com. MX": "300 + 0 mx.example.net.",
    "alias.private.example.com. CNAME": "300 mx.example.net.",
    "out-of-band.private.example.com. TXT": '0 - "This ttl=5 record goes."',
}


@pytest.mark.parametrize("name", ["dnscontrol.json", "dnscontrol.txt"])
def test_what_dnscontrol_would_change(name: str) -> None:
    assert sets(read(name)) == REPORT


def test_colours_say_nothing() -> None:
    (found,) = read_plan("\x1b[32m+ CREATE a.example.com A 192.0.2.1 ttl=300\x1b[0m", "p").sets.values()
    assert told(found) == "300 + 192.0.2.1"


def test_corrections_that_are_not_told_are_refused() -> None:
    (problem,) = problems('[{"domain": "example.com", "corrections": 2, "provider": "bind"}]')
    assert "without correction_details" in problem
    (problem,) = problems('[{"domain": "example.com", "corrections": 1, "correction_details": ["Sign the zone"]}]')
    assert problem == "plan.json:example.com: cannot be understood: what this changes is not known: 'Sign the zone'"


@pytest.mark.parametrize("text", ["", "{}", "[", '"x"', '{"a": 1}', "nonsense", "{" * 100_000, '{"a": {"b": {}}}'])
def test_what_is_no_plan(text: str) -> None:
    assert "is neither the plan of" in problems(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        "- a",
        "a: [",
        "a: {type: A}",
        "a: 1",
        "a: {type: A, value: x}",
        "? {a: b}\n: c",
        "a: {type: NOPE, value: x}",
        "a: {type: A, value: 192.0.2.1, octodns: {ignored: true}}",
    ],
)
def test_what_is_no_zone_of_octodns(text: str) -> None:
    assert problems(text, "e.org.yaml")[0].startswith("e.org.yaml:")


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = "a: {type: A, value: 1}\nb: {type: MX, value: {}}\nc: {type: A, value: 192.0.2.1}\n"
    assert [one.split(": ")[0] for one in problems(text, "e.org.yaml")] == ["e.org.yaml:1", "e.org.yaml:2"]


SAMPLES = [
    json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    for name in ("octodns", "route53", "cloudflare", "google", "dnscontrol")
]
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just([]) | st.just({}) | st.just([None])


def paths(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way] if way else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        found += paths(one, (*way, key))
    return found


@given(st.data())
def test_a_plan_of_any_shape_is_read_or_refused(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(SAMPLES)))
    *way, last = data.draw(st.sampled_from(paths(document)))
    target = document
    for key in way:
        target = target[key]
    target[last] = data.draw(VALUES)
    with suppress(ZoneError):
        assert isinstance(read_plan(json.dumps(document), "plan.json"), Plan)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for file in ("plan.json", "e.org.yaml"):
        with suppress(ZoneError):
            assert isinstance(read_plan(text, file), Plan)
