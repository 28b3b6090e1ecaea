"""What results tell of the SPF of a fleet: each address once a domain, the tree with its costs, bounded."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

import jsonschema

from conformance.facts import spfaccount
from conformance.facts.answer import Answer, Status
from conformance.facts.spfaccount import accounts
from conformance.facts.store import Store
from conformance.fleet.model import Address, Domain, Fleet, Mta
from conformance.reading.numbering import numbers
from conformance.report import schema
from conformance.report.spfjoined import spf_of


def fleet(*names: str, hosts: int = 2) -> Fleet:
    mtas = tuple(
        Mta(f"mx{number}", addresses=(Address(f"mx{number}", ip_address(f"192.0.2.{number}"), f"mx{number}.example"),))
        for number in range(hosts)
    )
    return Fleet(mtas, tuple(Domain(name, hosts=("mx0",)) for name in names))


def store(texts: dict[str, str | None]) -> Store:
    kept = Store()
    for name, text in texts.items():
        if text is None:
            kept.add(Answer(name, "TXT", Status.UNDETERMINED, "SERVFAIL", error="SERVFAIL", cause="SERVFAIL"))
        else:
            kept.add(Answer(name, "TXT", Status.FOUND, "NOERROR", ((text,),)))
    for rdtype in ("A", "AAAA"):
        kept.add(Answer("gone.example", rdtype, Status.ABSENT, "NXDOMAIN"))
    return kept


def told(kept: Store, whole: Fleet) -> dict[str, Any]:
    found = asyncio.run(accounts(kept, whole))
    jsonschema.validate(found, {**schema(), "required": [], "properties": {}, "additionalProperties": True,
                                "$ref": "#/$defs/spf"})  # fmt: skip
    return found


def test_a_domain_with_an_include() -> None:
    kept = store({
        "d.example": "v=spf1 ip4:192.0.2.0 include:i.example a:gone.example -all",
        "i.example": "v=spf1 ip4:198.51.100.0/24 -all",
    })  # fmt: skip
    found = told(kept, fleet("d.example", "unasked.example"))
    assert found["addresses"] == ["mx0/192.0.2.0", "mx1/192.0.2.1"]
    (domain,) = found["domains"]
    assert (domain["lookups"], domain["sent_from"], domain["by_networks"]) == (2, "0", [4, 6])
    assert domain["lookups_known"]
    assert [(cell["result"], cell["term"], cell["at"]) for cell in domain["cells"]] == [
        ("pass", "ip4:192.0.2.0", "0"),
        ("fail", "-all", "1"),
    ]
    assert domain["others"] == [{"record": "d.example > i.example", "term": "ip4:198.51.100.0/24", "v4": 256, "v6": 0}]
    include, address = domain["tree"]["looks"]
    assert (include["cost"], include["node"]["text"]) == (1, "v=spf1 ip4:198.51.100.0/24 -all")
    assert (address["leads"], address["node"]) == ("nothing: NXDOMAIN", None)


def test_silence_is_told_as_silence() -> None:
    (domain,) = told(store({"d.example": None}), fleet("d.example"))["domains"]
    assert [(cell["result"], cell["at"]) for cell in domain["cells"]] == [("", "0-1")]
    assert "SERVFAIL" in domain["cells"][0]["term"]
    assert domain["tree"]["absence"].startswith("not known: ")
    assert domain["by_networks"] == []


def test_what_pyspf_judges_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(spfaccount, "MOST_EVALUATED", 5)
    names = [f"d{number}.example" for number in range(3)]
    kept = store(dict.fromkeys(names, "v=spf1 exists:%{l}.gone.example -all"))
    for local in ("postmaster",):
        kept.add(Answer(f"{local}.gone.example", "A", Status.ABSENT, "NXDOMAIN"))
    found = told(kept, fleet(*names, hosts=4))
    known = [sum(len(numbers(cell["at"])) for cell in one["cells"] if cell["result"]) for one in found["domains"]]
    assert known == [4, 1, 0]
    assert found["domains"][1]["cells"][0]["at"] == "0"
    assert "too many addresses" in found["domains"][2]["cells"][0]["term"]


def test_a_record_that_is_none_is_judged_once_for_all(monkeypatch: Any) -> None:
    monkeypatch.setattr(spfaccount, "MOST_EVALUATED", 1)
    (domain,) = told(store({"d.example": "v=spf1 ipv4:192.0.2.0 -all"}), fleet("d.example", hosts=9))["domains"]
    assert [(cell["result"], cell["at"]) for cell in domain["cells"]] == [("permerror", "0-8")]


def test_a_large_tree_is_cut_and_says_so(monkeypatch: Any) -> None:
    monkeypatch.setattr(spfaccount, "MOST_NODES", 3)
    text = " ".join(f"include:i{number}.example" for number in range(9))
    texts = {f"i{number}.example": "v=spf1 -all" for number in range(9)} | {"d.example": f"v=spf1 {text} -all"}
    (domain,) = told(store(dict(texts)), fleet("d.example"))["domains"]
    assert (len(domain["tree"]["looks"]), domain["tree"]["more"], domain["lookups"]) == (3, 6, 9)


def test_shards_are_joined_by_the_names_of_addresses() -> None:
    kept = store({"d.example": "v=spf1 ip4:192.0.2.1 -all", "e.example": "v=spf1 ip4:192.0.2.3 -all"})
    first, second = told(kept, fleet("d.example")), told(kept, fleet("e.example", hosts=4))
    second["addresses"].reverse()
    for domain in second["domains"]:
        for cell in domain["cells"]:
            cell["at"] = " ".join(str(3 - number) for number in reversed(numbers(cell["at"])))
        domain["sent_from"] = "3"
    whole = spf_of([first, {}, second])
    assert whole["addresses"] == ["mx0/192.0.2.0", "mx1/192.0.2.1", "mx3/192.0.2.3", "mx2/192.0.2.2"]
    assert {cell["result"]: cell["at"] for cell in whole["domains"][1]["cells"]} == {"pass": "2", "fail": "0-1 3"}
    assert whole["domains"][1]["sent_from"] == "0"
    assert spf_of([{}, {}]) == {}


def test_what_a_record_costs_is_not_known_where_an_include_was_not_seen() -> None:
    kept = store({"d.example": "v=spf1 include:i.example -all", "i.example": None, "silent.example": None})
    found = told(kept, fleet("d.example", "silent.example"))
    costs = {one["domain"]: (one["lookups"], one["lookups_known"]) for one in found["domains"]}
    assert costs == {"d.example": (1, False), "silent.example": (0, False)}
