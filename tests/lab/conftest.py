"""What the lab's tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

FORBIDDEN = ("namespaces are refused", "gives no rights", "ids cannot be mapped")
"""Reasons of the machine; any other NamespaceError is a fault of ours."""


@pytest.fixture
def permitted() -> Callable[[object], None]:
    """Return a function that skips when a NamespaceError's text says that this machine forbids namespaces."""

    def judge(reason: object) -> None:
        if any(text in str(reason) for text in FORBIDDEN):
            pytest.skip(f"no namespaces here: {reason}")
        assert not reason

    return judge
