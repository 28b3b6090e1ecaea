"""Waivers as text: what is taken, and that all of what is wrong is said, each with its line."""

from __future__ import annotations

from datetime import date
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import located
from conformance.reading.waivers import Fault, json_schema, waivers

WHOLE = """\
version: 1
defaults: {max_days: 100, warn_days: 7}
# why there are waivers
waivers:
  - id: W-2026-014
    rules: [ptr.not-generic, ptr.own-domain]
    hosts: "mta_out:&site_fra"
    observed: "198-51-100-77.isp.example."
    reason: >-
      Provider changes PTR
      on 2027-01-15
    owner: mail-ops@example.com
    ticket: OPS-4711
    approved_by: j.doe
    issued: 2026-11-20
    expires: 2027-01-31
  - rule: spf.exists
    domains: Example.COM.
    addresses: [198.51.100.25, "2001:DB8::25"]
    subjects: [mx1.example.com/198.51.100.25/example.com]
    aspect: none
    reason: y
    owner: "42"
    issued: 2026-11-20
    expires: 2026-11-20
"""

ROW = {
    "rules": "[ptr.exists]",
    "hosts": "all",
    "reason": "x",
    "owner": "y",
    "issued": "2026-11-01",
    "expires": "2026-12-01",
}


def file(*, head: str = "", **changes: str | None) -> str:
    """Return a file with one waiver, which begins on line 2 or later."""
    row = {key: value for key, value in {**ROW, **changes}.items() if value is not None}
    return f"{head}waivers:\n  - " + "    ".join(f"{key}: {value}\n" for key, value in row.items())


def faults(text: str) -> list[str]:
    return [f"{fault.line}: {fault.text}" for fault in waivers(text, "w.yml")[1]]


def test_a_whole_file() -> None:
    (first, second), wrong = waivers(WHOLE, "conformance/waivers.yml")
    assert wrong == []
    assert (first.id, first.line, first.warn_days) == ("W-2026-014", 5, 7)
    assert first.rules == ("ptr.not-generic", "ptr.own-domain")
    assert first.hosts == "mta_out:&site_fra"
    assert first.observed == "198-51-100-77.isp.example."
    assert first.reason == "Provider changes PTR on 2027-01-15"
    assert (first.owner, first.ticket, first.approved_by) == ("mail-ops@example.com", "OPS-4711", "j.doe")
    assert (first.issued, first.expires) == (date(2026, 11, 20), date(2027, 1, 31))
    assert (second.id, second.line) == ("conformance/waivers.yml:17", 17)
    assert (second.rules, second.domains) == (("spf.exists",), ("example.com",))
    assert second.addresses == ("198.51.100.25", "2001:db8::25")
    assert (second.owner, second.aspect) == ("42", "none")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "version: 1\n", "waivers:\n", "waivers: []\n"])
def test_a_file_without_waivers_is_one(text: str) -> None:
    assert waivers(text) == ([], [])


