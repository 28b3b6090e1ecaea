"""HTML parts of a message: what people see of them, where their links lead, what does not belong there.

Read in one pass: the library's parser takes time that grows with the square of some texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from conformance.reading.mime import Structure

__all__ = ["Html", "host_of", "links", "read_html", "urls"]

_LARGEST = 1 << 20
_MOST_LINKS = 500
_NEARBY = 200
_SILENT = ("script", "style", "title", "template")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:-]*)((?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*)>")
_ATTRIBUTE = re.compile(r"([^\s=/\"'<>]+)(?:[ \t\r\n]*=[ \t\r\n]*(\"[^\"]*\"|'[^']*'|[^\s\"'<>]+))?")
_URL = re.compile(r"\bhttps?://[^\s<>\"'\x00-\x1f]{1,2000}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Html:
    """What an HTML text says. ``links`` are the targets of ``<a>``, each with the text that is shown for it."""

    text: str
    links: tuple[tuple[str, str], ...]
    scripts: int
    """``<script>`` elements, attributes of events and ``javascript:`` links."""
    cut: bool = False
    nearby: tuple[str, ...] = ()
    """The words around each of the links, those of the link itself included."""


class _Reader:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.links: list[tuple[str, list[str]]] = []
        self.begun: list[int] = []
        """Where in what was said each link begins."""
        self.length = 0
        self.scripts = 0
        self.open = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.scripts += name == "script"
        self.scripts += any(re.fullmatch(r"on[a-z]+", one) for one in attributes)
        target = attributes.get("href", "")
        if name in ("a", "area") and target:
            self.scripts += target.lower().startswith("javascript:")
            self.open = len(self.links) < _MOST_LINKS
            if self.open:
                self.links.append((target, []))
                self.begun.append(self.length)
        if name == "img" and attributes.get("alt"):
            self.text(attributes["alt"])

    def end(self, name: str) -> None:
        self.open = self.open and name != "a"

    def text(self, data: str) -> None:
        self.said.append(data)
        self.length += len(data) + 1
        if self.open:
            self.links[-1][1].append(data)


def read_html(text: str) -> Html:
    """Read an HTML text as far as its bound; nothing in it is followed."""
    reader = _Reader()
    for data, tag in _tokens(text[:_LARGEST]):
        if tag is None:
            reader.text(unescape(data))
        elif tag[1]:
            reader.end(tag[2].lower())
        else:
            reader.start(tag[2].lower(), _attributes(tag[3]))
    shown = tuple((target, " ".join("".join(said).split())) for target, said in reader.links)
    said = " ".join(reader.said)
    nearby = tuple(
        " ".join(said[max(0, at - _NEARBY) : at + len(" ".join(link[1])) + _NEARBY].split())
        for at, link in zip(reader.begun, reader.links, strict=True)
    )
    return Html(said, shown, reader.scripts, len(text) > _LARGEST, nearby)


def _tokens(text: str) -> Iterator[tuple[str, re.Match[str] | None]]:
    """Yield text that is shown, and tags; comments and what stands inside silent elements are left out."""
    at, lowered = 0, text.lower()
    while at < len(text):
        begun = text.find("<", at)
        if begun < 0:
            begun = len(text)
        if begun > at:
            yield text[at:begun], None
        if text.startswith("<!--", begun):
            at = _after(text, "-->", begun + 4)
        elif (tag := _TAG.match(text, begun)) is not None:
            yield "", tag
            at = tag.end()
            if tag[2].lower() in _SILENT and not tag[1]:
                closing = lowered.find(f"</{tag[2].lower()}", at)
                at = closing if closing >= 0 else len(text)
        else:
            at = _after(text, ">", begun) if text.startswith(("<!", "<?", "</"), begun) else begun + 1


def _after(text: str, end: str, at: int) -> int:
    """Return the place after an end; that of the text where there is none."""
    found = text.find(end, at)
    return found + len(end) if found >= 0 else len(text)


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        found.setdefault(match[1].lower(), unescape((match[2] or "").strip("\"'")).strip())
    return found


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
