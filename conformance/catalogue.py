"""All checks there are, read from the case modules: pytest's collection is the registry, this is its index."""

from __future__ import annotations

import hashlib
import importlib
from functools import cache

from conformance.cases import files
from conformance.check import Check
from conformance.profiles import files as profile_files


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


@cache
def rules_version() -> str:
    """Return what tells one state of the rules from another: a digest of the case files and profiles."""
    digest = hashlib.sha256()
    for path in (*files(), *profile_files()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
