"""Postal addresses of bulk mail: what was not read to its end accuses nobody."""

from __future__ import annotations

import pytest

from conformance.facts.imprint import Imprint
from conformance.outcome import Undetermined

ADDRESS = "Example Ltd, 1 Example Street"


def test_a_declared_address_has_to_be_shown_whole() -> None:
    assert Imprint(ADDRESS, ("Example Ltd\n1 Example Street",)).missing == []
    assert Imprint(ADDRESS, ("Example Ltd", "1 example street")).missing == []
    assert Imprint(ADDRESS, ("Example Ltd",)).missing == ["1 Example Street"]


def test_without_one_what_looks_like_one_will_do() -> None:
    assert Imprint("", ("Hello", ADDRESS)).unrecognised == []
    assert Imprint("", ("Hello",)).unrecognised == ["no postal address was recognised in the text"]
    assert Imprint("", ()).unrecognised == ["it shows no text"]


def test_a_text_that_goes_on_may_show_it_there() -> None:
    cut = Imprint(ADDRESS, ("Example Ltd",), "there are more than 200 parts")
    for look in ("missing", "unrecognised"):
        with pytest.raises(Undetermined, match="not read to its end: there are more than 200 parts"):
            getattr(cut, look)
    assert Imprint(ADDRESS, (ADDRESS,), "cut").missing == []
