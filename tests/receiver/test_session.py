"""Sessions with a receiver: what a client is told, and what is written down of it."""

import asyncio
import socket

import pytest
from hand import NAME, PATIENCE, Client, Receiver, deliver, dialling, greeting, played, receiving

from conformance.receiver.capture import Capture, Ended
from conformance.receiver.limits import Limits
from conformance.receiver.wire import Wire


def held(*lines: str, scenario: str = "accept", limits: Limits | None = None) -> tuple[Capture, list[str]]:
    """Say lines one by one after the banner; return the session and the replies."""

    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        return [await client.ask(line) for line in lines]

    return played(scenario, do, limits=limits)


def reply_to(*lines: str) -> str:
    return held(*lines)[1][-1]


@pytest.mark.parametrize(("whole", "ended"), [(True, Ended.CLOSED), (False, Ended.QUIT)])
def test_a_client_that_does_not_wait_for_the_reply_to_quit(whole: bool, ended: Ended) -> None:
    async def do(receiver: Receiver) -> bytes:
        # All of it is there before the receiver looks at any.
        with socket.create_connection((receiver.address, receiver.port)) as connection:
            await asyncio.get_running_loop().run_in_executor(None, connection.recv, 1000)
            connection.sendall(b"QUIT\r\n")
            if whole:
                connection.close()
                return b""
            connection.shutdown(socket.SHUT_WR)
            return await asyncio.get_running_loop().run_in_executor(None, connection.recv, 1000)

    async def work() -> tuple[Capture, bytes]:
        async with receiving() as receiver:
            said = await do(receiver)
            while not receiver.captures:
                await asyncio.sleep(0.005)
            return receiver.captures[0], said

    capture, said = asyncio.run(asyncio.wait_for(work(), PATIENCE))
    assert capture.lines[-2].text.startswith("221")
    assert capture.ended is ended
    assert whole or said.startswith(b"221")


def test_a_delivery_is_written_down_byte_for_byte() -> None:
    async def do(receiver: Receiver, client: Client) -> None:
        await client.hear()
        await client.ask("ehlo mx1.example.com", "MAIL FROM:<a@example.com> SIZE=30 BODY=8BITMIME")
        await client.ask("rcpt to:<T1@Conform.Example.net>", "DATA")
        client.say(b"Subject: x\r\n\r\n..dot\r\n")
        await asyncio.sleep(0.05)
        client.say(b"\xe4\n\r.\r\n.\r\nQUIT\r\n")
        await client.gone()

    capture, _ = played("accept", do)
    (transaction,) = capture.transactions
    assert transaction.wire == "Subject: x\r\n\r\n..dot\r\n\xe4\n\r.\r\n.\r\n"
    assert transaction.message == b"Subject: x\r\n\r\n.dot\r\n\xe4\n\r.\r\n"
    assert [chunk.end for chunk in transaction.chunks] == [21, 30]
    assert transaction.chunks[1].at - transaction.chunks[0].at > 40
    assert (transaction.sender, transaction.argument) == ("a@example.com", "<a@example.com> SIZE=30 BODY=8BITMIME")
    assert transaction.parameters == ("SIZE=30", "BODY=8BITMIME")
    (recipient,) = transaction.recipients
    assert (recipient.address, recipient.token, recipient.code) == ("T1@Conform.Example.net", "t1", 250)
    assert (transaction.code, transaction.data_code, transaction.final_code) == (250, 354, 250)
    assert transaction.final_reply == f"250 2.0.0 kept as {capture.id}"
    assert [line.text for line in capture.lines if line.side == "C"] == [
        "ehlo mx1.example.com\r\n",
        "MAIL FROM:<a@example.com> SIZE=30 BODY=8BITMIME\r\n",
        "rcpt to:<T1@Conform.Example.net>\r\n",
        "DATA\r\n",
        "QUIT\r\n",
    ]
    assert [line.text for line in capture.lines if line.side == "*"] == ["30 octets of message", "quit"]
    assert (capture.ended, capture.exchange, capture.tokens, capture.scenario) == (Ended.QUIT, NAME, ("t1",), "accept")
    assert not capture.early
    sent = [line.at for line in capture.lines if line.side == "S"]
    assert sent == sorted(sent)


