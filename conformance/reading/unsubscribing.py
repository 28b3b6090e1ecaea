"""Ways to unsubscribe that a message offers: in its header (RFC 2369, RFC 8058) and in its body."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from conformance.reading.html import read_html, urls
from conformance.reading.listfield import read_list_field
from conformance.reading.message import Message
from conformance.reading.mime import Structure

__all__ = ["ONE_CLICK", "body_links", "doubled_fields", "field_faults", "says_so", "unsubscribe_uris"]

ONE_CLICK: Final = "List-Unsubscribe=One-Click"
"""What List-Unsubscribe-Post says (RFC 8058 section 3.1)."""
_NEARBY: Final = 200
LIST_FIELDS: Final = ("Help", "Unsubscribe", "Subscribe", "Post", "Owner", "Archive")

_BARE = re.compile(
    r"(?<![\w@.+=/?&%-])(?:(?P<host>www\.[\w.-]{1,250}\w(?:/[^\s<>\"]{0,500})?)|(?P<address>[\w.+=-]{1,64}@[\w.-]{1,250}\w))"
)
"""What mail programs show as a link though it has no scheme."""
_WORDS = re.compile(
    r"\b(?:manage|change|update|edit|cancel|end|stop)\W+(?:\w+\W+){0,3}subscription|\bstop (?:receiving|getting)\b|"
    r"no longer (?:wish|want) to (?:receive|get|hear)|\b(?:e-?mail|notification|newsletter) settings\b|"
    r"g[ée]rer (?:mes|vos|votre|mon) abonnement|"
    r"un-?subscri|\bleave\b|sign[ -]?off|opt[ -]?out|optout|list-?manage|preferences|abmeld|abbestell|austragen|kündig|"
    r"désabonn|desabonn|désinscri|desinscri|darse de baja|cancelar|baja|cancella|disiscri|descadastr|remover|afmeld|"
    r"uitschrij|avregistrer|avsluta|avmeld|framelding|peruuta|lopeta tilaus|odhlás|odhlas|wypis|"
    r"rezygn|leiratkoz|dezabon|отпис|відпис|отказ|配信停止|購読解除|退会|退订|取消订阅|取消訂閱|수신거부|구독|ยกเลิก|إلغاء",
    re.IGNORECASE,
)


def unsubscribe_uris(message: Message) -> tuple[str, ...]:
    """Return the URIs of the first List-Unsubscribe field."""
    return read_list_field(message.text("List-Unsubscribe")).uris


def doubled_fields(message: Message, names: Sequence[str]) -> list[str]:
    """Return the fields that stand more than once, with how often."""
    return [f"{count} {name} fields" for name in names if (count := len(message.named(name))) > 1]


def field_faults(message: Message) -> list[str]:
    """Return what is wrong with the list fields of a message (RFC 2369 section 2)."""
    read = [(f"List-{name}", field) for name in LIST_FIELDS for field in message.named(f"List-{name}")]
    return [f"{name}: {fault}" for name, field in read if (fault := read_list_field(field.text).fault)]


def body_links(parts: Structure) -> tuple[tuple[str, str], ...]:
    """Return the links that people see, each with the text around it.

    Of addresses in plain text those alone that are for unsubscribing: any mail names some.
    """
    read = [read_html(part.text) for part in parts.of_type("text/html")]
    shown = [(link[0], near) for one in read for link, near in zip(one.links, one.nearby, strict=True)]
    for part in parts.of_type("text/plain"):
        text = part.text[: 1 << 20]
        shown += [(url, _around(text, url)) for url in urls(text)]
        shown += _bare_links(text)
    return tuple(link for link in shown if link[0].lower().startswith(("http://", "https://", "mailto:")))


def _bare_links(text: str) -> Iterator[tuple[str, str]]:
    for found in _BARE.finditer(text):
        near = _around(text, found[0])
        if found["host"]:
            yield f"http://{found[0]}", near
        elif _WORDS.search(f"{found[0]} {near}"):
            yield f"mailto:{found[0]}", near


def _around(text: str, url: str) -> str:
    """Return the words around an address in plain text, which say what it is for."""
    at = text.find(url)
    return f"{text[max(0, at - _NEARBY) : at]} {text[at + len(url) : at + len(url) + _NEARBY]}"


def says_so(links: Sequence[tuple[str, str]], uris: Sequence[str]) -> bool:
    """Whether one of the links is for unsubscribing, by its address, by its text, or as the header names it."""
    return any(target in uris or _WORDS.search(f"{target} {text}") for target, text in links)
