"""Names with letters beyond ASCII are shown as DNS has them and as people read them, wherever a domain is shown."""

from __future__ import annotations

import pytest
from told import mixed

from conformance.reading.scripts import id_in_both_forms
from conformance.report.formats import render
from conformance.report.page import render as page
from conformance.report.terminal import lines
from tests.report.sample_results import result, results

NAME = "xn--bcher-kva.example"
BOTH = f"{NAME} (bücher.example)"


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        (NAME, BOTH),
        (f"mx1.example.net/198.51.100.25/{NAME}", f"mx1.example.net/198.51.100.25/{BOTH}"),
        (f"mx.{NAME}:25", f"mx.{NAME}:25 (mx.bücher.example)"),
        (f"mx.{NAME}/198.51.100.25/{NAME}", f"mx.{NAME}/198.51.100.25/{NAME} (mx.bücher.example) (bücher.example)"),
        ("xn--pple-43d.example", "xn--pple-43d.example"),
        ("example.com", "example.com"),
        ("", ""),
    ],
)
def test_ids_in_both_forms(subject: str, shown: str) -> None:
    assert id_in_both_forms(subject) == shown


def found(outcome: str) -> dict[str, object]:
    return results(result("spf.exists", NAME, outcome, kind="domain", host=None, domain=NAME))


@pytest.mark.parametrize("outcome", ["fail", "advice", "undetermined", "waived"])
def test_the_page_shows_both(outcome: str) -> None:
    text = page(found(outcome))
    assert text.count(BOTH) >= 3
    assert f'id="d-{NAME}"' in text


@pytest.mark.parametrize("outcome", ["fail", "advice", "undetermined"])
def test_the_terminal_shows_both(outcome: str) -> None:
    assert BOTH in "\n".join(lines(found(outcome)))


@pytest.mark.parametrize("name", ["markdown", "github"])
def test_a_pipeline_shows_both(name: str) -> None:
    assert "bücher.example" in render(name, found("fail"), None)


def test_plain_names_are_shown_once() -> None:
    assert "example.com (" not in page(mixed())
