"""Parts of a fleet that are judged apart from each other, each by a run of its own: ``--shard K/N``.

A host stays whole, with its addresses, listeners and streams, and so does a domain with its selectors: no host gets
two sessions at once, and none is made to send twice. What belongs to neither is judged by the first shard.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from conformance.options import Settings
from conformance.subjects import Place

MOST = 1000
"""Shards of one fleet."""
_SHARD = re.compile(r"(?P<number>[0-9]{1,4})/(?P<of>[0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Part:
    """The shard that a run judges, ``number`` of ``of``, from 1."""

    number: int
    of: int

    def has(self, place: Place) -> bool:
        """Whether it judges what belongs there: the same on every machine and for every version of Python."""
        owner = place.host or place.domain
        if owner is None:
            return self.number == 1
        digest = hashlib.sha256(owner.encode("utf-8", "backslashreplace")).digest()
        return int.from_bytes(digest[:8]) % self.of == self.number - 1


WHOLE = Part(1, 1)
"""The part of a run that is no shard."""


@cache
def part(text: str | None) -> Part:
    """Return the part that ``K/N`` names; of nothing the whole. Raises ValueError."""
    if not text:
        return WHOLE
    match = _SHARD.fullmatch(text)
    if match is None or not 1 <= int(match["number"]) <= int(match["of"]) <= MOST:
        raise ValueError(f"{text!r} is no shard K/N such as 2/4, of {MOST:,} at most")
    return Part(int(match["number"]), int(match["of"]))


def problems(settings: Settings) -> Iterator[str]:
    """Say what is wrong with a shard, and what does not go with one."""
    if not settings["shard"]:
        return
    where = settings.where["shard"]
    try:
        part(settings["shard"])
    except ValueError as error:
        yield f"{where}: {error}"
    if not settings["report-dir"]:
        yield f"{where}: name a folder for the results of this shard with --report-dir; 'mailconform merge' joins them"
    if settings["update-baseline"]:
        yield f"{where}: a shard sees a part of what a baseline knows: leave --update-baseline to a run of the whole"
