"""What was known to be broken before: a baseline that a run wrote, or the results of another run.

Findings are known by rule, subject and aspect, never by what was seen. A baseline is a ratchet: what is fixed leaves
it, and counts when it comes back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from conformance import __version__
from conformance.report.grouping import Result, Results

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

Key = tuple[str, str, str]
"""Rule, subject, aspect."""

_LONGEST = 64_000_000
BROKEN = ("fail", "known", "advice", "waived")
"""Outcomes of a rule that is broken."""


class BaseError(ValueError):
    """What was named is no base that new findings could be told from."""


@dataclass(frozen=True)
class Base:
    """What was broken before, and since when.

    ``kind`` is ``baseline`` or ``results``. ``unseen`` are rules and subjects that nobody knew about. With ``accepts``
    whatever is broken counts as known.
    """

    kind: str
    file: str
    made: str
    since: Mapping[Key, str] = field(default_factory=dict)
    unseen: Set[tuple[str, str]] = frozenset()
    accepts: bool = False

    def known(self, result: Result, today: str) -> str:
        """Return the day since when a finding is known; empty of a new one."""
        return self.since.get(key_of(result), today if self.accepts else "")

    def told(self, results: Iterable[Result]) -> dict[str, Any]:
        """Return what results tell of the base, and of what became of it."""
        found = list(results)
        broken = [one for one in found if one["outcome"] in ("fail", "known")]
        new = [one for one in broken if not one.get("known_since")]
        return {
            "kind": self.kind,
            "file": self.file,
            "made": self.made,
            "entries": len(self.since),
            "new": len(new),
            "known": len(broken) - len(new),
            "unseen": sum((one["check"], one["subject"]) in self.unseen for one in new),
            "fixed": [
                {"check": check, "subject": subject, "aspect": aspect, "since": self.since[check, subject, aspect]}
                for check, subject, aspect in sorted(self.fixed(found))
            ],
        }

    def fixed(self, results: Iterable[Result]) -> set[Key]:
        """Return what was broken and is not any more, as far as it was looked at."""
        judged = _judged(results)
        return {key for key in self.since if (found := judged.get(key[:2])) and _is_fixed(key, found)}

    def turned(self, results: Sequence[Result], today: str, *, exists: Set[tuple[str, str]] | None = None) -> Base:
        """Return the baseline after a run: without what is fixed, or waived, or not there any more.

        What is new enters it only where it ``accepts``. ``exists`` are the rules and subjects that there are; None
        where that is not known.
        """
        judged = _judged(results)
        gone = {
            key for key in self.since if (found := judged.get(key[:2])) and (found["waiver"] or _is_fixed(key, found))
        }
        gone |= {key for key in self.since if exists is not None and key[:2] not in exists}
        kept = {key: since for key, since in self.since.items() if key not in gone}
        if self.accepts:
            kept |= {key_of(one): one["known_since"] for one in results if one.get("known_since")}
        return replace(self, since=kept, accepts=False)


def key_of(result: Result) -> Key:
    """Return what a finding is known by."""
    return result["check"], result["subject"], result["aspect"]


def _judged(results: Iterable[Result]) -> dict[tuple[str, str], Result]:
    return {(one["check"], one["subject"]): one for one in results}


def _is_fixed(key: Key, found: Result) -> bool:
    """Whether something known is broken no longer, or in another way: what nobody could see may still be."""
    if found["outcome"] in BROKEN:
        return bool(found["aspect"] != key[2])
    return bool(found["outcome"] != "undetermined")


def of_results(document: Results, file: str) -> Base:
    """Return the results of another run as a base. Raises BaseError."""
    run = document["run"]
    if run["dns"] == "proposed":
        raise BaseError(f"{file}: these results are of a proposed change: nothing is known from them")
    since = {
        key_of(one): one.get("known_since") or run["started"][:10]
        for one in document["results"]
        if one["outcome"] in BROKEN and not one["waiver"]
    }
    unseen = {(one["check"], one["subject"]) for one in document["results"] if one["outcome"] == "undetermined"}
    return Base("results", file, run["started"], since, unseen)


def read(path: str, identity: Mapping[str, Any]) -> Base:
    """Return the baseline in a file. ``identity`` is that of the run. Raises BaseError."""
    try:
        with Path(path).open("rb") as file:
            document = json.loads(file.read(_LONGEST))
    except OSError as error:
        raise BaseError(f"{path}: cannot be read: {error.strerror or type(error).__name__}") from None
    except (ValueError, RecursionError):
        raise BaseError(f"{path}: is no baseline of mailconform: it is no JSON") from None
    if isinstance(document, dict) and "results" in document:
        raise BaseError(f"{path}: is no baseline but results: name them with --against")
    try:
        wrong = next((error.message for error in _validator().iter_errors(document)), "")
    except ValueError as error:
        wrong = str(error)
    if wrong:
        raise BaseError(f"{path}: is no baseline of mailconform: {wrong[:300]}")
    require_same(path, document, identity, ("inventory", "profiles", "level"))
    since = {(one["check"], one["subject"], one["aspect"]): one["since"] for one in document["known"]}
    return Base("baseline", path, document["made"], since)


def text(base: Base, identity: Mapping[str, Any], made: str) -> str:
    """Return a baseline as its file has it: an entry a line, in an order that does not change."""
    head = {"baseline": 1, "tool": __version__, "made": made, **identity}
    rows = [
        json.dumps({"check": check, "subject": subject, "aspect": aspect, "since": since})
        for (check, subject, aspect), since in sorted(base.since.items())
    ]
    lines = [json.dumps(head, indent=1)[:-2], ' "known": [' + ("" if rows else "]")]
    return ",\n".join(lines) + ("\n  " + ",\n  ".join(rows) + "\n ]" if rows else "") + "\n}\n"


def united(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what shards of one fleet tell of their base as one run would."""
    sums = {name: sum(one[name] for one in told) for name in ("new", "known", "unseen")}
    fixed = {json.dumps(entry): entry for one in told for entry in one["fixed"]}
    return {**told[0], **sums, "fixed": [fixed[key] for key in sorted(fixed)]}


