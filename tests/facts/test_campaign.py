"""Which receiver a run has, and what is said where it cannot be had."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.facts.campaign import Campaign, Where, begin, secrets_of
from conformance.facts.ledger import Ledger
from conformance.facts.observed import told, unobserved
from conformance.facts.store import Store
from conformance.facts.trial import Letter, State, Trial
from conformance.facts.trying import Clock
from conformance.fleet.model import Address, Fleet, Mta
from conformance.fleet.origin import IPAddress
from conformance.fleet.sending import Probe, Submission
from conformance.receiver.announcement import Announcement, Denied, NoSuchToken, Unreached
from conformance.receiver.capture import Capture
from conformance.receiver.remote import Remote
from conformance.receiver.zonekey import ZoneKey
from tests.facts.orders import stream

URL = "https://conform.example.net"
FLEET = Fleet((Mta("mx1.example.com", streams=(stream(),)),))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (URL, Where(url=URL)),
        ("embedded", Where()),
        ("embedded/20", Where(pace=20)),
        ("embedded:127.0.0.9", Where(address="127.0.0.9")),
        ("embedded:127.0.0.9/20.5", Where(address="127.0.0.9", pace=20.5)),
        ("embedded:127.0.0.9:2525/2", Where(address="127.0.0.9", port=2525, pace=2)),
        ("embedded:::1", Where(address="::1")),
        ("embedded:[::1]:0", Where(address="::1", port=0)),
    ],
)
def test_a_receiver_is_at_a_url_or_in_the_run(text: str, where: Where) -> None:
    assert Where.parse(text) == where


@pytest.mark.parametrize(
    "text", ["", "conform.example.net", "embedded:name", "embedded:127.0.0.1/x", "embedded/0", "embedded:1.2.3.4:99999"]
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no receiver|a pace lies"):
        Where.parse(text)


async def resolve(name: str) -> Sequence[str]:
    return []


def trial(campaign: Campaign, store: Store | None = None) -> Trial:
    async def work() -> Trial:
        options: Any = {"ehlo": "probe.example.org", "timeout": 5.0, "resolve": resolve}
        async with begin(campaign, FLEET, store or Store(), [], **options) as trier:
            return await trier.trial(Probe(FLEET.streams[0]), "accept")

    return asyncio.run(work())


def announcing(monkeypatch: pytest.MonkeyPatch, said: Announcement | Exception) -> None:
    async def announce(self: Remote) -> Announcement:
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(Remote, "announce", announce)


CAMPAIGN = Campaign(Where(url=URL), bearer="a-bearer-token-of-the-run")
SAID = Announcement("conform.example.net", "2026-03-02T09:00:00+00:00")


def test_a_receiver_that_cannot_be_asked_leaves_all_undetermined(monkeypatch: pytest.MonkeyPatch) -> None:
    announcing(monkeypatch, Unreached("nobody there"))
    made = trial(CAMPAIGN)
    assert (made.state, made.error) == (State.UNREACHED, "the receiver: nobody there")


def test_a_token_that_is_not_accepted_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    announcing(monkeypatch, Denied("answered 401"))
    with pytest.raises(ValueError, match="the receiver: answered 401"):
        trial(CAMPAIGN)


@pytest.mark.parametrize("pace", [0.0, 0.5, 1e9, float("nan")])
def test_a_pace_that_none_can_have_ends_the_run(monkeypatch: pytest.MonkeyPatch, pace: float) -> None:
    announcing(monkeypatch, replace(SAID, pace=pace))
    with pytest.raises(ValueError, match="which none can have"):
        trial(CAMPAIGN)


def test_a_port_that_is_taken_ends_the_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match="the embedded receiver cannot listen"):
            trial(Campaign(Where(port=port)))


def test_the_key_of_an_embedded_receiver_is_kept_and_its_record_is_noted(tmp_path: Path) -> None:
    async def notes_of(path: Path) -> str:
        notes: list[str] = []
        options: Any = {"ehlo": "probe.example.org", "timeout": 5.0, "resolve": resolve}
        campaign = Campaign(Where(address="127.0.5.90", port=0), zone_key=str(path))
        async with begin(campaign, FLEET, Store(), notes, **options):
            return next(note for note in notes if "IN DS" in note)

    path = tmp_path / "zone-key.pem"
    first = asyncio.run(notes_of(path))
    assert (
        first == f"its zone is signed; the zone above needs: {SAID.domain}. IN DS {ZoneKey.read(path).ds(SAID.domain)}"
    )
    assert asyncio.run(notes_of(path)) == first
    path.write_text("no key")
    with pytest.raises(ValueError, match="holds no private key"):
        asyncio.run(notes_of(path))


def test_what_was_sent_before_is_collected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    announcing(monkeypatch, SAID)
    session = Capture("1", "2026-03-02T09:00:01+00:00", "203.0.113.1", 1, "198.51.100.1", 25)
    asked: list[tuple[str, ...]] = []

    async def collect(self: Remote, tokens: Sequence[str]) -> tuple[Capture, ...]:
        asked.append(tuple(tokens))
        return (session,)

    monkeypatch.setattr(Remote, "collect", collect)
    path = tmp_path / "probes.json"
    campaign = Campaign(Where(url=URL), bearer="a-bearer-token-of-the-run", collect=True, ledger=path)
    nothing = trial(campaign)
    assert nothing.state is State.SKIPPED
    assert "waits to be collected" in nothing.error

    import datetime

    handed = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    letter = Letter(handed, "r@x.conform.example.net", ("t@l.conform.example.net",), ("t",), return_token="r")
    ledger = Ledger(path, URL)
    ledger.add(Trial("mx1.example.com/news", "accept", letters=(letter,)))
    ledger.save()
    made = trial(campaign)
    assert (made.state, made.captures, made.returns) == (State.WATCHED, (session,), (session,))
    assert asked == [("t",), ("r",)]

    async def gone(self: Remote, tokens: Sequence[str]) -> tuple[Capture, ...]:
        raise NoSuchToken("no such token")

    monkeypatch.setattr(Remote, "collect", gone)
    assert trial(campaign).state is State.UNREACHED


def test_the_secrets_of_a_fleet_are_known() -> None:
    door = Submission("a.example", 587, password="one-word")
    host = Mta("mx1", submission=door, connection={"ansible_user": "me", "ansible_password": "two-word"})
    assert secrets_of(Fleet((host, Mta("mx2")))) == ("one-word", "two-word")


def test_addresses_that_nothing_came_from_are_said() -> None:
    import ipaddress

    def address(host: str, text: str) -> Address:
        found: IPAddress = ipaddress.ip_address(text)
        return Address(host, found, host)

    def came(host: str, *peers: str) -> Trial:
        sessions = tuple(Capture(peer, "", peer, 1, "198.51.100.1", 25) for peer in peers)
        return Trial(f"{host}/news", "accept", captures=sessions)

    fleet = Fleet(
        (
            Mta("mx1", addresses=(address("mx1", "203.0.113.1"), address("mx1", "203.0.113.2"))),
            Mta("mx2", addresses=(address("mx2", "203.0.113.3"),)),
            Mta("mx3", addresses=(address("mx3", "203.0.113.4"), address("mx3", "2001:db8::4"))),
        )
    )
    silent = unobserved(
        fleet, [came("mx1", "::ffff:203.0.113.1", "203.0.113.9"), came("mx2"), came("mx3", "2001:db8::4")]
    )
    assert [one.id for one in silent] == ["mx1/203.0.113.2", "mx3/203.0.113.4"]
    assert told(silent) == [
        "not observed: no mail of mx1 came from 203.0.113.2",
        "not observed: no mail of mx3 came from 203.0.113.4",
    ]


def test_times_are_told_by_the_receivers_clock() -> None:
    import datetime

    now = datetime.datetime.now(datetime.UTC)
    ahead = Clock.of((now + datetime.timedelta(minutes=5)).isoformat())
    assert 299 < (ahead.now() - now).total_seconds() < 400
    assert (
        Clock(datetime.timedelta(minutes=5)).told()
        == "the receiver's clock is 300 s ahead of this machine's; times of mail are told by it"
    )
    for said in (now.isoformat(), "no time"):
        assert Clock.of(said).told() == ""
