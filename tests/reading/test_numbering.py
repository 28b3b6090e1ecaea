"""Numbers as ranges, and back."""

from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.numbering import numbers, ranges


def test_ranges() -> None:
    assert ranges([0, 1, 2, 3, 7, 9, 10]) == "0-3 7 9-10"
    assert numbers("0-3 7 9-10") == [0, 1, 2, 3, 7, 9, 10]
    assert ranges([]) == ""
    assert numbers("") == []


@given(st.sets(st.integers(0, 400)))
def test_ranges_hold_what_they_were_made_of(found: set[int]) -> None:
    assert numbers(ranges(sorted(found))) == sorted(found)
