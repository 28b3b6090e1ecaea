"""What holds for every format: nothing in it is more than text, and its size has a bound."""

from __future__ import annotations

import re
from typing import Any

import pytest

from conformance.report import reader
from conformance.report.formats import FORMATS, render
from tests.report.sample_results import fleet, results
from tests.report.told import attacked, mixed

CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe]")

BOUNDS = {
    "junit": 28_000_000,
    "sarif": 12_000_000,
    "github": 40_000,
    "summary": 1_000_000,
    "markdown": 15_000,
    "csv": 20_000_000,
    "prometheus": 125_000,
    "text": 110_000,
    "html": 5_000_000,
}
"""Octets at 1,000 hosts by 85 rules, however much of it is broken."""


@pytest.fixture(scope="module", params=[0.05, 0.5], ids=["a few broken", "half broken"])
def large(request: pytest.FixtureRequest) -> dict[str, Any]:
    found, _ = fleet(1000, broken=request.param)
    return found


def test_the_sample_is_valid() -> None:
    for found in (mixed(), attacked()):
        assert reader._wrong(found) == ""


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_text_holds_no_control_character(name: str) -> None:
    text = render(name, attacked())
    text.encode()
    assert not CONTROLS.findall(text.replace("\r\n", "\n"))
    assert "\r" not in text.replace("\r\n", "")


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_at_all_can_be_told(name: str) -> None:
    assert render(name, results(exit=5, exit_text="nothing was checked")).strip()


@pytest.mark.parametrize("name", FORMATS)
def test_one_of_each_outcome(name: str) -> None:
    text = render(name, mixed())
    assert text.endswith("\n") or name == "html"
    if name != "prometheus":
        assert "25.100.51.198.in-addr.arpa" in text
        assert "192.0.2.53" in text


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "html"])
def test_sizes_are_bounded(name: str, large: dict[str, Any]) -> None:
    assert len(render(name, large).encode()) < BOUNDS[name]


def test_every_format_has_a_bound() -> None:
    assert BOUNDS.keys() == FORMATS.keys()


@pytest.mark.parametrize("run", [{"complete": False, "exit": 2, "unreached": ["ptr.exists mx9"]}, {"exit": 3}])
@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("html", "prometheus")])
def test_a_run_that_fell_short_says_so(name: str, run: dict[str, Any]) -> None:
    text = render(name, mixed(exit_text="these results are partial", **run))
    assert "these results are partial" in text
    assert "mx9" in text or "unreached" not in run
