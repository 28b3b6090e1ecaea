"""What becomes of shards that were joined: the reports, the history and the news that one run would have had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance import home, notify
from conformance.facts import snapshot
from conformance.merge import Merged, Shard, merge
from conformance.options import Settings
from conformance.report import outputs
from conformance.report.files import write_atomic
from conformance.report.results import parts


def problems(settings: Settings) -> Iterator[str]:
    """Say what is wrong with the options."""
    for target in settings["notify"]:
        if wrong := notify.problem(target):
            yield f"{settings.where['notify']}: {wrong}"
    for wrong in outputs.problems(settings["format"]):
        yield f"{settings.where['format']}: {wrong}"


def tell(shards: Sequence[Shard], settings: Settings) -> tuple[Merged, Path]:
    """Join shards and write what one run of all of them would have written, there where it would have.

    Returns also the folder of the reports. Raises MergeError; UsageError where the folder cannot hold results or
    another run of the inventory goes on; OSError.
    """
    joined = merge(shards)
    with ExitStack() as held:
        inventory = joined.document["run"]["inventory"]
        folder = home.make(settings.changed({"inventory": inventory}), held)
        joined = _compared(joined, folder, settings)
        wanted = outputs.files(folder, settings["format"])
        if (written := _write(joined, folder, wanted)) != wanted:
            joined = _compared(merge(shards, internal=True), folder, settings)
            _write(joined, folder, written)
        if not settings["report-dir"]:
            home.remember(folder, joined.document if _counts(joined.document) else None)
            home.publish(folder, joined.document, int(settings["keep"]))
    return joined, folder


def _counts(document: Mapping[str, Any]) -> bool:
    """Whether results say what is new, and are what the next ones are compared with: as those of a run."""
    return not (document["run"]["replay"] or document["run"]["inconclusive"])


def _compared(joined: Merged, folder: Path, settings: Settings) -> Merged:
    """Return the results with what is different from the runs before, where there is a history of them."""
    if settings["report-dir"] or not _counts(joined.document):
        return joined
    changes, told = home.compare(folder, joined.document)
    document = changes.told(joined.document)
    document["run"]["notes"] = [*document["run"]["notes"], *told]
    return replace(joined, document=document)


def _write(joined: Merged, folder: Path, wanted: Mapping[Path, str]) -> dict[Path, str]:
    """Write all reports; return those that could be made. Raises OSError."""
    write_atomic(folder / "facts.json", snapshot.parts(joined.store, joined.gathering))
    write_atomic(folder / "results.json", parts(joined.document))
    return outputs.write(joined.document, snapshot.told(joined.store), wanted)
