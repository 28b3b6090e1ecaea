"""What the rules of MTA-STS and TLS reporting say of records, and of domains without any."""

from __future__ import annotations

import pytest
from verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, Zone, built, domain, verdict

from conformance.cases import test_mtasts, test_tlsrpt
from conformance.facts import mtasts, tlsrpt

RULES = {
    "_mta-sts": (test_mtasts.test_mtasts_record, mtasts.strict_transport, "v=STSv1; id=1"),
    "_smtp._tls": (test_tlsrpt.test_tlsrpt_record, tlsrpt.tls_reporting, "v=TLSRPTv1; rua=mailto:t@example.com"),
}
MAIL: Zone = {"example.com MX": [(10, "mx.example.net")]}


@pytest.mark.parametrize("label", RULES)
@pytest.mark.parametrize(
    ("zone", "said", "text"),
    [
        ({**MAIL, "LABEL.example.com TXT": ["GOOD"]}, PASS, ""),
        ({**MAIL, "LABEL.example.com TXT": "-> v.example.net", "v.example.net TXT": ["GOOD"]}, PASS, ""),
        ({**MAIL, "LABEL.example.com TXT": ["v=spf1 -all", "GOOD"]}, PASS, ""),
        ({"example.com MX": None, "LABEL.example.com TXT": ["GOOD"]}, PASS, ""),
        ({"example.com MX": None}, UNDETERMINED, "example.com MX: SERVFAIL"),
        ({**MAIL, "LABEL.example.com TXT": None}, UNDETERMINED, "LABEL.example.com TXT: SERVFAIL"),
        (MAIL, FINDING, "LABEL.example.com TXT answered NXDOMAIN"),
        (
            {**MAIL, "LABEL.example.com TXT": ["v=spf1 -all"]},
            FINDING,
            "LABEL.example.com TXT answered 1 record, none of which begins with v=VERSION;",
        ),
        ({"example.com MX": [(0, ".")]}, NOT_APPLICABLE, "example.com has a null MX: it takes no mail"),
        (
            {"example.com A": ["203.0.113.1"]},
            NOT_APPLICABLE,
            "example.com has no MX record, by which a domain says that it takes mail",
        ),
    ],
)
def test_a_record(label: str, zone: Zone, said: str, text: str) -> None:
    rule, builder, good = RULES[label]
    there = {
        key.replace("LABEL", label): [good if one == "GOOD" else one for one in found]
        if isinstance(found, list)
        else found
        for key, found in zone.items()
    }
    told = verdict(rule, built(builder, there, domain()))
    wanted = text.replace("LABEL", label).replace("VERSION", good.partition(";")[0].removeprefix("v="))
    assert (told.said, told.text) == (said, wanted)
