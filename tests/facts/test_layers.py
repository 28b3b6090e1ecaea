"""Proposed DNS before live DNS: as a name server would answer once it is published, or undetermined.

The lab's name server is the measure: it serves what is live, and in a second one what is proposed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import dns.message
import dns.name
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conformance.facts import overlays
from conformance.facts.answer import Answer, Status
from conformance.facts.dns import Resolver, Server
from conformance.facts.layers import Layers
from conformance.facts.reply import Origin, Step, understand
from conformance.facts.wire import Question, make_query
from conformance.lab.nameserver import Authority
from conformance.reading.zone import ZoneError

Zones = Mapping[str, str]
LIVE = {
    "example.com.": """
@             NS   ns
@             MX   10 mx1
@             TXT  "v=spf1 mx -all"
ns            A    192.0.2.53
mx1           A    198.51.100.1
s1._domainkey TXT  "v=DKIM1; p=live"
alias         CNAME mx1.example.net.
*.wild        A    198.51.100.9
own.wild      A    198.51.100.8
sub           NS   ns.sub.example.com.
""",
    "sub.example.com.": "@ NS ns.sub.example.com.\nmx A 198.51.100.7\n",
    "example.net.": """
@             MX   10 mx1
mx1           A    203.0.113.1
to-com        CNAME mx1.example.com.
key           CNAME s1._domainkey.example.com.
""",
}
HEAD = "$ORIGIN example.com.\n$TTL 300\n"
WHOLE = HEAD + "@ SOA ns hostmaster 2 3600 600 86400 60\n@ NS ns\n"


class Local(Resolver):
    """A resolver whose server is in this process; ``asked`` lists what live DNS was asked."""

    def __init__(self, zones: Zones, layers: Layers | None = None) -> None:
        super().__init__([Server("127.0.0.1")], layers=layers)
        self.asked: list[str] = []
        self._authority = Authority()
        for origin, text in zones.items():
            self._authority.load(origin, text)

    async def _live_step(self, question: Question) -> Step:
        self.asked.append(str(question))
        query = make_query(question, edns=True)
        reply = self._authority.answer(query.to_wire(), "tcp", "127.0.0.1")
        message = dns.message.from_wire(reply.wire or b"")
        return understand(message, question, Origin("192.0.2.1:53", "udp", 1.0, "zone"))


def ask(resolver: Local, *questions: str) -> list[Answer]:
    async def run() -> list[Answer]:
        async with resolver:
            return [await resolver.ask(*question.rsplit(" ", 1)) for question in questions]

    return asyncio.run(run())


@pytest.fixture
def layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes layers of files, given by name with their settings."""
    monkeypatch.chdir(tmp_path)

    def make(**files: str) -> Layers:
        named = {name.replace("__", ".").replace("_zone", ".zone"): text for name, text in files.items()}
        for name, text in named.items():
            Path(name).write_text(text)
        overlays.load.cache_clear()
        found = overlays.load(tuple(f"{name},mode=patch" if "patch" in name else name for name in named))
        assert found
        return found

    return make


def said(answers: Iterable[Answer]) -> list[tuple[object, ...]]:
    return [(one.describe() if one.status is not Status.FOUND else one.records, one.layer) for one in answers]


def test_a_whole_zone_says_all_there_is_below_it(layers) -> None:
    text = WHOLE + "mx1 A 198.51.100.2\ns2._domainkey TXT v=DKIM1\n*.wild MX 10 mx1\nalias CNAME mx1.example.net.\n"
    resolver = Local(LIVE, layers(example__com_zone=text))
    questions = ("mx1.example.com A", "s1._domainkey.example.com TXT", "example.com MX", "x.wild.example.com MX")
    assert said(ask(resolver, *questions)) == [
        (("198.51.100.2",), "overlay:example.com.zone:5"),
        ("NXDOMAIN", "overlay:example.com.zone:3"),
        ("NODATA", "overlay:example.com.zone:3"),
        (((10, "mx1.example.com"),), "overlay:example.com.zone:7"),
    ]
    assert resolver.asked == []