def test_hosts_as_a_list_are_one_pattern() -> None:
    ((one,), wrong) = waivers(file(hosts="[mx1, '!mx2']"))
    assert (one.hosts, wrong) == ("mx1,!mx2", [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": None}, "2: reason is missing"),
        ({"owner": None}, "2: owner is missing"),
        ({"expires": None}, "2: expires is missing"),
        ({"issued": None}, "2: issued is missing"),
        ({"rules": None}, "2: rules is missing"),
        ({"owner": ""}, "5: owner is empty"),
        ({"reason": "' '"}, "4: reason: found ' ', expected text of 1 to 1,000 characters"),
        ({"rules": "[]"}, "2: rules is empty"),
        ({"rules": "[PTR001]"}, "2: rules.0: found 'PTR001', expected the id of a rule, such as ptr.exists"),
        ({"rules": "['ptr.*']"}, "2: 'ptr.*' is a glob: name the rules, or say broad: true"),
        ({"rules": "['ptr.*']", "broad": "yes"}, "8: broad: found 'yes', expected true or false"),
        ({"hosts": None}, "2: says not whom it is for: hosts (an Ansible pattern), domains, addresses or subjects"),
        ({"hosts": "{a: b}"}, "3: hosts: found a mapping, expected text of 1 to 1,000 characters"),
        ({"hots": "x"}, "8: unknown key 'hots'; did you mean hosts?"),
        ({"addresses": "[198.51.100.256]"}, "8: addresses.0: found '198.51.100.256', expected an IPv4 or IPv6 address"),
        ({"expires": "2026-02-30"}, "7: expires: found '2026-02-30', expected a day that there is, such as 2027-01-31"),
        ({"expires": "never"}, "7: expires: found 'never', expected a day, such as 2027-01-31"),
        ({"expires": "1793491200"}, "7: expires: found '1793491200', expected a day, such as 2027-01-31"),
        ({"expires": "2026-10-31"}, "7: expires 2026-10-31, before it is issued"),
        ({"expires": "2027-05-01"}, "7: expires 181 days after its issue: max_days allows 180"),
    ],
)
def test_what_is_wrong_with_a_waiver(changes: dict[str, str | None], said: str) -> None:
    found, _ = waivers(file(**changes))
    assert found == []
    assert said in faults(file(**changes))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", "1: found no mapping, expected version, defaults and waivers"),
        ("version: 2\n", "1: version: found '2', expected 1, the version that is read here"),
        ("waivers: all\n", "1: waivers: found 'all', expected a list"),
        ("waivers:\n  - all\n", "2: found no mapping, expected a waiver"),
        ("defaults: {colour: 1}\n", "1: unknown key 'defaults.colour'"),
        ("defaults: {warn_day: 1}\n", "1: unknown key 'defaults.warn_day'; did you mean warn_days?"),
        ("waiver: []\n", "1: unknown key 'waiver'; did you mean waivers?"),
        ("defaults: {max_days: 400}\n", "1: max_days is more than 366"),
        (file(head="defaults: {max_days: 29}\n"), "8: expires 30 days after its issue: max_days allows 29"),
        (
            file(head="defaults: {max_days: 29, colour: red}\n"),
            "8: expires 30 days after its issue: max_days allows 29",
        ),
        ("defaults:\n  max_days: -1\n", "2: defaults.max_days: found '-1', expected a whole number of days"),
        ("a: 1\na: 2\n", "2: the key 'a' is there twice"),
        ("a: &x 1\nb: *x\n", "2: an alias (*) is not taken: write the value again"),
        ("a: !!python/object:os.system 1\n", "1: a tag (!) is not taken"),
        ("a: [\n", "2: is no YAML: did not find expected node content"),
        ("a: 1\n--- \nb: 1\n", "2: is no YAML: but found another document"),
        ("{[a]: 1}\n", "1: a key is text"),
    ],
)
def test_what_is_wrong_with_a_file(text: str, said: str) -> None:
    assert said in faults(text)


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = file(reason=None, expires="2028-01-01") + "  - rule: 'ptr.*'\n    issued: 1.1.2026\n"
    assert faults(text) == [
        "2: reason is missing",
        "6: expires 426 days after its issue: max_days allows 180",
        "7: reason is missing",
        "7: owner is missing",
        "7: expires is missing",
        "7: says not whom it is for: hosts (an Ansible pattern), domains, addresses or subjects",
        "7: 'ptr.*' is a glob: name the rules, or say broad: true",
        "8: issued: found '1.1.2026', expected a day, such as 2027-01-31",
    ]


def test_what_is_well_formed_is_read_beside_what_is_not() -> None:
    found, wrong = waivers(file() + "  - {}\n")
    assert len(found) == 1
    assert wrong


@pytest.fixture(params=["CBaseLoader", "BaseLoader"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with libyaml, where PyYAML has it, and without."""
    monkeypatch.setattr(located, "_Loader", getattr(yaml, request.param, yaml.BaseLoader))


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("text", ['a: "\\U1FFFFFFF"', "a: \x07", "a: \ud800", "%YAML 9.9\n---\na"])
def test_what_no_yaml_holds_is_refused(text: str) -> None:
    ((_, (fault,))) = waivers(text)
    assert "is no YAML" in fault.text


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("depth", [25, 3_000, 20_000])
def test_a_file_cannot_grow(depth: int) -> None:
    ((_, (fault,))) = waivers("a: " + "[" * depth + "]" * depth)
    assert fault.text
    assert waivers("a" * (located.LONGEST + 1))[1] == [Fault("it is longer than 1,000,000 characters", None)]


PIECES = st.sampled_from(
    ["waivers:", "\n", "  ", "- ", "rules: [", "]", "ptr.exists", "hosts: all", "&a", "*a", "!!x", "{", "}",
     "expires: ", "2026-11-20", "|", ">", "'", '"', "\t", "\ud800", "\x00", "\u2028",
     "%YAML 9\n", "---", "?", ":", "#", "<<: "]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    found, wrong = waivers(text, "w.yml")
    assert all(isinstance(fault.text, str) and fault.text for fault in wrong)
    assert not found or "rule" in text


VALUES = st.one_of(st.text(max_size=8), st.integers(), st.none(), st.dates().map(str), st.booleans())
ROWS = st.dictionaries(
    st.sampled_from([*ROW, "id", "domains", "broad", "observed", "x"]), st.one_of(VALUES, st.lists(VALUES))
)


@given(st.lists(st.one_of(ROWS, VALUES), max_size=3))
def test_any_value_is_read_or_refused(rows: list[Any]) -> None:
    found, wrong = waivers(yaml.safe_dump({"waivers": rows}))
    assert len(found) == len(rows) or wrong


def test_the_schema_takes_what_is_taken() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    document = yaml.safe_load(WHOLE)
    for row in document["waivers"]:
        row |= {"issued": str(row["issued"]), "expires": str(row["expires"])}
        row.setdefault("rules", row.pop("rule", None))
    jsonschema.validate(document, json_schema())
    for change in ({"reason": None}, {"colour": "red"}, {"expires": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"waivers": [document["waivers"][0] | change]}, json_schema())
