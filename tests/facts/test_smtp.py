"""Sessions without TLS: what listeners do, well or badly, is kept as what it was."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

import pytest
from smtp_server import EHLO, GREETING, Handler, Server, free_port, listener, prober, reset, serving, smtp

from conformance.facts.session import End, Reply, Session
from conformance.facts.smtp import Prober
from conformance.outcome import Undetermined

TLS = ("none", "starttls", "implicit")


def dial(handler: Handler, **options: object) -> Session:
    """Return the session with a server that does as the handler says."""

    async def run() -> Session:
        async with serving(handler) as server:
            return await prober(**options).session(listener(server.port))

    return asyncio.run(run())


def dial_smtp(replies: dict[str, bytes] | None = None, greeting: bytes = GREETING) -> tuple[Session, list[str]]:
    """Return the session with a server that answers so, and the commands that it got."""

    async def run() -> tuple[Session, list[str]]:
        async with smtp(replies, greeting=greeting) as server:
            return await prober().session(listener(server.port)), server.commands

    return asyncio.run(run())


def says(*chunks: bytes, then: str = "wait") -> Handler:
    """Return a handler that sends chunks and then waits, closes or resets."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0.01)
        if then == "wait":
            await asyncio.sleep(60)
        if then == "reset":
            reset(writer)

    return handle


def test_a_plain_session_is_complete_and_every_line_is_kept() -> None:
    session, commands = dial_smtp()
    assert session.end is End.COMPLETE
    assert (session.stage, session.error, session.truncated) == ("", "", False)
    assert session.target == "127.0.0.1"
    assert session.greeting == Reply(220, ("mx.example.net ESMTP",))
    assert session.ehlo == Reply(250, ("mx.example.net", "STARTTLS", "SIZE 1000"))
    assert session.extensions == ("STARTTLS", "SIZE")
    assert commands == ["EHLO probe.example.org", "QUIT"]
    wire = [(line.side, line.text) for line in session.lines if line.side != "*"]
    assert wire == [
        ("S", "220 mx.example.net ESMTP"),
        ("C", "EHLO probe.example.org"),
        ("S", "250-mx.example.net"),
        ("S", "250-STARTTLS"),
        ("S", "250 SIZE 1000"),
        ("C", "QUIT"),
        ("S", "221 bye"),
    ]
    times = [line.at for line in session.lines]
    assert times == sorted(times)
    assert session.started.endswith("+00:00")


def test_a_greeting_of_several_lines_keeps_all_of_them() -> None:
    session, _ = dial_smtp(greeting=b"220-mx.example.net\r\n220-\r\n220 no spam\r\n")
    assert session.greeting == Reply(220, ("mx.example.net", "", "no spam"))


def test_an_empty_first_line_does_not_hide_extensions() -> None:
    session, _ = dial_smtp({"EHLO": b"250-\r\n250-PIPELINING\r\n250 8BITMIME\r\n"})
    assert session.extensions == ("PIPELINING", "8BITMIME")


def test_a_reply_in_pieces_is_one_reply() -> None:
    session = dial(says(b"22", b"0-mx.exa", b"mple.net\r", b"\n220 ready\r\n", then="close"))
    assert session.greeting == Reply(220, ("mx.example.net", "ready"))


def test_helo_is_said_only_after_ehlo_was_refused() -> None:
    session, commands = dial_smtp({"EHLO": b"502 what?\r\n"})
    assert session.end is End.COMPLETE
    assert (session.ehlo, session.helo) == (Reply(502, ("what?",)), Reply(250, ("mx.example.net",)))
    assert session.extensions == ()
    assert commands == ["EHLO probe.example.org", "HELO probe.example.org", "QUIT"]


