"""Every scenario: what a client is told at first, and later."""

import asyncio
import socket
from collections.abc import Sequence

import pytest
from hand import PACE, Client, Receiver, deliver, dialling, played, receiving

from conformance.receiver.capture import Capture, Ended
from conformance.receiver.scenario import EXTENSIONS, SCENARIOS, Scenario

NEEDED = {
    *("accept", "greylist-1", "greylist-2", "greylist-3", "unknown-2yz", "unknown-4yz", "unknown-5yz", "rcpt-limit"),
    *("rcpt-mixed", "ehlo-502", "slow-banner", "multiline-banner", "slow-dot", "fuzzy-replies", "no-starttls"),
    *("starttls-454", "tls-12", "tls-13", "tls-10", "tls-expired", "tls-selfsigned", "tls-reset", "tls-client-cert"),
    *("no-8bitmime", "no-extensions", "no-pipelining", "small-size", "no-smtputf8", "requiretls", "drop-body"),
    *(f"{verb}-{step}" for verb in ("tempfail", "busy", "refuse", "drop") for step in ("banner", "ehlo", "mail")),
    *(f"{verb}-{step}" for verb in ("tempfail", "busy", "refuse", "drop") for step in ("rcpt", "data", "dot")),
}


def test_names_are_for_ever() -> None:
    assert set(SCENARIOS) == NEEDED


def attempts(scenario: str, count: int, n: int = 1, *, bdat: bool = False) -> tuple[list[Capture], list[str]]:
    """Attempt a delivery so many times; return the sessions, and the reply at which each attempt ended."""

    async def attempt(client: Client, address: str) -> str:
        reply = await client.hear()
        if reply.startswith("220"):
            reply = await client.ask("EHLO mx1.example.com")
            if reply.startswith("5"):
                reply = await client.ask("HELO mx1.example.com")
        if reply.startswith("2"):
            reply = await (chunks(client, address) if bdat else deliver(client, address))
        if reply:
            client.say(b"QUIT\r\n")
            await client.gone()
        return reply

    async def play() -> tuple[list[Capture], list[str]]:
        async with receiving() as receiver:
            address = receiver.grant("t1", scenario, n)
            replies = []
            for _ in range(count):
                async with dialling(receiver) as client:
                    replies.append((await attempt(client, address)).rpartition("\r\n")[0].rpartition("\r\n")[2])
            await receiver.session()
            return receiver.captures, replies

    return asyncio.run(play())


async def chunks(client: Client, address: str) -> str:
    for line in ("MAIL FROM:<a@example.com>", f"RCPT TO:<{address}>", b"BDAT 4\r\nx\r"):
        reply = await client.ask(line)
        if not reply.startswith("2"):
            return reply
    return await client.ask(b"BDAT 3 LAST\r\nx")


def codes(replies: Sequence[str]) -> list[str]:
    return [reply[:3] for reply in replies]


