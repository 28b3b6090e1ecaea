"""Results and facts of an invented fleet, of any size, as a run would write them."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

AREAS = {
    "ptr": "exists answers forward-confirms all-forward-confirm single forward-family ipv6 syntax no-zone-suffix "
    "not-ip not-localhost public-suffix target-not-cname not-placeholder not-dynamic not-generic no-ip-digits "
    "no-isp-words own-domain matches-helo",
    "helo": "fqdn syntax exists resolves primary-name tld-real not-localhost not-bare-ip literal-valid own-domain "
    "matches-mx matches-ip not-dynamic not-big-provider server-banner",
    "ip": "public declared reserved listed neighbours",
    "srv": "esmtp-ok banner-host pipelining size eightbitmime time-to-greet no-vrfy no-expn no-open-relay quit",
    "tls": "in-offered in-version in-name in-valid in-expiry in-chain in-key in-cipher in-old in-resume",
    "msg": "date message-id from-one to-one crlf lines headers mime charset received size-limit list-id",
    "out": "tls retry queue rate ipv4 ipv6 bounce double-bounce hops vrfy loops helo-stable sni",
    "spf": "exists single syntax lookups void no-plus-all has-end all-strict include-ok all-inventory",
    "dkim": "key-exists key-single key-syntax key-1024 key-2048 key-not-test",
    "dmarc": "exists single syntax p-valid rua rua-external",
    "dom": "from-resolves mx-or-a mx-valid no-null-mx",
    "parked": "spf dmarc null-mx",
}
HOST_AREAS = ("ptr", "helo", "ip", "srv", "tls", "msg", "out")
KINDS = {"spf": "domain", "dkim": "selector", "dmarc": "domain", "dom": "domain", "parked": "domain"}
SOURCES = [
    (
        "Z ptr",
        "must",
        "Zendesk: Ensuring email system compatibility",
        "https://support.zendesk.com/hc/en-us/articles/1",
    ),
    ("G ip-addresses", "must", "Google: Email sender guidelines", "https://support.google.com/mail/answer/81126"),
    ("RFC1912 2.1", "should", "RFC 1912: Common DNS errors", "https://www.rfc-editor.org/rfc/rfc1912"),
    ("RFC7489 6.3", None, "RFC 7489: DMARC, obsoleted", "https://www.rfc-editor.org/rfc/rfc7489"),
]
TITLES = {
    "ptr.exists": "Every sending address has a PTR record.",
    "ptr.single": "An address has exactly one name.",
    "tls.in-offered": "The host offers STARTTLS where it accepts mail.",
    "spf.exists": "Every domain that sends mail publishes an SPF record.",
}


def check(area: str, rest: str, level: str = "must") -> dict[str, Any]:
    """A rule as results.json describes it."""
    return {
        "title": TITLES.get(f"{area}.{rest}", f"The {area.upper()} keeps the rule that is called {rest}."),
        "reason": "Receivers refuse or distrust mail from a system that breaks this, and say so only in a bounce.",
        "fix": "Publish: {address.reverse_name} IN PTR {address.helo}.",
        "level": level,
        "sources": [dict(zip(("cite", "level", "title", "address"), row, strict=True)) for row in SOURCES],
    }


def result(check: str, subject: str, outcome: str = "pass", **more: Any) -> dict[str, Any]:
    """One result; what is not given follows from the check and the outcome."""
    host = subject.partition("/")[0]
    return {
        "check": check,
        "level": "must",
        "subject": subject,
        "kind": "address",
        "host": host,
        "domain": None,
        "outcome": outcome,
        "seen": "" if outcome in ("pass", "not-applicable") else "25.100.51.198.in-addr.arpa PTR answered NXDOMAIN",
        "required": TITLES.get(check, "") if outcome not in ("pass", "not-applicable") else "",
        "fix": f"25.100.51.198.in-addr.arpa. IN PTR {host}." if outcome in ("fail", "advice", "waived") else "",
        "sources": ["Z ptr"],
        "declared_at": f"host_vars/{host}.yml:2" if outcome not in ("pass", "not-applicable") else None,
        "evidence": [],
        "cause": "192.0.2.53: no answer in 2 s" if outcome == "undetermined" else None,
        "aspect": "",
        "waiver": {"id": "W-1", "reason": "provider changes it", "expires": "2027-01-31"}
        if outcome == "waived"
        else None,
        "why": "not an IPv6 address" if outcome == "not-applicable" else "",
    } | more


def results(*own: dict[str, Any], hosts: tuple[str, ...] = ("mx1.example.net",), **run: Any) -> dict[str, Any]:
    """The content of results.json for some results."""
    counts = Counter(one["outcome"] for one in own)
    outcomes = ("pass", "fail", "known", "advice", "waived", "undetermined", "not-applicable")
    broken = counts["fail"] > 0
    return {
        "schema": 1,
        "run": {
            "started": "2026-11-24T02:00:00Z",
            "ended": "2026-11-24T02:06:52Z",
            "seconds": 412.0,
            "tool": "0.1.0",
            "rules": "2026-11-24",
            "inventory": ["inventories/production"],
            "limit": None,
            "profiles": ["common"],
            "level": "must",
            "gate": "all",
            "dns": "live",
            "replay": None,
            "resolvers": ["192.0.2.53:53"],
            "probe": "connect",
            "complete": True,
            "exit": 1 if broken else 0,
            "exit_text": "a must is broken" if broken else "everything that gates conforms",
            "hosts": len(hosts),
            "domains": 1,
            "out_of_scope": ["db1.example.net (no mailconform_role)"],
            "warnings": [],
            "notes": ["the prober 192.0.2.7 has no PTR record"],
            "unreached": [],
            "facts": {"questions": 10, "queries": 12, "sessions": 1, "seconds": 1.5},
        }
        | run,
        "counts": {outcome: counts[outcome] for outcome in outcomes},
        "checks": {one["check"]: check(*one["check"].split(".", 1), one["level"]) for one in own},
        "hosts": [
            {
                "name": name,
                "addresses": [{"address": "198.51.100.25", "helo": name, "declared_at": f"host_vars/{name}.yml:2"}],
                "listeners": [f"{name}:25"],
                "sends_for": ["example.com"],
            }
            for name in hosts
        ],
        "domains": [{"name": "example.com", "no_mail": False, "hosts": list(hosts), "selectors": ["s2026a"]}],
        "results": list(own),
    }


def answer(name: str, rdtype: str, *records: Any, **more: Any) -> dict[str, Any]:
    """One answer of facts.json, without the fields that have their default, as they are written."""
    return {
        "name": name,
        "rdtype": rdtype,
        "status": "found" if records else "absent",
        "rcode": "NOERROR" if records else "NXDOMAIN",
        "records": list(records),
        "ttl": 3600,
        "server": "192.0.2.53",
        "transport": "udp",
        "ms": 3.2,
        "at": "2026-11-24T02:01:00Z",
    } | more


def session(host: str, *lines: str, **more: Any) -> dict[str, Any]:
    """One session of facts.json; ``lines`` begin with their side."""
    return {
        "host": host,
        "port": 25,
        "tls": "starttls",
        "target": "203.0.113.9",
        "end": "complete",
        "started": "2026-11-24T02:02:00Z",
        "ms": 141.7,
        "tls_version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "old_tls": "refused",
        "certificate": {
            "subject": f"CN={host}",
            "issuer": "CN=An Authority R3,O=An Authority",
            "names": [host],
            "addresses": [],
            "not_before": "2026-10-01T00:00:00Z",
            "not_after": "2026-12-30T00:00:00Z",
            "sha256": "4f" * 32,
            "verified": True,
        },
        "lines": [{"at": 3.1 * n, "side": line[0], "text": line[2:]} for n, line in enumerate(lines)],
    } | more


def dialogue(host: str) -> list[str]:
    """A usual session with STARTTLS."""
    features = ["PIPELINING", "SIZE 52428800", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8"]
    ehlo = [f"S 250-{host}", *(f"S 250-{feature}" for feature in features), "S 250 CHUNKING"]
    return [
        f"S 220 {host} ESMTP Postfix",
        "C EHLO probe.example.org",
        *ehlo[:2],
        "S 250-STARTTLS",
        *ehlo[2:],
        "C STARTTLS",
        "S 220 2.0.0 Ready to start TLS",
        "* TLSv1.3 TLS_AES_256_GCM_SHA384",
        "C EHLO probe.example.org",
        *ehlo,
        "C QUIT",
        "S 221 2.0.0 Bye",
    ]


def fleet(size: int, broken: float = 0.05) -> tuple[dict[str, Any], dict[str, Any]]:
    """Results and facts of ``size`` hosts by 85 rules and a tenth as many domains, of which a share is ``broken``."""
    chance = random.Random(20261124)
    own: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    sessions: list[dict[str, Any]] = []
    names = tuple(f"mx{number}.fra{number % 7}.example.net" for number in range(1, size + 1))
    for number, name in enumerate(names):
        address = f"198.51.{number // 250}.{number % 250 + 1}"
        first = len(answers) + 1
        reverse = f"{number % 250 + 1}.{number // 250}.51.198.in-addr.arpa"
        answers += [
            answer(reverse, "PTR", name),
            answer(name, "A", address),
            answer(name, "AAAA", rcode="NOERROR"),
            answer(name, "MX", rcode="NOERROR"),
            answer(name, "CNAME", rcode="NOERROR"),
            answer(f"fra{number % 7}.example.net", "MX", [10, "mx.example.net"]),
            answer(f"{address}.example.org", "A", ms=2000.0 if number % 9 == 0 else 4.0),
        ]
        sessions.append(session(name, *dialogue(name)))
        evidence = [f"dns:{n}" for n in range(first, len(answers) + 1)]
        silent = number % 40 == 7
        for area in HOST_AREAS:
            for rest in AREAS[area].split():
                outcome = _outcome(chance, broken, area, rest, silent)
                more: dict[str, Any] = {"evidence": [f"smtp:{name}:25"] if area in ("srv", "tls") else evidence[:5]}
                if outcome == "undetermined":
                    more["cause"] = f"{name}:25 (203.0.113.9): timeout at connect (no answer in 10 s)"
                if outcome == "fail":
                    more["fix"] = (
                        f"{reverse}. IN PTR {name}." if area in ("ptr", "helo") else "smtpd_tls_security_level = may"
                    )
                if outcome == "advice":
                    more["level"] = "should"
                own.append(result(f"{area}.{rest}", f"{name}/{address}", outcome, **more))
    for number in range(max(size // 10, 1)):
        _domain(own, answers, chance, broken, f"brand{number}.example", parked=number % 6 == 5)
    found = results(*own, hosts=names)
    found["run"]["domains"] = max(size // 10, 1)
    found["domains"] = [
        {
            "name": f"brand{n}.example",
            "no_mail": n % 6 == 5,
            "hosts": list(names[:3]),
            "selectors": ["s2026a", "s2026b"],
        }
        for n in range(max(size // 10, 1))
    ]
    return found, {"schema": 1, "answers": answers, "sessions": sessions}


def _outcome(chance: random.Random, broken: float, area: str, rest: str, silent: bool) -> str:
    if rest in ("ipv6", "literal-valid"):
        return "not-applicable"
    if silent and area in ("srv", "tls"):
        return "undetermined"
    drawn = chance.random()
    if drawn < broken * 0.4:
        return "fail"
    if drawn < broken * 0.8:
        return "advice"
    return "waived" if drawn < broken else "pass"


def _domain(
    own: list[dict[str, Any]],
    answers: list[dict[str, Any]],
    chance: random.Random,
    broken: float,
    domain: str,
    parked: bool,
) -> None:
    key = "v=DKIM1; k=rsa; p=" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 12
    answers += [
        answer(domain, "TXT", ["v=spf1 ip4:198.51.100.0/24 include:_spf.example.net -all"], ["site=abc"]),
        answer(
            f"_dmarc.{domain}", "TXT", ["v=DMARC1; p=reject; rua=mailto:dmarc@example.net"], layer="overlay:zone:12"
        ),
        answer(f"s2026a._domainkey.{domain}", "TXT", [key[:255], key[255:]], transport="tcp"),
    ]
    evidence = [f"dns:{n}" for n in range(len(answers) - 2, len(answers) + 1)]
    for area in ("parked",) if parked else ("spf", "dkim", "dmarc", "dom"):
        for rest in AREAS[area].split():
            for selector in ("s2026a", "s2026b") if area == "dkim" else ("",):
                outcome = _outcome(chance, broken * 2, area, rest, silent=False)
                subject = f"{domain}/{selector}" if selector else domain
                more = {"level": "should"} if outcome == "advice" else {}
                more |= {"kind": KINDS[area], "host": None, "domain": domain, "evidence": evidence}
                more |= {"fix": f'{domain}. IN TXT "v=spf1 -all"'} if outcome in ("fail", "advice") else {}
                own.append(result(f"{area}.{rest}", subject, outcome, **more))
