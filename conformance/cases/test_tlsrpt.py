"""Reports about TLS that fails. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, listed, seen

if TYPE_CHECKING:
    from conformance.facts.tlsrpt import ReportHosts, TlsReporting


@check(
    "RFC8460 3: must",
    "NCSC: must",
    fix='Publish: _smtp._tls.{domain.name}. IN TXT "v=TLSRPTv1; rua=mailto:tls-reports@{domain.name}"',
)
def test_tlsrpt_record(tls_reporting: TlsReporting) -> None:
    """Every domain that takes mail has one record that says where reports about TLS go.

    Whoever cannot deliver for want of TLS says so there, and nowhere else.
    """
    faults = tls_reporting.faults
    assert not faults, seen(listed(faults, joint="; "))
    published = tls_reporting.published
    assert published.records, seen(published.absence, at_most="info")
    assert not published.spaced, seen(published.spaced, at_most="info")


@check(
    "RFC8460 3: should",
    "RFC8460 5: should",
    fix="Name in rua= of _smtp._tls.{domain.name} a domain that takes mail, or an https: host that exists.",
)
def test_tlsrpt_rua_accepts(report_hosts: ReportHosts) -> None:
    """Reports about TLS can arrive where the record sends them.

    A report that nobody can deliver is lost.
    """
    deaf = report_hosts.deaf
    assert not deaf, seen(listed(deaf, joint="; "))
