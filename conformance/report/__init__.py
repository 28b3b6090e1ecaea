"""TOLD: results, page and terminal."""

from __future__ import annotations

from typing import Any


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of ``results.json``, the contract that every output is made from."""
    import json
    from importlib.resources import files

    text = (files("conformance.report") / "schema" / "results.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
