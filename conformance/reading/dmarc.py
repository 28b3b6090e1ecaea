"""DMARC policy records and where they apply (RFC 9989)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from conformance.reading.taglist import Problem, Tag, read
from conformance.reading.typography import DECORATION, plain

__all__ = [
    "TAGS", "Problem", "Record", "Source", "Tag", "Uri", "aligned", "is_dmarc", "near_miss", "organizational_domain",
    "parse", "policy_source", "select", "swallowed", "walk",
]  # fmt: skip

_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_POLICIES: Final = ("none", "quarantine", "reject")
_CHOICES: Final = {
    "p": _POLICIES,
    "sp": _POLICIES,
    "np": _POLICIES,
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "psd": ("y", "n", "u"),
    "t": ("y", "n"),
}
_URI_LISTS: Final = ("rua", "ruf")
_REMOVED: Final = ("pct", "rf", "ri")
_SIZE = re.compile(r"![0-9]+[kmgtKMGT]?\Z")
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):((?:[A-Za-z0-9\-._~:/?#\[\]@$&'()*+;=]|%[0-9A-Fa-f]{2})+)")
_HOST = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?)*"
)
_MOST_QUERIES: Final = 8

_KNOWN: Final = frozenset({"v", "fo", *_CHOICES, *_URI_LISTS})
TAGS: Final = "|".join(sorted(_KNOWN.union(_REMOVED) - {"v"}))
"""Every tag but the version, as alternatives of a pattern."""

_EXACT_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*([^0-9; \t])")
_LIKE_VERSION = re.compile(r"v\s*[=:\-]?\s*d[-_]?marc[-_ ]?[0-9]*\w*", re.IGNORECASE)
_LATER_VERSION = re.compile(r"[;,\s\"']v\s*=\s*dmarc1", re.IGNORECASE)
_SWALLOWED = re.compile(rf"(?<![\s,])[\s,]++({TAGS})\s*+=", re.IGNORECASE)
_POLICY_TAG = re.compile(r"\bs?p\s*[=:]\s*(?:none|quarantine|reject)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Uri:
    """A place to send reports to: ``address`` and ``host`` (lower case) of a ``mailto:``, else empty.

    ``size`` is the obsolete limit after an exclamation mark, ``!`` included. ``text`` is the URI without it.
    """

    text: str
    position: int
    scheme: str
    address: str = ""
    host: str = ""
    size: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A policy record with its good tags; bad ones take their default (section 4.8) and are in ``problems``.

    ``notes`` are lawful things that some receivers stumble over. ``p``, ``sp`` and ``np`` are None when absent or bad.
    """

    text: str
    tags: tuple[Tag, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    bad: frozenset[str]
    """Names of the known tags whose value was dropped."""
    p: str | None = None
    sp: str | None = None
    np: str | None = None
    adkim: str = "r"
    aspf: str = "r"
    fo: tuple[str, ...] = ("0",)
    psd: str = "u"
    testing: bool = False
    rua: tuple[Uri, ...] = ()
    ruf: tuple[Uri, ...] = ()

    @property
    def removed(self) -> tuple[Tag, ...]:
        """Tags of RFC 7489 that RFC 9989 removed: pct, rf, ri."""
        return tuple(tag for tag in self.tags if tag.name in _REMOVED)

    @property
    def unusable(self) -> str:
        """The policy tag that makes the whole policy void (section 4.10.1): p= is missing, or one of them is bad."""
        return next((name for name in ("p", "sp", "np") if name in self.bad or (name == "p" and self.p is None)), "")

    @property
    def unknown(self) -> tuple[Tag, ...]:
        """Tags that no version of DMARC knows; receivers ignore them."""
        return tuple(tag for tag in self.tags if tag.name not in _KNOWN and tag.name not in _REMOVED)

    def policy(self, *, subdomain: bool = False, exists: bool = True) -> str | None:
        """Return the policy that is asked for, before ``t=y`` is taken into account (section 4.10.1).

        ``subdomain``: the author domain lies below this record's domain; ``exists``: it exists in the DNS. A record
        without a good p, or with a bad sp or np, asks for none if it has a good rua, else it is void: None.
        """
        if self.p is None or self.bad & {"sp", "np"}:
            return "none" if self.rua else None
        if not subdomain:
            return self.p
        return (None if exists else self.np) or self.sp or self.p

    def applied(self, *, subdomain: bool = False, exists: bool = True) -> str | None:
        """Return the policy that receivers apply: one level lower in test mode (``t=y``, section 4.7)."""
        policy = self.policy(subdomain=subdomain, exists=exists)
        if not self.testing or policy is None:
            return policy
        return {"reject": "quarantine"}.get(policy, "none")


@dataclass(frozen=True, slots=True)
class Source:
    """Which record applies to an author domain: ``kind`` is author, organizational or public-suffix."""

    domain: str
    record: Record
    kind: str


def is_dmarc(text: str) -> bool:
    """Say whether a TXT record is a DMARC record: ``v=DMARC1`` in this case, then a semicolon or the end."""
    return _VERSION.match(text) is not None


def near_miss(text: str) -> str | None:
    """Say why a text that was meant as DMARC is not taken as a record; None for DMARC and for anything else."""
    if is_dmarc(text):
        return None
    seen = plain(text)
    bare = seen.lstrip(DECORATION)
    if is_dmarc(bare):
        stray = seen[: len(seen) - len(bare)]
        return f"{stray!r} stands before v=DMARC1" if stray else "a character that is not ASCII stands at v=DMARC1"
    if match := _EXACT_VERSION.match(bare):
        return f"v=DMARC1 is followed by {match[1]!r} and not by a semicolon"
    if match := _LIKE_VERSION.match(bare):
        return f"the version is written {match[0].rstrip()!r} and not v=DMARC1"
    if _LATER_VERSION.search(seen):
        return "v=DMARC1 is not the first tag"
    if _POLICY_TAG.search(seen):
        return "v=DMARC1; is missing before the policy"
    return None


def select(texts: Iterable[str]) -> Record | None:
    """Return the one DMARC record among the TXT records of a name; None without one, and with several (4.10)."""
    found = [text for text in texts if is_dmarc(text)]
    return parse(found[0]) if len(found) == 1 else None


def parse(text: str) -> Record:
    """Read a record that is_dmarc accepts; whatever is wrong after the version is listed, never raised.

    Raises ValueError for a text that is_dmarc does not accept.
    """
    if not is_dmarc(text):
        raise ValueError("the text does not begin with v=DMARC1")
    tags, problems = read(text, fold_case=True)
    lists = {tag.name: _read_uris(tag) for tag in tags if tag.name in _URI_LISTS}
    faults = {tag.name: fault for tag in tags if (fault := _fault(tag, lists))}
    unreadable = {problem.text.partition("=")[0].strip().lower() for problem in problems if "=" in problem.text}
    good = {tag.name: tag for tag in tags if tag.name not in faults}
    values = {name: tag.value.lower() for name, tag in good.items()}
    of_uris = [problem for _, found in lists.values() for problem in found]
    return Record(
        text=text,
        tags=tuple(good.values()),
        problems=tuple(sorted((*problems, *faults.values(), *of_uris), key=_by_position)),
        notes=tuple(sorted(_notes(text, tags, lists), key=_by_position)),
        bad=frozenset((faults.keys() | unreadable) & _KNOWN),
        p=values.get("p"),
        sp=values.get("sp"),
        np=values.get("np"),
        adkim=values.get("adkim", "r"),
        aspf=values.get("aspf", "r"),
        fo=tuple(values.get("fo", "0").split(":")),
        psd=values.get("psd", "u"),
        testing=values.get("t") == "y",
        rua=lists["rua"][0] if "rua" in lists else (),
        ruf=lists["ruf"][0] if "ruf" in lists else (),
    )


def swallowed(record: Record) -> tuple[Problem, ...]:
    """Return the tags that stand in the value of another: a comma, a blank or nothing where a semicolon belongs."""
    tags, _ = read(record.text, fold_case=True)
    return tuple(
        Problem(tag.value_position + match.start(1), match[1], f"a semicolon is missing before {match[1]}=")
        for tag in tags
        for match in _SWALLOWED.finditer(tag.value)
    )


def _by_position(problem: Problem) -> int:
    return problem.position


def _fault(tag: Tag, lists: Mapping[str, tuple[tuple[Uri, ...], tuple[Problem, ...]]]) -> Problem | None:
    """Say why a tag's value is dropped."""
    at, value = tag.value_position, tag.value
    if not tag.name.isalpha():
        return Problem(tag.position, tag.name, f"{tag.name!r} is not a tag name: only letters are")
    if not value:
        return Problem(at, value, f"{tag.name}= is empty")
    if (choices := _CHOICES.get(tag.name)) and value.lower() not in choices:
        return Problem(at, value, f"{tag.name}= is {value[:40]!r} and not one of {', '.join(choices)}")
    if tag.name == "fo" and not _valid_fo(value.lower().split(":")):
        return Problem(at, value, f"fo= is {value[:40]!r}; it lists 0 or 1, d and s, each once, with colons")
    if tag.name in lists and not lists[tag.name][0]:
        return Problem(at, value, f"{tag.name}= holds no usable URI")
    return None


def _valid_fo(options: list[str]) -> bool:
    once = len(options) == len(set(options))
    return once and set(options) <= {"0", "1", "d", "s"} and not {"0", "1"} <= set(options)


def _read_uris(tag: Tag) -> tuple[tuple[Uri, ...], tuple[Problem, ...]]:
    """Read a list of URIs with commas: the good ones, and what is wrong with the others."""
    uris: list[Uri] = []
    problems: list[Problem] = []
    start = tag.value_position
    for piece in tag.value.split(",") if tag.value else ():
        position = start + len(piece) - len(piece.lstrip(" \t"))
        found = _read_uri(piece.strip(" \t"), position)
        if isinstance(found, Uri):
            uris.append(found)
        else:
            problems.append(found)
        start += len(piece) + 1
    return tuple(uris), tuple(problems)


def _read_uri(written: str, position: int) -> Uri | Problem:
    size = _SIZE.search(written)
    text = written[: size.start()] if size else written
    match = _URI.fullmatch(text)
    if not match:
        if text.count("@") == 1 and ":" not in text:
            return Problem(position, written, f"mailto: is missing before {text[:60]!r}")
        return Problem(position, written, f"{text[:60]!r} is not a URI" if text else "a comma follows no URI")
    scheme = match[1].lower()
    if scheme != "mailto":
        return Uri(text, position, scheme, size=size[0] if size else "")
    address = unquote(match[2].partition("?")[0])
    local, _, host = address.rpartition("@")
    if not local or not _HOST.fullmatch(host):
        return Problem(position, written, f"{address[:60]!r} is not a mail address")
    return Uri(text, position, scheme, address, host.lower(), size[0] if size else "")


def _notes(
    text: str, tags: tuple[Tag, ...], lists: Mapping[str, tuple[tuple[Uri, ...], tuple[Problem, ...]]]
) -> list[Problem]:
    """List what is lawful but not safe with every receiver."""
    notes = []
    names = [tag.name for tag in tags]
    for tag in tags:
        written = text[tag.position : tag.position + len(tag.name)]
        if written != tag.name:
            notes.append(Problem(tag.position, written, f"some receivers know {tag.name}= in lower case only"))
        if tag.name == "p" and names.index("p") != 1:
            notes.append(Problem(tag.position, written, "RFC 7489 receivers look for p= directly after v="))
        if tag.name == "fo" and "ruf" not in names:
            notes.append(Problem(tag.position, written, "fo= has no effect without ruf="))
        for uri in lists[tag.name][0] if tag.name in lists else ():
            if uri.size:
                notes.append(Problem(uri.position, uri.text + uri.size, f"the size limit {uri.size} is obsolete"))
    return notes


def walk(name: str) -> tuple[str, ...]:
    """Return the domains that a DNS tree walk asks about, from the name up to its top-level domain (section 4.10).

    Eight at most; the record of each stands at ``_dmarc.`` before it. A walk may stop early (``psd=``). The name is
    taken as A-labels; its case and final dot do not count. Empty for what has empty labels.
    """
    labels = _canonical(name).split(".")
    if "" in labels:
        return ()
    tails = range(max(1, len(labels) - _MOST_QUERIES + 1), len(labels))
    return tuple(".".join(labels[start:]) for start in (0, *tails))


def _canonical(name: str) -> str:
    return (name.lower() if name.isascii() else name).removesuffix(".")


def _found(name: str, records: Mapping[str, Record | None]) -> list[tuple[str, Record]]:
    """Return the records of a walk, longest domain first, up to the one that stops it."""
    found = []
    for domain in walk(name):
        if record := records[domain]:
            found.append((domain, record))
            if record.psd != "u":
                break
    return found


def organizational_domain(name: str, records: Mapping[str, Record | None]) -> str:
    """Return the organizational domain of a name (section 4.10.2).

    ``records`` has, for each domain of the walk up to the one that stops it, its record or None for none (or several
    that discard each other). Raises KeyError for a domain that was not asked about.
    """
    start = _canonical(name)
    found = _found(name, records)
    if not found:
        return start
    # A walk ends at the first psd=y or psd=n; without either, its last record has the fewest labels.
    domain, record = found[-1]
    if record.psd == "y" and domain != start:
        return ".".join(start.split(".")[-domain.count(".") - 2 :])
    return domain


def policy_source(name: str, records: Mapping[str, Record | None]) -> Source | None:
    """Return the record that applies to an author domain, None when none does (section 4.10.1).

    In this order: the domain's own, its organizational domain's, its public suffix's. ``records`` as for
    organizational_domain. Raises KeyError for a domain that was not asked about.
    """
    found = _found(name, records)
    if not found:
        return None
    start, organization = _canonical(name), organizational_domain(name, records)
    by_domain = dict(found)
    for domain, kind in ((start, "author"), (organization, "organizational")):
        if record := by_domain.get(domain):
            return Source(domain, record, kind)
    # Only a psd=y just above the organizational domain leaves that one without a record of its own.
    domain, record = found[-1]
    return Source(domain, record, "public-suffix")


def aligned(author: str, identifier: str, mode: str, organization: Callable[[str], str]) -> bool:
    """Say whether an authenticated domain is aligned with the author domain (section 4.4).

    ``mode`` is ``s`` (the same name) or ``r`` (the same organizational domain, which ``organization`` finds).
    """
    one, other = _canonical(author), _canonical(identifier)
    return one == other or (mode == "r" and organization(one) == organization(other))
