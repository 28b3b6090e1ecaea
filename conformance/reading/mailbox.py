"""Addresses in header fields (RFC 5322 section 3.4), with what of the obsolete syntax they use (section 4.4)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["MOST", "AddressList", "Group", "Mailbox", "read_addresses"]

MOST = 1_000
"""Addresses of one field that are read."""
_LONGEST = 1 << 18
_DEEPEST_COMMENT = 20

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    |(?P<atom>[^\x00-\x20\x7f()<>\[\]:;@\\,."]+)
    |(?P<quoted>"(?:[^"\\]|\\.)*")
    |(?P<unclosed>".*)
    |(?P<literal>\[[^\[\]\\]*\])
    |(?P<special>[<>:;@,.(])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_PART = re.compile(r"[^()\\]+|\\.|[()\\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    spaced: bool
    """Whether a blank or a comment stands before it."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address. ``faults`` says why it is none (RFC 5322 section 3.4.1); ``obsolete`` what of section 4 it uses.

    ``display`` is as written, quotes taken off; ``quoted`` says that it stood in quotes.
    """

    raw: str
    display: str = ""
    local: str = ""
    """The local part as written, with its quotes."""
    domain: str = ""
    faults: tuple[str, ...] = ()
    obsolete: tuple[str, ...] = ()
    quoted: bool = False
    comments: tuple[str, ...] = ()

    @property
    def spec(self) -> str:
        """The addr-spec."""
        return f"{self.local}@{self.domain}" if self.domain else self.local

    @property
    def valid(self) -> bool:
        """Whether it is an address."""
        return not self.faults


@dataclass(frozen=True, slots=True)
class Group:
    """A named list of addresses (RFC 5322 section 3.4); ``members`` counts them."""

    name: str
    members: int


@dataclass(frozen=True, slots=True)
class AddressList:
    """The addresses of a field, those in groups among them. ``cut`` says that there are more than were read."""

    mailboxes: tuple[Mailbox, ...]
    groups: tuple[Group, ...] = ()
    faults: tuple[str, ...] = ()
    """What is wrong between addresses."""
    obsolete: tuple[str, ...] = ()
    cut: bool = False

    @property
    def valid(self) -> tuple[Mailbox, ...]:
        """The addresses that are such."""
        return tuple(one for one in self.mailboxes if one.valid)

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, each once."""
        return list(dict.fromkeys((*self.faults, *(fault for one in self.mailboxes for fault in one.faults))))


def read_addresses(text: str) -> AddressList:
    """Read an unfolded field body."""
    reader = _Reader()
    for element in _elements(_tokens(text[:_LONGEST])):
        if len(reader.mailboxes) >= MOST:
            return reader.result(cut=True)
        reader.take(element)
    return reader.result(cut=len(text) > _LONGEST)


def _tokens(text: str) -> Iterator[_Token]:
    """Yield tokens; comments and blanks are told by the token that follows them."""
    at, spaced = 0, False
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None  # the last alternative takes any character
        kind, at = str(match.lastgroup), match.end()
        if match[0] == "(":
            at, comment = _comment(text, at)
            yield _Token("comment" if comment is not None else "other", comment or "(", spaced)
            spaced = True
        elif kind == "blank":
            spaced = True
        else:
            yield _Token(kind, '"' if kind == "unclosed" else match[0], spaced)
            spaced = False


def _comment(text: str, at: int) -> tuple[int, str | None]:
    """Return where a comment ends and what it says; None where it does not end or nests too deep."""
    depth, begun = 1, at
    for part in _COMMENT_PART.finditer(text, at):
        depth += (part[0] == "(") - (part[0] == ")")
        if depth > _DEEPEST_COMMENT:
            return len(text), None
        if depth == 0:
            return part.end(), text[begun : part.start()]
    return len(text), None


def _elements(tokens: Iterator[_Token]) -> Iterator[list[_Token]]:
    """Yield what stands between commas, with the colon that opens a group and the semicolon that ends one alone."""
    held: list[_Token] = []
    angle = grouped = False
    for token in tokens:
        text = token.text if token.kind == "special" else ""
        angle = text == "<" or (angle and text != ">")
        if text == ":" and not angle and not grouped:
            grouped = True
            yield [*held, token]
            held = []
        elif text == ";" and grouped and not angle:
            grouped = False
            yield from ([held] if held else [])
            yield [token]
            held = []
        elif text == "," and not angle:
            yield [*held, token]
            held = []
        else:
            held.append(token)
    if held:
        yield held


class _Reader:
    """Collects what the elements of an address list are."""

    def __init__(self) -> None:
        self.mailboxes: list[Mailbox] = []
        self.groups: list[Group] = []
        self.faults: list[str] = []
        self.obsolete: list[str] = []
        self.group: str | None = None
        self.before = 0

    def take(self, element: list[_Token]) -> None:
        last = element[-1].text if element[-1].kind == "special" else ""
        body = element[:-1] if last in (":", ",", ";") else element
        if last == ":":
            self.group, self.before = _written(body), len(self.mailboxes)
            if not body:
                self.faults.append("a group has no name")
        elif last == ";":
            self._close()
        elif any(token.kind != "comment" for token in body):
            self.mailboxes.append(_mailbox(body))
        elif last == ",":
            self.obsolete.append("there is nothing between two commas")

    def _close(self) -> None:
        if self.group is not None:
            self.groups.append(Group(self.group, len(self.mailboxes) - self.before))
        self.group = None

    def result(self, *, cut: bool) -> AddressList:
        if self.group is not None and not cut:
            self.faults.append("a group is not ended by a semicolon")
        self._close()
        once = [tuple(dict.fromkeys(texts)) for texts in (self.faults, self.obsolete)]
        return AddressList(tuple(self.mailboxes), tuple(self.groups), once[0], once[1], cut)


