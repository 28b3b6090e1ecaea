from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.report.formats import github
from tests.report.sample_results import fleet, result, results
from tests.report.told import ADDRESS, MX, attacked, mixed


class Command(NamedTuple):
    """A workflow command as a runner reads it."""

    name: str
    properties: dict[str, str]
    text: str


def read(line: str) -> Command:
    """Read a line as a runner does: up to the next ``::``, then properties at commas, then the rest."""
    told = line.lstrip()
    assert told.startswith("::")
    inside, end, text = told[2:].partition("::")
    assert end
    name, _, given = inside.partition(" ")
    pairs = [one.split("=", 1) for one in given.split(",") if one]
    properties = {key: unescaped(value, {"%3A": ":", "%2C": ","}) for key, value in pairs}
    assert len(properties) == len(pairs)
    return Command(name, properties, unescaped(text, {}))


def unescaped(text: str, more: dict[str, str]) -> str:
    known = {"%0D": "\r", "%0A": "\n", **more, "%25": "%"}
    return re.sub("|".join(known), lambda found: known[found[0]], text)


def commands(found: dict[str, Any]) -> list[Command]:
    return [read(line) for line in github.render(found).split("\n")[:-1]]


@pytest.mark.parametrize(
    ("title", "text", "place", "line"),
    [
        ("t", "plain", ("host_vars/mx1.yml", 2), "::error title=t,file=host_vars/mx1.yml,line=2::plain"),
        (
            "x: y, z%",
            "50% off\r\nnext: a,b",
            ("a,b:c%.yml", 7),
            "::error title=x%3A y%2C z%25,file=a%2Cb%3Ac%25.yml,line=7::50%25 off%0D%0Anext: a,b",
        ),
        ("%2C", "::error::x%0A", ("-", 1), "::error title=%252C,file=-,line=1::::error::x%250A"),
    ],
)
def test_commands_are_written_as_the_toolkit_of_github_writes_them(
    title: str, text: str, place: tuple[str, int], line: str
) -> None:
    assert github._command("error", github.Annotation(title, text, place)) == line


def test_each_outcome_has_its_kind() -> None:
    told = commands(mixed())
    assert [(one.name, one.properties["title"]) for one in told] == [
        ("error", "ptr.exists [must]"),
        ("warning", "could not look"),
        ("warning", "ptr.single [should]"),
        ("notice", "mailconform: Does not conform"),
    ]
    assert told[0].properties | {"title": ""} == {"file": f"host_vars/{MX}.yml", "line": "2", "title": ""}
    assert told[0].text.startswith(f"{ADDRESS}: 25.100.51.198.in-addr.arpa PTR answered NXDOMAIN\nfix: ")
    assert "leaves 1 check undetermined, which gates" in told[1].text


def test_a_run_that_conforms_says_so_in_one_notice() -> None:
    (told,) = commands(results(result("ptr.exists", ADDRESS)))
    assert (told.name, told.properties["title"]) == ("notice", "mailconform: Conforms")


def test_what_github_would_drop_is_counted() -> None:
    found, _ = fleet(100, broken=0.3)
    told = commands(found)
    for kind in ("error", "warning"):
        own = [one for one in told if one.name == kind]
        assert len(own) == github.MOST
        assert own[-1].properties["title"] == "mailconform: more than GitHub shows"
    assert f"and {found['counts']['fail'] - 9:,} more" in next(one.text for one in told if "more than" in str(one))


def test_exactly_what_github_shows_is_shown() -> None:
    found = results(*(result("ptr.exists", f"{MX}/198.51.100.{number}", "fail") for number in range(10)))
    told = [one for one in commands(found) if one.name == "error"]
    assert [one.properties["title"] for one in told] == ["ptr.exists [must]"] * 10


def test_hostile_text_makes_no_command() -> None:
    text = github.render(attacked())
    told = commands(attacked())
    assert [one.name for one in told] == ["error", "error", "warning", "warning", "notice"]
    assert all(one.properties.keys() <= {"title", "file", "line"} for one in told)
    assert "forged" in text


@given(st.text(st.characters(), max_size=200), st.text(st.characters(exclude_characters=":"), min_size=1, max_size=60))
def test_any_text_comes_through(text: str, path: str) -> None:
    found = results(result("ptr.exists", ADDRESS, "fail", seen=text, fix="", declared_at=f"{path}:7"))
    told = commands(found)[0]
    assert told.properties["line"] == "7"
    assert told.text.isprintable()
    if text.isprintable():
        assert told.text == f"{ADDRESS}: {text}"
    if path.isprintable():
        assert told.properties["file"] == path
