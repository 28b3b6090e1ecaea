"""Whether a zone is signed, where what is known of it is not what is live."""

from __future__ import annotations

import pytest

from conformance.facts.answer import Answer, Status
from conformance.facts.validity import Validity
from conformance.outcome import Undetermined


def validity(layer: str, ds: Status) -> Validity:
    soa = Answer("example.com", "SOA", Status.FOUND, "NOERROR", records=("ns. host. 1 2 3 4 5",), layer=layer)
    root = Answer(".", "SOA", Status.FOUND, "NOERROR", authenticated=True)
    return Validity(soa, None, Answer("example.com", "DS", ds, "NOERROR"), root)


def test_nobody_has_signed_what_is_only_proposed() -> None:
    assert not validity("live", Status.FOUND).signed, "a resolver that validates does not vouch for it"
    with pytest.raises(Undetermined, match=r"example\.com DS is there, and what is proposed is signed only"):
        _ = validity("overlay:example.com.zone:3", Status.FOUND).signed
    assert not validity("overlay:example.com.zone:3", Status.ABSENT).signed
