"""Names of known origin and invented forms are judged; ``python tests/reading/test_ptrname.py`` prints the counts."""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import ptrname
from conformance.reading.ptrname import judge

Row = tuple[str, str, str | None]

DATA = Path(__file__).parent.parent / "data"
KINDS = {"invalid", "dynamic", "generic", "suspect", "named-ip", "own-ip", "named"}
ALARMS = {"invalid", "dynamic", "generic"}
OWN = frozenset({"mixi.jp"})
"""A fleet that numbers its mail hosts by address: only its own inventory can tell that from an access line."""


def rows(file: str) -> list[Row]:
    with (DATA / file).open(encoding="utf-8", newline="") as lines:
        return [(row["expected"], row["name"], row["ip"] or None) for row in csv.DictReader(lines, delimiter="\t")]


NAMES = rows("ptr_names.tsv")
FORMS = rows("ptr_forms.tsv")


def confusion(table: list[Row]) -> Counter[tuple[str, str]]:
    return Counter((expected, judge(name, ip, OWN).kind) for expected, name, ip in table)


def flagged(counts: Counter[tuple[str, str]], expected: str, kinds: set[str]) -> float:
    of_class = {kind: count for (label, kind), count in counts.items() if label == expected}
    return sum(count for kind, count in of_class.items() if kind in kinds) / sum(of_class.values())


def report(title: str, table: list[Row]) -> str:
    counts = confusion(table)
    columns = [kind for kind in sorted(KINDS) if any(kind == seen for _, seen in counts)]
    lines = [f"{title:<14}" + "".join(f"{kind:>10}" for kind in columns)]
    for label in ("dynamic", "generic", "legitimate"):
        lines.append(f"{label:<14}" + "".join(f"{counts[label, kind]:>10}" for kind in columns))
    for expected, name, ip in table:
        verdict = judge(name, ip, OWN)
        if (verdict.kind in ALARMS) != (expected != "legitimate"):
            lines.append(f"  {expected} taken for {verdict.kind}: {name} ({ip}): {verdict.evidence}")
    return "\n".join(lines)


@pytest.mark.parametrize("table", [NAMES, FORMS], ids=["names", "forms"])
def test_generated_names_are_found_and_good_ones_left_alone(table: list[Row]) -> None:
    counts = confusion(table)
    assert flagged(counts, "legitimate", ALARMS) == 0
    assert flagged(counts, "dynamic", ALARMS) >= 0.9
    assert flagged(counts, "dynamic", {"dynamic"}) >= 0.75
    assert flagged(counts, "generic", ALARMS) >= 0.9


def test_tables_are_large_enough_to_mean_something() -> None:
    for table in (NAMES, FORMS):
        sizes = Counter(expected for expected, _, _ in table)
        assert min(sizes["dynamic"], sizes["legitimate"]) >= 50
        assert sizes["generic"] >= 20
    assert not {name for _, name, _ in NAMES} & {name for _, name, _ in FORMS}


def test_generated_names_are_found_without_their_address() -> None:
    """A stranger's HELO comes without an address to compare with."""
    counts = confusion([(expected, name, None) for expected, name, _ in NAMES])
    assert flagged(counts, "legitimate", ALARMS) == 0
    assert flagged(counts, "dynamic", ALARMS) >= 0.85


@pytest.mark.parametrize(
    ("name", "ip", "kind", "parts"),
    [
        ("4-3-2-1-cable-subscribers.isp.com", "1.2.3.4", "dynamic", ["'cable'", "'subscribers'", "4-3-2-1"]),
        ("mail.domain.com", "1.2.3.4", "named", ["'mail'"]),
        ("fia34-56.dsl.isp.example", "62.251.34.56", "dynamic", ["the word 'dsl'", "the address's octets 34-56"]),
        ("dial-3295.town.isp.example", None, "dynamic", ["the word 'dial'", "the number 3295"]),
        ("mx-203-0-113-7.corp.example", "203.0.113.7", "named-ip", ["'mx'", "203-0-113-7"]),
        ("mail-203-0-113-7.dsl.isp.example", "203.0.113.7", "dynamic", ["'dsl'", "in spite of", "'mail'"]),
        ("m199-128.company.example", "69.72.199.128", "suspect", ["199-128"]),
        ("static-203-0-113-7.isp.example", "203.0.113.7", "generic", ["'static'", "203-0-113-7"]),
        ("hosted-by.isp.example", "203.0.113.7", "generic", ["'hosted-by'"]),
        ("7.ip-203-0-113.example", "203.0.113.7", "generic", ["7.ip-203-0-113", "registrable domain"]),
        ("cb007107.access.isp.example", "203.0.113.7", "dynamic", ["'access'", "cb007107"]),
        ("host-192-0-2-99.isp.example", "203.0.113.7", "generic", ["192-0-2-99", "written like an address"]),
        ("company.example", "203.0.113.7", "named", ["nothing stands below"]),
    ],
)
def test_verdict_and_what_convinced_it(name: str, ip: str | None, kind: str, parts: list[str]) -> None:
    verdict = judge(name, ip)
    assert verdict.kind == kind
    assert [part for part in parts if part not in verdict.evidence] == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("localhost", "one label"),
        ("mail", "one label"),
        ("-", "number in text"),
        ("", "not a name"),
        ("a..b", "not a name"),
        ("192.0.2.1", "address"),
        ("[192.0.2.1]", "address"),
        ("1234567890", "number in text"),
        ("mail.example.com.2.0.192.in-addr.arpa", "in-addr.arpa"),
        ("mx.local", "local"),
        ("mx.office.lan", "lan"),
        ("localhost.localdomain", "localdomain"),
        ("undefined.hostname.localhost", "localhost"),
    ],
)
def test_invalid_names(name: str, why: str) -> None:
    verdict = judge(name, "192.0.2.1")
    assert verdict.kind == "invalid"
    assert why in verdict.evidence


