from __future__ import annotations

import html
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from conformance.report.formats import markdown, summary
from conformance.report.text import printable
from tests.report.sample_results import fleet
from tests.report.told import ADDRESS, HOSTILE, attacked, mixed

ANY = st.text(st.characters(), max_size=300)


def tokens(text: str) -> list[Token]:
    """Return what Markdown, with tables as forges have them and HTML let through, makes of a text."""
    found = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    return [one for token in found for one in [token, *(token.children or [])]]


def told(text: str) -> str:
    return html.unescape(re.sub("<[^>]+>", "", MarkdownIt("commonmark").enable("table").render(text)))


@pytest.mark.parametrize("module", [markdown, summary])
def test_verdict_counts_and_remedies(module: Any) -> None:
    text = told(module.render(mixed()))
    assert text.startswith("mailconform: Does not conform")
    for words in (
        "6 results on 1 host and 1 domain",
        "ptr.exists (must): Every sending address has a PTR record.",
        f"{ADDRESS}: 25.100.51.198.in-addr.arpa PTR answered NXDOMAIN",
        "25.100.51.198.in-addr.arpa. IN PTR mx1.example.net.",
        "192.0.2.53: no answer in 2 s leaves 1 check undetermined, which gates",
        "provider changes it (until 2027-01-31)",
    ):
        assert words in text
    order = [text.index(title) for title in ("What to do", "Could not look", "Advice", "Waived")]
    assert order == sorted(order)


def test_what_sets_a_run_apart_is_said() -> None:
    text = told(markdown.render(mixed(dns="proposed", complete=False, exit=2, warnings=["twice"], limit="mx*")))
    for words in (
        "PROPOSED: DNS as changed, not as it is live",
        "The run fell short",
        "1 warning about the inventory, first twice",
        "mx*",
    ):
        assert words in text


@pytest.mark.parametrize("module", [markdown, summary])
def test_hostile_text_is_code_and_nothing_else(module: Any) -> None:
    found = tokens(module.render(attacked()))
    assert {one.tag for one in found} <= {
        "", "h2", "h3", "p", "ul", "li", "code", "strong", "table", "thead", "tbody", "tr", "th", "td"
    }  # fmt: skip
    assert not [one for one in found if one.type in ("html_block", "html_inline", "link_open", "image")]
    plain = " ".join(one.content for one in found if one.type == "text")
    for word in ("@everyone", "#1", "evil.example", "/close", "::error", "script"):
        assert word not in plain
        assert word in " ".join(one.content for one in found if one.type in ("code_inline", "fence"))
    # What begins a line is taken for a command by some forges.
    assert not re.search(
        r"^\s*(/close|::error)", re.sub(r"```+text.*?\n```+", "", module.render(attacked()), flags=re.S), re.M
    )


@given(ANY)
def test_any_text_is_inline_code(text: str) -> None:
    (inline,) = [one for one in tokens(f"a {markdown.code(text)} b") if one.type == "inline"]
    before, code, after = inline.children or []
    assert (before.content, code.type, after.content) == ("a ", "code_inline", " b")
    assert code.content.strip(" ") == printable(text).strip(" ")


@given(ANY)
def test_any_text_is_a_block_of_code(text: str) -> None:
    (block,) = [one for one in tokens(f"a\n\n{markdown.block([text])}\n\nb") if one.type == "fence"]
    assert block.content == printable(text, 2000, newlines=True) + "\n"


@given(ANY)
def test_plain_text_means_nothing_to_markdown(text: str) -> None:
    if markdown.plain(text) == text and text.strip():
        found = tokens(f"a {text} b")
        assert {one.type for one in found} <= {"paragraph_open", "inline", "text", "paragraph_close"}


def test_titles_of_our_own_stay_plain() -> None:
    for title in ("Every sending address has a PTR record.", "It is so: always; mostly (RFC 1912)."):
        assert markdown.plain(title) == title
    for title in ("see www.example.com", "https://example.com", "@all", "a_b_", "#3", HOSTILE):
        assert markdown.plain(title) != title


@pytest.mark.parametrize("broken", [0.05, 1.0])
@pytest.mark.parametrize("module", [markdown, summary])
def test_what_there_is_no_room_for_is_counted(module: Any, broken: float) -> None:
    found, _ = fleet(300, broken=broken)
    for one in found["results"]:
        one["seen"] = one["seen"] and f"{one['seen']} {one['subject']} {'ü' * 300}"
    text = module.render(found)
    assert len(text.encode()) <= module.LIMIT
    assert "### Could not look" in text
    if module is markdown or broken == 1.0:
        assert re.search(r"What to do: \d+ rules left out here", text)
        assert re.search(r"- and \d+ more\n", text)