def test_a_whole_zone_is_the_zone_of_its_names(layers) -> None:
    """Without that its zone would be taken for the next one above, whose servers and keys are judged then."""
    text = WHOLE + "mx1 A 198.51.100.2\nalias CNAME mx1.example.net.\nsub NS ns.sub.example.com.\n"
    names = ("example.com", "mx1.example.com", "none.example.com", "alias.example.com", "mx.sub.example.com")
    found = ask(Local(LIVE, layers(example__com_zone=text)), *(f"{name} SOA" for name in names))
    assert [one.zone for one in found] == ["example.com"] * 3 + ["example.net", "sub.example.com"]


def test_ds_is_what_the_zone_above_says(layers) -> None:
    live = LIVE | {"com.": f"example DS 1 13 2 {'AA' * 32}\nexample NS ns.example\n"}
    text = WHOLE + f"sub NS ns.sub.example.com.\nsub DS 2 13 2 {'BB' * 32}\nother NS ns.sub.example.com.\n"
    resolver = Local(live, layers(example__com_zone=text))
    own, sub, other = ask(resolver, "example.com DS", "sub.example.com DS", "other.example.com DS")
    assert (own.status, own.layer) == (Status.FOUND, "live")
    assert (sub.status, sub.layer) == (Status.FOUND, "overlay:example.com.zone:6")
    assert (other.describe(), other.layer) == ("NODATA", "overlay:example.com.zone:3")
    (patched,) = ask(Local(live, layers(patch=HEAD + "@ NS ns.elsewhere.example.\n")), "example.com DS")
    assert (patched.status, patched.layer) == (Status.FOUND, "live")


def test_ttls(layers) -> None:
    resolver = Local(LIVE, layers(example__com_zone=WHOLE + "mx1 77 A 198.51.100.2\n"))
    assert [one.ttl for one in ask(resolver, "mx1.example.com A", "gone.example.com A")] == [77, 60]


def test_an_alias_that_leaves_the_overlay_goes_on_live(layers) -> None:
    resolver = Local(LIVE, layers(example__com_zone=WHOLE + "alias CNAME mx1.example.net.\n"))
    (answer,) = ask(resolver, "alias.example.com A")
    assert (answer.records, answer.aliases) == (("203.0.113.1",), ("mx1.example.net",))
    assert answer.layer == "overlay:example.com.zone:5 -> live"
    assert resolver.asked == ["mx1.example.net A"]


@pytest.mark.parametrize("name", ["example__com_zone", "patch"])
def test_a_live_alias_that_enters_the_overlay_is_followed_there(layers, name: str) -> None:
    text = (WHOLE if name != "patch" else HEAD) + "mx1 A 198.51.100.2\n"
    (answer,) = ask(Local(LIVE, layers(**{name: text})), "to-com.example.net A")
    assert (answer.records, answer.aliases) == (("198.51.100.2",), ("mx1.example.com",))
    assert answer.layer.startswith("live -> overlay:")
    assert answer.ttl == 300


def test_a_key_that_a_live_alias_leads_to_is_gone_with_the_patch(layers) -> None:
    patch = layers(patch=HEAD + "$DELETE s1._domainkey TXT\n")
    (answer,) = ask(Local(LIVE, patch), "key.example.net TXT")
    assert (answer.status, answer.layer) == (Status.ABSENT, "live -> overlay:patch:3")


def test_below_a_delegation_that_stays_live_dns_answers(layers) -> None:
    resolver = Local(LIVE, layers(example__com_zone=WHOLE + "sub NS ns.sub\n"))
    assert said(ask(resolver, "mx.sub.example.com A", "sub.example.com NS")) == [
        (("198.51.100.7",), "live"),
        (("ns.sub.example.com",), "overlay:example.com.zone:5"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("example__com_zone", "sub NS ns.example.org.\n", "will be delegated to ns.example.org and live is delegated"),
        ("example__com_zone", "new NS ns.example.org.\n", "new.example.com will be delegated to ns.example.org and"),
        ("patch", "sub NS ns.example.org.\n", "sub.example.com will be delegated to ns.example.org and live is"),
        ("patch", "$DELETE sub NS\n", "sub.example.com will be no longer delegated and live is delegated to"),
    ],
)
def test_below_a_delegation_that_changes_nothing_is_known(layers, name: str, text: str, why: str) -> None:
    resolver = Local(LIVE, layers(**{name: (WHOLE if name != "patch" else HEAD) + text}))
    owner = "new" if text.startswith("new") else "sub"
    (answer,) = ask(resolver, f"mx.{owner}.example.com A")
    assert answer.status is Status.UNDETERMINED
    assert why in answer.error