def test_case_and_one_final_dot_do_not_matter() -> None:
    assert judge("DSL-203-0-113-7.ISP.example.", "203.0.113.7") == judge("dsl-203-0-113-7.isp.example", "203.0.113.7")


def test_an_own_domain_is_at_most_a_warning() -> None:
    name = "n2.203-0-113-7.own.example"
    assert judge(name, "203.0.113.7").kind == "dynamic"
    assert judge(name, "203.0.113.7", {"own.example"}).kind == "own-ip"
    assert judge(name, "203.0.113.7", {"OWN.example."}).kind == "own-ip"
    assert judge("mail.own.example", "203.0.113.7", {"own.example"}).kind == "named"
    assert judge("unassigned.own.example", "203.0.113.7", {"own.example"}).kind == "generic"


def test_only_labels_below_the_registrable_domain_are_judged() -> None:
    assert judge("s3.dsl-cable-pool.example", "203.0.113.7").kind == "named"
    assert judge("s3.adsl.co.uk", "203.0.113.7").kind == "named"
    assert ptrname.isp_words("www.dhcp.example") == ()
    assert judge("ec2-203-0-113-7.us-west-2.compute.amazonaws.com", "203.0.113.7").kind == "generic"


@pytest.mark.parametrize(
    ("name", "degree", "text"),
    [
        ("203-0-113-7.isp.example", 4, "203-0-113-7"),
        ("7.113.0.203.isp.example", 4, "7.113.0.203"),
        ("host203.000.113.007.isp.example", 4, "203.000.113.007"),
        ("x203000113007.isp.example", 4, "203000113007"),
        ("u20301137.isp.example", 4, "20301137"),
        ("113x7.area203-0.isp.example", 4, "113x7.area203-0"),
        ("cb007107.isp.example", 4, "cb007107"),
        ("077100cb.isp.example", 4, "077100cb"),
        ("a0-113-7.isp.example", 3, "0-113-7"),
        ("m113-7.isp.example", 2, "113-7"),
        ("mail-1137.isp.example", 2, "1137"),
        ("out-113-mx-7.isp.example", 0, ""),
        ("mail.isp.example", 0, ""),
        ("mail.203-0.example", 0, ""),
    ],
)
def test_octets_in_names(name: str, degree: int, text: str) -> None:
    found = ptrname.embedded(name, "203.0.113.7")
    assert (found.degree, found.text) == (degree, text)


def test_the_last_octet_alone_is_degree_one() -> None:
    assert ptrname.embedded("out-170.mta0.company.example", "203.0.113.170").degree == 1


def test_without_an_address_its_form_is_found() -> None:
    assert ptrname.embedded("p549add56.dip0.isp.example", None) == ptrname.Embedding(4, "549add56", tail=True)
    assert ptrname.embedded("dsl-192-0-2-1.isp.example", None).degree == 4
    assert ptrname.embedded("speedfeed1.company.example", None).degree == 0
    assert ptrname.embedded("a-300-1-2-3.company.example", None).degree == 0
    assert ptrname.embedded("dsl-192-0-2-1.isp.example", "198.51.100.200").degree == 0


@pytest.mark.parametrize(
    ("name", "degree"),
    [
        ("p20010db80077000100000000000000ab.isp.example", 4),
        ("2001-db8-77-1--ab.isp.example", 4),
        ("2001-0db8-0077-0001-0000-0000-0000-00ab.isp.example", 4),
        ("host-20010db800770001.isp.example", 3),
        ("mx-ab7.isp.example", 0),
    ],
)
def test_ipv6_in_names(name: str, degree: int) -> None:
    assert ptrname.embedded(name, IPv6Address("2001:db8:77:1::ab")).degree == degree