def _mailbox(tokens: Sequence[_Token]) -> Mailbox:
    raw = _written(tokens)
    comments = tuple(token.text for token in tokens if token.kind == "comment")
    words = [token for token in tokens if token.kind != "comment"]
    opens = [number for number, token in enumerate(words) if token.text == "<" and token.kind == "special"]
    if not opens:
        local, domain, faults, obsolete = _addr_spec(words)
        return Mailbox(raw, "", local, domain, faults, obsolete, False, comments)
    before, inner = words[: opens[0]], words[opens[0] + 1 :]
    faults = () if len(opens) == 1 else ("'<' stands in it twice",)
    closes = [number for number, token in enumerate(inner) if token.text == ">" and token.kind == "special"]
    if not closes:
        return Mailbox(raw, _display(before), faults=(*faults, "'<' is not closed"), comments=comments)
    if inner[closes[0] + 1 :]:
        faults += ("something stands after '>'",)
    route, spec = _route(inner[: closes[0]])
    local, domain, wrong, obsolete = _addr_spec(spec)
    wrong += tuple(_phrase_faults(before))
    obsolete += ("it has a source route",) if route else ()
    obsolete += ("its display name has a dot outside quotes",) if any(t.text == "." for t in before) else ()
    quoted = len(before) == 1 and before[0].kind == "quoted"
    return Mailbox(raw, _display(before), local, domain, (*faults, *wrong), obsolete, quoted, comments)


def _route(tokens: Sequence[_Token]) -> tuple[Sequence[_Token], Sequence[_Token]]:
    """Part a source route (RFC 5322 section 4.4, obs-route) from the addr-spec."""
    colons = [number for number, token in enumerate(tokens) if token.text == ":" and token.kind == "special"]
    if colons and tokens[0].text == "@":
        return tokens[: colons[0] + 1], tokens[colons[0] + 1 :]
    return (), tokens


def _addr_spec(tokens: Sequence[_Token]) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """Return local part, domain, what is wrong and what is obsolete."""
    at = [number for number, token in enumerate(tokens) if token.text == "@" and token.kind == "special"]
    if not tokens:
        return "", "", ("it is empty",), ()
    if not at:
        return "".join(token.text for token in tokens), "", ("it has no @",), ()
    local, domain = tokens[: at[-1]], tokens[at[-1] + 1 :]
    faults = (*_part_faults(local, "local part", "quoted"), *_part_faults(domain, "domain", "literal"))
    spaced = any(token.spaced for token in (*local[1:], *tokens[at[-1] :]))
    mixed = len(local) > 1 and any(token.kind == "quoted" for token in local)
    obsolete = (*(("it has blanks or comments inside",) * spaced), *(("its local part has quoted words",) * mixed))
    return "".join(token.text for token in local), "".join(token.text for token in domain), faults, obsolete


def _part_faults(tokens: Sequence[_Token], what: str, other: str) -> Iterator[str]:
    """Yield why tokens are neither a dot-atom nor the one other thing that may stand there."""
    if not tokens:
        yield f"its {what} is empty"
        return
    words = tokens[::2]
    allowed = ("atom",) if len(tokens) > 1 and other == "literal" else ("atom", other)
    strange = next((t for t in tokens if t.kind not in ("atom", other) and t.text != "."), None)
    if strange is not None:
        yield f"its {what} has {strange.text!a}"
    elif any(token.kind not in allowed for token in words) or any(token.text != "." for token in tokens[1::2]):
        yield f"its {what} has an empty word between dots" if _dotted(tokens) else f"its {what} is no dot-atom"
    elif len(tokens) % 2 == 0:
        yield f"its {what} ends with a dot"


def _dotted(tokens: Sequence[_Token]) -> bool:
    return tokens[0].text == "." or any(a.text == b.text == "." for a, b in itertools.pairwise(tokens))


def _phrase_faults(tokens: Sequence[_Token]) -> Iterator[str]:
    strange = next((t for t in tokens if t.kind not in ("atom", "quoted") and t.text != "."), None)
    if strange is not None:
        yield f"its display name has {strange.text!a} outside quotes"


def _display(tokens: Sequence[_Token]) -> str:
    return "".join((" " if token.spaced else "") + _unquoted(token) for token in tokens).strip()


def _unquoted(token: _Token) -> str:
    return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL) if token.kind == "quoted" else token.text


def _written(tokens: Sequence[_Token]) -> str:
    parts = (f"({token.text})" if token.kind == "comment" else token.text for token in tokens)
    spaces = (" " if token.spaced else "" for token in tokens)
    return "".join(space + part for space, part in zip(spaces, parts, strict=True)).strip()