@pytest.mark.parametrize("step", ["banner", "ehlo", "mail", "rcpt", "data", "dot"])
class TestSteps:
    """What happens at each step."""

    def test_put_off_as_often_as_granted(self, step: str) -> None:
        captures, replies = attempts(f"tempfail-{step}", 3, n=2)
        assert [reply[0] for reply in replies] == ["4", "4", "2"]
        assert not any(reply.startswith("421") for reply in replies)
        assert [capture.ended for capture in captures] == [Ended.QUIT] * 3

    def test_too_busy_at_first(self, step: str) -> None:
        captures, replies = attempts(f"busy-{step}", 2)
        assert codes(replies) == ["421", "250"]
        assert [capture.ended for capture in captures] == [Ended.DROPPED, Ended.QUIT]

    def test_refused_for_ever(self, step: str) -> None:
        captures, replies = attempts(f"refuse-{step}", 3)
        assert codes(replies) == ["554" if step == "banner" else "550"] * 3
        assert [capture.ended for capture in captures] == [Ended.QUIT] * 3

    def test_dropped_at_first(self, step: str) -> None:
        captures, replies = attempts(f"drop-{step}", 2)
        assert codes(replies) == ["", "250"]
        assert [capture.ended for capture in captures] == [Ended.DROPPED, Ended.QUIT]
        assert all(
            recipient.token == "t1"
            for capture in captures
            for one in capture.transactions
            for recipient in one.recipients
        )
        assert [[one.accepted for one in capture.transactions] for capture in captures] in (
            [[], [True]],
            [[False], [True]],
        )

    def test_codes_are_written_down(self, step: str) -> None:
        (capture,), (reply,) = attempts(f"refuse-{step}", 1)
        code = int(reply[:3])
        hello = [hello.code for hello in capture.hellos]
        found = [
            (one.code, [r.code for r in one.recipients], one.how, one.data_code, one.final_code)
            for one in capture.transactions
        ]
        assert (hello, found) == {
            "banner": ([], []),
            "ehlo": ([550, 550], []),
            "mail": ([250], [(code, [], "", 0, 0)]),
            "rcpt": ([250], [(250, [code], "", 0, 0)]),
            "data": ([250], [(250, [250], "", code, 0)]),
            "dot": ([250], [(250, [250], "DATA", 354, code)]),
        }[step]
        assert capture.banner_at is None if step == "banner" else capture.banner_at
        assert capture.tokens == ("t1",)


@pytest.mark.parametrize(
    ("scenario", "code"), [("tempfail-data", "451"), ("refuse-dot", "550"), ("refuse-data", "550")]
)
def test_chunks_meet_the_same_as_data(scenario: str, code: str) -> None:
    (capture,), replies = attempts(scenario, 1, bdat=True)
    assert codes(replies) == [code]
    (transaction,) = capture.transactions
    expected = ("BDAT", 0, 550) if scenario == "refuse-dot" else ("", int(code), 0)
    assert (transaction.how, transaction.data_code, transaction.final_code) == expected


@pytest.mark.parametrize("bdat", [False, True])
def test_dropped_in_the_middle_of_a_message(bdat: bool) -> None:
    captures, replies = attempts("drop-body", 2, bdat=bdat)
    assert codes(replies) == ["", "250"]
    dropped = captures[0].transactions[0]
    assert dropped.size > 0
    assert (dropped.final_code, captures[0].ended) == (0, Ended.DROPPED)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_greylisted(times: int) -> None:
    _, replies = attempts(f"greylist-{times}", times + 2)
    assert [reply[:9] for reply in replies] == ["451 4.7.1"] * times + ["250 2.0.0"] * 2


def test_a_greylist_counts_for_each_network_of_peers() -> None:
    async def play() -> list[str]:
        async with receiving() as receiver:
            address = receiver.grant("t1", "greylist-1")
            replies = []
            for source in ("127.0.1.1", "127.0.2.1", "127.0.1.200", "127.0.3.1"):
                local = (source, 0)
                streams = await asyncio.open_connection(receiver.address, receiver.port, local_addr=local)
                client = Client(*streams)
                await client.hear()
                await client.ask("EHLO a")
                replies.append(await deliver(client, address))
                client.close()
            return codes(replies)

    assert asyncio.run(play()) == ["451", "451", "250", "451"]


def test_within_a_session_an_answer_stays() -> None:
    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        await client.ask("EHLO a", "MAIL FROM:<>")
        return [await client.ask("RCPT TO:<t1@conform.example.net>") for _ in range(3)]

    _, replies = played("greylist-1", do)
    assert codes(replies) == ["451"] * 3


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [("unknown-2yz", ["250", "250"]), ("unknown-4yz", ["477", "250"]), ("unknown-5yz", ["599"] * 2)],
)
def test_unknown_codes(scenario: str, expected: list[str]) -> None:
    captures, replies = attempts(scenario, 2)
    assert codes(replies) == expected
    if scenario == "unknown-2yz":
        (transaction,) = captures[0].transactions
        assert (transaction.code, transaction.recipients[0].code) == (259, 259)


