"""Secrets do not survive, however they were written."""

from __future__ import annotations

import base64
import json
import shlex
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from conformance.facts.redaction import HIDDEN, Redactor

SECRET = "s3cr3t'Wört/+="


@given(st.text(min_size=0, max_size=12), st.text(min_size=0, max_size=12))
def test_base64_of_a_password_is_found_wherever_it_stands(before: str, after: str) -> None:
    whole = base64.b64encode(f"{before}\0{SECRET}{after}".encode()).decode()
    left = Redactor([SECRET])(f"AUTH PLAIN {whole}").removeprefix("AUTH PLAIN ").split(HIDDEN)
    assert len(left) == 2
    # What is left encodes what stood around it, and at most the begin of an octet of the secret on each side.
    assert len(left[0]) == -(-len(f"{before}\0".encode()) * 4 // 3)
    assert len(left[1].rstrip("=")) <= -(-(len(after.encode()) + 1) * 4 // 3)


def test_every_way_to_write_it() -> None:
    redact = Redactor([SECRET, "", "other-word"])
    octets = SECRET.encode()
    for form in (
        SECRET,
        octets.decode("latin-1"),
        json.dumps(SECRET),
        shlex.quote(SECRET),
        quote(SECRET, safe=""),
        octets.hex(),
        octets.hex().upper(),
        base64.urlsafe_b64encode(octets).decode(),
    ):
        shown = redact(f"before {form} after other-word")
        assert shown.startswith("before ")
        assert shown.endswith(f" after {HIDDEN}")
        assert form not in shown


def test_nothing_known_changes_nothing() -> None:
    assert Redactor()("text") == "text"
    assert "s3cr3t" not in repr(Redactor([SECRET]))


def test_what_is_learnt_later_counts() -> None:
    redact = Redactor(["one-word"])
    redact.know(["second-word"])
    assert redact("one-word second-word") == f"{HIDDEN} {HIDDEN}"
