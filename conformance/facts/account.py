"""What came of a probe, for people and programs: where its mail came from, and what speaks for its author."""

from __future__ import annotations

from typing import Any

from conformance.facts.authentication import Authentication, authentication
from conformance.facts.authres import AuthResult, results
from conformance.facts.store import Asker
from conformance.facts.trial import Trial
from conformance.fleet.sending import Probe
from conformance.outcome import NotApplicable, Undetermined

_LONGEST = 1000
"""Characters of a text from outside that are kept: facts.json has it whole."""


async def account(ask: Asker, probe: Probe) -> dict[str, Any]:
    """Return the account of a probe as ``results.json`` has it. Raises nothing for what was or was not seen."""
    stream = probe.stream
    told: dict[str, Any] = {
        "probe": probe.id,
        "host": stream.host,
        "stream": stream.name,
        "kind": stream.kind,
        "how": stream.how,
        "from": stream.author,
        "source": str(probe.source) if probe.source else None,
        "state": "came",
        "why": "",
        "came": None,
        "authentication": [],
    }
    try:
        found = await authentication(ask, probe)
    except Undetermined as why:
        return told | {"state": "missing", "why": why.text[:_LONGEST]}
    except NotApplicable as why:
        return told | {"state": "skipped", "why": why.reason[:_LONGEST]}
    return told | {"came": _came(found), "authentication": [_told(one) for one in results(found)]}


def _came(found: Authentication) -> dict[str, Any]:
    came = found.delivery
    tls = came.capture.tls
    return {
        "at": came.capture.started,
        "address": str(came.peer),
        "helo": came.helo[:_LONGEST],
        "mail_from": came.sender[:_LONGEST],
        "tls": f"{tls.version} {tls.cipher}".strip() if tls and tls.version else "",
        "octets": came.transaction.size,
        "trial": ref(came.trial),
    }


def ref(trial: Trial) -> str:
    """Return how evidence names a trial."""
    return f"trial:{trial.ref}"


def _told(one: AuthResult) -> dict[str, Any]:
    return {
        "method": one.method,
        "result": one.result,
        "properties": {name: value[:_LONGEST] for name, value in one.properties},
        "reason": one.reason[:_LONGEST],
    }
