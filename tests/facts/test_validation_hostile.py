"""What was changed on the way, is not proved, or would cost too much, never passes for validated or missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import dns.dnssec
import dns.message
import dns.name
import dns.rdata
import dns.rrset
import pytest
from dns.rdatatype import RdataType
from dns_server import Asked, asking
from signed_zones import MAIL, Tree, answers, new_key, said, tree

from conformance.facts.answer import Answer
from conformance.facts.proving import MOST_ALIKE, MOST_DS, MOST_KEYS, MOST_SIGNATURES
from conformance.facts.validation import BOGUS, MOST_CUTS, UNVALIDATED


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


def test_an_answer_made_of_a_wildcard_has_to_prove_that_nothing_is_closer() -> None:
    served = tree().sign()

    def stretch(asked: Asked, message: dns.message.Message) -> None:
        """Answer for a name that exists by the wildcard beside it."""
        if asked.name == "closer.wild.example.test" and asked.rdtype == "A":
            other = served(Asked(dns.message.make_query("x.wild.example.test", "A", want_dnssec=True), "udp"))
            message.answer, message.authority = [], other.authority
            for one in other.answer:
                message.answer.append(dns.rrset.from_rdata_list(asked.query.question[0].name, one.ttl, list(one)))

    (found,) = answers(served, "closer.wild.example.test A", handler=tampering(served, stretch))
    assert (said(found), "nothing proves" in found.error) == (UNVALIDATED, True), found


def test_aliases_made_of_a_dname_record_hold_with_it() -> None:
    served = tree(example__test=f"{MAIL}\nmoved DNAME other.test.\n").sign()
    moved = dns.name.from_text("moved.example.test")

    def answer(asked: Asked) -> dns.message.Message:
        message = served(asked)
        if asked.name.endswith(".moved.example.test"):
            name = asked.query.question[0].name
            target = name.relativize(moved).derelativize(dns.name.from_text("other.test"))
            if asked.name.startswith("forged."):
                target = dns.name.from_text("mail.other.test")
            message.set_rcode(0)
            message.authority = []
            node = served["example.test."].zone.get_node(moved)
            assert node
            message.answer = [dns.rrset.from_rdata_list(moved, 300, list(node.get_rdataset(1, RdataType.DNAME)))]
            signatures = node.get_rdataset(1, RdataType.RRSIG, RdataType.DNAME)
            message.answer.append(dns.rrset.from_rdata_list(moved, 300, list(signatures)))
            message.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", target.to_text()))
        return message

    questions = ("example.test MX", "mail.moved.example.test A", "forged.moved.example.test A")

    async def run() -> list[Answer]:
        async with asking(answer, anchors=served.anchors) as (_, resolver):
            return [await resolver.ask(*one.split()) for one in questions]

    assert [said(one) for one in asyncio.run(run())] == ["secure found", "secure found", BOGUS]


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
    deep = ".".join(["a"] * (MOST_CUTS + 2))
    served = tree(example__test=f"{deep} A 203.0.113.5").sign()

    def strip_deep(asked: Asked, message: dns.message.Message) -> None:
        if asked.name.startswith(deep) and asked.rdtype == "A":
            _without(message.answer, RdataType.RRSIG)

    (found,) = answers(served, f"{deep}.example.test A", handler=tampering(served, strip_deep))
    assert (said(found), f"more than {MOST_CUTS} labels below" in found.error) == (UNVALIDATED, True), found
    assert len({one for one in served.asked if one.endswith("DS")}) <= MOST_CUTS
