"""Addresses in header fields, lawful, obsolete and none."""

from __future__ import annotations

import time
from email.utils import getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.mailbox import MOST, read_addresses
from conformance.reading.stdlibview import address_fault

LAWFUL: list[tuple[str, list[str]]] = [
    ("a@example.com", ["a@example.com"]),
    ("A B <a@example.com>", ["a@example.com"]),
    ('"Doe, Jane" <jane@example.com>, b@example.com', ["jane@example.com", "b@example.com"]),
    ("a@example.com (Jane (of sales\\))), b@example.com", ["a@example.com", "b@example.com"]),
    ("undisclosed-recipients:;", []),
    ("Team: a@example.com, B <b@example.com>; , c@example.com", ["a@example.com", "b@example.com", "c@example.com"]),
    ('"a b"@example.com', ['"a b"@example.com']),
    ("a@[192.0.2.1]", ["a@[192.0.2.1]"]),
    ("a+b=c@example.com", ["a+b=c@example.com"]),
    ("Jürgen <j@example.com>", ["j@example.com"]),
    ("<a@example.com>", ["a@example.com"]),
]


@pytest.mark.parametrize(("text", "specs"), LAWFUL)
def test_lawful(text: str, specs: list[str]) -> None:
    found = read_addresses(text)
    assert [one.spec for one in found.mailboxes] == specs
    assert not found.problems
    assert [one.spec for one in found.valid] == specs


FAULTS: list[tuple[str, str]] = [
    ("a", "has no @"),
    ("@example.com", "local part is empty"),
    ("a@", "domain is empty"),
    ("a..b@example.com", "empty word between dots"),
    (".a@example.com", "empty word between dots"),
    ("a.@example.com", "ends with a dot"),
    ("a@example..com", "empty word between dots"),
    ("a@example.com.", "ends with a dot"),
    ("a b@example.com", "no dot-atom"),
    ("A <a@example.com", "is not closed"),
    ("A <a@example.com> B", "stands after '>'"),
    ("A <a@example.com> <b@example.com>", "stands in it twice"),
    ("<>", "it is empty"),
    ("a@b@example.com", "local part has '@'"),
    ("a@b@example.com <a@example.com>", "display name has '@' outside quotes"),
    ('"open <a@example.com>', "has no @"),
    ("Team: a@example.com", "not ended by a semicolon"),
    (": a@example.com;", "a group has no name"),
    ("a@exa mple.com", "no dot-atom"),
    ("a@[192.0.2.1", "domain has '['"),
    ("a\0@example.com", "local part has '\\x00'"),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_faults(text: str, fault: str) -> None:
    assert any(fault in problem for problem in read_addresses(text).problems), read_addresses(text)


@pytest.mark.parametrize(
    ("text", "slip"),
    [
        ("a . b@example.com", "blanks or comments"),
        ("<@relay.example.com:a@example.com>", "source route"),
        ("J. Doe <a@example.com>", "dot outside quotes"),
        ('"a".b@example.com', "quoted words"),
    ],
)
def test_obsolete_syntax_is_understood_and_told(text: str, slip: str) -> None:
    (mailbox,) = read_addresses(text).mailboxes
    assert mailbox.valid
    assert any(slip in one for one in mailbox.obsolete)


def test_nothing_between_commas_is_obsolete() -> None:
    found = read_addresses("a@example.com,, b@example.com")
    assert len(found.valid) == 2
    assert found.obsolete


def test_display_names_and_groups() -> None:
    found = read_addresses('"Doe, \\"J\\"" <a@example.com>, G: b@example.com;')
    assert [one.display for one in found.mailboxes] == ['Doe, "J"', ""]
    assert found.mailboxes[0].quoted
    assert [(group.name, group.members) for group in found.groups] == [("G", 1)]


def test_thousands_of_addresses_are_not_read() -> None:
    found = read_addresses(", ".join(["a@example.com"] * (MOST + 1)))
    assert found.cut
    assert len(found.mailboxes) == MOST
    assert not read_addresses(", ".join(["a@example.com"] * MOST)).cut


def test_time_is_linear() -> None:
    began = time.process_time()
    for piece in ('"', '"\\', "(", ")", "<", "@", ",", ":", ";", "[", "\\", "a.", "(\\", " ", "a@b,", '"a"', "<@a,"):
        read_addresses(piece * (250_000 // len(piece)))
    assert time.process_time() - began < 60


@given(st.text(st.sampled_from('ab@.,:;<>()[]"\\ \t=?ü\0'), max_size=60))
def test_any_text_is_read(text: str) -> None:
    for mailbox in read_addresses(text).valid:
        assert mailbox.local
        assert mailbox.domain


ATOMS = st.text("abc019+-_", min_size=1, max_size=8)
SPECS = st.builds("{}@{}.example.com".format, ATOMS, st.text("abc", min_size=1, max_size=8))


@given(st.lists(SPECS, min_size=1, max_size=5))
def test_libraries_see_the_same_addresses_where_nothing_is_wrong(specs: list[str]) -> None:
    text = ", ".join(f"Name <{spec}>" for spec in specs)
    assert [one.spec for one in read_addresses(text).valid] == specs
    assert [spec for _, spec in getaddresses([text])] == specs
    assert not any(map(address_fault, specs))


def test_the_library_has_an_opinion_of_its_own() -> None:
    assert address_fault("a" * 65 + "@example.com")
    assert address_fault("a@" + "b" * 64 + ".example.com")
    assert not address_fault('"a b"@example.com')
    assert not address_fault("a@[192.0.2.1]")
