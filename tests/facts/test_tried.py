"""Facts that are made of several trials, or of a trial and DNS."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from conformance.facts.greeted import greeted, mail_from
from conformance.facts.impostor import impostor
from conformance.facts.manners import Manners
from conformance.facts.neighbours import neighbours, place
from conformance.facts.returned import returned
from conformance.facts.store import key_of
from conformance.facts.trial import State, Trial
from conformance.facts.tried import made
from conformance.fleet.model import Address, Fleet, Mta
from conformance.fleet.sending import Probe, Stream
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.ranges import special
from tests.cases.verdicts import Records
from tests.facts.tries import said, trial

STREAM = Stream("mx1", "news", "news@example.com", "example.com", "bounce.example.com", kind="bulk")

SUBMITTED = replace(STREAM, how="submission")


class Asked(Records):
    """Records, with trials by stream and name."""

    def __init__(self, *trials: Trial, zone: Mapping[str, Any] | None = None) -> None:
        super().__init__(zone or {})
        self.trials = {(one.stream, one.name): one for one in trials}

    async def trial(self, probe: Probe, name: str) -> Trial:
        stream, _, source = key_of(probe, name)
        return self.trials.get((stream, name)) or Trial(stream, name, source, State.UNASKED, error="not asked")


def test_a_trial_that_the_inventory_leaves_out_does_not_apply() -> None:
    narrow = replace(STREAM, trials=("accept", "tls-*"))
    with pytest.raises(NotApplicable, match="the trial greylist is not among the trials of the stream"):
        asyncio.run(made(Asked(trial("greylist")), narrow, "greylist"))
    assert asyncio.run(made(Asked(trial("tls-12")), narrow, "tls-12")).name == "tls-12"


@pytest.mark.parametrize(
    ("state", "letters", "expected"),
    [
        ("watched", 1, None),
        ("unsent", 1, None),
        ("unsent", 0, Undetermined),
        ("skipped", 1, NotApplicable),
        ("unavailable", 1, Undetermined),
        ("unreached", 1, Undetermined),
        ("unasked", 0, Undetermined),
    ],
)
def test_states_of_trials(state: str, letters: int, expected: type[Exception] | None) -> None:
    ask = Asked(trial("accept", state=state, letters=letters, sessions=[]))
    if expected is None:
        assert asyncio.run(made(ask, STREAM, "accept")).state == state
    else:
        with pytest.raises(expected):
            asyncio.run(made(ask, STREAM, "accept"))


def test_one_trial_that_was_not_made_leaves_the_others() -> None:
    ask = Asked(trial("accept", sessions=[{"early": [[0.1, "banner", "x"]]}]))
    view = asyncio.run(Manners.of("slow-banner", "accept")(ask, STREAM))
    assert said(lambda: view.before_banner) == "'x' came before the banner, 0 ms after the connection"
    calm = asyncio.run(Manners.of("slow-banner", "accept")(Asked(trial("accept")), STREAM))
    assert said(lambda: calm.before_banner) == "undetermined: mx1/news slow-banner: not asked"


@pytest.mark.parametrize(
    ("sender", "zone", "fault"),
    [
        ("", {}, ""),
        ("a@example.com", {"example.com MX": [(10, "mx.example.com")]}, ""),
        ("a@example.com", {"example.com A": ["203.0.113.1"]}, ""),
        ("a@m\xc3\xbcnchen.example.com", {"xn--mnchen-3ya.example.com A": ["203.0.113.1"]}, ""),
        ("a@münchen.example.com", {"xn--mnchen-3ya.example.com A": ["203.0.113.1"]}, ""),
        ("a@example.com", {"example.com MX": [(0, ".")]}, "example.com in MAIL FROM has a null MX: it takes no mail"),
        ("a@example.com", {"example.com TXT": ["x"]}, "example.com in MAIL FROM has neither MX nor address"),
        ("a@gone.example.com", {"example.com A": ["203.0.113.1"]}, "gone.example.com in MAIL FROM does not exist (NXD"),
        ("a", {}, "MAIL FROM:<a> is no address with a domain"),
        ("a@localhost", {}, "MAIL FROM:<a@localhost> is no address with a domain"),
        ("a@[203.0.113.1]", {}, "MAIL FROM:<a@[203.0.113.1]> is no address with a domain"),
        ("a@example.com", {"example.com MX": None, "example.com A": None}, "undetermined"),
    ],
)
def test_envelope_senders(sender: str, zone: Mapping[str, Any], fault: str) -> None:
    ask = Asked(trial("accept", sessions=[{"sender": sender}]), zone=zone)
    fact = asyncio.run(mail_from(ask, Probe(STREAM)))
    text = said(lambda: [fact.fault] if fact.fault else [])
    assert text.startswith(fault)
    assert bool(text) is bool(fault)


def test_a_greeting_leads_back_to_where_it_came_from() -> None:
    zone = {"mx1.example.com A": ["203.0.113.1"]}
    back = asyncio.run(greeted(Asked(trial("accept"), zone=zone), Probe(STREAM)))
    assert back.leads_back
    other = Asked(trial("accept", sessions=[{"peer": "203.0.113.2"}]), zone=zone)
    assert not asyncio.run(greeted(other, Probe(STREAM))).leads_back
    literal = Asked(trial("accept", sessions=[{"helo": "[203.0.113.1]"}]))
    with pytest.raises(NotApplicable, match="address literal"):
        asyncio.run(greeted(literal, Probe(STREAM)))


@pytest.mark.parametrize(
    ("changes", "domains"),
    [
        ({}, ()),
        ({"state": "watched"}, ()),
        ({"state": "watched", "letter": {}, "sessions": [{"header": {"From": "a@Bank.example"}}]}, ("bank.example",)),
        ({"state": "watched", "letter": {}, "sessions": [{"header": {"From": ["a@b.example", "c@d.example"]}}]}, None),
    ],
)
def test_a_strange_author(changes: dict[str, Any], domains: tuple[str, ...] | None) -> None:
    found = asyncio.run(impostor(Asked(trial("undeclared-author", **changes)), SUBMITTED)).domains
    assert found == (("b.example", "d.example") if domains is None else domains)


def test_a_strange_author_that_never_came_may_have_been_refused_or_not() -> None:
    lost = trial("undeclared-author", state="watched", letter={})
    with pytest.raises(Undetermined, match="nothing came in"):
        asyncio.run(impostor(Asked(lost), SUBMITTED))


def test_users_of_a_host_may_write_any_author() -> None:
    sent = trial("undeclared-author", state="watched", letter={}, sessions=[{"header": {"From": "a@bank.example"}}])
    with pytest.raises(NotApplicable, match="only submission is judged"):
        asyncio.run(impostor(Asked(sent), STREAM))


RECEIPTS = replace(STREAM, name="receipts", kind="transactional")
LISTS = replace(STREAM, name="posts", kind="list")


def beside(*streams: Stream, addresses: int = 2) -> Fleet:
    held = tuple(Address("mx1", ipaddress.ip_address(f"203.0.113.{n}"), "mx1") for n in range(1, addresses + 1))
    return Fleet((Mta("mx1", addresses=held, streams=(STREAM, *streams)),))


def sharing(fleet: Fleet, *trials: Trial) -> str:
    ask = Asked(*trials)
    try:
        fact = asyncio.run(neighbours(ask, place(fleet, Probe(STREAM))))
    except NotApplicable as why:
        return f"not applicable: {why.reason}"
    return said(lambda: fact.sharing)


def test_streams_of_two_classes_beside_each_other() -> None:
    own = trial("accept")
    other = replace(trial("accept"), stream="mx1/receipts")
    apart = replace(trial("accept", sessions=[{"peer": "203.0.113.2"}]), stream="mx1/receipts")
    assert sharing(beside(RECEIPTS), own, other) == "receipts"
    assert sharing(beside(RECEIPTS), own, apart) == ""
    assert sharing(beside(RECEIPTS), own).startswith("undetermined: ")
    assert sharing(beside(LISTS), own).startswith("not applicable: the host has no stream of the other class")


def test_bounces_are_authenticated() -> None:
    zone = {"mx1.example.com TXT": ["v=spf1 ip4:203.0.113.1 -all"], "mx1.example.com A": ["203.0.113.1"]}
    unsigned = trial("refuse-rcpt", returns=[{"sign": False}])
    assert asyncio.run(returned(Asked(unsigned, zone=zone), STREAM)).failure == ""
    elsewhere = trial("refuse-rcpt", returns=[{"sign": False, "peer": "203.0.113.9"}])
    failure = asyncio.run(returned(Asked(elsewhere, zone=zone), STREAM)).failure
    assert failure.startswith("From: example.com; SPF of 'mx1.example.com' for 203.0.113.9: fail")
    assert asyncio.run(returned(Asked(trial("refuse-rcpt", returns=[])), STREAM)).failure == ""
    nobody = trial("refuse-rcpt", returns=[{"message": "From: MAILER-DAEMON\n\nIt came back.\n"}])
    assert asyncio.run(returned(Asked(nobody, zone=zone), STREAM)).failure.endswith("; DMARC has no domain to go by")


def test_a_message_that_a_host_may_refuse_says_nothing_of_signatures() -> None:
    from conformance.facts.reshaped import transcribed
    from tests.facts.arrivals import ZONE

    key = {name: trial(name) for name in ("accept", "dots", "smuggling")}
    refused = trial("smuggling", sessions=[], letter={"taken": False, "reply": "550 5.7.1 bare LF"})
    one = asyncio.run(transcribed(Asked(*key.values(), refused, zone=ZONE), STREAM))[1]
    with pytest.raises(NotApplicable, match=r"the host refuses to send such a message: 550 5\.7\.1 bare LF"):
        _ = one.broken
    lost = trial("smuggling", sessions=[])
    other = asyncio.run(transcribed(Asked(*key.values(), lost, zone=ZONE), STREAM))[1]
    with pytest.raises(Undetermined):
        _ = other.broken


@pytest.mark.parametrize(
    ("address", "public", "kind"),
    [
        ("192.0.2.1", (), "not globally routable, RFC 6890"),
        ("192.0.2.1", ("192.0.2.0/24",), None),
        ("::ffff:10.0.0.1", (), "private, RFC 1918"),
        ("172.31.255.255", (), "private, RFC 1918"),
        ("172.32.0.1", (), None),
        ("100.64.0.1", ("2001:db8::/32",), "carrier-grade NAT, RFC 6598"),
        ("9.9.9.9", (), None),
        ("2001:db8::1", (), "not globally routable, RFC 6890"),
        ("2620:fe::fe", (), None),
    ],
)
def test_addresses_that_are_not_public(address: str, public: tuple[str, ...], kind: str | None) -> None:
    assert special(ipaddress.ip_address(address), public) == kind