@pytest.mark.parametrize(
    ("replies", "code", "last"),
    [({"EHLO": b"421 busy\r\n"}, 421, "EHLO"), ({"EHLO": b"550 blocked\r\n", "HELO": b"550 blocked\r\n"}, 550, "HELO")],
)
def test_a_server_that_takes_no_greeting_leaves_its_extensions_unknown(
    replies: dict[str, bytes], code: int, last: str
) -> None:
    session, commands = dial_smtp(replies)
    assert (session.end, session.stage) == (End.REFUSED, "ehlo")
    assert str(code) in session.error
    assert session.ehlo is not None
    assert session.ehlo.code == code
    assert [command.split(" ")[0] for command in commands[-2:]] == [last, "QUIT"]
    with pytest.raises(Undetermined, match=str(code)):
        _ = session.extensions


@pytest.mark.parametrize("greeting", [b"554 5.7.1 go away\r\n", b"421-busy\r\n421 later\r\n"])
def test_a_refusing_greeting_is_kept_and_quit_is_said(greeting: bytes) -> None:
    session, commands = dial_smtp(greeting=greeting)
    assert (session.end, session.stage) == (End.BAD_GREETING, "greeting")
    assert session.greeting is not None
    assert session.greeting.code == int(greeting[:3])
    assert session.ehlo is None
    assert commands == ["QUIT"]


@pytest.mark.parametrize(
    "greeting",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"hello\r\n",
        b"22 short\r\n",
        b"220\0nul\r\n",
        b" 220 x\r\n",
        b"+20 x\r\n",
        b"999 x\r\n",
    ],
)
def test_text_that_is_no_reply_is_a_bad_greeting(greeting: bytes) -> None:
    session, _ = dial_smtp(greeting=greeting)
    assert (session.end, session.stage, session.greeting) == (End.BAD_GREETING, "greeting", None)
    assert greeting.decode("latin-1").removesuffix("\r\n") in [line.text for line in session.lines if line.side == "S"]


def test_garbage_without_a_line_end_is_a_bad_greeting_too() -> None:
    session = dial(says(b"\xff\xfb\x01login: "), timeout=0.3)
    assert (session.end, session.greeting) == (End.BAD_GREETING, None)
    assert r"'\xff\xfb\x01login: '" in session.error
    assert ("S", "\xff\xfb\x01login: ") in [(line.side, line.text) for line in session.lines]


def test_hostile_octets_are_kept_as_they_are_and_escaped_in_words() -> None:
    text = "\x1b[2J<script>\x00\xe9\r\x7f"
    session, _ = dial_smtp(greeting=f"220 {text}\r\n".encode("latin-1"))
    assert session.end is End.COMPLETE
    assert session.greeting == Reply(220, (text,))
    refused, _ = dial_smtp(greeting=f"554 {text}\r\n".encode("latin-1"))
    assert refused.error.isprintable()
    assert refused.error.isascii()


def test_what_a_server_says_unasked_is_not_taken_for_an_answer() -> None:
    session, _ = dial_smtp(greeting=b"220 mx.example.net\r\n250-evil\r\n250 STARTTLS\r\n")
    assert session.ehlo is not None
    assert session.ehlo.lines[0] == "mx.example.net"
    assert "250-evil" in [line.text for line in session.lines]


def test_garbage_after_ehlo_is_named_with_its_stage() -> None:
    session, _ = dial_smtp({"EHLO": b"HTTP/1.1 400 Bad Request\r\n"})
    assert (session.end, session.stage, session.ehlo) == (End.BAD_GREETING, "ehlo", None)
    assert "HTTP/1.1" in session.error


def test_a_banner_of_60_kib_is_cut_and_the_session_still_judged() -> None:
    session, _ = dial_smtp(greeting=b"220 " + b"x" * 60 * 1024 + b"\r\n")
    assert session.end is End.COMPLETE
    assert session.truncated
    assert max(len(line.text) for line in session.lines) == 4096
    assert session.extensions == ("STARTTLS", "SIZE")


def test_a_banner_of_many_lines_is_cut_and_the_session_still_judged() -> None:
    session, _ = dial_smtp(greeting=b"220-" + b"x" * 500 + b"\r\n" + b"220-y\r\n" * 20_000 + b"220 end\r\n")
    assert session.end is End.COMPLETE
    assert session.truncated
    assert sum(len(line.text) for line in session.lines) < 70_000
    assert len(session.lines) < 1100


