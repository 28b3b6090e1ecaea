"""TLS reports that a host sends about a domain of the receiver's, a day and more after its mail (RFC 8460)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from conformance.facts.authentication import Authentication, authenticate
from conformance.facts.delivery import Delivery
from conformance.facts.signatures import Checked
from conformance.facts.store import Asker
from conformance.facts.trial import Trial
from conformance.facts.tried import made
from conformance.fleet.sending import Stream
from conformance.outcome import NotApplicable, findings
from conformance.reading import dkimsig
from conformance.reading.message import read
from conformance.reading.orgdomain import registrable
from conformance.reading.tlsreport import Report, is_report, read_report

_MOST = 10
"""Reports of one host that are judged."""
_DUE = 2 * 86_400.0
"""Seconds after which a report on a day has come: it is sent within hours of the day's end (section 4.1)."""


@dataclass(frozen=True, slots=True)
class TlsReport:
    """One report as it came."""

    authentication: Authentication
    report: Report

    @property
    def unsigned(self) -> str:
        """Why no signature of the reporting domain holds; empty where one does. Raises Undetermined."""
        came = self.authentication
        if not came.signatures:
            return "it is not signed"
        author = registrable(came.author)
        own = [one for one in came.signatures if registrable(one.signature.domain) == author]
        if not own:
            return f"no signature is of {came.author}"
        return "" if findings(own, self._holds) else "; ".join(one.describe() for one in own)

    @property
    def partial(self) -> str:
        """The signature with l=, under which more may be added (section 3); empty where there is none."""
        signatures = (one.signature for one in self.authentication.signatures)
        return next((f"{one.describe()} has l={one.length}" for one in signatures if one.length is not None), "")

    def _holds(self, one: Checked) -> bool:
        """Whether a signature holds, also by a key that is for reports alone (section 3). Raises Undetermined."""
        if one.known().own.passes or one.key is None or not one.key.serves("tlsrpt"):
            return one.own.passes
        key = replace(one.key, services=("*",))
        return dkimsig.verify(self.authentication.message, one.signature, key, self.authentication.came_at).passes


@dataclass(frozen=True, slots=True)
class TlsReports:
    """The reports that came; there is one at least."""

    came: tuple[TlsReport, ...]

    @property
    def unsigned(self) -> list[str]:
        """Reports without a signature that holds. Raises Undetermined."""
        return findings(self.came, lambda one: one.unsigned)

    @property
    def partial(self) -> list[str]:
        """Signatures that leave the end of a report open."""
        return findings(self.came, lambda one: one.partial)

    @property
    def faults(self) -> list[str]:
        """What is wrong with the parts of reports, and with the JSON in them."""
        return list(dict.fromkeys(fault for one in self.came for fault in (*one.report.types, *one.report.content)))

    @property
    def slips(self) -> list[str]:
        """What reports lack that helps to sort them."""
        return list(dict.fromkeys(slip for one in self.came for slip in one.report.slips))


async def tls_reports(ask: Asker, stream: Stream) -> TlsReports:
    """Return the reports that came of the mail of a stream. Raises NotApplicable where none did.

    Nobody has to send reports, and they come when the run that made the host send is over.
    """
    trial = await made(ask, stream, "tls-report")
    found = list(_reports(stream, trial))[:_MOST]
    if not found:
        later = "" if trial.waited >= _DUE else "; they come after a day and more (--probe collect)"
        raise NotApplicable(f"{trial.ref}: no TLS report came{later}")
    proofs = await asyncio.gather(*(authenticate(ask, one) for one in found))
    return TlsReports(tuple(TlsReport(one, read_report(one.message)) for one in proofs))


def _reports(stream: Stream, trial: Trial) -> list[Delivery]:
    accepted = (Delivery(stream.probes[0], trial, trial.letters[0], *one) for one in trial.accepted if trial.letters)
    return [one for one in accepted if is_report(read(one.whole.message))]
