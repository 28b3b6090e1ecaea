"""What is wrong in a header across its fields: encoded-words in the wrong place, lines that could be folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from conformance.reading.comments import without_comments
from conformance.reading.encodedword import EncodedWord, words
from conformance.reading.excerpt import quoted
from conformance.reading.mailbox import read_addresses
from conformance.reading.message import Field, Message

__all__ = ["attempt", "broken_words", "foldable", "longest_line", "misplaced_words", "repeated"]

T = TypeVar("T")

_ADDRESSES: Final = ("from", "sender", "reply-to", "to", "cc", "bcc")
_NEVER: Final = ("message-id", "in-reply-to", "references", "received", "date", "mime-version")
"""Structured fields without a phrase (RFC 2047 section 5)."""
_PARAMETERS: Final = ("content-type", "content-disposition")
_DECODED: Final = (*_ADDRESSES, "subject", "comments", "keywords", "content-description", "list-id", "thread-topic")
_MOST_WORDS: Final = 500
_FOLDED: Final = 78
_LONGEST: Final = 4_096


def attempt(read: Callable[[str], T], error: type[ValueError], text: str) -> T | str:
    """Return what a reader reads, or why it does not."""
    try:
        return read(text)
    except error as why:
        return str(why)


def repeated(texts: Iterable[str]) -> str:
    """Return the first text that stands there again; empty where none does."""
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            return text
        seen.add(text)
    return ""


def misplaced_words(message: Message) -> tuple[list[str], list[str]]:
    """Return the encoded-words where none may stand: those that harm, and those that are only shown undecoded."""
    wrong: list[str] = []
    slips: list[str] = []
    for field in message.fields:
        # Comments may hold them, apart from those of Received.
        if field.key in _NEVER and (found := words(field.text if field.key == "received" else _bare(field.text))):
            wrong.append(f"{field.name} has the encoded-word {quoted(found[0].raw, 80)}")
        elif field.key in _PARAMETERS and (found := words(field.text)):
            slips.append(f"{field.name} has the encoded-word {quoted(found[0].raw, 80)} in a parameter (see RFC 2231)")
        elif field.key in _ADDRESSES:
            for mailbox in read_addresses(field.text).mailboxes:
                if found := words(mailbox.spec):
                    wrong.append(f"{field.name} has the encoded-word {quoted(found[0].raw, 80)} in an address")
                elif mailbox.quoted and (found := words(mailbox.display)):
                    slips.append(f"{field.name} has the encoded-word {quoted(found[0].raw, 80)} inside quotes")
    return list(dict.fromkeys(wrong)), list(dict.fromkeys(slips))


def _bare(text: str) -> str:
    return without_comments(text[:_LONGEST])


def broken_words(message: Message) -> tuple[list[str], list[str]]:
    """Return what is wrong with encoded-words: what keeps them from being decoded, and what does not."""
    wrong: list[str] = []
    slips: list[str] = []
    for count, (field, word) in enumerate(_words(message)):
        if count >= _MOST_WORDS:
            break
        shown = f"{field.name} has {quoted(word.raw, 80)}"
        wrong += [f"{shown}: {fault}" for fault in word.faults]
        slips += [f"{shown}: {slip}" for slip in word.slips]
    return wrong, slips


def _words(message: Message) -> Iterator[tuple[Field, EncodedWord]]:
    return ((field, word) for field in message.fields if field.key in _DECODED for word in words(field.text))


def longest_line(field: Field) -> int:
    """Return the octets of the longest line of a field."""
    return max(len(line.rstrip(b"\r")) for line in field.raw.split(b"\n"))


def foldable(field: Field) -> bool:
    """Whether a line of a field has more than 78 octets and a blank at which it could be folded."""
    first, *rest = (line.rstrip(b"\r") for line in field.raw.split(b"\n"))
    lines = [(first, first.partition(b":")[2]), *((line, line) for line in rest)]
    return any(len(line) > _FOLDED and b" " in text.strip(b" \t") for line, text in lines)