def test_a_greeting_is_written_down() -> None:
    capture, _ = held("EHLO mx1.example.com", "HELO  two words", "QUIT")
    assert [(hello.verb, hello.argument, hello.code, hello.tls) for hello in capture.hellos] == [
        ("EHLO", "mx1.example.com", 250, False),
        ("HELO", " two words", 250, False),
    ]
    assert capture.extensions == (
        *("PIPELINING", "SIZE 20480000", "STARTTLS", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING", "SMTPUTF8"),
    )
    assert capture.banner_at


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["NOOP"], "250"),
        (["noop with words"], "250"),
        (["HELP"], "214"),
        (["VRFY postmaster"], "252"),
        (["VRFY"], "501"),
        (["EXPN list"], "502"),
        (["AUTH PLAIN AAAA"], "502"),
        (["NONSENSE"], "500"),
        ([""], "500"),
        (["EHLO"], "501"),
        (["HELO  "], "501"),
        (["RSET"], "250"),
        (["MAIL FROM:<a@example.com>"], "503"),
        (["STARTTLS"], "503"),
        (["RCPT TO:<a@example.com>"], "503"),
        (["EHLO a", "RCPT TO:<a@example.com>"], "503"),
        (["EHLO a", "DATA"], "503"),
        (["EHLO a", "STARTTLS now"], "501"),
        (["EHLO a", "MAIL FROM:<>"], "250"),
        (["EHLO a", "MAIL FROM: <a@example.com>"], "250"),
        (["EHLO a", "MAIL FROM:<@x.example,@y.example:a@example.com>"], "250"),
        (["EHLO a", 'MAIL FROM:<"a b"@example.com>'], "250"),
        (["EHLO a", "MAIL FROM:<a@[192.0.2.1]>"], "250"),
        (["EHLO a", "MAIL FROM:a@example.com"], "501"),
        (["EHLO a", "MAIL <a@example.com>"], "501"),
        (["EHLO a", "MAIL FROM:<a>"], "501"),
        (["EHLO a", "MAIL FROM:<a@example.com"], "501"),
        (["EHLO a", "MAIL FROM:<a@example.com> SIZE=x"], "501"),
        (["EHLO a", "MAIL FROM:<a@example.com> SIZE=1 SIZE=1"], "501"),
        (["EHLO a", "MAIL FROM:<a@example.com> SIZE=99999999"], "552"),
        (["EHLO a", "MAIL FROM:<a@example.com> =x"], "501"),
        (["EHLO a", "MAIL FROM:<a@example.com> BODY=BINARYMIME"], "501"),
        (["EHLO a", "MAIL FROM:<a@example.com> REQUIRETLS"], "555"),
        (["EHLO a", "MAIL FROM:<a@example.com> NOTIFY=NEVER"], "555"),
        (["EHLO a", "MAIL FROM:<a@example.com> RET=HDRS ENVID=x SMTPUTF8"], "250"),
        (["HELO a", "MAIL FROM:<a@example.com> SIZE=1"], "555"),
        (["EHLO a", "MAIL FROM:<\xe4@example.com>"], "553"),
        (["EHLO a", "MAIL FROM:<\xe4@example.com> SMTPUTF8"], "250"),
        (["EHLO a", "MAIL FROM:<>", "MAIL FROM:<>"], "503"),
        (["EHLO a", "MAIL FROM:<>", "RSET", "MAIL FROM:<>"], "250"),
        (["EHLO a", "MAIL FROM:<>", "EHLO a", "RCPT TO:<t1@conform.example.net>"], "503"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net>"], "250"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net> NOTIFY=FAILURE,DELAY ORCPT=rfc822;x"], "250"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net> SIZE=1"], "555"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<@x.example:t1@conform.example.net>"], "250"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<@x.example:a@example.org>"], "550"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<t1%example.org@conform.example.net>"], "550"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net@example.org>"], "501"),
        (["EHLO a", "MAIL FROM:<>", 'RCPT TO:<"t1@conform.example.net"@example.org>'], "550"),
        (["EHLO a", "MAIL FROM:<>", 'RCPT TO:<"a@example.org"@conform.example.net>'], "550"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<example.org!a@conform.example.net>"], "550"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<a@[127.0.0.1]>"], "550"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<a@example.org>"], "550"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<postmaster>"], "550"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<>"], "501"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<t1>"], "501"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net>", "DATA now"], "501"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<a@example.org>", "DATA"], "554"),
        (["EHLO a", "BDAT x"], "501"),
        (["EHLO a", "BDAT 0"], "503"),
        (["HELO a", "BDAT 0 LAST"], "502"),
        (["EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net>", "BDAT 0", "DATA"], "503"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[-1],
)
def test_replies_are_those_of_a_receiver(lines: list[str], code: str) -> None:
    assert reply_to(*lines)[:4] == f"{code} "