def recipients(scenario: str, places: Sequence[int]) -> list[list[str]]:
    """Name recipients of some places in two sessions, return the codes."""

    async def play() -> list[list[str]]:
        async with receiving() as receiver:
            addresses = [receiver.grant(f"t{place}", scenario, place=place) for place in places]
            replies = []
            for _ in range(2):
                async with dialling(receiver) as client:
                    await client.hear()
                    await client.ask("EHLO a", "MAIL FROM:<>")
                    replies.append([await client.ask(f"RCPT TO:<{one}>") for one in addresses])
            return [codes(one) for one in replies]

    return asyncio.run(play())


def test_only_so_many_recipients() -> None:
    assert recipients("rcpt-limit", range(1, 6)) == [["250", "250", "452", "452", "452"]] * 2


def test_mixed_answers_to_recipients() -> None:
    first, second = recipients("rcpt-mixed", range(1, 6))
    assert first == ["250", "450", "550", "250", "450"]
    assert second == ["250", "250", "550", "250", "250"]


def test_recipients_of_many_scenarios_in_one_transaction() -> None:
    async def play() -> tuple[list[str], Capture]:
        async with receiving() as receiver:
            names = ("accept", "refuse-rcpt", "greylist-1", "refuse-dot")
            addresses = [receiver.grant(f"t{place}", name) for place, name in enumerate(names)]
            receiver.policy.bound.clear()
            async with dialling(receiver) as client:
                await client.hear()
                await client.ask("EHLO a", "MAIL FROM:<>")
                replies = [await client.ask(f"RCPT TO:<{one}>") for one in addresses]
                replies.append(await client.ask("DATA", "x\r\n."))
            return codes(replies), await receiver.session()

    replies, capture = asyncio.run(play())
    assert replies == ["250", "550", "451", "250", "550"]
    assert capture.tokens == ("t0", "t1", "t2", "t3")
    assert capture.scenario == "accept"


def test_a_scenario_of_another_address_is_not_played_before_rcpt() -> None:
    async def play() -> str:
        async with receiving() as receiver:
            address = receiver.grant("t1", "refuse-mail")
            receiver.policy.bound.clear()
            async with dialling(receiver) as client:
                await client.hear()
                await client.ask("EHLO a")
                return await deliver(client, address)

    assert asyncio.run(play()).startswith("250")


def test_helo_alone_is_known() -> None:
    (capture,), replies = attempts("ehlo-502", 1)
    assert codes(replies) == ["250"]
    assert [(hello.verb, hello.code) for hello in capture.hellos] == [("EHLO", 502), ("HELO", 250)]
    assert capture.hello is not None
    assert capture.hello.verb == "HELO"


def test_slow_banner() -> None:
    (capture,), _ = attempts("slow-banner", 1)
    assert capture.banner_at is not None
    assert capture.banner_at >= 30_000 / PACE


def test_banner_of_several_lines() -> None:
    (capture,), _ = attempts("multiline-banner", 1)
    lines = [line for line in capture.lines if line.text.startswith("220")]
    assert [line.text[:4] for line in lines] == ["220-"] * 4 + ["220 "]
    assert lines[-1].at - lines[0].at >= 20_000 / PACE
    assert capture.banner_at is not None
    assert capture.banner_at >= lines[-1].at


def test_slow_reply_to_the_end_of_the_message() -> None:
    (capture,), replies = attempts("slow-dot", 1)
    (transaction,) = capture.transactions
    assert codes(replies) == ["250"]
    assert transaction.final_at - transaction.chunks[-1].at >= 90_000 / PACE


def test_who_does_not_wait_for_the_slow_reply_has_delivered_nothing() -> None:
    async def play() -> Capture:
        async with receiving(pace=1) as receiver:
            receiver.grant("t1", "slow-dot")
            async with dialling(receiver) as client:
                await client.hear()
                await client.ask("EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net>", "DATA")
                client.say(b"x\r\n.\r\n")
            return await receiver.session()

    capture = asyncio.run(play())
    assert (capture.ended, capture.transactions[0].final_code) == (Ended.CLOSED, 0)


