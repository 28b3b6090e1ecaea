from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from sample_results import fleet, result, results

from conformance.report import schema

Break = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_a_whole_run_is_valid(validator: jsonschema.Draft202012Validator) -> None:
    found, _ = fleet(8, broken=0.5)
    assert {one["outcome"] for one in found["results"]} == set(found["counts"]) - {"known"}
    validator.validate(found)


def test_room_for_others_is_extra(validator: jsonschema.Draft202012Validator) -> None:
    found = results(result("ptr.exists", "mx1/198.51.100.25"))
    found["extra"] = {"history": 1}
    found["results"][0]["extra"] = {"owner": "net-ops"}
    validator.validate(found)


BROKEN: dict[str, Break] = {
    "unknown version": lambda r: r.update(schema=2),
    "unknown key": lambda r: r.update(surprise=1),
    "unknown key of a result": lambda r: r["results"][0].update(surprise=1),
    "unknown outcome": lambda r: r["results"][0].update(outcome="maybe"),
    "unknown level": lambda r: r["results"][0].update(level="off"),
    "exit out of range": lambda r: r["run"].update(exit=7),
    "no exit in words": lambda r: r["run"].update(exit_text=""),
    "negative count": lambda r: r["counts"].update({"pass": -1}),
    "missing count": lambda r: r["counts"].pop("waived"),
    "missing subject": lambda r: r["results"][0].pop("subject"),
    "id of another form": lambda r: r["results"][0].update(check="MC-PTR-001"),
    "evidence of another form": lambda r: r["results"][0].update(evidence=["dns:0"]),
    "failed without what was seen": lambda r: r["results"][0].update(outcome="fail", seen=""),
    "undetermined without a cause": lambda r: r["results"][0].update(outcome="undetermined", cause=None),
    "not applicable without a reason": lambda r: r["results"][0].update(outcome="not-applicable", why=""),
    "waived without a waiver": lambda r: r["results"][0].update(outcome="waived", seen="x", waiver=None),
    "source without an address": lambda r: r["checks"]["ptr.exists"]["sources"][0].pop("address"),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=list(BROKEN))
def test_broken_results_are_refused(validator: jsonschema.Draft202012Validator, change: Break) -> None:
    found = results(result("ptr.exists", "mx1/198.51.100.25"))
    validator.validate(found)
    change(found)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(found)