def test_refused_recipients_and_senders_are_written_down() -> None:
    capture, _ = held("EHLO a", "MAIL FROM:a@x", "MAIL FROM:<>", "RCPT TO:<a@example.org>", "RCPT TO:t1", "QUIT")
    refused, begun = capture.transactions
    assert (refused.argument, refused.code) == ("a@x", 501)
    assert [(one.argument, one.address, one.token, one.code) for one in begun.recipients] == [
        ("<a@example.org>", "a@example.org", "", 550),
        ("t1", "", "", 501),
    ]
    assert begun.recipients[0].reply.startswith("550 5.7.1 ")


class TestChunks:
    """BDAT (RFC 3030)."""

    def test_chunks_make_one_message(self) -> None:
        async def do(_: Receiver, client: Client) -> list[str]:
            await client.hear()
            await client.ask("EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net>")
            return [
                await client.ask(b"BDAT 12\r\nSubject: x"),
                await client.ask(b"BDAT 5\r\n\r\n.\r\n"[:-2]),
                await client.ask("bdat 4 last\r\n.\n"),
                await client.ask("MAIL FROM:<>"),
            ]

        capture, replies = played("accept", do)
        transaction = capture.transactions[0]
        assert [reply[:3] for reply in replies] == ["250"] * 4
        assert transaction.how == "BDAT"
        assert transaction.wire == "Subject: x\r\n\r\n.\r\n.\n\r\n"
        assert transaction.message == b"Subject: x\r\n\r\n.\r\n.\n\r\n"
        assert transaction.final_code == 250

    def test_a_chunk_that_is_refused_is_no_command(self) -> None:
        async def do(_: Receiver, client: Client) -> list[str]:
            await client.hear()
            await client.ask("EHLO a", "MAIL FROM:<>")
            return [await client.ask(b"BDAT 6\r\nQUIT"), await client.ask("NOOP")]

        capture, replies = played("accept", do)
        assert [reply[:3] for reply in replies] == ["554", "250"]
        assert not any(line.text.startswith("QUIT") for line in capture.lines)

    def test_a_message_that_is_broken_off_is_written_down(self) -> None:
        async def do(_: Receiver, client: Client) -> None:
            await client.hear()
            await client.ask("EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net>", b"BDAT 2\r\n")
            await client.ask("RSET", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net>")
            client.say(b"BDAT 100\r\nhalf")

        capture, _ = played("accept", do)
        assert [(one.wire, one.final_code) for one in capture.transactions] == [("\r\n", 0), ("half", 0)]
        assert capture.ended is Ended.CLOSED


class TestEarly:
    """What comes before the client may send it (RFC 5321 section 4.3.1, RFC 2920 section 3.1)."""

    def test_before_the_banner(self) -> None:
        async def do(_: Receiver, client: Client) -> list[str]:
            client.say(b"EHLO a\r\n")
            return [await client.hear(), await client.hear()]

        capture, replies = played("slow-banner", do)
        assert [(one.before, one.text) for one in capture.early] == [("banner", "EHLO a\r\n")]
        assert [reply[:3] for reply in replies] == ["220", "250"]
        assert capture.banner_at is not None
        assert capture.early[0].at < capture.banner_at

    @pytest.mark.parametrize(
        ("said", "early"),
        [
            (b"EHLO a\r\nMAIL FROM:<>\r\n", [("EHLO", "MAIL FROM:<>\r\n")]),
            (b"HELO a\r\nNOOP\r\nQUIT\r\n", [("HELO", "NOOP\r\nQUIT\r\n")]),
            (b"NOOP\r\nRSET\r\n", [("NOOP", "RSET\r\n")]),
            (b"RSET\r\nRSET\r\n", [("RSET", "RSET\r\n")]),
            (b"QUIT\r\nx", [("QUIT", "x")]),
        ],
    )
    def test_before_a_reply(self, said: bytes, early: list[tuple[str, str]]) -> None:
        async def do(_: Receiver, client: Client) -> None:
            await client.hear()
            client.say(said)
            client.writer.write_eof()
            await client.gone()

        capture, _ = played("accept", do)
        assert [(one.before, one.text) for one in capture.early] == early

    def test_groups_are_fit_once_pipelining_was_offered(self) -> None:
        async def do(_: Receiver, client: Client) -> bytes:
            await client.hear()
            await client.ask("EHLO a")
            client.say(b"MAIL FROM:<>\r\nRCPT TO:<t1@conform.example.net>\r\nDATA\r\n")
            for _ in range(3):
                await client.hear()
            client.say(b"x\r\n.\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n")
            return await client.gone()

        capture, replies = played("accept", do)
        assert not capture.early
        assert [reply[:3] for reply in replies.split(b"\r\n")] == [b"250", b"250", b"250", b"221", b""]

    def test_groups_are_unfit_where_it_was_not(self) -> None:
        async def do(_: Receiver, client: Client) -> None:
            await client.hear()
            await client.ask("EHLO a")
            client.say(b"MAIL FROM:<>\r\nRCPT TO:<t1@conform.example.net>\r\n")
            await client.hear()
            await client.hear()
            await client.ask("DATA", "x\r\n.\r\nQUIT")

        capture, _ = played("no-pipelining", do)
        assert [(one.before, one.text) for one in capture.early] == [
            ("MAIL", "RCPT TO:<t1@conform.example.net>\r\n"),
            (".", "QUIT\r\n"),
        ]

    def test_a_message_before_354(self) -> None:
        async def do(_: Receiver, client: Client) -> str:
            await client.hear()
            await client.ask("EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net>")
            await client.ask("DATA\r\nx\r\n.")
            return await client.hear()

        capture, reply = played("accept", do)
        assert [(one.before, one.text) for one in capture.early] == [("DATA", "x\r\n.\r\n")]
        assert reply[:3] == "250"


class TestEnds:
    """How sessions end."""

    def test_without_quit(self) -> None:
        capture, _ = held("EHLO a")
        assert capture.ended is Ended.CLOSED
        assert not capture.ended.by_receiver

    def test_with_a_reset(self) -> None:
        async def do(_: Receiver, client: Client) -> None:
            import socket
            import struct

            await client.hear()
            connection = client.writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.writer.transport.abort()

        assert played("accept", do)[0].ended is Ended.RESET

    def test_in_the_middle_of_a_line(self) -> None:
        async def do(_: Receiver, client: Client) -> None:
            await client.hear()
            client.say(b"EHLO a.exam")

        capture, _ = played("accept", do)
        assert [line.text for line in capture.lines if line.side == "C"] == ["EHLO a.exam"]

    def test_in_the_middle_of_a_message(self) -> None:
        async def do(_: Receiver, client: Client) -> None:
            await client.hear()
            await client.ask("EHLO a", "MAIL FROM:<>", "RCPT TO:<t1@conform.example.net>", "DATA")
            client.say(b"Subject: x\r\n.\r")

        capture, _ = played("accept", do)
        (transaction,) = capture.transactions
        assert (transaction.wire, transaction.data_code, transaction.final_code) == ("Subject: x\r\n.\r", 354, 0)
        assert not transaction.accepted

    def test_when_the_client_says_nothing(self) -> None:
        async def do(_: Receiver, client: Client) -> bytes:
            await client.hear()
            return await client.gone()

        capture, said = played("accept", do, limits=Limits(idle_seconds=0.05))
        assert said.startswith(b"421 4.4.2 ")
        assert (capture.ended, capture.ended.by_receiver) == (Ended.TIMEOUT, True)

    def test_when_the_receiver_stops(self) -> None:
        async def do() -> tuple[Capture, bytes]:
            async with receiving() as receiver:
                receiver.grant()
                async with greeting(receiver) as client:
                    await client.ask("MAIL FROM:<>")
                    stopping = asyncio.create_task(receiver.server.stop())
                    said = await client.gone()
                    client.close()
                    await stopping
                return receiver.captures[-1], said

        capture, said = asyncio.run(do())
        assert said.startswith(b"421 4.3.2 ")
        assert capture.ended is Ended.OPEN
        assert [one.code for one in capture.transactions] == [250]


def test_sessions_side_by_side_are_not_mixed_up() -> None:
    async def do() -> list[Capture]:
        async with receiving() as receiver:
            tokens = [f"t{number}" for number in range(40)]
            addresses = [receiver.grant(token) for token in tokens]
            receiver.policy.bound.clear()

            async def send(token: str, address: str) -> None:
                async with greeting(receiver, f"EHLO {token}.example.com") as client:
                    assert (await deliver(client, address, body=f"{token}\r\n".encode())).startswith("250")
                    await client.ask("QUIT")

            await asyncio.gather(*map(send, tokens, addresses))
            await receiver.session()
            return receiver.captures

    captures = asyncio.run(do())
    assert len(captures) == 40
    for capture in captures:
        (token,) = capture.tokens
        assert [hello.argument for hello in capture.hellos] == [f"{token}.example.com"]
        assert capture.transactions[0].message == f"{token}\r\n".encode()


def test_what_cannot_be_kept_is_not_acknowledged() -> None:
    async def do() -> tuple[Capture, str, str]:
        async with receiving() as receiver:
            address = receiver.grant()
            keep = receiver.policy.keep

            async def fail(capture: Capture) -> None:
                raise OSError("no space left on device")

            async with greeting(receiver) as client:
                receiver.policy.keep = fail  # type: ignore[method-assign]
                first = await deliver(client, address)
                receiver.policy.keep = keep  # type: ignore[method-assign]
                second = await deliver(client, address)
            return await receiver.session(), first, second

    capture, first, second = asyncio.run(do())
    assert first.startswith("451 4.3.0 ")
    assert second.startswith("250 ")
    assert [one.final_code for one in capture.transactions] == [451, 250]


def test_a_message_is_kept_before_it_is_acknowledged() -> None:
    async def do() -> Capture:
        async with receiving() as receiver:
            address = receiver.grant()
            async with greeting(receiver) as client:
                await deliver(client, address)
                return receiver.captures[0]

    capture = asyncio.run(do())
    assert capture.ended is Ended.OPEN
    assert capture.transactions[0].accepted


def test_a_client_that_is_gone_at_once_is_nobody() -> None:
    class Gone(asyncio.Transport):
        aborted = False

        def get_extra_info(self, name: str, default: object = None) -> object:
            return None

        def abort(self) -> None:
            self.aborted = True

    async def do() -> bool:
        transport = Gone()
        Wire(Limits(), lambda _: pytest.fail("a session with nobody")).connection_made(transport)
        return transport.aborted

    assert asyncio.run(do())


def test_a_greeting_that_the_policy_cannot_judge_is_written_down_as_put_off() -> None:
    async def do(receiver: Receiver, client: Client) -> str:
        def fail(*_: str) -> int:
            raise OSError("locked")

        await client.hear()
        receiver.policy.tally = fail  # type: ignore[method-assign]
        return await client.ask("EHLO a")

    capture, reply = played("tempfail-ehlo", do)
    assert reply.startswith("451 4.3.0")
    assert [hello.code for hello in capture.hellos] == [451]


@pytest.mark.parametrize(
    ("method", "reply"),
    [("at_connect", "421 4.3.0"), ("exchange", "421 4.3.0"), ("at_recipient", "451 4.3.0"), ("tally", "451 4.3.0")],
)
def test_a_policy_that_fails_puts_mail_off(method: str, reply: str) -> None:
    def fail(*_: str) -> None:
        raise OSError("locked")

    async def do() -> str:
        async with receiving() as receiver:
            address = receiver.grant("t1", "tempfail-dot")
            setattr(receiver.policy, method, fail)
            async with dialling(receiver) as client:
                banner = await client.hear()
                if not banner.startswith("220"):
                    return banner
                await client.ask("EHLO a")
                return await deliver(client, address)

    assert asyncio.run(do()).startswith(reply)
