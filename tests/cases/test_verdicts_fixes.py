"""What every rule tells to do can be told of its subject; and no hostile record takes long or says much."""

from __future__ import annotations

import ipaddress
import time
from typing import Any

import pytest
from verdicts import FINDING, address, built, domain, selector, verdict

from conformance.cases import test_dkim, test_dmarc, test_spf
from conformance.catalogue import checks
from conformance.facts import dkim, dmarc, spf
from conformance.fleet.model import Listener
from conformance.fleet.sending import Stream

AREAS = ("spf", "dkim", "dmarc", "dom", "srv", "tls", "parked")
SUBJECTS = {
    "address": address("203.0.113.1"),
    "domain": domain(),
    "selector": selector(),
    "stream": Stream("mx1", "news", "news@example.com", "example.com", "example.com"),
    "listener": Listener("mx1", 25, "starttls", "no", "mx1", (ipaddress.ip_address("203.0.113.1"),)),
}


@pytest.mark.parametrize("id", [id for id, check in checks().items() if check.area in AREAS])
def test_every_remedy_can_be_filled(id: str) -> None:
    fix = checks()[id].fix.format(**SUBJECTS)
    assert "{" not in fix
    assert "}" not in fix


SIZE = 60_000
HOSTILE = {
    "spf": ["v=spf1 " + "a:b.example " * (SIZE // 12), "v=spf1 " + "ip4:x" * (SIZE // 5), "v=spf1" + " \x1b" * 9999],
    "dkim": ["v=DKIM1; " + "a=b;" * (SIZE // 4), "v=DKIM1; p=" + "A" * SIZE, "p=\x00<script>" * 5000],
    "dmarc": ["v=DMARC1; p=none; " + "1=;" * (SIZE // 3), "v=DMARC1; rua=" + "," * SIZE, "v=dmarc1" + "<b>" * 9000],
}  # fmt: skip


def facts(area: str, text: str) -> dict[str, Any]:
    senders = spf.DomainSenders(domain(), (address("203.0.113.1"),))
    match area:
        case "spf":
            zone = {"example.com TXT": [text]}
            return {"spf": built(spf.spf_records, zone, senders), "spf_paths": built(spf.spf_paths, zone, senders)}
        case "dkim":
            return {"dkim_key": built(dkim.key_record, {"s1._domainkey.example.com TXT": [text]}, selector())}
        case _:
            return {"dmarc": built(dmarc.dmarc_walk, {"_dmarc.example.com TXT": [text]}, domain())}


@pytest.mark.parametrize(("area", "text"), [(area, text) for area, texts in HOSTILE.items() for text in texts])
def test_hostile_records(area: str, text: str) -> None:
    started = time.process_time()
    known = facts(area, text) | SUBJECTS
    rules = vars({"spf": test_spf, "dkim": test_dkim, "dmarc": test_dmarc}[area]).values()
    judged = [rule for rule in rules if hasattr(rule, "check") and set(rule.check.subjects) <= set(known)]
    said = [verdict(rule, *(known[fact] for fact in rule.check.subjects)) for rule in judged]
    assert FINDING in [one.said for one in said]
    assert max(len(one.text) for one in said) < 2000
    assert time.process_time() - started < 3
