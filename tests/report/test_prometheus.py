from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from conformance.report.formats import prometheus
from conformance.report.text import printable
from tests.report.sample_results import fleet, result
from tests.report.told import ADDRESS, attacked, mixed

COMMON = {"inventory": "inventories/production", "profile": "common", "dns": "live"}


def samples(found: dict[str, Any]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return each series by name and labels, without those that all have."""
    told: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(prometheus.render(found)):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            key = sample.name, tuple(item for item in sample.labels.items() if item[0] not in COMMON)
            assert key not in told
            told[key] = sample.value
    return told


def test_the_run_and_each_rule_by_outcome() -> None:
    told = samples(mixed())
    plain = {name.removeprefix("mailconform_"): value for (name, labels), value in told.items() if not labels}
    assert plain == {
        "run_started_timestamp_seconds": 1795485600,
        "run_ended_timestamp_seconds": 1795486012,
        "run_duration_seconds": 412,
        "run_complete": 1,
        "run_exit_status": 1,
        "run_unreached": 0,
        "hosts": 1,
        "domains": 1,
    }
    counted = {
        dict(labels)["rule"] + " " + dict(labels)["outcome"]: value
        for (_, labels), value in told.items()
        if len(labels) == 3
    }
    assert len(counted) == 6 * 7
    assert {name for name, value in counted.items() if value} == {
        "ptr.exists fail",
        "ptr.single advice",
        "ptr.ipv6 not-applicable",
        "spf.exists waived",
        "tls.in-offered undetermined",
        "helo.fqdn pass",
    }
    assert ("mailconform_run_info", (("version", "0.1.0"), ("rules", "2026-11-24"))) in told


def test_every_series_says_of_which_fleet_it_is() -> None:
    for family in text_string_to_metric_families(prometheus.render(mixed())):
        assert all(COMMON.items() <= sample.labels.items() for sample in family.samples)


def test_a_run_that_was_interrupted_is_not_complete() -> None:
    told = samples(mixed(complete=False, exit=2, unreached=["a", "b"]))
    assert told["mailconform_run_complete", ()] == 0
    assert told["mailconform_run_exit_status", ()] == 2
    assert told["mailconform_run_unreached", ()] == 2


def test_series_do_not_grow_with_the_fleet() -> None:
    assert len(samples(fleet(10)[0])) == len(samples(fleet(40)[0]))


@given(st.text(st.characters(), max_size=200))
def test_any_text_is_a_label(text: str) -> None:
    families = text_string_to_metric_families(prometheus.render(mixed(inventory=[text], started=text)))
    assert {sample.labels["inventory"] for family in families for sample in family.samples} == {printable(text)}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
@pytest.mark.parametrize("found", [mixed(), attacked(), fleet(3)[0]], ids=["mixed", "attacked", "fleet"])
def test_promtool_has_nothing_to_say(found: dict[str, Any]) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=prometheus.render(found),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_rule_that_only_results_name_is_not_lost() -> None:
    found = mixed()
    found["results"].append(result("ptr.answers", ADDRESS, "fail"))
    labels = (("rule", "ptr.answers"), ("level", "must"), ("outcome", "fail"))
    assert samples(found)["mailconform_results", labels] == 1
