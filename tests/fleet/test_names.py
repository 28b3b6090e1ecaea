from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from conformance.fleet.names import domain_name, is_host_name, selector
from conformance.fleet.reader import shown
from conformance.fleet.values import label


def taken(read: Callable[[str], str], text: str) -> str | None:
    try:
        return read(text)
    except ValueError:
        return None


@given(some.text(max_size=300))
def test_any_text_is_a_domain_name_or_refused(text: str) -> None:
    name = taken(domain_name, text)
    assert name is None or (name == name.lower() == domain_name(name) and name.isascii() and len(name) <= 253)


@given(some.text(max_size=80))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    name = taken(selector, text)
    assert name is None or selector(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.COM.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER。example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_domain_names_become_a_labels(text: str, name: str) -> None:
    assert domain_name(text) == name


@pytest.mark.parametrize("text", ["", ".", "a..b", "-a.example", "a-.example", "a b.example", "192.0.2.1", "ü" * 300])
def test_what_is_no_domain_name(text: str) -> None:
    with pytest.raises(ValueError, match="a domain name"):
        domain_name(text)


def test_host_names_can_stand_in_ids() -> None:
    assert is_host_name("mx-1_a.example.net")
    assert not any(map(is_host_name, ("", "mx/1", "mx 1", "mx1\n", "mü", "<b>")))


def test_parts_and_values_in_messages() -> None:
    assert label("v", ("example.com", "dkim", 0)) == 'v["example.com"].dkim[0]'
    values: list[Any] = ["a", "b" * 99, [1], {}, None, True, 2.5]
    assert list(map(shown, values)) == [
        "'a'",
        f"'{'b' * 57}...'",
        "a list",
        "a mapping",
        "null",
        "true",
        "2.5",
    ]
