"""The parts of a message (RFC 2045, RFC 2046): types, boundaries, encodings. Bounded in number and in depth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message as LibraryMessage
from email.utils import collapse_rfc2231_value
from types import MappingProxyType

from conformance.reading import charsets, transfer
from conformance.reading.comments import without_comments
from conformance.reading.message import Field, Message, read

__all__ = ["DEEPEST", "MOST_PARTS", "ContentType", "Part", "Structure", "read_type", "structure"]

MOST_PARTS = 200
DEEPEST = 10
_LONGEST_VALUE = 4_096

_TSPECIALS = r"\x00-\x20\x7f()<>@,;:\\\"/\[\]?="
_BLANKS = r"[ \t]*"
_PARAMETER = re.compile(
    rf"{_BLANKS};{_BLANKS}([^{_TSPECIALS}]+)[ \t]*=[ \t]*(?:\"(?:[^\"\\]|\\.)*\"|[^{_TSPECIALS}]+)", re.DOTALL
)
_TYPE = re.compile(rf"{_BLANKS}([^{_TSPECIALS}]+)[ \t]*/[ \t]*([^{_TSPECIALS}]+)")
_END = re.compile(rf"{_BLANKS};?{_BLANKS}")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_COMPOSITE = ("multipart", "message")


@dataclass(frozen=True, slots=True)
class ContentType:
    """A Content-Type as it was read: ``text/plain`` in lower case, parameters by name in lower case."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    fault: str = ""
    """Why it cannot be read."""
    slip: str = ""
    """What is wrong with its parameters, though readers make them out."""

    @property
    def major(self) -> str:
        """What stands before the slash."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Part:
    """A part without parts of its own, or one that was not read into. ``path`` is 1, 2.1 ..., empty for the whole.

    ``charset`` is as declared, empty where it is not.
    """

    path: str
    type: ContentType
    encoding: str
    disposition: str
    octets: bytes = field(repr=False)
    declared: bool = True
    """Whether it has a Content-Type."""

    @property
    def where(self) -> str:
        """How findings name it."""
        return f"part {self.path} ({self.type.name})" if self.path else f"the body ({self.type.name})"

    @property
    def charset(self) -> str:
        """The character set that is declared."""
        return self.type.parameters.get("charset", "")

    @property
    def is_text(self) -> bool:
        """Whether it is text that is shown, and no attachment."""
        return self.type.major == "text" and self.disposition != "attachment"

    @property
    def content(self) -> bytes:
        """The octets that it stands for."""
        return transfer.decode(self.octets, self.encoding)

    @property
    def text(self) -> str:
        """The content as text, as well as it can be told."""
        charset = charsets.lookup(self.charset or "utf-8")
        return self.content.decode(charset.codec if charset and charset.codec else "latin-1", "replace")


@dataclass(frozen=True, slots=True)
class Structure:
    """A message's parts, and what is wrong with how they are put together.

    ``slips`` break the standard and are understood all the same. ``cut`` says that there is more than was read.
    """

    parts: tuple[Part, ...]
    multiparts: tuple[Part, ...] = ()
    """The parts that have parts, outermost first; octets of each with all that is in it."""
    messages: tuple[str, ...] = ()
    """The paths of messages inside."""
    faults: tuple[str, ...] = ()
    slips: tuple[str, ...] = ()
    cut: str = ""

    def of_type(self, name: str) -> tuple[Part, ...]:
        """Return the parts of a type that are shown, attachments apart."""
        return tuple(part for part in self.parts if part.type.name == name and part.disposition != "attachment")


def read_type(text: str) -> ContentType:
    """Read an unfolded Content-Type (RFC 2045 section 5.1, RFC 2231)."""
    value = without_comments(text[:_LONGEST_VALUE])
    match = _TYPE.match(value)
    if match is None:
        return ContentType("text/plain", fault=f"{text[:60]!a} is no type/subtype")
    at, names = match.end(), list[str]()
    while (parameter := _PARAMETER.match(value, at)) is not None:
        names.append(parameter[1].lower())
        at = parameter.end()
    slip = "" if _END.fullmatch(value, at) else f"{value[at : at + 40].strip()!a} is no parameter, or lacks quotes"
    if len(text) > _LONGEST_VALUE:
        slip = f"it has {len(text)} characters"
    doubled = next((name for name in names[:100] if names.count(name) > 1), "")
    slip = slip or (f"the parameter {doubled} stands twice" if doubled else "")
    return ContentType(f"{match[1]}/{match[2]}".lower(), MappingProxyType(_parameters(value)), slip=slip)


def _parameters(value: str) -> dict[str, str]:
    """Return parameters by the library, which knows continuations and character sets (RFC 2231)."""
    whole = LibraryMessage()
    whole["Content-Type"] = value.encode("ascii", "replace").decode("ascii")
    try:
        found = whole.get_params(failobj=[], unquote=True)
        return {str(name).lower(): _collapsed(one) for name, one in found[1:]} if found else {}
    except (ValueError, LookupError, UnicodeError, TypeError, IndexError, AttributeError):
        return {}


def _collapsed(value: object) -> str:
    return collapse_rfc2231_value(value).strip() if isinstance(value, tuple) else str(value)


def structure(message: Message) -> Structure:
    """Read the parts of a message."""
    found = _Parts()
    found.read(message, "", 0)
    once = [tuple(dict.fromkeys(said)) for said in (found.faults, found.slips)]
    return Structure(tuple(found.parts), tuple(found.multiparts), tuple(found.messages), once[0], once[1], found.cut)


class _Parts:
    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.multiparts: list[Part] = []
        self.messages: list[str] = []
        self.faults: list[str] = []
        self.slips: list[str] = []
        self.cut = ""

    def read(self, message: Message, path: str, depth: int, default: str = "text/plain") -> None:
        """Take a part in, with all that is in it."""
        declared = self._single(message, "Content-Type", path)
        kind = read_type(declared.text) if declared else ContentType(default)
        if kind.fault:
            self.faults.append(f"Content-Type{_of(path)}: {kind.fault}")
        if kind.slip:
            self.slips.append(f"Content-Type{_of(path)}: {kind.slip}")
        part = Part(
            path,
            kind,
            self._encoding(message, path),
            self._disposition(message, path),
            message.body,
            declared is not None,
        )
        if kind.major == "multipart" and not kind.fault:
            self.multiparts.append(part)
            self._composite(part, path)
            if depth < DEEPEST and len(self.parts) < MOST_PARTS:
                self._multipart(part, path, depth)
                return
            self.cut = f"parts nest more than {DEEPEST} deep" if depth >= DEEPEST else f"more than {MOST_PARTS} parts"
        if kind.name in ("message/rfc822", "message/global"):
            self.messages.append(path)
            self._composite(part, path)
        self.parts.append(part)

    def _single(self, message: Message, name: str, path: str) -> Field | None:
        found = message.named(name)
        if len(found) > 1:
            self.faults.append(f"{name}{_of(path)} stands {len(found)} times")
        return found[0] if found else None

    def _encoding(self, message: Message, path: str) -> str:
        declared = self._single(message, "Content-Transfer-Encoding", path)
        return without_comments(declared.text[:200]).strip().lower() if declared else "7bit"

    def _disposition(self, message: Message, path: str) -> str:
        declared = self._single(message, "Content-Disposition", path)
        return without_comments(declared.text[:200]).partition(";")[0].strip().lower() if declared else ""

    def _composite(self, part: Part, path: str) -> None:
        if part.encoding in ("quoted-printable", "base64") and part.type.name != "message/global":
            self.slips.append(f"{part.type.name}{_of(path)} is encoded as {part.encoding}, its parts must be instead")

    def _multipart(self, part: Part, path: str, depth: int) -> None:
        boundary = part.type.parameters.get("boundary", "")
        if not boundary:
            self.faults.append(f"{part.type.name}{_of(path)} has no boundary")
            self.parts.append(part)
            return
        if _BOUNDARY.fullmatch(boundary) is None:
            self.slips.append(f"the boundary{_of(path)} {boundary[:80]!a} is not of 1 to 70 lawful characters")
        bodies, closed = _split(part.octets, boundary.encode("utf-8", "replace"), MOST_PARTS)
        if not bodies:
            self.faults.append(f"the boundary{_of(path)} {boundary[:80]!a} does not occur in the body")
            self.parts.append(part)
            return
        if not closed:
            self.faults.append(f"the boundary{_of(path)} {boundary[:80]!a} is never closed")
        default = "message/rfc822" if part.type.name == "multipart/digest" else "text/plain"
        for number, body in enumerate(bodies, 1):
            if len(self.parts) >= MOST_PARTS:
                self.cut = f"there are more than {MOST_PARTS} parts"
                return
            self.read(read(body), f"{path}.{number}" if path else str(number), depth + 1, default)


def _of(path: str) -> str:
    return f" of part {path}" if path else ""


def _split(octets: bytes, boundary: bytes, most: int) -> tuple[list[bytes], bool]:
    """Return what stands between delimiter lines, and whether the last of them closes (RFC 2046 section 5.1.1)."""
    found: list[bytes] = []
    begun: int | None = None
    for match in _delimiters(octets, boundary):
        if begun is not None:
            found.append(octets[begun : max(begun, match.start())])
        if match[1]:
            return found, True
        begun = match.end() + (2 if octets.startswith(b"\r\n", match.end()) else 1)
        if len(found) > most:
            return found, True
    if begun is not None:
        found.append(octets[begun:])
    return found, False


def _delimiters(octets: bytes, boundary: bytes) -> Iterator[re.Match[bytes]]:
    return re.finditer(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)", octets)
