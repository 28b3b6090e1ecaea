"""Waivers are added to a file and taken out of it, and all else stays as it is written."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.located import LocatedError, read
from conformance.reading.waiverfile import EditError, added, pruned

FILE = """\
version: 1
# keep sorted by date
waivers:
  # about one
  - id: W-1   # trailing
    rules: [a.b]
    reason: "x"

  # about two,
  # and more
  - id: W-2
    rules:
    - a.b
    reason: >-
      folded
      text

  - id: W-3
    reason: |
      # not a comment
      y
# the end
defaults: {max_days: 3}
"""
ONE, TWO, THREE = 5, 11, 18
ROW = {
    "id": "W-4",
    "rules": ["ptr.exists"],
    "broad": True,
    "reason": "it's: # hard",
    "expires": datetime.date(2027, 1, 1),
}
WRITTEN = """\
  - id: W-4
    rules:
    - ptr.exists
    broad: true
    reason: 'it''s: # hard'
    expires: 2027-01-01
"""


def without(start: str, stop: str) -> str:
    """Return the file without what stands between two texts."""
    return FILE[: FILE.index(start)] + FILE[FILE.index(stop) :]


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ({ONE}, without("  # about one", "  # about two")),
        ({TWO}, without("  # about two", "  - id: W-3")),
        ({THREE}, without("  - id: W-3", "# the end")),
        ({ONE, TWO}, without("  # about one", "  - id: W-3")),
        ({ONE, TWO, THREE}, without("  # about one", "# the end")),
        ({1, 2, 3, 4, 7}, FILE),
        (set(), FILE),
    ],
)
def test_waivers_are_taken_out_with_their_comments(gone: set[int], left: str) -> None:
    assert pruned(FILE, gone) == left


def test_a_waiver_is_added_after_the_last() -> None:
    assert added(FILE, ROW) == FILE.replace("# the end", f"\n{WRITTEN}# the end")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"waivers:\n{WRITTEN}"),
        ("version: 1", f"version: 1\nwaivers:\n{WRITTEN}"),
        ("# why\n", f"# why\nwaivers:\n{WRITTEN}"),
        ("waivers:\n", f"waivers:\n{WRITTEN}"),
        ("waivers: []  # none\nversion: 1\n", f"waivers:  # none\n{WRITTEN}version: 1\n"),
        ("waivers:\n  -\n    id: x\n", f"waivers:\n  -\n    id: x\n{WRITTEN}"),
    ],
)
def test_where_there_was_none(before: str, after: str) -> None:
    assert added(before, ROW) == after


def test_the_columns_and_line_ends_of_the_file_are_kept() -> None:
    assert added("waivers:\r\n- id: x\r\n", {"id": "y"}) == "waivers:\r\n- id: x\r\n- id: y\r\n"


@pytest.mark.parametrize(
    "text", ["waivers: [{id: x}]\n", "{waivers: []}\n", "- a\n", "waivers: {a: b}\n", "a: [\n", "waivers: &x\n  - *x\n"]
)
def test_what_cannot_be_changed_is_refused(text: str) -> None:
    with pytest.raises(EditError):
        added(text, ROW)
    with pytest.raises(EditError):
        pruned(text, {1, 2})


def test_a_text_that_would_swallow_the_new_waiver_is_refused() -> None:
    with pytest.raises(EditError, match="by hand"):
        added("waivers:\n  - id: x\n    reason: |\n      # not", ROW)


LINES = st.lists(
    st.sampled_from(
        ["waivers:", "  - id: a", "- id: b", "    reason: |", "      # text", "", "# comment", "  # comment", "  -",
         "    id: c", "    rules:", "    - d", "    - - e", "version: 1", "    x: [",
         "  ]", "    'y': >", "waivers: []"]
    ),
    max_size=12,
).map("\n".join)  # fmt: skip


@given(LINES, st.sets(st.integers(1, 12)))
def test_whatever_is_changed_the_rest_reads_as_before(text: str, gone: set[int]) -> None:
    try:
        before = read(text).data or {}
    except LocatedError:
        before = {}
    try:
        more, less = added(text, ROW), pruned(text, gone)
    except EditError:
        return
    rows = before.get("waivers") or []
    assert read(more).data["waivers"][:-1] == rows
    assert len((read(less).data or {}).get("waivers") or []) <= len(rows)
    assert added(more, {"id": "x"})
