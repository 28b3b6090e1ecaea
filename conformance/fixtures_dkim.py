"""What a check may ask for around DKIM and ARC keys."""

from __future__ import annotations

from typing import cast

import pytest

from conformance.asked import RUN
from conformance.facts.dkim import KeyNode, KeyRecord
from conformance.facts.gather import Gathered
from conformance.facts.keyhistory import KeyHistory, beginnings, history_of
from conformance.facts.keyusers import KeyUsers
from conformance.fleet.model import Domain, Selector


@pytest.fixture
def dkim_key(gathered: Gathered, selector: Selector) -> KeyRecord:
    """The record at the selector."""
    return cast(KeyRecord, gathered("dkim_key", selector))


@pytest.fixture(scope="session")
def keys_begun(gathered: Gathered) -> dict[str, str]:
    """When earlier runs saw the first key of each signing domain."""
    return beginnings(gathered.store.keys)


@pytest.fixture
def key_history(
    request: pytest.FixtureRequest, gathered: Gathered, keys_begun: dict[str, str], dkim_key: KeyRecord
) -> KeyHistory:
    """The keys that earlier runs saw at the selector."""
    now = request.config.stash[RUN].gathering.gathered
    return history_of(gathered.store.keys, keys_begun, dkim_key.answer, now)


@pytest.fixture
def key_users(gathered: Gathered, selector: Selector) -> KeyUsers:
    """The hosts that sign with the key of the selector, as far as that is known."""
    return cast(KeyUsers, gathered("key_users", selector))


@pytest.fixture
def dkim_nodes(gathered: Gathered, domain: Domain) -> tuple[KeyNode, ...]:
    """Where the keys of the domain stand."""
    return cast(tuple[KeyNode, ...], gathered("dkim_nodes", domain))


@pytest.fixture
def arc_keys(gathered: Gathered, domain: Domain) -> tuple[KeyRecord, ...]:
    """The keys of the domain's ARC seals; not applicable without any."""
    return cast(tuple[KeyRecord, ...], gathered("arc_keys", domain))
