"""TLS in a host's own sessions. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, first_seen, listed, seen
from conformance.reading.excerpt import quoted
from conformance.reading.received import read_received

if TYPE_CHECKING:
    from conformance.facts.daneclient import Dane
    from conformance.facts.handshakes import Handshakes
    from conformance.facts.policies import Policies
    from conformance.facts.tlsreports import TlsReports
    from conformance.reading.message import Message

TLS_TOLD = re.compile(r"(?:TLS|SSL)v?[ _]?[0-9]|_(?:AES|CHACHA20)_|[-_]GCM", re.IGNORECASE)
"""How Postfix, Exim and others write a version or a cipher suite."""


@check(
    "G: must",
    "OR: info",
    "NCSC: info",
    "CSA: info",
    "RFC3207 4: should",
    fix="Use TLS where it is offered (Postfix: smtp_tls_security_level = may or dane, Exim: no hosts_avoid_tls).",
)
def test_tls_out_used(encryption: Handshakes) -> None:
    """Mail goes out inside TLS where the receiver offers it.

    Google asks it of all senders.
    """
    clear = encryption.unused
    assert not clear, seen(clear[0])


@check(
    "RFC8996 5: must",
    "RFC9325 3.1.1: must",
    "NCSC-NL: info",
    "OR: info",
    fix=(
        "Let the client speak TLS 1.2 and 1.3 (Postfix 3.6 and later: smtp_tls_protocols = >=TLSv1.2, before: !SSLv2, "
        "!SSLv3, !TLSv1, !TLSv1.1; likewise smtp_tls_mandatory_protocols. Exim: openssl_options; with GnuTLS "
        "tls_require_ciphers)."
    ),
)
def test_tls_out_12(tls_12: Handshakes) -> None:
    """Sessions come to TLS 1.2 or later.

    The versions before are broken and forbidden.
    """
    old = tls_12.without("TLSv1.2")
    assert not old, seen(listed(old, 2))


@check(
    "RFC9325 3.1.1: should",
    "NCSC-NL: info",
    fix="Let the client speak TLS 1.3: OpenSSL 1.1.1 or GnuTLS 3.6.5 and later do, unless told not to.",
)
def test_tls_out_13(tls_13: Handshakes) -> None:
    """The client offers TLS 1.3.

    Some receivers speak nothing else.
    """
    old = tls_13.without("TLSv1.3")
    assert not old, seen(listed(old, 2))


@check(
    "RFC8996 2: must",
    "RFC9325 5.2: info",
    fix=(
        "Leave TLS 1.0 and 1.1 out where clear text is not the alternative (Postfix 3.6 and later: "
        "smtp_tls_mandatory_protocols = >=TLSv1.2, before: !SSLv2, !SSLv3, !TLSv1, !TLSv1.1)."
    ),
)
def test_tls_out_no_old(tls_10: Handshakes) -> None:
    """The client does not agree to TLS 1.0 or 1.1.

    Opportunistic TLS may use them before it falls back to clear text, so that this is for those who demand more.
    """
    old = tls_10.old
    assert not old, seen(listed(old, 2), at_most="info")


@check(
    "RFC9325 4.1, 4.2: must",
    "IN: info",
    fix=(
        "Offer AEAD suites with ECDHE, and no NULL, EXPORT, RC4 or 3DES (Postfix: smtp_tls_ciphers = medium, and "
        "smtp_tls_exclude_ciphers = RC4, 3DES with OpenSSL before 1.1; Exim: tls_require_ciphers)."
    ),
)
def test_tls_out_ciphers(encryption: Handshakes) -> None:
    """The client offers strong cipher suites and no broken ones.

    A receiver may pick the weakest that is offered.
    """
    weak = encryption.weak_ciphers
    assert not weak, seen(weak[0])
    ageing = encryption.ageing_ciphers
    assert not ageing, seen(ageing[0], at_most="should", aspect="ageing")
    anonymous = encryption.anonymous_ciphers
    assert not anonymous, seen(
        f"{anonymous[0]}: these give no proof of the server, as opportunistic TLS asks none",
        fix="Leave them out where servers are verified (Postfix: smtp_tls_exclude_ciphers = aNULL).",
        aspect="anonymous",
        at_most="info",
    )


@check(
    "RFC8461 7.1: info",
    "RFC7672 8.1: info",
    "RFC9325 3.7: should",
    fix="Send the exchange's name as SNI (Postfix: smtp_tls_servername = hostname, Exim: tls_sni = $host).",
)
def test_tls_out_sni(encryption: Handshakes) -> None:
    """The client names the exchange in its handshake.

    A receiver of many names needs it to show the right certificate.
    """
    wrong = encryption.wrong_server_names
    assert not wrong, seen(wrong[0], aspect="wrong")
    missing = encryption.no_server_names
    assert not missing, seen(missing[0], aspect="missing", at_most="info")


@check(
    "RFC3207 4.1: must",
    "RFC9325 5.2: should",
    fix=(
        "Take a failed handshake for a temporary error: try again, or go on in clear text where policy allows "
        "(Postfix: smtp_tls_security_level = may, Exim: no hosts_require_tls, tls_tempfail_tryclear = yes)."
    ),
)
def test_tls_out_broken(broken_tls: Handshakes) -> None:
    """A handshake that fails costs no mail.

    Receivers have trouble with TLS for hours; mail has to wait, or go in clear text.
    """
    lost = broken_tls.undelivered
    assert not lost, seen(listed(lost, 2))


@check(
    "RFC3207 4.1: should",
    "RFC9325 5.2: should",
    fix=(
        "Verify certificates only where a policy says so (Postfix: smtp_tls_security_level = may or dane with a policy "
        "map, Exim: tls_verify_certificates with tls_try_verify_hosts)."
    ),
)
def test_tls_out_untrusted_ok(untrusted_tls: Handshakes) -> None:
    """Mail goes on where a certificate is self-signed or has expired.

    Half of the world's mail servers have one, and no policy that says otherwise.
    """
    lost = untrusted_tls.undelivered
    assert not lost, seen(listed(lost, 2))


@check(
    "RFC8314 4.2: should",
    "IN: info",
    fix="Send no client certificate, or a valid one (Postfix: smtp_tls_cert_file empty, Exim: tls_certificate unset).",
)
def test_tls_out_clientcert(client_certificate: Handshakes) -> None:
    """Mail goes on where a client certificate is asked for.

    Servers ask without needing one.
    """
    lost = client_certificate.undelivered
    assert not lost, seen(listed(lost, 2))


@check(
    "RFC8314 4.3: info",
    "NCSC: info",
    fix=(
        "Put version and cipher into Received (Postfix: smtpd_tls_received_header = yes; Exim: $tls_in_ver and "
        "$tls_in_cipher in received_header_text)."
    ),
)
def test_tls_out_logged(message: Message) -> None:
    """Received says by which TLS a message came to the host.

    Who reads the header can see where the way was open.
    """
    trace = message.text("Received")
    if read_received(trace).clauses.get("with", "").upper() not in ("ESMTPS", "ESMTPSA", "UTF8SMTPS", "UTF8SMTPSA"):
        raise NotApplicable("the message did not come to the host inside TLS, as far as Received tells")
    assert TLS_TOLD.search(trace), seen(f"Received: {quoted(trace)} names neither version nor cipher")


@check(
    "RFC8461 4, 5: must",
    "NCSC: info",
    fix=(
        "Have the policy asked for at each delivery (Postfix: smtp_tls_policy_maps = "
        "socketmap:inet:127.0.0.1:8461:postfix with postfix-mta-sts-resolver; Exim has no MTA-STS of its own), or "
        "leave mta-sts out of mailconform_tls_policies."
    ),
)
def test_tls_out_mtasts(obeyed_policies: Policies) -> None:
    """Mail goes nowhere that an enforced MTA-STS policy forbids, and everywhere else.

    Who enforces such policies sends to listed exchanges with the right certificate alone; testing and what is no
    policy at all keep no mail back.
    """
    wrong = first_seen(
        (lambda: obeyed_policies.sent_against("sts-unlisted", "sts-mismatch"), lambda sent: seen(listed(sent, 2))),
        (
            lambda: obeyed_policies.withheld("sts-testing", "sts-missing", "sts-redirect"),
            lambda withheld: seen(
                listed(withheld, 2),
                fix="Obey a policy of mode enforce alone, and one that came with status 200 and without a redirect.",
                aspect="withheld",
            ),
        ),
    )
    assert not wrong, wrong


@check(
    "RFC8461 5: must",
    "RFC7672 2.2: must",
    fix=(
        "Let mail wait where a policy or TLSA records ask for TLS and STARTTLS is missing (Postfix: the policy map has "
        "to answer secure, and not may, smtp_tls_security_level = dane; Exim: hosts_require_tls, hosts_try_dane)."
    ),
)
def test_tls_out_strip(stripped_tls: Dane) -> None:
    """Mail waits where a policy or TLSA records ask for TLS and the exchange offers none.

    Who sits between two mail servers can take STARTTLS out of the reply; the policy is there to keep him from reading.
    """
    sent = stripped_tls.stripped
    assert not sent, seen(listed(sent, 2))


@check(
    "RFC7672 2.1, 2.2, 3.1: must",
    "IN: info",
    fix=(
        "Enforce TLSA records (Postfix: smtp_tls_security_level = dane and smtp_dns_support_level = dnssec, Exim: "
        "hosts_try_dane = * and dnssec_request_domains = *; both need a resolver on the host itself that validates), "
        "or leave dane out of mailconform_tls_policies."
    ),
)
def test_tls_out_dane(obeyed_keys: Dane) -> None:
    """Mail goes to no key that TLSA records do not name, and to one that they name whatever its certificate says.

    Who enforces DANE lets mail wait where the key is another one. The records vouch for the key by themselves, so that
    names and dates in its certificate count for nothing (usage DANE-EE).
    """
    wrong = first_seen(
        (lambda: obeyed_keys.sent_against, lambda sent: seen(listed(sent, 2))),
        (
            lambda: obeyed_keys.withheld,
            lambda withheld: seen(
                withheld[0],
                fix="Look at neither names nor dates of a certificate whose key TLSA records of usage 3 name.",
                aspect="withheld",
            ),
        ),
    )
    assert not wrong, wrong


@check(
    "RFC8461 2: must",
    fix=(
        "Let DANE decide where there are TLSA records: a policy map must not answer for such domains (Postfix: a map "
        "that says dane for them, such as that of postfix-tlspol, and not postfix-mta-sts-resolver alone)."
    ),
)
def test_tls_out_dane_over_sts(keys_before_policies: Dane) -> None:
    """Mail waits where TLSA records name another key, whatever an MTA-STS policy says.

    A policy that is fetched over the web must not make up for a key that DNSSEC disowns.
    """
    sent = keys_before_policies.overridden
    assert not sent, seen(sent[0])


@check(
    "RFC8460 3, 5.3: must",
    fix=(
        "Have reports signed by the domain in their From, without l=, and send them as multipart/report; "
        "report-type=tlsrpt with the JSON of RFC 8460 in a part application/tlsrpt+gzip; or send none."
    ),
)
def test_tls_out_tlsrpt_sent(tls_reports: TlsReports) -> None:
    """TLS reports that go out are signed, and can be read.

    Receivers throw away what is not signed: anybody could make them believe that their TLS fails.
    """
    unsigned = tls_reports.unsigned
    assert not unsigned, seen(f"a TLS report came without a signature that holds: {unsigned[0]}")
    partial = tls_reports.partial
    assert not partial, seen(f"the signature of a TLS report leaves its end open: {partial[0]}", aspect="length")
    faults = tls_reports.faults
    assert not faults, seen(f"a TLS report: {listed(faults, 3)}", aspect="form")
    slips = tls_reports.slips
    assert not slips, seen(f"a TLS report: {listed(slips, 2)}", aspect="header", at_most="should")