def test_a_zone_within_a_zone_answers_for_itself(layers) -> None:
    child = "$ORIGIN sub.example.com.\n$TTL 60\n@ SOA ns hm 1 2 3 4 5\nmx A 198.51.100.70\n"
    resolver = Local(LIVE, layers(example__com_zone=WHOLE + "sub NS ns.example.org.\n", sub_zone=child))
    assert said(ask(resolver, "mx.sub.example.com A", "x.sub.example.com A")) == [
        (("198.51.100.70",), "overlay:sub.zone:4"),
        ("NXDOMAIN", "overlay:sub.zone:3"),
    ]


def test_reverse_zones(layers) -> None:
    zone = "$TTL 60\n@ SOA ns.example.com. hm 1 2 3 4 5\n$GENERATE 1-2 $ PTR mx$.example.com.\n"
    made = layers(**{"100__51__198__in-addr__arpa_zone": zone})
    answers = ask(Local(LIVE, made), "2.100.51.198.in-addr.arpa PTR", "3.100.51.198.in-addr.arpa PTR")
    assert [one.describe() for one in answers] == ["1 record", "NXDOMAIN"]
    assert answers[0].layer == "overlay:100.51.198.in-addr.arpa.zone:3"


def test_a_patch_changes_what_it_names_and_nothing_else(layers) -> None:
    text = HEAD + "s2._domainkey TXT v=DKIM1\nmx1 AAAA 2001:db8::1\n$DELETE s1._domainkey TXT\n$DELETE alias\n"
    questions = (
        "s2._domainkey.example.com TXT",
        "s1._domainkey.example.com TXT",
        "mx1.example.com AAAA",
        "mx1.example.com A",
        "alias.example.com A",
        "example.com MX",
        "s2._domainkey.example.com A",
    )
    assert said(ask(Local(LIVE, layers(patch=text)), *questions)) == [
        ((("v=DKIM1",),), "overlay:patch:3"),
        ("NXDOMAIN", "overlay:patch:5"),
        (("2001:db8::1",), "overlay:patch:4"),
        (("198.51.100.1",), "live"),
        ("NXDOMAIN", "overlay:patch:6"),
        (((10, "mx1.example.com"),), "live"),
        ("NODATA", "overlay:patch:3"),
    ]


def test_a_patch_of_a_whole_zone_changes_that(layers) -> None:
    made = layers(example__com_zone=WHOLE + "a A 192.0.2.1\nb A 192.0.2.2\n", patch=HEAD + "a A 192.0.2.9\n$DELETE b\n")
    assert said(ask(Local(LIVE, made), "a.example.com A", "b.example.com A")) == [
        (("192.0.2.9",), "overlay:patch:3"),
        ("NXDOMAIN", "overlay:example.com.zone:3"),
    ]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a_zone": WHOLE, "b_zone": WHOLE}, "b.zone:3: zone example.com. is given whole by a.zone:3 already"),
        ({"patch1": HEAD + "a A 192.0.2.1\n", "patch2": HEAD + "a A 192.0.2.2\n"}, "patched by patch1:3 already"),
        ({"a_zone": HEAD + "a A 192.0.2.1\n"}, "a.zone:1: no SOA record"),
        ({"a_zone": WHOLE + "b.example.org. A 192.0.2.1\n"}, "a.zone:5: b.example.org. is not in the zone"),
        ({"a_zone": WHOLE + "$DELETE mx1\n"}, "a.zone:5: $DELETE stands in a whole zone"),
        ({"a_zone": WHOLE + "a CNAME b\na A 192.0.2.1\n"}, "a.zone:5: a.example.com. has a CNAME record beside A"),
        ({"patch": HEAD + "a CNAME b\na CNAME c\n"}, "patch:3: a.example.com. has 2 CNAME records"),
        ({"a_zone": WHOLE + "x SOA ns hm 1 2 3 4 5\n"}, "a.zone:5: more than one SOA record"),
    ],
)
def test_what_cannot_be_used_is_refused(layers, files: dict[str, str], problem: str) -> None:
    with pytest.raises(ZoneError) as raised:
        layers(**files)
    assert problem in str(raised.value)