@given(st.ip_addresses(v=4), st.sampled_from(["{0}-{1}-{2}-{3}", "{3}.{2}.{1}.{0}", "{0:03}{1:03}{2:03}{3:03}"]))
def test_any_address_is_found_in_any_form(ip: IPv4Address, form: str) -> None:
    name = f"host{form.format(*ip.packed)}.isp.example"
    assert ptrname.embedded(name, ip).degree == 4
    assert judge(name, ip).kind in {"dynamic", "generic"}
    assert ptrname.embedded(f"p{ip.packed.hex()}.isp.example", ip).degree == 4


@given(st.ip_addresses(v=6))
def test_any_ipv6_address_is_found(ip: IPv6Address) -> None:
    assert ptrname.embedded(f"p{ip.packed.hex()}.isp.example", ip).degree == 4
    assert ptrname.embedded(f"{'-'.join(ip.exploded.split(':'))}.isp.example", ip).degree == 4
    assert ptrname.embedded(ip.reverse_pointer.removesuffix("ip6.arpa") + "isp.example", ip).degree == 4


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dialog4.company.example", ()),
        ("pppl2.university.example", ()),
        ("dslreports7.company.example", ()),
        ("liverpool2.company.example", ()),
        ("aerodynamics1.company.example", ()),
        ("relay10.pool.mail.company.example", ("pool",)),
        ("cust-notify1.bank.example", ("cust",)),
        ("xdsl-7.adsl2.isp.example", ("xdsl", "adsl")),
        ("dhcp024.isp.example", ("dhcp",)),
        ("modemcable090.isp.example", ("modemcable",)),
        ("towncatv.isp.example", ("towncatv",)),
        ("pppa33.dslb.isp.example", ("pppa", "dslb")),
        ("dynpool3.isp.example", ("dynpool",)),
    ],
)
def test_access_words_are_whole_words_and_listed_compounds(name: str, words: tuple[str, ...]) -> None:
    assert ptrname.isp_words(name) == words


@pytest.mark.parametrize(
    "label",
    ["unassigned", "hosted-by", "no-ptr", "no-rdns-set", "unused-0-113", "not-assigned", "rdns-not-set", "none"],
)
def test_placeholders(label: str) -> None:
    assert ptrname.placeholder(f"{label}.isp.example") == label
    assert judge(f"{label}.isp.example", "203.0.113.7").kind == "generic"


@pytest.mark.parametrize("name", ["unknown.example", "unknownhorizons.company.example", "none.mail.company.example"])
def test_not_placeholders(name: str) -> None:
    assert ptrname.placeholder(name) is None


NAME_LIKE = st.lists(
    st.text(alphabet="abcdefdslpool0123456789-", min_size=1, max_size=20), min_size=1, max_size=12
).map(".".join)
ADDRESSES = st.none() | st.ip_addresses() | st.ip_addresses().map(str) | st.text(max_size=20)


@given(st.text() | NAME_LIKE, ADDRESSES, st.sets(st.text(max_size=12) | NAME_LIKE, max_size=2))
def test_any_text_gets_a_verdict(name: str, ip: IPv4Address | IPv6Address | str | None, own_domains: set[str]) -> None:
    verdict = judge(name, ip, own_domains)
    assert verdict.kind in KINDS
    assert verdict.evidence
    assert verdict.evidence.isascii()
    assert verdict.evidence.isprintable()
    assert 0 <= ptrname.embedded(name, ip).degree <= 4
    ptrname.isp_words(name)
    ptrname.placeholder(name)


@pytest.mark.parametrize("block", ["1", "a", "1-", "a1", "1.", "f0", "dsl", "255x", "adsl1-"])
def test_time_is_linear(block: str) -> None:
    label = (block * 63)[:62].strip("-") + "a"
    name = ".".join([label] * 3)[:240] + ".isp.example"
    start = time.process_time()
    for address in ("255.255.255.255", "2001:db8::1", None):
        judge(name, address)
        judge(name * 4000, address)
    assert time.process_time() - start < 0.5


def test_addresses_as_text_and_as_objects_are_the_same() -> None:
    name = "dsl-203-0-113-7.isp.example"
    assert judge(name, ip_address("203.0.113.7")) == judge(name, "203.0.113.7")
    assert judge(name, "no address") == judge(name, None)


if __name__ == "__main__":
    sys.stdout.write(report("names", NAMES) + "\n\n" + report("forms", FORMS) + "\n")