def test_a_server_that_never_ends_its_reply_is_cut_off() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"220-" + b"x" * 4000 + b"\r\n")
            await writer.drain()

    session = dial(flood)
    assert (session.end, session.greeting) == (End.BAD_GREETING, None)
    assert session.ms < 4000


@pytest.mark.parametrize(
    ("handler", "stage"),
    [(says(), "greeting"), (says(b"220-still\r\n"), "greeting"), (says(b"220 mx\r\n"), "ehlo")],
)
def test_a_server_that_does_not_answer_is_a_timeout(handler: Handler, stage: str) -> None:
    session = dial(handler, timeout=0.3)
    assert (session.end, session.stage, session.error) == (End.TIMEOUT, stage, "no answer within 0.3 s")
    assert [line for line in session.lines if line.side == "*" and "timeout" in line.text]


@pytest.mark.parametrize(
    ("handler", "end", "stage"),
    [
        (says(then="close"), End.CLOSED, "greeting"),
        (says(b"220-mx", then="close"), End.CLOSED, "greeting"),
        (says(then="reset"), End.RESET, "greeting"),
        (says(b"220 mx\r\n", then="reset"), End.RESET, "ehlo"),
    ],
)
def test_a_connection_that_breaks_ends_as_what_it_was(handler: Handler, end: End, stage: str) -> None:
    session = dial(handler)
    assert (session.end, session.stage) == (end, stage)
    assert session.error
    assert [line for line in session.lines if line.side == "*" and end.value in line.text]


def test_a_close_after_the_greeting_is_closed_or_reset_at_ehlo() -> None:
    session = dial(says(b"220 mx\r\n", then="close"))
    assert session.end in {End.CLOSED, End.RESET}
    assert session.stage == "ehlo"
    assert session.greeting == Reply(220, ("mx",))


def test_nothing_is_said_to_a_server_that_has_not_spoken() -> None:
    heard = bytearray()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read())

    assert dial(silent, timeout=0.3).end is End.TIMEOUT
    assert not heard


def test_a_refused_port_is_tried_again_and_is_refused() -> None:
    session = asyncio.run(prober(retries=1).session(listener(free_port())))
    assert (session.end, session.stage, session.error) == (End.REFUSED, "connect", "Connection refused")
    assert sum("connecting" in line.text for line in session.lines) == 2


def test_an_address_that_takes_no_connections_is_unreachable_and_not_tried_again() -> None:
    session = asyncio.run(prober(retries=1).session(listener(25, connect_to="127.255.255.255")))
    assert (session.end, session.stage) == (End.UNREACHABLE, "connect")
    assert sum("connecting" in line.text for line in session.lines) == 1


@pytest.mark.parametrize(("broken", "tries"), [(b"", 2), (b"554 no\r\n", 1)])
def test_a_lost_connection_is_tried_once_more_and_a_refusal_is_not(broken: bytes, tries: int) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if server.connections > 1:
            writer.write(b"220 mx.example.net\r\n")
            await reader.readline()
            writer.write(EHLO)
            await reader.readline()
        writer.write(broken)

    async def run() -> Session:
        async with serving(handle, seen=server):
            return await prober(retries=1).session(listener(server.port))

    server = Server()
    session = asyncio.run(run())
    assert server.connections == tries
    assert session.end is (End.COMPLETE if tries == 2 else End.BAD_GREETING)


def test_names_are_resolved_and_their_addresses_tried_in_turn() -> None:
    async def resolve(name: str) -> list[str]:
        return {"mx.example.net": ["127.0.0.2", "127.0.0.1"]}[name]

    async def run() -> Session:
        async with smtp() as server:
            return await prober(resolve=resolve).session(listener(server.port, connect_to="mx.example.net"))

    session = asyncio.run(run())
    assert (session.end, session.target) == (End.COMPLETE, "127.0.0.1")
    assert any("127.0.0.2" in line.text for line in session.lines)


