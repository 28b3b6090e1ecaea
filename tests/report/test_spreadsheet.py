from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.report.formats import csv as comma
from conformance.report.text import printable
from tests.report.sample_results import fleet, result, results
from tests.report.told import ADDRESS, attacked, mixed

FORMULA = re.compile("\\s*[=+@\uff1d\uff0b\uff0d\uff20-]")


def rows(found: dict[str, Any], delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(comma.render(found), newline=""), delimiter=delimiter, strict=delimiter == ","))


def test_findings_worst_first_below_a_heading() -> None:
    heading, *found = rows(mixed())
    assert tuple(heading) == comma.COLUMNS
    told = [dict(zip(heading, row, strict=True)) for row in found]
    assert [(one["outcome"], one["check"]) for one in told] == [
        ("fail", "ptr.exists"),
        ("undetermined", "tls.in-offered"),
        ("advice", "ptr.single"),
        ("waived", "spf.exists"),
    ]
    assert told[0]["subject"] == ADDRESS
    assert told[1]["cause"] == "192.0.2.53: no answer in 2 s"
    assert told[3]["waiver"] == "provider changes it (until 2027-01-31)"


def test_a_cell_is_one_cell_for_whatever_a_reader_splits_at() -> None:
    assert '"a;b\'c"' in comma.render(results(result("ptr.exists", ADDRESS, "fail", seen="a;b'c")))


def test_lines_end_as_the_format_has_them() -> None:
    text = comma.render(mixed())
    assert text.count("\r\n") == text.count("\n") == 5


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("-all", "'-all"),
        (" +1", " '+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "\\x09=1"),
        ("\r=1", "\\x0d=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=1", "a;'=1"),
        ("v=DMARC1; p=reject", "v=DMARC1; p=reject"),
        ("v=spf1 -all", "v=spf1 -all"),
        ('"=1', '"=1'),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text: str, cell: str) -> None:
    assert comma._cell(text) == cell


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_hostile_text_is_no_formula_for_any_reader(delimiter: str) -> None:
    for row in rows(attacked(), delimiter):
        assert not [cell for cell in row if FORMULA.match(cell)]


@given(st.text(st.characters(), max_size=200))
def test_any_text_is_read_back_as_text(text: str) -> None:
    found = mixed()
    found["results"][0]["seen"] = text
    heading, row, *_ = rows(found)
    cell = row[heading.index("seen")]
    assert not FORMULA.match(cell)
    assert cell.replace("'", "") == printable(text).replace("'", "")


def test_what_a_spreadsheet_has_no_room_for_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comma, "ROWS", 3)
    found, _ = fleet(5, broken=0.5)
    told = rows(found)
    assert len(told) == 5
    wanted = sum(number for outcome, number in found["counts"].items() if outcome not in ("pass", "not-applicable"))
    assert told[-1][0] == "incomplete"
    assert f"{wanted - 3} more results are left out" in told[-1][comma.COLUMNS.index("seen")]
