"""What ``mailconform run`` becomes: pytest, with one line and status 2 for an interrupt before it listens."""

from __future__ import annotations

import sys

QUIET = ("-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning")
"""This module is imported before pytest could rewrite its package, whose cases want nothing rewritten."""


def main() -> int:
    """Run pytest with the arguments of this process and return its exit status."""
    try:
        import pytest

        return int(pytest.main([*QUIET, *sys.argv[1:]]))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
