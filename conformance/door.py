"""What ``mailconform run`` becomes: pytest, with one line and status 2 for an interrupt before it listens."""

from __future__ import annotations

import sys


def main() -> int:
    """Run pytest with the arguments of this process and return its exit status."""
    try:
        import pytest

        return int(pytest.main())
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
