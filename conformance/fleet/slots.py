"""Subjects that are known only once mail has come: a place for each stands in the plan."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.fleet.sending import Probe, Stream

MOST_SIGNATURES = 2
"""Signatures of one message whose keys have a place."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The address that one probe comes from."""

    probe: Probe

    @property
    def id(self) -> str:
        """Subject id: that of the probe with ``/observed``."""
        return f"{self.probe.id}/observed"

    @property
    def stream(self) -> Stream:
        """The stream that is made to send."""
        return self.probe.stream


@dataclass(frozen=True, slots=True)
class Signing:
    """The DKIM selector that one signature of a probe's message names; ``place`` counts from 1, from above."""

    probe: Probe
    place: int

    @property
    def id(self) -> str:
        """Subject id: that of the probe with ``/signature-1``."""
        return f"{self.probe.id}/signature-{self.place}"

    @property
    def stream(self) -> Stream:
        """The stream that is made to send."""
        return self.probe.stream


def signings(probe: Probe) -> tuple[Signing, ...]:
    """Return the places for the signatures of a probe."""
    return tuple(Signing(probe, place) for place in range(1, MOST_SIGNATURES + 1))
