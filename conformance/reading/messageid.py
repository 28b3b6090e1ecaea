"""Message identifiers (RFC 5322 section 3.6.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from conformance.reading.comments import without_comments
from conformance.reading.hostname import is_localhost, is_qualified
from conformance.reading.orgdomain import known_tld

__all__ = ["MessageId", "MessageIdError", "fault", "read_id", "read_ids", "slips"]


class MessageIdError(ValueError):
    """A text is no message identifier; the message says why."""


@dataclass(frozen=True, slots=True)
class MessageId:
    """``<left@right>``. ``slips`` say what is wrong with it though everybody takes it for one."""

    left: str
    right: str
    slips: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"<{self.left}@{self.right}>"


_LONGEST = 998
_ATOMS = re.compile(r"[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+(?:\.[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+)*")
_LITERAL = re.compile(r"\[[!-Z^-~]*\]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ID = re.compile(r"<[^<>]{1,998}>")


def read_id(text: str) -> MessageId:
    """Read an unfolded field body that holds one identifier. Raises MessageIdError."""
    bare = without_comments(text[: _LONGEST * 2]).strip(" \t\r\n")
    if not bare:
        raise MessageIdError("it is empty")
    if not (bare.startswith("<") and bare.endswith(">")):
        raise MessageIdError("it does not stand in angle brackets")
    if len(bare) > _LONGEST:
        raise MessageIdError(f"it has {len(bare)} characters")
    inner = bare[1:-1]
    faults = ["it has blanks or comments inside its brackets"] if inner != re.sub(r"[ \t]+", "", inner) else []
    quoted = _QUOTED.match(inner.lstrip())
    left, at, right = (quoted[0], *_after(inner, quoted[0])) if quoted else _parted(inner)
    if not at:
        raise MessageIdError("it has no @")
    if not left or not right:
        raise MessageIdError(f"its {'right' if left else 'left'} side is empty")
    left, right = re.sub(r"[ \t]+", "", left) if not quoted else left, re.sub(r"[ \t]+", "", right)
    if quoted:
        faults.append("its left side is a quoted string")
    elif _ATOMS.fullmatch(left) is None:
        faults.append(_why(left, "left"))
    if _ATOMS.fullmatch(right) is None and _LITERAL.fullmatch(right) is None:
        faults.append(_why(right, "right"))
    return MessageId(left, right, tuple(faults))


def _after(inner: str, quoted: str) -> tuple[str, str]:
    rest = inner.lstrip()[len(quoted) :].lstrip()
    return rest[:1] if rest.startswith("@") else "", rest[1:]


def _parted(inner: str) -> tuple[str, str, str]:
    return inner.rpartition("@") if "@" in inner else (inner, "", "")


def _why(side: str, which: str) -> str:
    if ".." in side or side.startswith(".") or side.endswith("."):
        return f"its {which} side has an empty word between dots"
    strange = re.search(r"[\x00-\x20\x7f()<>\[\]:;@\\,\"]", side)
    return f"its {which} side has {strange[0]!a}" if strange else f"its {which} side is no dot-atom"


def fault(text: str) -> str:
    """Return why a text is no message identifier; empty where it is one."""
    try:
        read_id(text)
    except MessageIdError as error:
        return str(error)
    return ""


def slips(text: str) -> list[str]:
    """Return what is wrong with an identifier that is one: lawless characters, a right side that is nobody's domain."""
    try:
        one = read_id(text)
    except MessageIdError:
        return []
    own = is_qualified(one.right) and known_tld(one.right) and not is_localhost(one.right)
    vague = [] if own or one.right.startswith("[") else [f"{one.right!a} is no domain of the Internet"]
    return [*vague, *one.slips]


def read_ids(text: str) -> list[MessageId]:
    """Return the identifiers of In-Reply-To or References; what is none is left out."""
    found: list[MessageId] = []
    for match in _ID.finditer(text[: 1 << 16]):
        try:
            found.append(read_id(match[0]))
        except MessageIdError:
            continue
    return found
