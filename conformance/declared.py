"""What a run is given to judge by and to judge: waivers and inventory.

Light, so that what is wrong with them is told before all that gathers and tells is loaded.
"""

from __future__ import annotations

import dataclasses
import importlib
import signal
from collections.abc import Callable, Sequence
from datetime import date

from conformance import policy
from conformance.fleet import waivers
from conformance.fleet.errors import InventoryError, by_place
from conformance.fleet.model import Fleet, Mta
from conformance.options import Settings, UsageError
from conformance.reading.waivers import Waiver

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


def declared(chosen: Settings) -> tuple[Fleet, policy.Policy]:
    """Read waivers, then the inventory. Raises UsageError, and InventoryError with all that is wrong with one of them.

    No inventory is read for a wrong file of waivers: Ansible takes as long as all that is before it.
    """
    day = policy.today()
    found = read_waivers(chosen["waivers"], day)
    fleet = read_fleet(chosen, waivers.patterns(found), _load_facts)
    return fleet, policy.build(day, found, fleet, limited=bool(chosen["limit"]))


def read_waivers(paths: Sequence[str], day: date) -> list[Waiver]:
    """Read files of waivers. Raises InventoryError with all that is wrong with them, but for what they name."""
    if not paths:
        return []
    found, wrong = waivers.load(paths, policy.rules(), day)
    if wrong:
        raise InventoryError(dict.fromkeys(sorted(wrong, key=by_place)))
    return found


def read_fleet(
    chosen: Settings, patterns: tuple[str, ...] = (), meanwhile: Callable[[], object] | None = None
) -> Fleet:
    """Read the inventory; ``meanwhile`` is called while Ansible reads. Raises UsageError and InventoryError."""
    from conformance.fleet.ansible import load

    if not chosen["inventory"]:
        raise UsageError("no inventory: name one with --inventory PATH, MAILCONFORM_INVENTORY or mailconform_inventory")
    fleet = load(
        chosen["inventory"],
        limit=chosen["limit"],
        patterns=patterns,
        vault_password_file=chosen["vault-password-file"],
        secrets=not chosen["no-secrets"],
        ansible_python=chosen["ansible-python"],
        meanwhile=meanwhile,
    )
    return _with_options(fleet, chosen)


def _load_facts() -> None:
    """Load what says which facts rules ask for: it takes about as long as Ansible does at least.

    An interrupt comes in afterwards: Python ends by SIGINT, whatever is caught, once one came into code that is made
    from text, as that of dataclasses.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        importlib.import_module("conformance.fixtures")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _with_options(fleet: Fleet, chosen: Settings) -> Fleet:
    """Let a time-out given for this run win over those of the inventory."""
    if "smtp-timeout" not in chosen.given:
        return fleet

    def without(mta: Mta) -> Mta:
        listeners = tuple(dataclasses.replace(one, timeout=None) for one in mta.listeners)
        return dataclasses.replace(mta, listeners=listeners)

    return dataclasses.replace(fleet, mtas=tuple(without(mta) for mta in fleet.mtas))