@pytest.mark.parametrize(
    "failure", [OSError(5, "no such host"), Undetermined("SERVFAIL"), UnicodeError("label too long"), None]
)
def test_a_name_without_address_is_unresolved(failure: Exception | None) -> None:
    async def resolve(name: str) -> list[str]:
        if failure:
            raise failure
        return []

    session = asyncio.run(prober(resolve=resolve).session(listener(25, connect_to="mx.example.net")))
    assert (session.end, session.target) == (End.UNRESOLVED, "mx.example.net")
    assert session.error.startswith("mx.example.net: ")


def test_a_resolver_that_hangs_is_unresolved_in_time() -> None:
    async def resolve(name: str) -> list[str]:
        await asyncio.sleep(60)
        return []

    session = asyncio.run(prober(resolve=resolve, timeout=0.1).session(listener(25, connect_to="mx.example.net")))
    assert session.end is End.UNRESOLVED
    assert "in time" in session.error


def test_the_timeout_of_a_listener_wins() -> None:
    async def run() -> Session:
        async with serving(says()) as server:
            return await prober(timeout=30).session(listener(server.port, timeout=0.1))

    session = asyncio.run(run())
    assert session.end is End.TIMEOUT
    assert session.ms < 2000


def test_tries_end_within_six_timeouts() -> None:
    began = time.monotonic()
    session = dial(says(), timeout=0.15, retries=50)
    assert session.end is End.TIMEOUT
    assert time.monotonic() - began < 0.15 * 6 + 0.5


def test_a_server_slow_at_every_step_is_left_when_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def drowsy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(b"220 mx\r\n")
        while await reader.readline():
            await asyncio.sleep(0.1)
            writer.write(b"502 no\r\n")

    monkeypatch.setattr("conformance.facts.smtp.STEPS", 0.5)
    session = dial(drowsy, timeout=0.5)
    assert (session.end, session.stage, session.error) == (End.TIMEOUT, "ehlo", "the time for one listener is over")
    assert session.greeting is not None
    assert session.ms < 900


@pytest.mark.parametrize("seed", range(12))
def test_no_octets_of_a_server_raise(seed: int) -> None:
    words = [
        b"220 ",
        b"220-",
        b"250-STARTTLS",
        b"250 ",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"x" * 9000,
        b"\x16\x03\x01",
    ]
    noise = random.Random(seed).choices(words, k=40)

    async def noisy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for word in noise:
            writer.write(word)
            await asyncio.sleep(0)

    async def run() -> Session:
        async with serving(noisy) as server:
            return await prober(timeout=0.3).session(listener(server.port, random.Random(seed).choice(TLS)))

    session = asyncio.run(run())
    assert session.end is not End.SKIPPED
    assert session.lines


@pytest.mark.parametrize(("options", "most"), [({}, 1), ({"per_host": 2}, 2), ({"per_host": 9, "sessions": 3}, 3)])
def test_sessions_at_once_are_bounded(options: dict[str, int], most: int) -> None:
    async def run() -> tuple[list[Session], int]:
        async with smtp() as server:
            polite = prober(**options)
            sessions = await asyncio.gather(*(polite.session(listener(server.port)) for _ in range(8)))
            return sessions, server.most_at_once

    sessions, seen = asyncio.run(run())
    assert {session.end for session in sessions} == {End.COMPLETE}
    assert 1 <= seen <= most


def test_a_cancelled_session_leaves_no_connection() -> None:
    async def run() -> bytes:
        left: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mx\r\n")
            await reader.readline()
            with contextlib.suppress(ConnectionError):
                left.set_result(await reader.read())
                return
            left.set_result(b"")

        async with serving(silent) as server:
            task = asyncio.create_task(prober().session(listener(server.port)))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asyncio.wait_for(left, 2)

    assert asyncio.run(run()) == b""


@pytest.mark.parametrize("name", ["", "two words", "a\r\nMAIL FROM:<x>", "caf\xe9.example", "x" * 256])
def test_an_ehlo_name_that_cannot_stand_in_a_command_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="EHLO"):
        Prober(ehlo=name)
