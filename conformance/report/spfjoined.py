"""What SPF says of a fleet, as several runs tell it, as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.reading.numbering import numbers, ranges


def spf_of(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all parts say: of a domain of several the first, with the addresses of all renumbered."""
    told = [part for part in parts if part]
    addresses = list(dict.fromkeys(one for part in told for one in part["addresses"]))
    places = {address: number for number, address in enumerate(addresses)}
    domains: dict[str, dict[str, Any]] = {}
    for part in told:
        own = [places[address] for address in part["addresses"]]
        same = own == list(range(len(own)))
        for domain in part["domains"]:
            domains.setdefault(domain["domain"], domain if same else _renumbered(domain, own))
    return {"addresses": addresses, "domains": [domains[name] for name in sorted(domains)]} if domains else {}


def _renumbered(domain: Mapping[str, Any], places: Sequence[int]) -> dict[str, Any]:
    def moved(text: str) -> str:
        return ranges(sorted(places[number] for number in numbers(text)))

    cells = [cell | {"at": moved(cell["at"])} for cell in domain["cells"]]
    return {**domain, "sent_from": moved(domain["sent_from"]), "cells": cells}
