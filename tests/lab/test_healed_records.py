"""Every domain of the lab with the records that are printed for it: what records can heal is healed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.check import Level
from conformance.facts.snapshot import load as load_facts
from conformance.fleet.ansible import load
from conformance.lab.certificates import with_digests
from conformance.records.bench import Bench
from conformance.records.formats import Report, as_zone
from conformance.records.survey import Survey
from conformance.records.tasks import tasks
from tests.lab.lab_run import FACTS, REPORTED, ROOT, Finished, run_lab
from tests.plugin import fleet

RULES = (
    *("spf.*", "dkim.key-*", "dkim.retired", "dmarc.*", "mtasts.record", "tlsrpt.*", "parked.*", "ptr.*"),
    *("dom.from-resolves", "dom.mx-or-a", "dom.mx-valid", "dom.no-null-mx"),
)
"""Rules about records of the fleet, whatever its hosts were seen to send."""
WHOLE = "example."
"""The zone that is given whole: nobody can see from outside whether a wildcard speaks for a name that is patched."""

_SECRET = "the public key is derived from a private one, which the signer has and nobody else"
_SIGNER = "which of the two keys the host signs with is known on the host alone"
_RENEW = "another key has to be made, at another selector, and the host has to sign with it first"
_WHEN_SEEN = "a stricter policy is for the owner, when reports show that all mail passes"
_GREETING = "the host greets as somebody else, or as nobody: the greeting has to change"
_SERVED_FIRST = "a policy has to be served over HTTPS first"
_MX = "which host takes the mail is not in the inventory"

NO_RECORD_HEALS = {
    "dkim.key-exists keys.example/missing": _SECRET,
    "dkim.key-not-revoked keys.example/revoked": _SECRET,
    "dkim.key-syntax keys.example/not-base64": "the key is cut off: " + _SECRET,
    "dkim.key-single keys.example/two-records": _SIGNER,
    "dkim.key-1024 keys.example/rsa768": _RENEW,
    "dkim.key-2048 keys.example/rsa768": _RENEW,
    "dkim.key-2048 keys.example/rsa1024": _RENEW,
    "dkim.key-4096max keys.example/rsa5120": _RENEW,
    "dkim.key-t-s keys.example/any-subdomain": "t=s is right only where i= of no signature names a subdomain",
    "dkim.retired keys.example/still-there": "the key may go when no mail that it signed is under way",
    "dmarc.enforced dmarc-monitors.example": _WHEN_SEEN,
    "dmarc.enforced dmarc-missing.example": "a first record only monitors: " + _WHEN_SEEN,
    "dmarc.enforced dmarc-bad-policy.example": "no policy can be read, so that none is asked for: " + _WHEN_SEEN,
    "dmarc.enforced dmarc-two-records.example": "of two records that say different the milder stays: " + _WHEN_SEEN,
    "dmarc.psd dmarc-public-suffix.example": "psd=y is right where others register names below the domain",
    "dom.mx-or-a no-mx.example": _MX,
    "dom.no-null-mx null-mx.example": _MX,
    "mtasts.record dmarc-lost-reports.example": _SERVED_FIRST,
    "mtasts.record dmarc-monitors.example": _SERVED_FIRST,
    "mtasts.record dmarc-public-suffix.example": _SERVED_FIRST,
    "mtasts.record mtasts-missing.example": _SERVED_FIRST,
    "mtasts.record news.mtasts-of-parent-only.example": _SERVED_FIRST,
    "parked.null-mx parked-takes-mail.example": "a null MX is right only if the domain shall take no mail either",
    "ptr.answers ptr-servfail.example.net/192.0.2.10": "the servers of the reverse zone fail",
    "ptr.matches-helo helo-access-line.example.net/203.0.113.63": _GREETING,
    "ptr.matches-helo helo-alias.example.net/203.0.113.59": "the greeting is an alias, which no PTR may name",
    "ptr.matches-helo helo-bare-ip.example.net/203.0.113.53": _GREETING,
    "ptr.matches-helo helo-big-provider.example.net/203.0.113.64": _GREETING,
    "ptr.matches-helo helo-dash.example.net/203.0.113.55": _GREETING,
    "ptr.matches-helo helo-literal.example.net/203.0.113.60": _GREETING,
    "ptr.matches-helo helo-localhost.example.net/203.0.113.52": _GREETING,
    "ptr.matches-helo helo-made-up-tld.example.net/203.0.113.54": _GREETING,
    "ptr.matches-helo helo-other-domain.example.net/203.0.113.51": _GREETING,
    "ptr.matches-helo helo-underscore.example.net/203.0.113.57": _GREETING,
    "ptr.matches-helo helo-web-server.example.net/203.0.113.61": "the greeting is that of the web server",
    "spf.breadth spf-terms.example": "who else sends from the wide network is not in the inventory",
    "spf.macro spf-terms.example": "what else the service behind the macro could be asked is its owner's affair",
    "spf.txt-type spf-around.example": "a record has to go, and a zone file says only what is there",
    "spf.host-record helo-access-line.example.net/203.0.113.63": _GREETING,
    "spf.host-record helo-big-provider.example.net/203.0.113.64": _GREETING,
    "spf.host-record helo-other-domain.example.net/203.0.113.51": _GREETING,
}
"""Findings that stay, each with the reason why no record ends it."""


@pytest.fixture(scope="module")
def printed() -> str:
    """What is printed for all domains of the lab together, as a zone file."""
    declared = load((str(ROOT / "inventories" / "lab"),))
    store = load_facts(str(FACTS)).store()
    lines: list[str] = []
    for domain in declared.domains:
        own = replace(store, answers=dict(store.answers))
        with Bench(declared, (), ("common",)) as bench:
            survey = Survey(domain, bench, lambda _store, _wanted: None, own, Level.INFO)
            lines += as_zone(Report(domain.name, "replayed", survey.entries()))
    return "\n".join(lines) + "\n"


def whole_zone() -> str:
    """Return the zone of the broken domains as its owner has it."""
    text = with_digests((ROOT / "conformance" / "lab" / "zones" / f"{WHOLE}zone").read_text("utf-8"))
    return f"$ORIGIN {WHOLE}\n$TTL 60\n@ SOA ns1.example.net. hostmaster.example.net. 1 60 60 60 60\n{text}"


def test_what_records_can_heal_is_healed(printed: str, tmp_path: Path, permitted: Callable[[object], None]) -> None:
    (tmp_path / "records.zone").write_text(printed)
    (tmp_path / f"{WHOLE}zone").write_text(whole_zone())
    overlays = (f"--overlay={tmp_path / 'records.zone'},mode=patch", f"--overlay={tmp_path / WHOLE}zone")
    try:
        ran = run_lab(tmp_path, *overlays, "--probe=none", *(f"--rules={rule}" for rule in RULES))
    except AssertionError as error:
        permitted(error)
        raise
    assert findings(ran) == set(NO_RECORD_HEALS)
    assert nowhere_to_be_seen(ran) == {"ptr-servfail.example.net/192.0.2.10", "silent-dns.test"}


def findings(ran: Finished) -> set[str]:
    """Return what is broken, by rule and subject."""
    broken = (one for one in ran.document["results"] if one["outcome"] in ("fail", "advice"))
    return {f"{one['check']} {one['subject']}" for one in broken}


def nowhere_to_be_seen(ran: Finished) -> set[str]:
    """Return what could not be looked at."""
    blind = (one for one in ran.document["results"] if one["outcome"] == "undetermined")
    return {one["domain"] or one["subject"] for one in blind}


def test_rules_say_what_they_say_in_a_run() -> None:
    declared = load((str(ROOT / "inventories" / "lab"),))
    store = load_facts(str(FACTS)).store()
    judged: dict[str, str] = {}
    for domain in declared.domains:
        with Bench(declared, (), ("common",)) as bench:
            for one in bench.judge(store, tasks(declared, domain)):
                what = f"{one.check.id} {one.result['subject']}"
                told = "" if one.outcome in ("pass", "not-applicable") else f"{one.result['level']}"
                judged[what] = judged.get(what) or told
    lines = (line.split(": ") for line in REPORTED.read_text("utf-8").splitlines())
    reported = {what: how.split()[0] for what, how in lines}
    assert {what: told for what, told in judged.items() if told} == {
        what: level for what, level in reported.items() if what in judged
    }
    assert len(judged) > 5000


def test_the_lab_is_entered(tmp_path: Path, permitted: Callable[[object], None]) -> None:
    command = [sys.executable, "-m", "conformance.cli", "records", "spf-neutral.example", "--format=zone"]
    command += ["--inventory", str(ROOT / "inventories" / "lab")]
    done = subprocess.run(
        command, cwd=tmp_path, env=fleet.environment(), capture_output=True, text=True, check=False, timeout=200
    )
    if "the embedded lab cannot run here" in done.stderr:
        permitted(done.stderr)
    assert done.returncode == 1, done.stdout + done.stderr
    assert 'spf-neutral.example. IN TXT "v=spf1 ip4:198.51.100.40 ~all"' in done.stdout.splitlines()
