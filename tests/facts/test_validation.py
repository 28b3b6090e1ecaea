"""Validation of answers behind a resolver that validates nothing, in zones that the test has signed."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdata
import dns.rrset
import pytest
from dns_server import Asked, closed_port, serving
from signed_zones import DAY, Signed, Tree, answers, new_key, said, signed_by_ldns, tree

from conformance.facts import anchors
from conformance.facts.answer import Answer
from conformance.facts.dns import Resolver, Server
from conformance.facts.validation import BOGUS, UNVALIDATED

ALL = {
    "example.test MX": "secure found",
    "example.test SOA": "secure found",
    "example.test DNSKEY": "secure found",
    "example.test DS": "secure found",
    "mail.example.test A": "secure found",
    "mail.example.test AAAA": "secure absent NOERROR",
    "alias.example.test A": "secure found",
    "alias.example.test AAAA": "secure absent NOERROR",
    "alias.example.test CNAME": "secure found",
    "away.example.test A": "secure found",
    "dangling.example.test A": "secure absent NXDOMAIN",
    "x.wild.example.test A": "secure found",
    "x.y.wild.example.test A": "secure found",
    "x.wild.example.test TXT": "secure absent NOERROR",
    "closer.wild.example.test A": "secure absent NOERROR",
    "x.closer.wild.example.test A": "secure absent NXDOMAIN",
    "b.example.test A": "secure absent NOERROR",
    "gone.example.test A": "secure absent NXDOMAIN",
    "deep.down.gone.example.test MX": "secure absent NXDOMAIN",
    "gone.test A": "secure absent NXDOMAIN",
    "gone SOA": "secure absent NXDOMAIN",
    ". SOA": "secure found",
    ". DS": "secure absent NOERROR",
    "mail.plain.test A": "insecure found",
    "mail.plain.test AAAA": "insecure absent NOERROR",
    "gone.plain.test A": "insecure absent NXDOMAIN",
    "plain.test DS": "secure absent NOERROR",
}


def test_all_that_is_signed_holds_and_all_that_is_not_is_told_from_it() -> None:
    served = tree().sign()
    found = answers(served, *ALL)
    assert {one: said(answer) for one, answer in zip(ALL, found, strict=True)} == {**ALL, ". DS": said(found[22])}
    keys = Counter(one for one in served.asked if one.endswith(("DNSKEY", "DS")))
    assert max(keys.values()) <= 3, "each zone is looked at once, and two questions are repeated"


def test_without_trust_anchors_ad_bits_are_believed_and_with_them_they_are_not() -> None:
    served = tree().sign()

    def authentic(asked: Asked) -> dns.message.Message:
        message = served(asked)
        message.flags |= dns.flags.AD
        return message

    (validated,) = answers(served, "mail.plain.test A", handler=authentic)
    (believed,) = answers(served, "mail.plain.test A", handler=authentic, trust={})
    assert (said(validated), said(believed)) == ("insecure found", "secure found")


def test_below_no_trust_anchor_nothing_is_validated() -> None:
    served = tree().sign()
    trust = {dns.name.from_text("example.test"): tuple(served["example.test."].ds_records)}
    found = answers(served, "mail.example.test A", "mail.other.test A", "gone.other.test A", "test SOA", trust=trust)
    assert [said(one) for one in found] == [
        "secure found",
        "insecure found",
        "insecure absent NXDOMAIN",
        "insecure found",
    ]


def test_keys_are_trust_anchors_too() -> None:
    served = tree().sign()
    trust = {dns.name.root: (served["."].keys[0][1],)}
    assert [said(one) for one in answers(served, "mail.example.test A", trust=trust)] == ["secure found"]


@pytest.mark.skipif(shutil.which("ldns-signzone") is None, reason="ldns-signzone is not installed")
@pytest.mark.parametrize("options", [("-n", "-t", "0"), ("-n", "-t", "5", "-s", "abcd")])
def test_nsec3(tmp_path: Path, options: tuple[str, ...]) -> None:
    served = tree().sign()
    for origin in ("example.test.", "test."):
        (folder := tmp_path / origin).mkdir()
        signed_by_ldns(served[origin], folder, *options)
    questions = [one for one in ALL if one != ". DS"]
    found = answers(served, *questions)
    assert {one: said(answer) for one, answer in zip(questions, found, strict=True)} == {
        one: ALL[one] for one in questions
    }


@pytest.mark.skipif(shutil.which("ldns-signzone") is None, reason="ldns-signzone is not installed")
def test_what_nsec3_leaves_out_is_not_secure(tmp_path: Path) -> None:
    served = tree().sign()
    signed_by_ldns(served["test."], tmp_path, "-n", "-p", "-t", "0")
    found = answers(served, "mail.example.test A", "mail.plain.test A", "gone.test A", "test A")
    assert [said(one) for one in found] == [
        "secure found",
        "insecure found",
        "insecure absent NXDOMAIN",
        "secure absent NOERROR",
    ]


@pytest.mark.skipif(shutil.which("ldns-signzone") is None, reason="ldns-signzone is not installed")
def test_too_many_rounds_of_hashing_are_not_made(tmp_path: Path) -> None:
    served = tree().sign()
    signed_by_ldns(served["example.test."], tmp_path, "-n", "-t", "150")
    found = answers(served, "mail.example.test A", "gone.example.test A", "mail.example.test AAAA")
    assert [said(one) for one in found] == ["secure found", UNVALIDATED, UNVALIDATED]


@contextmanager
def nsd(served: Tree, folder: Path) -> Iterator[Server]:
    """Serve the zones of a tree with NSD."""
    port = closed_port().port
    lines = [
        "server:",
        f"  ip-address: 127.0.0.1@{port}",
        '  username: ""',
        "  server-count: 1",
        f'  pidfile: "{folder / "nsd.pid"}"',
        f'  xfrdfile: "{folder / "xfrd"}"',
        f'  zonelistfile: "{folder / "zones"}"',
        f'  logfile: "{folder / "nsd.log"}"',
        "remote-control:",
        "  control-enable: no",
    ]
    for number, (origin, zone) in enumerate(served.zones.items()):
        file = folder / f"{number}.zone"
        file.write_text(f"$ORIGIN {origin}\n" + zone.zone.to_text(relativize=False))
        lines += ["zone:", f"  name: {origin}", f'  zonefile: "{file}"']
    (folder / "nsd.conf").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(["nsd", "-d", "-c", str(folder / "nsd.conf")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                query = dns.message.make_query("test", "SOA")
                dns.query.udp(query, "127.0.0.1", port=port, timeout=0.2)
                break
            except (dns.exception.Timeout, OSError):
                time.sleep(0.05)
        yield Server("127.0.0.1", port)
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(shutil.which("nsd") is None, reason="nsd is not installed")
@pytest.mark.skipif(shutil.which("ldns-signzone") is None, reason="ldns-signzone is not installed")
@pytest.mark.parametrize("options", [(), ("-n", "-t", "1")])
def test_a_real_name_server_proves_as_little_as_it_has_to(tmp_path: Path, options: tuple[str, ...]) -> None:
    served = tree().sign()
    for origin in ("example.test.", "test.") if options else ():
        (folder := tmp_path / origin).mkdir()
        signed_by_ldns(served[origin], folder, *options)

    async def run(server: Server, questions: list[str]) -> list[Answer]:
        async with Resolver([server], timeout=1, anchors=served.anchors) as resolver:
            return await asyncio.gather(*(resolver.ask(*one.split()) for one in questions))

    questions = [one for one in ALL if one != ". DS"]
    with nsd(served, tmp_path) as server:
        found = asyncio.run(run(server, questions))
    assert {one: said(answer) for one, answer in zip(questions, found, strict=True)} == {
        one: ALL[one] for one in questions
    }


def expired(zone: Signed) -> None:
    zone.valid = (-3 * DAY, -DAY)


def early(zone: Signed) -> None:
    zone.valid = (DAY, 2 * DAY)


@pytest.mark.parametrize(("broken", "why"), [(expired, "has expired"), (early, "is not valid yet")])
def test_signatures_at_the_wrong_time_are_bogus(broken: Callable[[Signed], None], why: str) -> None:
    served = tree()
    broken(served["example.test."])
    served.sign()
    for answer in answers(served, "mail.example.test A", "gone.example.test A", "example.test SOA"):
        assert (said(answer), answer.records, why in answer.error) == (BOGUS, (), True), answer
    assert [said(one) for one in answers(served, "mail.other.test A")] == ["secure found"]


def test_other_keys_than_the_parent_vouches_for_are_bogus() -> None:
    served = tree().sign()
    served["example.test."].keys = [new_key()]
    served["example.test."].sign([])
    found = answers(served, "mail.example.test A", "gone.example.test A", "mail.other.test A", "example.test DS")
    assert [said(one) for one in found] == [BOGUS, BOGUS, "secure found", "secure found"]
    assert "no DNSKEY record of example.test. matches its DS records" in found[0].error
    assert found[0].cause == found[1].cause


def test_a_resolver_that_keeps_signatures_back_leaves_all_undetermined() -> None:
    served = tree().sign()
    served.dnssec = False
    questions = ("mail.example.test A", "gone.example.test A", "mail.plain.test A")
    assert [said(one) for one in answers(served, *questions)] == [UNVALIDATED] * 3


def test_a_wrong_trust_anchor_leaves_all_undetermined() -> None:
    served = tree().sign()
    trust = {dns.name.root: (dns.dnssec.make_ds(dns.name.root, new_key()[1], "SHA256"),)}
    (found,) = answers(served, "mail.example.test A", trust=trust)
    assert (said(found), "no trust anchor of . leads on" in found.error) == (UNVALIDATED, True)


def test_silence_on_the_way_to_the_keys_is_undetermined() -> None:
    served = tree().sign()

    def handler(asked: Asked) -> dns.message.Message | None:
        return None if asked.rdtype == "DNSKEY" and asked.name == "example.test" else served(asked)

    (found,) = answers(served, "mail.example.test A", handler=handler)
    assert (said(found), "example.test DNSKEY: no answer" in found.error) == (UNVALIDATED, True)


def test_algorithms_that_are_not_known_are_as_good_as_none() -> None:
    served = tree()
    served.sign()
    unknown = dns.rdata.from_text("IN", "DS", f"1 200 2 {'ab' * 32}")
    test = served["test."]
    test.text += f"\nexotic NS ns.exotic\nexotic DS {unknown.to_text()}\n"
    served.zones[dns.name.from_text("exotic.test")] = exotic = Signed(
        dns.name.from_text("exotic.test"), "@ A 203.0.113.7"
    )
    exotic.sign([])
    test.sign([served["example.test."], served["other.test."]])
    assert [said(one) for one in answers(served, "exotic.test A")] == ["insecure found"]


def test_closing_ends_what_is_under_way() -> None:
    served = tree().sign()

    async def run() -> None:
        async with serving(lambda asked: None if asked.rdtype == "DNSKEY" else served(asked)) as server:
            async with Resolver([server.address], timeout=30, anchors=served.anchors) as resolver:
                asking = asyncio.create_task(resolver.ask("mail.example.test", "A"))
                await asyncio.sleep(0.1)
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(asyncio.wait_for(run(), 10))


def test_the_anchors_of_the_root_are_those_of_iana() -> None:
    found = anchors.load()
    assert [(one.key_tag, one.algorithm, one.digest_type) for one in found[dns.name.root]] == [  # type: ignore[attr-defined]
        (20326, 8, 2),
        (38696, 8, 2),
    ]
    shipped = Path("/usr/share/dns/root.key")
    if shipped.exists():
        keys: Mapping[Any, Any] = anchors.load(str(shipped))
        made = {dns.dnssec.make_ds(dns.name.root, key, "SHA256") for key in keys[dns.name.root]}
        assert made == set(found[dns.name.root])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no DS or DNSKEY record"),
        ("; nothing\n", "holds no DS or DNSKEY record"),
        (". IN A 192.0.2.1\n", "neither DS nor DNSKEY"),
        (". IN DS nonsense\n", "is no file of"),
        ("\n".join(f". IN DS {number} 13 2 {'ab' * 32}" for number in range(101)), "more than 100"),
    ],
)
def test_files_that_are_no_trust_anchors(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "anchors"
    path.write_text(text)
    with pytest.raises(ValueError, match=why):
        anchors.load(str(path))
    with pytest.raises(ValueError, match="cannot be read"):
        anchors.load(str(tmp_path / "none"))
