"""Simulated hosts that send: what leaves when they do it rightly, and what each wrong does to it."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from conformance.lab.sending.conduct import Conduct, Wrong
from conformance.lab.sending.letters import Signer
from conformance.lab.sending.mta import Mta
from conformance.lab.sending.submission import submission

KEY = generate_private_key(65537, 2048)
SIGNER = Signer(KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
LETTER = b"From: News <news@example.com>\r\nTo: you@example.net\r\nSubject: Hello\r\n\r\nHello.\r\n.\r\n"
TO = ("one@example.net",)


@dataclass
class Sink:
    """A server that takes everything but what ``replies`` say otherwise by verb, each reply once."""

    replies: dict[str, list[str]] = field(default_factory=dict)
    extensions: Sequence[str] = ("PIPELINING", "8BITMIME", "SIZE 100000")
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peers.append(writer.get_extra_info("peername")[0])
        writer.write(b"220 sink.example.net ESMTP\r\n")
        while line := await reader.readline():
            self.commands.append(line.decode().rstrip("\r\n"))
            verb = self.commands[-1].partition(" ")[0].partition(":")[0].upper()
            given = self.replies.get(verb)
            reply = given.pop(0) if given else self._usual(verb)
            writer.write(f"{reply}\r\n".encode())
            if reply.startswith("354"):
                data = await reader.readuntil(b"\r\n.\r\n")
                self.messages.append(data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n."))
                after = self.replies.get("DOT")
                writer.write((after.pop(0) if after else "250 2.0.0 kept").encode() + b"\r\n")
            if verb == "QUIT":
                break
        writer.close()

    def _usual(self, verb: str) -> str:
        rows = ["sink.example.net", *self.extensions]
        hello = "\r\n".join(f"250{'-' if number < len(rows) - 1 else ' '}{row}" for number, row in enumerate(rows))
        return {"EHLO": hello, "DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 2.0.0 fine")


async def lookup(name: str, rdtype: str) -> Sequence[str] | None:
    table = {("example.net", "MX"): ["10 mx.example.net."], ("mx.example.net", "A"): ["127.0.0.1"]}
    table |= {("example.com", "MX"): ["10 mx.example.net."], ("null.example.net", "MX"): ["0 ."]}
    return table.get((name, rdtype), [])


@asynccontextmanager
async def sending(sink: Sink, *wrong: Wrong, pace: float = 3000) -> AsyncIterator[Mta]:
    server = await asyncio.start_server(sink, "127.0.0.1", 0)
    conduct = Conduct(("example.com",), wrong=wrong, user="probe", password="secret")
    port = server.sockets[0].getsockname()[1]
    mta = Mta("mx1.example.com", ("127.0.0.2", "127.0.0.3"), conduct, SIGNER, lookup, pace, port)
    try:
        yield mta
    finally:
        mta.close()
        server.close()


async def sent(sink: Sink, *wrong: Wrong, letter: bytes = LETTER, to: Sequence[str] = TO, until: int = 1) -> Sink:
    """Send one letter and wait until so many messages have come, or the queue is empty."""
    async with sending(sink, *wrong) as mta:
        assert not mta.take("bounces@example.com", to, letter, "client [127.0.0.1]")
        for _ in range(400):
            if len(sink.messages) >= until or not mta._tasks:
                break
            await asyncio.sleep(0.02)
    return sink


def is_signed(message: bytes) -> bool:
    public = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    import base64

    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    return bool(dkim.verify(message, dnsfunc=lambda *_, **__: record))


def test_a_host_that_conforms() -> None:
    sink = asyncio.run(sent(Sink()))
    verbs = [command.partition(" ")[0] for command in sink.commands]
    assert verbs == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    assert sink.commands[0] == "EHLO mx1.example.com"
    assert sink.peers == ["127.0.0.2"]
    message = sink.messages[0]
    assert is_signed(message)
    assert message.endswith(b"\r\nHello.\r\n.\r\n")
    for name in (b"\r\nDate: ", b"\r\nMessage-ID: ", b"\r\nReceived: from client [127.0.0.1]\r\n\tby mx1.example.com"):
        assert message.count(name) == 1


def test_what_is_deferred_comes_again_and_what_is_refused_comes_back() -> None:
    sink = asyncio.run(sent(Sink({"RCPT": ["451 4.7.1 later"]})))
    assert len(sink.messages) == 1
    assert [command for command in sink.commands if command.startswith("MAIL")][1:]
    sink = asyncio.run(sent(Sink({"RCPT": ["550 5.1.1 nobody"]})))
    report = sink.messages[0]
    assert "MAIL FROM:<> SIZE" in " ".join(sink.commands)
    assert b"multipart/report" in report
    assert b"Final-Recipient: rfc822; one@example.net" in report
    assert b"Status: 5.1.1" in report
    assert is_signed(report)


def test_null_mx_and_the_lack_of_smtputf8_fail_at_once() -> None:
    for to, status in ((("one@null.example.net",), b"5.1.10"), (("übung@example.net",), b"5.6.7")):
        sink = asyncio.run(sent(Sink(), to=to))
        assert status in sink.messages[0]


def test_eight_bits_are_recoded_before_the_signature() -> None:
    letter = (
        LETTER.replace(b"Subject", b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nSubject")
        + "ü\r\n".encode()
    )
    sink = asyncio.run(sent(Sink(extensions=()), letter=letter))
    assert b"=C3=BC" in sink.messages[0]
    assert is_signed(sink.messages[0])
    assert not is_signed(asyncio.run(sent(Sink(extensions=()), Wrong.SIGNS_BEFORE_RECODING, letter=letter)).messages[0])
    assert "ü".encode() in asyncio.run(sent(Sink(extensions=()), Wrong.JUST_SENDS_8BIT, letter=letter)).messages[0]


IN_THE_MESSAGE = [
    (Wrong.FROM_TWICE, lambda m: m.count(b"\r\nFrom: ") == 2),
    (Wrong.NO_DATE, lambda m: b"\r\nDate: " not in m),
    (Wrong.SAME_MESSAGE_ID, lambda m: b"Message-ID: <1@mx1.example.com>" in m),
    (Wrong.NO_MESSAGE_ID, lambda m: b"Message-ID" not in m),
    (Wrong.NO_RECEIVED, lambda m: b"Received" not in m),
    (Wrong.UNSIGNED, lambda m: b"DKIM-Signature" not in m),
    (Wrong.SIGNATURE_BREAKS, lambda m: b"DKIM-Signature" in m and not is_signed(m)),
    (Wrong.SIGNS_PART, lambda m: b"; l=" in m),
    (Wrong.SIGNS_FOREIGN, lambda m: b"d=mx1.example.com" in m),
    (Wrong.BARE_LF, lambda m: b"Hello.\n" in m and b"Hello.\r\n" not in m),
]


@pytest.mark.parametrize(("wrong", "shows"), IN_THE_MESSAGE)
def test_what_a_wrong_does_to_the_message(wrong: Wrong, shows: object) -> None:
    assert shows(asyncio.run(sent(Sink(), wrong)).messages[0])  # type: ignore[operator]
    assert not shows(asyncio.run(sent(Sink())).messages[0])  # type: ignore[operator]


IN_THE_SESSION = [
    (Wrong.HELO_PARROTS, lambda commands: commands[0] == "EHLO sink.example.net"),
    (Wrong.BLANK_AFTER_COLON, lambda commands: commands[1].startswith("MAIL FROM: <")),
    (Wrong.NO_BRACKETS, lambda commands: commands[1].startswith("MAIL FROM:bounces@")),
    (Wrong.NO_QUIT, lambda commands: "QUIT" not in commands),
    (Wrong.ONE_COPY_EACH, lambda commands: len([one for one in commands if one.startswith("MAIL")]) == 2),
]


@pytest.mark.parametrize(("wrong", "shows"), IN_THE_SESSION)
def test_what_a_wrong_does_to_the_session(wrong: Wrong, shows: object) -> None:
    to = ("one@example.net", "two@example.net")
    assert shows(asyncio.run(sent(Sink(), wrong, to=to, until=2)).commands)  # type: ignore[operator]
    assert not shows(asyncio.run(sent(Sink(), to=to)).commands)  # type: ignore[operator]


def test_a_stranger_in_from_and_a_wrong_password_are_refused() -> None:
    async def tried() -> None:
        async with sending(Sink()) as mta:
            foreign = LETTER.replace(b"example.com", b"example.org")
            assert mta.take("bounces@example.com", TO, foreign, "client").startswith("550 5.7.1")
            server = await asyncio.get_running_loop().create_server(submission(mta, None), "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            await asyncio.to_thread(by_hand, port)
            server.close()

    def by_hand(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.sendmail("bounces@example.com", TO, LETTER)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("probe", "guess")
            client.login("probe", "secret")
            assert not client.sendmail("bounces@example.com", TO, LETTER)

    asyncio.run(tried())
