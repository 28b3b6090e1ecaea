"""Openings: who gets which address, what it stands for, and for how long."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.receiver.announcement import Busy, NoSuchToken, Unavailable, checked, token_of
from conformance.receiver.archive import Retention
from conformance.receiver.capture import Capture
from conformance.receiver.desk import Bounds
from conformance.receiver.policy import Grant
from conformance.receiver.routes import ROUTES, Site
from conformance.receiver.sts import DOMAINS
from tests.receiver.site import DOMAIN, MAIN, SITE, SPARE, THIRD, Clock, desk

HERE = "127.0.0.25"


def test_a_handed_out_address_stands_for_its_scenario_and_place() -> None:
    async def go() -> None:
        async with desk() as made:
            addresses = await made.open("ci", "greylist-1", "plain", 3, 60)
            assert checked(addresses, DOMAIN, 3) == addresses
            assert len({address.partition("@")[2] for address in addresses}) == 1
            tokens = [token_of(address) for address in addresses]
            assert all(len(token) * 5 >= 80 for token in tokens)
            grants = [made.at_recipient(address.upper(), HERE) for address in addresses]
            assert grants == [Grant(token, "greylist-1", place=place) for place, token in enumerate(tokens, 1)]

    asyncio.run(go())


def test_no_form_of_address_but_the_one_handed_out_is_ours() -> None:
    async def go() -> None:
        async with desk() as made:
            (address,) = await made.open("ci", "accept", "plain", 1, 60)
            (other,) = await made.open("ci", "accept", "plain", 1, 60)
            token, _, host = address.partition("@")
            elsewhere = other.partition("@")[2]
            strangers = [
                f"{token}@{DOMAIN}",
                f"{token}@{elsewhere}",
                f"{token}@{host}.",
                f"{token}@sub.{host}",
                f"{token}@example.org",
                f"{token}%example.org@{host}",
                f"example.org!{token}@{host}",
                f"@{host}:{token}@example.org",
                f"@example.org:{address}",
                f"{address}@example.org",
                f"{address}@{host}",
                f'"{token}"@{host}',
                f"{token}+x@{host}",
                f"{token}@[127.0.0.25]",
                f"{token}",
                "postmaster",
                f"postmaster@{host}",
                f"postmaster@{DOMAIN}",
                "someone@example.org",
                "",
                "@",
                f"{token}@{host}\x00",
                f"ｔ{token[1:]}@{host}",
                "x" * 100_000 + f"@{host}",
            ]
            assert [made.at_recipient(stranger, HERE) for stranger in strangers] == [None] * len(strangers)
            assert made.at_recipient(address, HERE) == Grant(token)

    asyncio.run(go())


def test_a_token_expires() -> None:
    async def go() -> None:
        clock = Clock()
        async with desk(clock=clock) as made:
            (address,) = await made.open("ci", "accept", "plain", 1, 60)
            label = address.partition("@")[2].partition(".")[0]
            clock.now += 59.9
            assert made.at_recipient(address, HERE)
            assert made.opening_of(label)
            clock.now += 0.1
            assert made.at_recipient(address, HERE) is None
            assert made.opening_of(label) is None
            assert not (await made.collect("ci", [token_of(address)])).bodies

    asyncio.run(go())


def test_what_begins_before_rcpt_has_an_address_alone() -> None:
    async def go() -> None:
        clock = Clock()
        async with desk(clock=clock) as made:
            (one,) = await made.open("ci", "tempfail-banner", "plain", 1, 600)
            (two,) = await made.open("ci", "no-starttls", "plain", 1, 600)
            first, second = Grant(token_of(one), "tempfail-banner"), Grant(token_of(two), "no-starttls")
            assert made.at_connect(HERE, "192.0.2.1") is None
            assert made.at_connect("::1", "192.0.2.1") is None
            assert made.at_connect("127.0.0.26", "192.0.2.1") == first
            assert made.at_connect("::ffff:127.0.0.26", "192.0.2.1") == first
            assert made.at_connect("127.0.0.27", "192.0.2.1") == second
            assert made.at_connect("FD00:0::27", "192.0.2.1") == second
            assert made.at_connect("198.51.100.27", "192.0.2.1") is None
            with pytest.raises(Busy, match="in use"):
                await made.open("ci", "tempfail-banner", "plain", 1, 600)
            await made.close("ci", [token_of(one)])
            assert made.at_connect("127.0.0.26", "192.0.2.1") is None
            assert made.at_recipient(one, HERE) == Grant(token_of(one)), "its mail is taken, so that queues empty"
            with pytest.raises(Busy):
                await made.open("ci", "tempfail-banner", "plain", 1, 600)
            clock.now += 36
            await made.open("ci", "tempfail-banner", "plain", 1, 600)

    asyncio.run(go())


def test_an_address_is_free_again_when_its_lease_is_over() -> None:
    async def go() -> None:
        clock = Clock()
        async with desk(clock=clock, site=Site(DOMAIN, (MAIN, SPARE)), bounds=Bounds(lease=100)) as made:
            (one,) = await made.open("ci", "tempfail-banner", "plain", 1, 600)
            label = one.partition("@")[2].partition(".")[0]
            assert (opening := made.opening_of(label)) and opening.first == "mx2"
            clock.now += 100
            assert made.at_connect("127.0.0.26", "192.0.2.1") is None
            assert (opening := made.opening_of(label)) and opening.first == "mx1"
            assert made.at_recipient(one, HERE) == Grant(token_of(one))
            clock.now += 36
            (two,) = await made.open("ci", "tempfail-banner", "plain", 1, 600)
            assert made.at_connect("127.0.0.26", "192.0.2.1") == Grant(token_of(two), "tempfail-banner")

    asyncio.run(go())


def test_strangers_use_up_nothing_where_the_peers_are_known() -> None:
    async def go() -> None:
        async with desk() as made:
            peers = ["192.0.2.1", "2001:DB8::0:1"]
            (address,) = await made.open("ci", "tempfail-banner", "plain", 1, 600, peers)
            grant = Grant(token_of(address), "tempfail-banner")
            assert made.at_connect("127.0.0.26", "192.0.2.1") == grant
            assert made.at_connect("127.0.0.26", "::ffff:192.0.2.1") == grant
            assert made.at_connect("127.0.0.26", "2001:db8::1") == grant
            assert made.at_connect("127.0.0.26", "192.0.2.2") is None

    asyncio.run(go())


def test_hosts_that_are_known_apart_share_an_address() -> None:
    async def go() -> None:
        clock = Clock()
        async with desk(clock=clock, site=Site(DOMAIN, (MAIN, SPARE))) as made:
            (one,) = await made.open("ci", "tempfail-banner", "plain", 1, 600, ["192.0.2.1"])
            (two,) = await made.open("ci", "no-starttls", "plain", 1, 600, ["192.0.2.2", "192.0.2.3"])
            await made.open("ci", "accept", "mx-moved", 1, 60, ["192.0.2.4"])
            assert made.at_connect("127.0.0.26", "192.0.2.1") == Grant(token_of(one), "tempfail-banner")
            assert made.at_connect("127.0.0.26", "192.0.2.3") == Grant(token_of(two), "no-starttls")
            assert made.at_connect("127.0.0.26", "192.0.2.4") is None
            assert made.at_recipient(one, "127.0.0.26") == Grant(token_of(one), "tempfail-banner")
            assert made.at_recipient(two, "127.0.0.26") == Grant(token_of(two), "no-starttls")
            for peers in (["192.0.2.1"], ["192.0.2.9", "192.0.2.2"], ["192.0.2.4"], []):
                with pytest.raises(Busy):
                    await made.open("ci", "tempfail-banner", "plain", 1, 600, peers)
            await made.close("ci", [token_of(one)])
            with pytest.raises(Busy):
                await made.open("ci", "tempfail-banner", "plain", 1, 600, ["192.0.2.1"])
            await made.open("ci", "tempfail-banner", "plain", 1, 600, ["192.0.2.5"])
            clock.now += 36
            await made.open("ci", "tempfail-banner", "plain", 1, 600, ["192.0.2.1"])
            assert made.at_connect("127.0.0.26", "192.0.2.3") == Grant(token_of(two), "no-starttls")

    asyncio.run(go())


def test_openings_spread_over_the_spare_addresses() -> None:
    async def go() -> None:
        async with desk() as made:
            opened = [await made.open("ci", "tempfail-banner", "plain", 1, 600, [f"192.0.2.{n}"]) for n in (1, 2)]
            places = [made.opening_of(one.partition("@")[2].partition(".")[0]) for (one,) in opened]
            assert {place.first for place in places if place} == {"mx2", "mx3"}

    asyncio.run(go())


def test_hosts_get_an_address_of_their_family() -> None:
    async def go() -> None:
        async with desk() as made:
            (address,) = await made.open("ci", "tempfail-banner", "plain", 1, 600, ["2001:db8::1"])
            assert made.at_connect("fd00::27", "2001:db8::1") == Grant(token_of(address), "tempfail-banner")
        async with desk(site=Site(DOMAIN, (MAIN, SPARE))) as made:
            with pytest.raises(Unavailable, match="spare"):
                await made.open("ci", "tempfail-banner", "plain", 1, 600, ["2001:db8::1"])

    asyncio.run(go())


def test_openings_that_need_a_second_address_share_it() -> None:
    async def go() -> None:
        clock = Clock()
        async with desk(clock=clock, site=Site(DOMAIN, (MAIN, SPARE))) as made:
            await made.open("ci", "accept", "mx-two", 1, 60)
            (moved,) = await made.open("ci", "accept", "mx-moved", 1, 60)
            with pytest.raises(Busy):
                await made.open("ci", "tempfail-banner", "plain", 1, 60)
            await made.close("ci", [token_of(moved)])
            with pytest.raises(Busy):
                await made.open("ci", "tempfail-banner", "plain", 1, 60)
            clock.now += 59
            await made.open("ci", "accept", "mx-two", 1, 60)
            clock.now += 60
            with pytest.raises(Busy):
                await made.open("ci", "tempfail-banner", "plain", 1, 60)
            clock.now += 36
            await made.open("ci", "tempfail-banner", "plain", 1, 60)
            with pytest.raises(Busy, match="second"):
                await made.open("ci", "accept", "mx-two", 1, 60)

    asyncio.run(go())


def test_the_first_exchange_refuses_and_the_second_takes_it() -> None:
    async def go() -> None:
        async with desk() as made:
            (address,) = await made.open("ci", "accept", "mx-refuse-first", 1, 60)
            token = token_of(address)
            assert made.at_recipient(address, HERE) == Grant(token, "refuse-rcpt")
            assert made.at_recipient(address, "127.0.0.26") == Grant(token)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("scenario", "route", "n", "expires", "text"),
    [
        ("nonsense", "plain", 1, 60, "scenario"),
        ("accept", "nonsense", 1, 60, "route"),
        ("accept", "plain", 0, 60, "by 1 to 100"),
        ("accept", "plain", 101, 60, "by 1 to 100"),
        ("accept", "plain", 1, 0, "at most"),
        ("accept", "plain", 1, float("nan"), "at most"),
        ("accept", "plain", 1, 1e9, "at most"),
        ("tempfail-banner", "mx-two", 1, 60, "not played"),
        ("tempfail-banner", "mx-v6-dead", 1, 60, "not played"),
    ],
)
def test_what_cannot_be_played_is_refused(scenario: str, route: str, n: int, expires: float, text: str) -> None:
    async def go() -> None:
        async with desk() as made:
            with pytest.raises(Unavailable, match=text):
                await made.open("ci", scenario, route, n, expires)

    asyncio.run(go())


def test_a_receiver_with_one_address_says_what_it_cannot_do() -> None:
    async def go() -> None:
        async with desk(site=Site(DOMAIN, (MAIN,), signed=True)) as made:
            said = made.announce()
            assert "tempfail-banner" not in said.scenarios
            assert set(ROUTES) - set(said.routes) - set(DOMAINS) == {
                "mx-two", "mx-moved", "mx-refuse-first", "mx-dead-first", "mx-not-a", "mx-v6-dead",
            }  # fmt: skip
            assert said.spare == 0
            for scenario, route in (("tempfail-banner", "plain"), ("accept", "mx-two"), ("accept", "mx-dead-first")):
                with pytest.raises(Unavailable):
                    await made.open("ci", scenario, route, 1, 60)
        async with desk(site=replace(SITE, signed=True)) as made:
            said = made.announce()
            assert set(said.routes) == set(ROUTES) - set(DOMAINS)
            assert said.exclusive == ("tempfail-banner", "no-starttls")
            assert said.spare == 2

    asyncio.run(go())


def test_tokens_in_all_are_bounded() -> None:
    async def go() -> None:
        async with desk(bounds=Bounds(tokens=3)) as made:
            await made.open("ci", "accept", "plain", 2, 60)
            with pytest.raises(Busy):
                await made.open("ci", "accept", "plain", 2, 60)

    asyncio.run(go())


def test_another_client_has_no_part_in_a_token() -> None:
    async def go() -> None:
        async with desk() as made:
            (mine,) = await made.open("ci", "accept", "mx-moved", 1, 60)
            for work in (
                made.collect("eve", [token_of(mine)]),
                made.move("eve", token_of(mine)),
                made.close("eve", [token_of(mine)]),
                made.collect("ci", ["unheard-of"]),
                made.collect("ci", [token_of(mine), "unheard-of"]),
            ):
                with pytest.raises(NoSuchToken):
                    await work

    asyncio.run(go())


def test_a_session_is_kept_under_its_tokens_and_replaced_by_its_id() -> None:
    async def go() -> None:
        async with desk() as made:
            (address,) = await made.open("ci", "accept", "plain", 1, 60)
            token = token_of(address)
            session = Capture("one", "2026-11-24T12:00:00.000Z", "192.0.2.1", 1, HERE, 25, tokens=(token,))
            await made.keep(session)
            first = await made.collect("ci", [token])
            await made.keep(Capture("one", session.started, "192.0.2.1", 1, HERE, 25, ms=9.0, tokens=(token,)))
            await made.keep(Capture("two", session.started, "192.0.2.1", 2, HERE, 25))
            assert made.strangers == 1
            again = await made.collect("ci", [token], first.after)
            assert [b'"ms":9.0' in body for body in again.bodies] == [True]
            assert len((await made.collect("ci", [token.upper()])).bodies) == 1

    asyncio.run(go())


def test_restart_loses_nothing(tmp_path: Path) -> None:
    async def go() -> None:
        clock = Clock()
        path = tmp_path / "state" / "receiver.sqlite"
        async with desk(path, clock=clock) as made:
            (early,) = await made.open("ci", "tempfail-banner", "plain", 1, 600, ["192.0.2.1"], run="nightly")
            (moved,) = await made.open("ci", "accept", "mx-moved", 1, 600)
            await made.move("ci", token_of(moved))
            assert made.tally(token_of(early), "banner") == 1
            await made.keep(Capture("one", "x", "192.0.2.1", 1, HERE, 25, tokens=(token_of(early),)))
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0
        async with desk(path, clock=clock) as made:
            assert made.tally(token_of(early), "banner") == 2
            assert made.at_connect("127.0.0.26", "192.0.2.1") == Grant(token_of(early), "tempfail-banner")
            assert len((await made.collect("ci", [token_of(early)])).bodies) == 1
            assert (opening := made.opening_of(moved.partition("@")[2].partition(".")[0])) and opening.moved
            with pytest.raises(Busy):
                await made.open("ci", "tempfail-banner", "plain", 1, 600)

    asyncio.run(go())


def test_what_is_old_is_forgotten(tmp_path: Path) -> None:
    async def go() -> None:
        clock = Clock()
        async with desk(tmp_path / "db", clock=clock, retention=Retention(seconds=1000)) as made:
            (old,) = await made.open("ci", "accept", "plain", 1, 60)
            made.tally(token_of(old), "rcpt")
            await made.keep(Capture("one", "x", "192.0.2.1", 1, HERE, 25, tokens=(token_of(old),)))
            clock.now += 1000
            (new,) = await made.open("ci", "accept", "plain", 1, 60)
            await made.keep(Capture("two", "x", "192.0.2.1", 1, HERE, 25, tokens=(token_of(new),)))
            await made.tidy()
            assert len((await made.collect("ci", [token_of(old)])).bodies) == 1, "not older than the retention"
            clock.now += 61
            await made.tidy()
            with pytest.raises(NoSuchToken):
                await made.collect("ci", [token_of(old)])
            assert len((await made.collect("ci", [token_of(new)])).bodies) == 1
            assert made.tally(token_of(old), "rcpt") == 1

    asyncio.run(go())


def test_exchanges_have_names() -> None:
    async def go() -> None:
        async with desk() as made:
            assert made.exchange("::ffff:127.0.0.25") == f"mx1.{DOMAIN}"
            assert made.exchange("127.0.0.27") == f"mx3.{DOMAIN}"
            assert made.exchange("127.0.0.28") == ""
            assert SITE.at("fd00::27") == THIRD

    asyncio.run(go())