def sentences(results: Results) -> list[str]:
    """Return how the run stands to its base; nothing where none was named."""
    if not (told := results["run"].get("base")):
        return []
    made = f" of {told['made']}" if told["made"] else ""
    fixed = len(told["fixed"])
    numbers = f"{told['new']:,} new, {told['known']:,} known, {fixed:,} fixed"
    unseen = f"; {told['unseen']:,} of the new ones could not be looked at there" if told["unseen"] else ""
    out = [f"Against {told['file']}{made}: {numbers}{unseen}."]
    if fixed and told["kind"] == "baseline":
        out.append("What is fixed leaves the baseline with --update-baseline, and counts when it comes back.")
    return out


def require_same(path: str, theirs: Mapping[str, Any], ours: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise BaseError unless a base is of the inventory, the profiles and the level of this run."""
    for name in names:
        same = _same_places if name == "inventory" else lambda one, other: one == other
        if not same(theirs[name], ours[name]):
            raise BaseError(
                f"{path}: is of another {name.removesuffix('s')}: {_shown(theirs[name])}; "
                f"this run judges {_shown(ours[name])}"
            )


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _same_places(theirs: Sequence[str], ours: Sequence[str]) -> bool:
    """Whether inventories are the same: one checkout may lie elsewhere than the other."""
    return len(theirs) == len(ours) and all(map(_same_place, sorted(theirs), sorted(ours)))


def _same_place(one: str, other: str) -> bool:
    short, long = sorted((PurePath(one).parts, PurePath(other).parts), key=len)
    return short == long or (len(short) > 1 and long[-len(short) :] == short)


def _validator() -> Draft202012Validator:
    from jsonschema_rs import Draft202012Validator

    return Draft202012Validator(_SCHEMA)


_TEXTS = {"type": "array", "items": {"type": "string"}}
_SCHEMA = {
    "type": "object",
    "required": ["baseline", "made", "inventory", "profiles", "level", "known"],
    "properties": {
        "baseline": {"const": 1},
        "made": {"type": "string"},
        "inventory": _TEXTS,
        "profiles": _TEXTS,
        "level": {"enum": ["must", "should", "info"]},
        "known": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["check", "subject", "aspect", "since"],
                "properties": {key: {"type": "string"} for key in ("check", "subject", "aspect")}
                | {"since": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}},
            },
        },
    },
}