def test_files_and_settings_that_cannot_be_used(tmp_path: Path) -> None:
    overlays.load.cache_clear()
    (tmp_path / "x.zone").write_bytes(b"$TTL 60\n\xff\n")
    wanted = (f"{tmp_path}/x.zone", f"{tmp_path}/gone", "a,mode=merge", "a,mode=patch,mode=patch", "a,origin=..")
    with pytest.raises(ZoneError) as raised:
        overlays.load(wanted)
    first, second, *rest = raised.value.problems
    assert first.endswith("x.zone:2: octets that are not UTF-8: write them as \\DDD")
    assert second.endswith("gone: cannot be read: No such file or directory")
    assert ["mode" in one or "origin" in one or "domain name" in one for one in rest] == [True] * 3


@pytest.mark.parametrize(
    ("name", "setting", "owner"),
    [
        ("example.com.zone", "", "a.example.com."),
        ("db.example.com", "", "a.example.com."),
        ("z", ",origin=a.b", "a.a.b."),
    ],
)
def test_the_zone_is_told_by_file_name_or_option(tmp_path: Path, name: str, setting: str, owner: str) -> None:
    overlays.load.cache_clear()
    (tmp_path / name).write_text("a 60 A 192.0.2.1\n")
    made = overlays.load((f"{tmp_path / name}{setting},mode=patch",))
    assert made
    assert {str(name) for name, _ in made.patch.sets} == {owner}


def test_included_files_lie_where_the_zone_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zones" / "keys").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "secret").write_text("not to be told\n")
    (tmp_path / "zones" / "keys" / "s1").write_text("s1._domainkey TXT v=DKIM1\n")
    zone = tmp_path / "zones" / "example.com.zone"
    zone.write_text(f"{HEAD}$INCLUDE keys/s1\n")
    overlays.load.cache_clear()
    made = overlays.load((f"{zone},mode=patch",))
    assert made
    assert [one.place for one in made.patch.sets.values()] == [f"{tmp_path}/zones/keys/s1:1"]
    zone.write_text(f"{HEAD}$INCLUDE ../secret\n$INCLUDE {tmp_path}/secret\n")
    overlays.load.cache_clear()
    with pytest.raises(ZoneError) as raised:
        overlays.load((f"{zone},mode=patch",))
    assert [problem.split(": ")[0] for problem in raised.value.problems] == [f"{zone}:3", f"{zone}:4"]
    assert "not to be told" not in str(raised.value)


OWNERS = ("@", "a", "b", "a.b", "*", "*.b", "c.a.b")
DATA = {
    "A": ("192.0.2.1", "192.0.2.2"),
    "MX": ("10 a", "20 b"),
    "TXT": ("one", "two"),
    "CNAME": ("a", "b.example.net."),
}
ASKED = [
    f"{name} {rdtype}"
    for name in (
        "example.com",
        "a.example.com",
        "b.example.com",
        "x.example.com",
        "a.b.example.com",
        "x.b.example.com",
        "c.a.b.example.com",
        "x.y.b.example.com",
    )
    for rdtype in ("A", "MX", "TXT")
]
OUTSIDE = {"example.net.": "a A 203.0.113.1\nb CNAME a.example.com.\n"}

record = st.tuples(st.sampled_from(OWNERS), st.sampled_from(sorted(DATA))).flatmap(
    lambda pair: st.tuples(st.just(pair), st.sampled_from(DATA[pair[1]]))
)


@st.composite
def zone(draw: st.DrawFn) -> dict[tuple[str, str], str]:
    sets = dict(draw(st.lists(record, max_size=7)))
    aliases = {owner for owner, rdtype in sets if rdtype == "CNAME" and owner != "@"}
    return {key: data for key, data in sets.items() if (key[1] == "CNAME") == (key[0] in aliases)}


def lines(sets: Mapping[tuple[str, str], str]) -> str:
    return "".join(f"{owner} 300 {rdtype} {data}\n" for (owner, rdtype), data in sets.items())


def seen(answer: Answer) -> tuple[object, ...]:
    if answer.status is Status.UNDETERMINED:
        return (answer.status,)
    return answer.status, answer.rcode, answer.records, answer.aliases


