"""Who is asked which network announces an address, and which networks may."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Routing:
    """Zones that tell the origin of a route, by address family (empty: nobody is asked), and the expected origins.

    ``origins`` are numbers of autonomous systems; none: any will do.
    """

    zone: str = ""
    zone6: str = ""
    origins: tuple[int, ...] = ()
