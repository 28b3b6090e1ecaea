"""What ``mailconform run`` becomes: pytest, with one line and status 2 for an interrupt before it listens."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

QUIET = ("-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning")
"""This module is imported before pytest could rewrite its package, whose cases want nothing rewritten."""

_WAIVERS = "--waivers"


def main() -> int:
    """Run pytest with the arguments of this process and return its exit status.

    Waivers named by them are looked at before pytest and its plugins are loaded, which takes longer. Those of the
    environment and of ini files are left to the plugin: whether they count only pytest knows.
    """
    arguments = sys.argv[1:]
    try:
        if (files := list(_named(arguments))) and (wrong := _wrong(files)):
            sys.stderr.write(f"{wrong}\n")
            return 4
        import pytest

        return int(pytest.main([*QUIET, *arguments]))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 2


def _named(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the files of waivers that arguments name."""
    for before, argument in zip(("", *arguments), arguments, strict=False):
        name, _, value = argument.partition("=")
        if before == _WAIVERS:
            yield argument
        elif name == _WAIVERS and value:
            yield value


def _wrong(files: Sequence[str]) -> str:
    """Say what is wrong with files of waivers by themselves."""
    from conformance.declared import read_waivers
    from conformance.fleet.errors import InventoryError
    from conformance.options import UsageError
    from conformance.policy import today

    try:
        read_waivers(files, today())
    except InventoryError as error:
        return str(error)
    except UsageError:
        # The plugin says it, with all that is wrong with options.
        return ""
    return ""


if __name__ == "__main__":
    sys.exit(main())
