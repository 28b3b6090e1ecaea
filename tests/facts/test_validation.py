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
from dns.rdatatype import RdataType
from dns_server import Asked, asking, closed_port, serving
from signed_zones import DAY, Signed, Tree, new_key, signed_by_ldns

from conformance.facts import anchors
from conformance.facts.answer import Answer, Status
from conformance.facts.dns import Resolver, Server
from conformance.facts.proving import MOST_ALIKE, MOST_DS, MOST_KEYS, MOST_SIGNATURES
from conformance.facts.validation import BOGUS, UNVALIDATED

MAIL = """
@         MX   10 mail
mail      A    203.0.113.1
mail      TXT  "text"
alias     CNAME mail
away      CNAME mail.other.test.
dangling  CNAME gone.example.test.
*.wild    A    203.0.113.2
closer.wild TXT "text"
a.b       A    203.0.113.3
"""
SECURE, INSECURE = "secure", "insecure"


def tree(**changes: str) -> Tree:
    """Return a root with test, example.test and other.test, all signed, and plain.test, which is not."""
    found = Tree(test="", example__test=MAIL, other__test="mail A 203.0.113.9", plain__test="mail A 203.0.113.8")
    found["plain.test."].keys = []
    for key, text in changes.items():
        found[key.replace("__", ".")].text = text
    return found


def answers(
    served: Tree, *questions: str, handler: Callable[[Asked], Any] | None = None, trust: Any = None, **options: Any
) -> list[Answer]:
    """Return what comes of some questions, ``NAME TYPE``, all asked at once."""

    async def run() -> list[Answer]:
        known = served.anchors if trust is None else trust
        async with asking(handler or served, anchors=known, **options) as (_, resolver):
            return await asyncio.gather(*(resolver.ask(*one.split()) for one in questions))

    return asyncio.run(run())


def said(answer: Answer) -> str:
    """Return an answer in a few words."""
    if answer.status is Status.UNDETERMINED:
        return answer.rcode
    protected = SECURE if answer.authenticated else INSECURE
    return f"{protected} {answer.status.value}" + (f" {answer.rcode}" if answer.status is Status.ABSENT else "")


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


def tampering(served: Tree, change: Callable[[Asked, dns.message.Message], None]) -> Callable[[Asked], Any]:
    """Answer with something changed on the way."""

    def handler(asked: Asked) -> dns.message.Message:
        message = served(asked)
        change(asked, message)
        return message

    return handler


def _without(section: list[Any], *kinds: RdataType) -> None:
    section[:] = [one for one in section if one.rdtype not in kinds]


def forge(asked: Asked, message: dns.message.Message) -> None:
    if asked.name == "mail.example.test" and asked.rdtype == "A":
        message.answer[0] = dns.rrset.from_text("mail.example.test.", 300, "IN", "A", "192.0.2.66")


def strip(asked: Asked, message: dns.message.Message) -> None:
    if asked.name == "mail.example.test":
        _without(message.answer, RdataType.RRSIG)


def break_signature(asked: Asked, message: dns.message.Message) -> None:
    for one in message.answer if asked.name == "mail.example.test" else []:
        if one.rdtype == RdataType.RRSIG:
            broken = one[0].replace(signature=bytes(64))
            one.clear()
            one.add(broken)


def claim_another_zone(asked: Asked, message: dns.message.Message) -> None:
    for one in message.answer if asked.name == "mail.example.test" else []:
        if one.rdtype == RdataType.RRSIG:
            moved = one[0].replace(signer=dns.name.from_text("mail.example.test"))
            one.clear()
            one.add(moved)


@pytest.mark.parametrize("change", [forge, strip, break_signature, claim_another_zone])
def test_what_was_changed_on_the_way_is_bogus(change: Callable[[Asked, dns.message.Message], None]) -> None:
    served = tree().sign()

    async def run() -> list[Answer]:
        async with asking(tampering(served, change), anchors=served.anchors) as (_, resolver):
            sound = await resolver.ask("example.test", "MX")
            return [sound, await resolver.ask("mail.example.test", "A")]

    sound, changed = asyncio.run(run())
    assert (said(sound), said(changed), changed.records) == ("secure found", BOGUS, ()), changed


