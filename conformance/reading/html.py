"""HTML parts of a message: what people see of them, where their links lead, what does not belong there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from conformance.reading.mime import Structure

__all__ = ["Html", "host_of", "links", "read_html", "urls"]

_LARGEST = 1 << 20
_MOST_LINKS = 500
_SILENT = ("script", "style", "title", "head", "template")
_URL = re.compile(r"\bhttps?://[^\s<>\"'\x00-\x1f]{1,2000}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Html:
    """What an HTML text says. ``links`` are the targets of ``<a>``, each with the text that is shown for it."""

    text: str
    links: tuple[tuple[str, str], ...]
    scripts: int
    """``<script>`` elements, attributes of events and ``javascript:`` links."""
    cut: bool = False


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self.links: list[tuple[str, list[str]]] = []
        self.scripts = 0
        self.silent: list[str] = []
        self.open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in what opens."""
        self.scripts += tag == "script"
        self.scripts += any(re.fullmatch(r"on[a-z]+", name) for name, _ in attrs)
        if tag in _SILENT and len(self.silent) < 100:
            self.silent.append(tag)
        target = next((value or "" for name, value in attrs if name == "href"), None)
        if tag in ("a", "area") and target is not None:
            self.scripts += target.strip().lower().startswith("javascript:")
            if len(self.links) < _MOST_LINKS:
                self.links.append((target.strip(), []))
                self.open = True
        alternative = next((value or "" for name, value in attrs if name == "alt"), "")
        if tag == "img" and alternative:
            self.handle_data(alternative)

    def handle_endtag(self, tag: str) -> None:
        """Take in what closes."""
        if self.silent and self.silent[-1] == tag:
            self.silent.pop()
        self.open = self.open and tag != "a"

    def handle_data(self, data: str) -> None:
        """Take text in."""
        if self.silent:
            return
        self.said.append(data)
        if self.open:
            self.links[-1][1].append(data)


def read_html(text: str) -> Html:
    """Read an HTML text as far as its bound; nothing in it is followed."""
    reader = _Reader()
    try:
        reader.feed(text[:_LARGEST])
        reader.close()
    except (AssertionError, ValueError, RecursionError):
        # The library's own complaint about markup that it cannot make out.
        return Html(" ".join(reader.said), _shown(reader), reader.scripts, cut=True)
    return Html(" ".join(reader.said), _shown(reader), reader.scripts, cut=len(text) > _LARGEST)


def _shown(reader: _Reader) -> tuple[tuple[str, str], ...]:
    return tuple((target, " ".join("".join(said).split())) for target, said in reader.links)


def urls(text: str) -> tuple[str, ...]:
    """Return the web addresses that stand in plain text."""
    found = (match[0].rstrip(".,;:!?)]}") for match in _URL.finditer(text[:_LARGEST]))
    return tuple(dict.fromkeys(found))[:_MOST_LINKS]


def links(parts: Structure) -> tuple[str, ...]:
    """Return the web addresses that a message leads to, from its HTML and plain text parts; bounded."""
    found = [target for part in parts.of_type("text/html") for target, _ in read_html(part.text).links]
    found += [one for part in parts.of_type("text/plain") for one in urls(part.text)]
    return tuple(dict.fromkeys(one for one in found if one.lower().startswith(("http://", "https://"))))[:_MOST_LINKS]


def host_of(link: str) -> str:
    """Return the host of a web address; empty where it has none."""
    try:
        return urlsplit(link).hostname or ""
    except ValueError:
        return ""
