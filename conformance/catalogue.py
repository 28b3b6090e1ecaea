"""All checks there are, read from the case modules: pytest's collection is the registry, this is its index."""

from __future__ import annotations

import importlib
from functools import cache

from conformance.cases import files
from conformance.check import Check


@cache
def checks() -> dict[str, Check]:
    """Return every check by id, in the order of the files."""
    found: dict[str, Check] = {}
    for path in files():
        module = importlib.import_module(f"conformance.cases.{path.stem}")
        for value in vars(module).values():
            if isinstance(declared := getattr(value, "check", None), Check):
                if declared.id in found:
                    raise ValueError(f"{declared.id} is declared at {found[declared.id].where} and {declared.where}")
                found[declared.id] = declared
    return found
