"""Whose turn it is to be refused: what the scenarios of a session do at a step, counted once a session."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from conformance.receiver.policy import Grant, Policy
from conformance.receiver.scenario import PLAIN, SCENARIOS, Act, Scenario, Step

_LOG = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


class PolicyError(Exception):
    """The policy failed to answer."""


def _answered(ask: Callable[[], _Answer]) -> _Answer:
    try:
        return ask()
    except Exception as error:
        _LOG.exception("the policy failed")
        raise PolicyError from error


def address_of(text: str) -> str:
    """Return an address of a socket in its own family: an IPv4-mapped one as IPv4, none with a zone."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def network_of(peer: str) -> str:
    """Return the network for which a greylist counts: the /24 or /64 of an address (RFC 6647 section 4)."""
    prefix = 64 if ":" in peer else 24
    return str(ipaddress.ip_network(f"{peer}/{prefix}", strict=False))


@dataclass(slots=True)
class Turns:
    """What the policy says, for one session. All methods raise PolicyError where it fails."""

    policy: Policy
    local: str
    peer: str
    bound: Grant | None = None
    """The grant that the local address plays."""
    _counted: dict[tuple[str, str], int] = field(default_factory=dict)

    def begin(self) -> str:
        """Learn what the local address plays, and return the name it has."""
        self.bound = _answered(lambda: self.policy.at_connect(self.local, self.peer))
        return _answered(lambda: self.policy.exchange(self.local))

    def recipient(self, address: str) -> Grant | None:
        """Return the grant of a recipient."""
        return _answered(lambda: self.policy.at_recipient(address, self.local))

    @property
    def scenario(self) -> Scenario:
        """What is played before a recipient is named."""
        return scenario_of(self.bound)

    def bound_act(self, step: Step) -> Act | None:
        """Return what is done at a step before a recipient is named."""
        return self.act(self.bound, step)

    def act(self, grant: Grant | None, step: Step) -> Act | None:
        """Return what is done at a step for a grant; None where its turn is over."""
        act = scenario_of(grant).act(step, grant.place) if grant else None
        if not grant or not act:
            return None
        what = f"{step} {network_of(self.peer)}" if act.by_network else str(step)
        key = (grant.token, what)
        if key not in self._counted:
            self._counted[key] = _answered(lambda: self.policy.tally(grant.token, what))
        return act if self._counted[key] <= (act.times or grant.n) else None


def scenario_of(grant: Grant | None) -> Scenario:
    """Return the scenario of a grant; without one, or for a name that is not known, the plain receiver."""
    return SCENARIOS.get(grant.scenario, PLAIN) if grant else PLAIN
