"""Records as tools take them: each form is read back by the readers of this project, and by the tools themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import dns.zone
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.facts.overlays import load
from conformance.reading.plans import read_plan
from conformance.reading.plans.plan import Plan
from conformance.reading.zone import RecordSet
from conformance.reading.zonefile import read_zone_file
from conformance.reading.zonetext import split
from conformance.records.entry import Entry, State
from conformance.records.formats import FORMATS, Report, as_json, as_octodns, as_terraform, as_text, as_zone

KEY = "v=DKIM1; k=rsa; p=" + "MIIB" * 120
HOSTILE = "\x1b[2J\n$DELETE example.com\nx IN A 192.0.2.66 \N{RIGHT-TO-LEFT OVERRIDE}"
FINDING = {"check": "a.b", "level": "must", "subject": "x", "seen": HOSTILE, "fix": HOSTILE}


def entry(name: str, rdtype: str, *wanted: Any, state: State = State.RIGHT, **more: Any) -> Entry:
    zone = "113.0.203.in-addr.arpa" if name.endswith("arpa") else "example.com"
    return Entry(name, rdtype, "a purpose", state, **({"wanted": wanted, "now": wanted, "zone": zone} | more))


PUBLISHED = (
    entry("example.com", "TXT", split("google-site-verification=1"), split("v=spf1 exists:%{i}._spf.${x} -all")),
    entry("example.com", "MX", (10, "mx1.example.com"), (20, "mx2.example.com"), state=State.WRONG, now=()),
    entry("parked.example.com", "MX", (0, ".")),
    entry("s1._domainkey.example.com", "TXT", split(KEY), state=State.MISSING, now=()),
    entry("*._domainkey.parked.example.com", "TXT", ("v=DKIM1; p=",)),
    entry("mx10.example.com", "A", "203.0.113.10"),
    entry("mx9.example.com", "A", "203.0.113.9", "203.0.113.10"),
    entry("mx9.example.com", "AAAA", "2001:db8::9"),
    entry("9.113.0.203.in-addr.arpa", "PTR", "mx9.example.com"),
)
UNPUBLISHED = (
    entry("example.com", "SPF", state=State.WRONG, now=(("v=spf1 -all",),), findings=(FINDING,)),
    entry("s2._domainkey.example.com", "TXT", state=State.MISSING, wanted=None, source="where\nit is", now=()),
    entry("_dmarc.example.com", "TXT", state=State.UNKNOWN, wanted=None, cause=HOSTILE, now=()),
    entry(
        "mx8.example.com", "A", state=State.WRONG, wanted=None, now=(HOSTILE,), findings=(FINDING,), notes=(HOSTILE,)
    ),
)
REPORT = Report("example.com", "live", (*PUBLISHED, *UNPUBLISHED))


def lines(form: str, report: Report = REPORT) -> list[str]:
    return list(FORMATS[form](report))


def text(form: str, report: Report = REPORT) -> str:
    return "\n".join(lines(form, report)) + "\n"


def data(one: RecordSet) -> list[str]:
    """Return what a record set says, texts in one piece."""
    if one.rdtype.name != "TXT":
        return sorted(str(rdata) for rdata in one.rdatas)
    return sorted(b"".join(rdata.strings).decode("latin-1") for rdata in one.rdatas)  # type: ignore[attr-defined]


def sets(found: Any, below: str = "") -> dict[str, list[str]]:
    named = {f"{name} {rdtype.name}": data(one) for (name, rdtype), one in found.items()}
    return {key: value for key, value in named.items() if key.split()[0].endswith(below)}


def wanted(below: str = "") -> dict[str, list[str]]:
    zone = {f"{one.name}. {one.rdtype}": one for one in PUBLISHED if f"{one.name}.".endswith(below)}
    return {key: sorted(_expected(one)) for key, one in zone.items()}


def _expected(one: Entry) -> list[str]:
    plain = {"TXT": "".join, "MX": lambda value: f"{value[0]} {value[1].rstrip('.')}."}
    show = plain.get(one.rdtype, lambda value: f"{value}." if one.rdtype == "PTR" else value)
    return [show(value) for value in one.wanted or ()]


def test_a_zone_file_is_read_by_the_overlay(tmp_path: Path) -> None:
    file = tmp_path / "records.zone"
    file.write_text(text("zone"))
    layers = load((f"{file},mode=patch",))
    assert layers is not None
    assert sets(layers.patch.sets) == wanted()
    assert not layers.patch.gone
    assert not any(one.deleted for one in layers.patch.sets.values())


def test_a_zone_file_is_read_by_dnspython() -> None:
    zone = dns.zone.from_text(text("zone"), origin=".", relativize=False, check_origin=False)
    found = {f"{name} {rdataset.rdtype.name}" for name, rdataset in zone.iterate_rdatasets()}
    assert found == set(wanted())


def test_a_zone_file_is_ascii_in_which_nothing_hostile_is_a_record() -> None:
    assert text("zone").isascii()
    assert "\x1b" not in text("zone")
    begins = ("; ", "$TTL ", *(f"{one.name}. IN {one.rdtype} " for one in PUBLISHED))
    assert all(not line or line.startswith(begins) for line in lines("zone"))


@pytest.mark.parametrize(
    ("command", "said"),
    [(("named-checkzone", "-i", "none"), "loaded serial"), (("nsd-checkzone",), "zone example.com is ok")],
    ids=["named", "nsd"],
)
def test_name_servers_take_it(tmp_path: Path, command: tuple[str, ...], said: str) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    file = tmp_path / "records.zone"
    head = "$TTL 60\nexample.com. SOA ns hostmaster 1 60 60 60 60\nexample.com. NS ns.example.net.\n"
    own = "\n".join(line for line in lines("zone") if ".arpa. IN" not in line)
    file.write_text(f"{head}{own}\n")
    done = subprocess.run([*command, "example.com", file], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout
    assert "warn" not in done.stdout + done.stderr, done.stdout + done.stderr


@example(b'"', "")
@given(st.binary(max_size=600), st.text(max_size=40))
def test_any_text_and_any_comment(octets: bytes, said: str) -> None:
    value = octets.decode("latin-1")
    one = entry("example.com", "TXT", split(value), state=State.WRONG, now=(split(value),), notes=(said,))
    left = entry("x.example.com", "TXT", state=State.UNKNOWN, wanted=None, cause=said, now=())
    report = Report("example.com", "live", (one, left))
    read = read_zone_file("\n".join(as_zone(report)), "f")
    assert list(sets(read.sets).values()) == [[value]]
    assert all(line.isprintable() for line in as_text(report))
    assert json.loads("\n".join(as_json(report)))["records"][0]["wanted"][0]["value"] == value
    plan = read_plan(json.dumps(planned("\n".join(as_terraform(report)))), "plan.json")
    assert list(sets(plan.sets).values()) == [[value]]


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"\\'), max_size=600))
def test_any_text_in_octodns(value: str) -> None:
    report = Report("example.com", "live", (entry("example.com", "TXT", split(value)),))
    plan = read_plan("\n".join(as_octodns(report)), "example.com.yaml")
    assert list(sets(plan.zones[0].sets).values()) == [[value]]


def test_a_zone_of_octodns() -> None:
    plan = read_plan(text("octodns"), "example.com.yaml")
    assert sets(plan.zones[0].sets) == wanted("example.com.")
    assert "# in the zone 113.0.203.in-addr.arpa, right: 9.113.0.203.in-addr.arpa. IN PTR mx9.example.com." in lines(
        "octodns"
    )
    order = list(yaml.safe_load(text("octodns")))
    assert order.index("mx9") < order.index("mx10")


def planned(configuration: str) -> dict[str, Any]:
    """Return the plan that Terraform makes of a configuration, as ``terraform show -json`` has it."""
    resources = json.loads(configuration).get("resource", {}).get("aws_route53_record", {})
    changes = [
        {
            "address": f"aws_route53_record.{name}",
            "type": "aws_route53_record",
            "change": {"actions": ["create"], "before": None, "after": _evaluated(values), "after_unknown": {}},
        }
        for name, values in resources.items()
    ]
    return {"format_version": "1.2", "resource_changes": changes}


def _evaluated(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _evaluated(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_evaluated(one) for one in value]
    return value.replace("$${", "${").replace("%%{", "%{") if isinstance(value, str) else value


def test_a_configuration_of_terraform() -> None:
    plan = read_plan(json.dumps(planned(text("terraform"))), "plan.json")
    assert sets(plan.sets) == wanted()
    document = json.loads(text("terraform"))
    assert set(document["variable"]) == {"zone_id_example_com", "zone_id_113_0_203_in_addr_arpa"}
    assert any("s2._domainkey.example.com" in one for one in document["//"])


PROVIDER = """provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
}
"""


@pytest.mark.skipif(not shutil.which("terraform"), reason="terraform is not installed")
def test_terraform_plans_it(tmp_path: Path) -> None:
    (tmp_path / "records.tf.json").write_text(text("terraform"))
    (tmp_path / "provider.tf").write_text(PROVIDER)
    variables = json.loads(text("terraform"))["variable"]
    (tmp_path / "ids.auto.tfvars.json").write_text(json.dumps(dict.fromkeys(variables, "Z1")))
    begun = terraform(tmp_path, "init")
    if begun.returncode:
        pytest.skip(f"the provider of Route 53 cannot be had here: {begun.stderr.strip()[-200:]}")
    done = terraform(tmp_path, "plan", "-refresh=false", "-out=tf.plan")
    assert done.returncode == 0, done.stderr
    assert sets(plan_of(terraform(tmp_path, "show", "-json", "tf.plan").stdout).sets) == wanted()


def plan_of(document: str) -> Plan:
    return read_plan(document, "plan.json")


def terraform(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["terraform", f"-chdir={folder}", arguments[0], *([] if arguments[0] == "show" else ["-input=false"])]
    environ = os.environ | {"CHECKPOINT_DISABLE": "1"}
    return subprocess.run(
        [*command, *arguments[1:]], env=environ, capture_output=True, text=True, check=False, timeout=200
    )


OCTODNS = """manager:
  plan_outputs: {json: {class: octodns.provider.plan.PlanJson}}
