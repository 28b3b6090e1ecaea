"""Numbers as ranges, and back."""

from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.numbering import count, first, numbers, others, ranges


def test_ranges() -> None:
    assert ranges([0, 1, 2, 3, 7, 9, 10]) == "0-3 7 9-10"
    assert numbers("0-3 7 9-10") == [0, 1, 2, 3, 7, 9, 10]
    assert ranges([]) == ""
    assert numbers("") == []


@given(st.sets(st.integers(0, 400)))
def test_ranges_hold_what_they_were_made_of(found: set[int]) -> None:
    assert numbers(ranges(sorted(found))) == sorted(found)


@given(st.sets(st.integers(0, 40)), st.integers(41, 60))
def test_others_are_all_that_are_not_among_some(found: set[int], total: int) -> None:
    text = others(sorted(found), total)
    assert numbers(text) == [number for number in range(total) if number not in found]
    assert text == ranges(numbers(text))
    assert count(text) == total - len(found)
    assert first(text) == numbers(text)[0]