def test_a_denial_without_proof_is_undetermined_and_never_missing() -> None:
    served = tree().sign()

    def strip_proofs(asked: Asked, message: dns.message.Message) -> None:
        if asked.name.endswith("gone.example.test") or asked.rdtype == "AAAA":
            _without(message.authority, RdataType.NSEC)
            signatures = [one for one in message.authority if one.covers == RdataType.NSEC]
            message.authority[:] = [one for one in message.authority if one not in signatures]

    def deny(asked: Asked, message: dns.message.Message) -> None:
        if asked.name == "mail.example.test" and asked.rdtype == "A":
            other = served(Asked(dns.message.make_query("gone.example.test", "A", want_dnssec=True), "udp"))
            message.answer, message.authority = [], other.authority
            message.set_rcode(other.rcode())

    found = answers(served, "gone.example.test A", "mail.example.test AAAA", handler=tampering(served, strip_proofs))
    assert {said(one) for one in found} <= {BOGUS, UNVALIDATED}
    (denied,) = answers(served, "mail.example.test A", handler=tampering(served, deny))
    assert said(denied) == UNVALIDATED


def test_a_denial_of_ds_has_to_be_proved_as_well() -> None:
    served = tree().sign()

    def hide_ds(asked: Asked, message: dns.message.Message) -> None:
        """Pretend that example.test is not signed, and forge an answer there."""
        if asked.rdtype == "DS" and asked.name == "example.test":
            message.answer = []
            other = served(Asked(dns.message.make_query("plain.test", "DS", want_dnssec=True), "udp"))
            message.authority = other.authority
        if asked.name == "mail.example.test":
            message.answer = [dns.rrset.from_text("mail.example.test.", 300, "IN", "A", "192.0.2.66")]

    (found,) = answers(served, "mail.example.test A", handler=tampering(served, hide_ds))
    assert said(found) in (BOGUS, UNVALIDATED)


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


def test_what_many_keys_of_a_hostile_zone_cost_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []
    real = dns.dnssec.validate_rrsig
    monkeypatch.setattr(dns.dnssec, "validate_rrsig", lambda *all: (tried.append(all), real(*all))[1])
    served = tree().sign()
    tag = dns.dnssec.key_id(served["example.test."].keys[0][1])

    def many(asked: Asked, message: dns.message.Message) -> None:
        if asked.name != "mail.example.test":
            return
        for one in message.answer:
            if one.rdtype == RdataType.RRSIG:
                good = one[0]
                one.clear()
                for number in range(200):
                    one.add(good.replace(signature=number.to_bytes(64, "big"), key_tag=tag))

    (found,) = answers(served, "mail.example.test A", handler=tampering(served, many))
    assert said(found) == UNVALIDATED
    assert len(tried) <= 10 + MOST_SIGNATURES * MOST_ALIKE


@pytest.mark.parametrize(("rdtype", "most"), [("DNSKEY", MOST_KEYS), ("DS", MOST_DS)])
def test_more_records_than_are_looked_at_leave_all_undetermined(rdtype: str, most: int) -> None:
    served = tree()
    if rdtype == "DNSKEY":
        served["example.test."].keys += [new_key(entrance=False) for _ in range(most)]
    else:
        more = [dns.rdata.from_text("IN", "DS", f"{number} 13 2 {'ab' * 32}") for number in range(most)]
        served["test."].text = "\n".join(f"example DS {one.to_text()}" for one in more)
    served.sign()
    (found,) = answers(served, "mail.example.test A")
    assert (said(found), f"more than {most}" in found.error) == (UNVALIDATED, True), found


def test_a_name_of_very_many_labels_is_not_followed_down() -> None:
    served = tree().sign()
    deep = ".".join(["a"] * 60) + ".example.test"

    def handler(asked: Asked) -> dns.message.Message:
        message = served(asked)
        if asked.name == deep:
            message.answer = [dns.rrset.from_text(f"{deep}.", 300, "IN", "A", "192.0.2.66")]
            message.authority = []
            message.set_rcode(0)
        return message

    (found,) = answers(served, f"{deep} A", handler=handler)
    assert said(found) in (BOGUS, UNVALIDATED)


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
