"""What ends a message and what does not, and sessions of random octets."""

import asyncio
import contextlib
import json
import os
from pathlib import Path

import pytest
from hand import PATIENCE, Client, Receiver, dialling, played, receiving
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conformance.receiver.capture import Capture, Ended
from conformance.receiver.command import CommandSyntaxError, is_mailbox, read_command, read_parameter, read_path
from conformance.receiver.limits import Limits
from conformance.receiver.parameters import MAIL, RCPT, unfit
from conformance.receiver.scenario import EXTENSIONS, SCENARIOS

TO = "t1@conform.example.net"

NO_END = [
    *("\n.\n", "\n.\r", "\r.\n", "\r.\r", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n", "\r\r\n.\r\r\n"),
    *(
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\r\n .\r\n",
        "\r\n. \r\n",
        "\r\n..\r\n",
        "\r\n.\n\r\n",
        "\n\r\n.\n",
        "\n\n.\n\n",
        ".",
    ),
    *("\r\n.\x0b\r", "\x85.\x85", "\r\n\xff.\r\n", "\n.\n\n", "\r\n.\n.\n"),
]


def corpus() -> list[str]:
    """Return the sequences that smuggling was tried with elsewhere."""
    folder = os.environ.get("MAILCONFORM_CORPORA")
    path = Path(folder or "/nowhere") / "smtp-smuggling" / "eod_sequences.json"
    return json.loads(path.read_text()) if path.is_file() else []


def smuggled(sequence: str, *, slowly: bool = False) -> Capture:
    """Deliver a message with a sequence and commands after it."""
    message = f"Subject: x\r\n\r\nbefore{sequence}MAIL FROM:<smuggled@example.com>\r\nRCPT TO:<{TO}>\r\nDATA\r\n"
    octets = f"{message}after\r\n.\r\n".encode("latin-1")

    async def do(_: Receiver, client: Client) -> None:
        await client.hear()
        await client.ask("EHLO a", "MAIL FROM:<>", f"RCPT TO:<{TO}>", "DATA")
        for part in [octets[at : at + 1] for at in range(len(octets))] if slowly else [octets]:
            client.say(part)
            if slowly:
                await asyncio.sleep(0)
        assert (await client.hear()).startswith("250 ")
        await client.ask("QUIT")

    return played("accept", do)[0]


@pytest.mark.parametrize("sequence", NO_END, ids=repr)
def test_only_crlf_dot_crlf_ends_a_message(sequence: str) -> None:
    capture = smuggled(sequence)
    (transaction,) = capture.transactions
    assert transaction.sender == ""
    assert transaction.wire.startswith(f"Subject: x\r\n\r\nbefore{sequence}MAIL FROM:")
    assert transaction.wire.endswith("after\r\n.\r\n")


def test_sequences_tried_elsewhere_end_nothing() -> None:
    sequences = corpus()
    if not sequences:
        pytest.skip("MAILCONFORM_CORPORA names no folder with smtp-smuggling/eod_sequences.json")
    for sequence in sequences:
        assert [one.sender for one in smuggled(sequence).transactions] == [""], sequence


@pytest.mark.parametrize("sequence", ["\n.\n", "\r\n.\r\r\n"], ids=repr)
def test_octets_that_come_one_by_one_end_it_likewise(sequence: str) -> None:
    (transaction,) = smuggled(sequence, slowly=True).transactions
    assert transaction.wire.endswith("after\r\n.\r\n")


def test_crlf_dot_crlf_ends_it_wherever_packets_are_cut() -> None:
    octets = b"x\r\n.\r\nNOOP\r\n"

    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        await client.ask("EHLO a")
        replies = []
        for cut in range(1, len(octets)):
            await client.ask("MAIL FROM:<>", f"RCPT TO:<{TO}>", "DATA")
            client.say(octets[:cut])
            await asyncio.sleep(0.002)
            client.say(octets[cut:])
            replies.append((await client.hear())[:9] + (await client.hear()).strip())
        return replies

    capture, replies = played("accept", do)
    assert set(replies) == {"250 2.0.0250 2.0.0 nothing done"}
    assert {one.wire for one in capture.transactions} == {"x\r\n.\r\n"}


def test_a_message_of_nothing() -> None:
    async def do(_: Receiver, client: Client) -> str:
        await client.hear()
        return await client.ask("EHLO a", "MAIL FROM:<>", f"RCPT TO:<{TO}>", "DATA", ".")

    capture, reply = played("accept", do)
    assert reply.startswith("250 ")
    assert (capture.transactions[0].wire, capture.transactions[0].message) == (".\r\n", b"")


COMMANDS = st.sampled_from(
    [
        *(b"EHLO a\r\n", b"HELO a\r\n", b"MAIL FROM:<>\r\n", b"MAIL FROM:<a@example.com> SIZE=3\r\n", b"DATA\r\n"),
        *(
            b"RCPT TO:<t1@conform.example.net>\r\n",
            b"RCPT TO:<x>\r\n",
            b"BDAT 3\r\nabc",
            b"BDAT 0 LAST\r\n",
            b"\r\n.\r\n",
        ),
        *(
            b"STARTTLS\r\n",
            b"QUIT\r\n",
            b"RSET\r\n",
            b"VRFY x\r\n",
            b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
            b"\n",
            b"\0",
        ),
    ]
)
OCTETS = st.lists(COMMANDS | st.binary(max_size=40), max_size=25).map(b"".join)


@given(octets=OCTETS, scenario=st.sampled_from(sorted(SCENARIOS)), cut=st.integers(0, 200))
@example(octets=b"BDAT 999999999999999\r\n", scenario="accept", cut=0)
@example(octets=b"EHLO a\r\nSTARTTLS\r\n\x16\x03\x01\x02\x00\x01\x00\x01\xfc", scenario="tls-reset", cut=18)
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_random_octets_are_no_error(octets: bytes, scenario: str, cut: int) -> None:
    async def do() -> tuple[Capture, int]:
        async with receiving(Limits(idle_seconds=5, farewell_seconds=0.2), pace=10_000) as receiver:
            receiver.grant("t1", scenario)
            async with dialling(receiver) as client:
                client.say(octets[:cut])
                await asyncio.sleep(0.003 if cut else 0)
                client.say(octets[cut:])
                client.writer.write_eof()
                await asyncio.wait_for(_drained(client), PATIENCE)
            return await receiver.session(), len(receiver.captures)

    capture, count = asyncio.run(do())
    assert count == 1
    assert capture.ended not in (Ended.ERROR, Ended.OPEN)
    assert all(one.code or capture.ended is not Ended.QUIT for one in capture.transactions)


async def _drained(client: Client) -> None:
    with contextlib.suppress(ConnectionError):
        await client.reader.read()


@given(
    st.binary(max_size=200)
    | st.text(alphabet='<>@:," \\[].ax\r=\xe9', max_size=60).map(lambda text: text.encode("latin-1"))
)
@example(b"MAIL FROM:<" + b"@a," * 1300 + b">")
@example(b"MAIL FROM:<" + b'"' * 4000)
@example(b"RCPT TO:<" + b"a." * 2000 + b"@>")
def test_any_line_is_read(octets: bytes) -> None:
    command = read_command(octets)
    assert command.verb == command.verb.upper()
    assert isinstance(is_mailbox(command.argument), bool)
    unfit((command.argument,), MAIL | RCPT, EXTENSIONS)
    for read in (read_path, read_parameter):
        try:
            read(command.argument)
        except CommandSyntaxError as error:
            assert str(error)  # noqa: PT017
