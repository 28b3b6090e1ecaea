"""Policy discovery and alignment as mailauth recorded them, judged by RFC 9989.

mailauth asked for the author domain and for the organizational domain of the public suffix list only; what a case
does not list does not exist here.
"""

import json
from pathlib import Path
from typing import Any

from conformance.reading import dmarc

# An author domain with a record and a parent without one is its own organizational domain (RFC 9989 section 4.10.2);
# example.com is what the public suffix list says (RFC 7489 section 3.2).
BY_SUFFIX_LIST = {
    "DMARC Verify Tests Alignment modes Should pass strict DKIM alignment when the signing domain matches a subdomain "
    "author (adkim=s)",
    "DMARC Verify Tests Organizational domain fallback Should not fallback when subdomain has its own record",
    "DMARC Verify Tests Reported identifiers Should report the author domain as header.d when it publishes its own "
    "record",
}
# Several records at one name are discarded and the walk goes on to the parent's p=none (RFC 9989 section 4.10, steps
# 2 to 7); ending discovery there is RFC 7489 section 6.6.3, step 5.
SEVERAL_RECORDS = (
    "RFC 9989 DMARC compliance Currently compliant (regression guards) does not inherit the org policy when the author "
    "domain publishes multiple records (§4.10 step 2)"
)
TIMEOUT = "!ETIMEOUT"
TIMED_OUT = (TIMEOUT, "temperror")


def cases(root: Path) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for kind in ("get_record", "verify"):
        for case in json.loads((root / "dmarc" / f"mailauth_{kind}.json").read_text("utf-8")):
            found.append((f"{kind}-{len(found)}", case))
    return found


def _published(case: dict[str, Any]) -> dict[str, Any]:
    return {name: answers["TXT"] for source in ("seen", "zone") for name, answers in (case[source] or {}).items()}


def _records(case: dict[str, Any], name: str) -> dict[str, dmarc.Record | None]:
    published = _published(case)
    records = {}
    for domain in dmarc.walk(name):
        texts = published.get(f"_dmarc.{domain}", [])
        # A text stands for an error; the ones that are not a time-out say that there is nothing.
        records[domain] = dmarc.select("".join(strings) for strings in texts if isinstance(texts, list))
    return records


def _verdict(case: dict[str, Any], author: str) -> tuple[str, str | None, str]:
    """Return result, policy and organizational domain of a message."""

    def organization(name: str) -> str:
        return dmarc.organizational_domain(name, _records(case, name))

    def passes(identifiers: list[Any], mode: str) -> bool:
        names = [found if isinstance(found, str) else found["domain"] for found in identifiers]
        return any(dmarc.aligned(author, name, mode, organization) for name in names)

    source = dmarc.policy_source(author, _records(case, author))
    if source is None:
        return "none", None, organization(author)
    good = passes(case["dkim"], source.record.adkim) or passes(case["spf"], source.record.aspf)
    policy = source.record.policy(subdomain=source.kind != "author")
    return "pass" if good else "fail", policy, organization(author)


def test_all_cases_are_read(corpora: Path) -> None:
    every = [case for _, case in cases(corpora)]
    assert [sum(case["kind"] == kind for case in every) for kind in ("get", "verify")] == [26, 53]
    titles = {case["t"] for case in every}
    assert {SEVERAL_RECORDS, *BY_SUFFIX_LIST} < titles


def test_discovery_and_alignment(case: dict[str, Any]) -> None:
    timed_out = TIMEOUT in _published(case).values()
    assert timed_out is (case["result"] in TIMED_OUT)
    if timed_out:
        return
    if case["kind"] == "get":
        _check_discovery(case)
    else:
        _check_verdict(case)


def _check_discovery(case: dict[str, Any]) -> None:
    source = dmarc.policy_source(case["domain"], _records(case, case["domain"]))
    assert (source is None) is (case["result"] is False)
    if source:
        told = {tag.name: tag.value for tag in source.record.tags}
        assert source.record.text.strip() == case["result"]["rr"]
        assert (source.kind != "author") is case["result"]["isOrgRecord"]
        for name in ("p", "sp", "adkim", "aspf", "fo", "rua", "ruf"):
            assert told.get(name) == case["result"].get(name)


def _check_verdict(case: dict[str, Any]) -> None:
    authors = [case["headerFrom"]] if isinstance(case["headerFrom"], str) else case["headerFrom"]
    if len(authors) > 1:
        assert case["result"] is False
        return
    author = authors[0].rpartition("@")[2]
    verdict = _verdict(case, author)
    if case["t"] == SEVERAL_RECORDS:
        assert verdict == ("fail", "none", "example.com")
    elif case["t"] in BY_SUFFIX_LIST:
        assert verdict == (case["result"], case["policy"], author)
    else:
        assert verdict == (case["result"], case.get("policy"), case["domain"])
