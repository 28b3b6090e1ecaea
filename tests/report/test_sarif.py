from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance.report.formats import sarif
from tests.report.sample_results import fleet, result, results
from tests.report.told import ADDRESS, MX, attacked, mixed

VALIDATOR = "sarif-multitool"


@cache
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((Path(__file__).parent / "sarif-2.1.0.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def log(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run of a log, after checking it by the schema."""
    whole = json.loads(sarif.render(found))
    validator().validate(whole)
    (run,) = whole["runs"]
    told: dict[str, Any] = run
    for one in told["results"]:
        assert told["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"]
    return told


def test_the_schema_is_one() -> None:
    broken = json.loads(sarif.render(mixed()))
    broken["runs"][0]["results"][0]["level"] = "must"
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(broken)


def test_each_outcome_has_its_kind() -> None:
    told = {one["ruleId"]: one for one in log(mixed())["results"]}
    assert {name: (one["kind"], one["level"]) for name, one in told.items()} == {
        "ptr.exists": ("fail", "error"),
        "ptr.single": ("fail", "warning"),
        "tls.in-offered": ("open", "none"),
        "spf.exists": ("fail", "error"),
    }
    assert [name for name, one in told.items() if "suppressions" in one] == ["spf.exists"]
    assert "provider changes it" in told["spf.exists"]["suppressions"][0]["justification"]
    assert "could not look" in told["tls.in-offered"]["message"]["text"]


def test_a_result_lies_where_it_was_declared() -> None:
    found = results(
        result("ptr.exists", ADDRESS, "fail", declared_at="inventories/a b/host_vars/ä%.yml:17"),
        result("ptr.single", ADDRESS, "fail", declared_at="/etc/mailconform/hosts:3"),
        result("helo.fqdn", ADDRESS, "fail", declared_at=None),
        result("spf.exists", ADDRESS, "fail", declared_at="c:hosts.yml"),
    )
    places = [one["locations"][0]["physicalLocation"] for one in log(found)["results"]]
    told = sorted((place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places)
    assert told == [
        ("c%3Ahosts.yml", 1),
        ("file:///etc/mailconform/hosts", 3),
        ("inventories/a%20b/host_vars/%C3%A4%25.yml", 17),
        ("inventories/production", 1),
    ]


def test_fingerprints_stay_while_rule_subject_and_aspect_do() -> None:
    def prints(subject: str = ADDRESS, **more: str) -> dict[str, str]:
        (one,) = log(results(result("ptr.exists", subject, "fail", **more)))["results"]
        found: dict[str, str] = one["partialFingerprints"]
        return found

    first = prints()
    assert prints(seen="another value", fix="other", declared_at="moved.yml:88", level="should") == first
    other = prints(aspect="two names")
    assert other["mailconform/v1"] != first["mailconform/v1"]
    assert other["primaryLocationLineHash"] == first["primaryLocationLineHash"]
    assert not set(prints(f"{MX}/198.51.100.26").values()) & set(first.values())


def test_the_invocation_says_how_the_run_ended() -> None:
    (whole,) = log(mixed())["invocations"]
    assert (whole["executionSuccessful"], whole["exitCode"]) == (True, 1)
    assert (whole["startTimeUtc"], whole["endTimeUtc"]) == ("2026-11-24T02:00:00Z", "2026-11-24T02:06:52Z")
    assert [one["descriptor"]["id"] for one in whole["toolExecutionNotifications"]] == ["cause"]
    (partial,) = log(mixed(complete=False, exit=2))["invocations"]
    assert partial["executionSuccessful"] is False
    assert [one["level"] for one in partial["toolExecutionNotifications"]] == ["error", "warning"]


def test_what_is_proposed_is_kept_apart() -> None:
    proposed = log(results(dns="proposed", overlays=["a.zone"]))
    assert proposed["automationDetails"] == {"id": "proposed/"}
    (note,) = proposed["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("PROPOSED: DNS as changed by a.zone")
    assert "automationDetails" not in log(results())


def test_hostile_text_is_text() -> None:
    told = log(attacked())
    texts = [one["message"]["text"] for one in told["results"]]
    for text in [*texts, *(rule["help"]["text"] for rule in told["tool"]["driver"]["rules"])]:
        assert "](" not in text
        assert "{{0}}" in text
        assert "{0}" not in text.replace("{{0}}", "")
    for rule in told["tool"]["driver"]["rules"]:
        assert not set(rule["helpUri"]) & set(' <>"`{}|\\^\n\x1b')


def test_more_than_a_reader_shows_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST", 5)
    found, _ = fleet(10, broken=0.3)
    told = log(found)
    assert len(told["results"]) == 5
    assert {one["level"] for one in told["results"]} == {"error"}
    outcomes = [one for one in found["results"] if one["outcome"] not in ("pass", "not-applicable")]
    (said,) = [
        one["message"]["text"]
        for one in told["invocations"][0]["toolExecutionNotifications"]
        if one["descriptor"]["id"] == "left-out"
    ]
    assert said.startswith(f"{len(outcomes) - 5} results left out")


@pytest.mark.skipif(shutil.which(VALIDATOR) is None, reason=f"{VALIDATOR} (npm: @microsoft/sarif-multitool) is absent")
@pytest.mark.parametrize("found", [mixed(), attacked(), results()], ids=["mixed", "attacked", "empty"])
def test_the_validator_of_the_format_agrees(found: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "results.sarif").write_text(sarif.render(found))
    done = subprocess.run(
        [VALIDATOR, "validate", "results.sarif"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert "Analysis completed successfully" in done.stdout
    assert not [line for line in done.stdout.splitlines() if ": error " in line]