def test_odd_texts_with_right_digits() -> None:
    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        return [
            await client.ask(line)
            for line in ("EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net>", "DATA", "x\r\n.", "NOOP", "QUIT")
        ]

    _, replies = played("fuzzy-replies", do)
    assert [{line[:3] for line in reply.splitlines()} for reply in replies] == [
        {code} for code in ("250", "250", "250", "354", "250", "250", "221")
    ]
    assert any("550" in reply for reply in replies[1:])
    assert any(len(reply.splitlines()) > 1 for reply in replies[1:])


WITHHELD = {
    "no-starttls": {"STARTTLS"},
    "no-8bitmime": {"8BITMIME", "SMTPUTF8"},
    "no-pipelining": {"PIPELINING"},
    "no-smtputf8": {"SMTPUTF8"},
    "no-extensions": set(EXTENSIONS),
}


@pytest.mark.parametrize("scenario", sorted(n for n in SCENARIOS if not ("banner" in n or "ehlo" in n or "fuzzy" in n)))
def test_what_is_offered(scenario: str) -> None:
    async def do(_: Receiver, client: Client) -> str:
        await client.hear()
        return await client.ask("EHLO a")

    capture, _ = played(scenario, do)
    offered = {word.partition(" ")[0] for word in capture.extensions}
    assert offered == set(EXTENSIONS) - WITHHELD.get(scenario, set())


def test_no_extensions_is_one_line() -> None:
    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        return [await client.ask("EHLO a"), await client.ask("MAIL FROM:<> SIZE=1"), await client.ask("MAIL FROM:<>")]

    _, replies = played("no-extensions", do)
    assert replies == ["250 mx.conform.example.net\r\n", "555 a parameter was not offered\r\n", "250 sender noted\r\n"]


def test_small_size() -> None:
    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        ehlo = await client.ask("EHLO a")
        assert "250-SIZE 1000\r\n" in ehlo
        declared = await client.ask("MAIL FROM:<> SIZE=1001")
        return [
            declared,
            await deliver(client, "t1@conform.example.net", body=b"x" * 999 + b"\r\n"),
            await deliver(client, "t1@conform.example.net", body=b"..\r\n" + b"x" * 995 + b"\r\n"),
            await deliver(client, "t1@conform.example.net", body=b"x" * 200_000 + b"\r\n"),
        ]

    capture, replies = played("small-size", do)
    assert [reply[:9] for reply in replies] == ["552 5.3.4", "552 5.3.4", "250 2.0.0", "552 5.3.4"]
    declared, over, fit, huge = capture.transactions
    assert (declared.how, over.size, over.truncated, fit.size, fit.truncated) == ("", 1004, False, 1004, False)
    assert (len(fit.message), len(over.message)) == (1000, 1001)
    assert (huge.size, huge.truncated) == (200_005, True)
    assert len(huge.wire) < huge.size


def test_which_scenarios_need_an_address_of_their_own() -> None:
    plain = {name for name, scenario in SCENARIOS.items() if not scenario.before_rcpt}
    assert plain == {
        *("accept", "greylist-1", "greylist-2", "greylist-3", "rcpt-limit", "rcpt-mixed", "slow-dot", "drop-body"),
        *("unknown-4yz", "unknown-5yz"),
        *(f"{verb}-{step}" for verb in ("tempfail", "busy", "refuse", "drop") for step in ("rcpt", "data", "dot")),
    }


def test_every_scenario_says_what_it_is() -> None:
    for name, scenario in SCENARIOS.items():
        assert isinstance(scenario, Scenario)
        assert name == scenario.name == name.lower()
        assert scenario.about


def test_a_scenario_that_is_not_known_is_plain() -> None:
    _, replies = attempts("no-such-scenario", 1)
    assert codes(replies) == ["250"]


def test_drops_say_nothing_at_all() -> None:
    async def do(receiver: Receiver, _: Client) -> bytes:
        with socket.create_connection((receiver.address, receiver.port)) as bare:
            return await asyncio.to_thread(bare.recv, 100)

    assert played("drop-banner", do, n=2)[1] == b""