@given(live=zone(), proposed=zone())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_whole_zone_answers_as_its_server_will(tmp_path_factory, live, proposed) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "whole.zone").write_text(WHOLE + lines(proposed))
    overlays.load.cache_clear()
    made = overlays.load((f"{folder}/whole.zone",))
    expected = ask(Local({"example.com.": lines(proposed), **OUTSIDE}), *ASKED)
    found = ask(Local({"example.com.": lines(live), **OUTSIDE}, made), *ASKED)
    assert list(map(seen, found)) == list(map(seen, expected))


@given(live=zone(), proposed=zone())
@example(live={("*", "TXT"): "one"}, proposed={("*", "TXT"): "one", ("a", "A"): "192.0.2.1"})
@example(live={("b", "A"): "192.0.2.1", ("b", "MX"): "10 a"}, proposed={("*", "A"): "192.0.2.1", ("b", "MX"): "10 a"})
@example(live={("a.b", "CNAME"): "a"}, proposed={("a.b", "CNAME"): "a", ("*.b", "A"): "192.0.2.1"})
@example(live={("*", "TXT"): "one", ("a", "TXT"): "two"}, proposed={("*", "TXT"): "one"})
@settings(max_examples=120, deadline=None, derandomize=True)
def test_a_patch_answers_as_the_server_will_or_not_at_all(tmp_path_factory, live, proposed) -> None:
    gone = {key: data for key, data in live.items() if key not in proposed}
    changed = {key: data for key, data in proposed.items() if live.get(key) != data}
    deleted = "".join(f"$DELETE {owner} {rdtype}\n" for owner, rdtype in gone)
    folder = tmp_path_factory.getbasetemp()
    (folder / "patch.zone").write_text(HEAD + lines(changed) + deleted)
    overlays.load.cache_clear()
    made = overlays.load((f"{folder}/patch.zone,mode=patch",))
    expected = ask(Local({"example.com.": lines(proposed), **OUTSIDE}), *ASKED)
    found = ask(Local({"example.com.": lines(live), **OUTSIDE}, made), *ASKED)
    for own, right in zip(found, expected, strict=True):
        if own.status is not Status.UNDETERMINED:
            assert (own.status, own.records, own.aliases) == (right.status, right.records, right.aliases), own.question


def test_single_records_come_and_go(tmp_path: Path) -> None:
    details = [
        "+ CREATE example.com TXT one ttl=300",
        "- DELETE s1._domainkey.example.com TXT v=DKIM1 ttl=300",
        '- DELETE s2._domainkey.example.com TXT "v=DKIM1; " "p=live" ttl=300',
        "- DELETE mx1.example.com A 198.51.100.1 ttl=300",
        "+ CREATE new.example.com CNAME mx1.example.net. ttl=300",
        "+ CREATE x.wild.example.com A 198.51.100.3 ttl=300",
    ]
    report = [{"domain": "example.com", "corrections": len(details), "correction_details": details}]
    (tmp_path / "report.json").write_text(json.dumps(report))
    overlays.load.cache_clear()
    made = overlays.load((f"plan:{tmp_path}/report.json",))
    live = LIVE | {"example.com.": LIVE["example.com."] + 's2._domainkey TXT "v=DKIM1; p=li" "ve"\n'}
    questions = ("example.com TXT", "mx1.example.com A", "new.example.com A", "s2._domainkey.example.com TXT")
    answers = ask(Local(live, made), *questions, "s1._domainkey.example.com TXT", "x.wild.example.com A")
    assert [one.describe() for one in answers[:-2]] == ["2 records", "NXDOMAIN", "1 record", "NXDOMAIN"]
    assert answers[0].layer == f"overlay:{tmp_path}/report.json:example.com and live"
    assert answers[-2].error.startswith("1 of the TXT records that are to go from s1._domainkey.example.com cannot be")
    assert "wildcard" in answers[-1].error


def test_a_zone_of_octodns_leaves_soa_and_ns_to_live_dns(tmp_path: Path) -> None:
    (tmp_path / "example.com.yaml").write_text("mx1: {type: A, value: 192.0.2.9}\n")
    overlays.load.cache_clear()
    made = overlays.load((f"plan:{tmp_path}/example.com.yaml",))
    answers = ask(Local(LIVE, made), "mx1.example.com A", "example.com NS", "example.com MX")
    assert [one.describe() for one in answers] == ["1 record", "1 record", "NODATA"]
    assert [one.layer == "live" for one in answers] == [False, True, False]