providers:
  ours: {class: octodns.provider.yaml.YamlProvider, directory: ours, default_ttl: 3600}
  live: {class: octodns.provider.yaml.YamlProvider, directory: live, default_ttl: 3600}
zones:
  example.com.: {sources: [ours], targets: [live]}
"""


@pytest.mark.skipif(not shutil.which("octodns-sync"), reason="octoDNS is not installed")
def test_octodns_loads_it(tmp_path: Path) -> None:
    for folder, content in (("ours", text("octodns")), ("live", "---\n{}\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "example.com.yaml").write_text(content)
    (tmp_path / "config.yaml").write_text(OCTODNS)
    command = ["octodns-sync", "--config-file", "config.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert sets(plan_of(done.stdout).sets) == wanted("example.com.")


def test_the_shape_of_json() -> None:
    document = json.loads(text("json"))
    assert {key: document[key] for key in ("schema", "domain", "dns", "exit")} == {
        "schema": 1,
        "domain": "example.com",
        "dns": "live",
        "exit": 1,
    }
    key = next(one for one in document["records"] if one["name"] == "s1._domainkey.example.com")
    assert key["state"] == "missing"
    assert key["wanted"][0]["value"] == KEY
    assert [len(one) for one in key["wanted"][0]["strings"]] == [255, len(KEY) - 255]
    assert key["wanted"][0]["zone"] == f'"{KEY[:255]}" "{KEY[255:]}"'
    unknown = next(one for one in document["records"] if one["state"] == "unknown")
    assert unknown["wanted"] is None
    removed = next(one for one in document["records"] if one["type"] == "SPF")
    assert removed["wanted"] == []
    assert text("json").isascii()


def test_a_terminal_is_shown_nothing_that_it_obeys() -> None:
    assert all(line.isprintable() for line in lines("text"))
    assert "\\x1b[2J" in text("text")


def test_long_texts_are_shown_split_and_whole() -> None:
    found = lines("text", Report("example.com", "live", (PUBLISHED[3],)))
    assert found[0] == "example.com: 1 missing"
    assert f'  publish: "{KEY[:255]}" "{KEY[255:]}"' in found
    assert f"  whole:   {KEY}" in found


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([], 0),
        ([State.RIGHT], 0),
        ([State.RIGHT, State.UNKNOWN], 6),
        ([State.UNKNOWN, State.MISSING], 1),
        ([State.WRONG, State.RIGHT], 1),
    ],
)
def test_exit_status(states: list[State], status: int) -> None:
    entries = tuple(entry("example.com", "TXT", ("x",), state=state) for state in states)
    assert Report("example.com", "live", entries).status == status
