"""One outgoing SMTP session of a simulated host (RFC 5321), with what the host does wrong in it."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.x509 import Certificate, load_der_x509_certificate

from conformance.lab.sending.conduct import Conduct, Wrong
from conformance.lab.sending.dane import key_digest
from conformance.lab.sending.letters import Letter, is_eight_bit, needs_utf8, recoded
from conformance.lab.sending.sts import trusting

CONNECT_SECONDS = 5.0
REPLY_SECONDS = 120.0
IMPATIENT_SECONDS = 1.0
_LINES = 100
_USUAL = (220, 221, 250, 251, 252, 354, 421, 450, 451, 452, 454, 500, 501, 502, 503, 504, 550, 551, 552, 553, 554)
"""Codes of RFC 5321 section 4.2.3."""
_LINE = 4096

Reply = tuple[int, str]


class Failed(Exception):
    """The session came to nothing. ``code`` is 4yz or 5yz, ``next_exchange`` whether another exchange may do better."""

    def __init__(self, code: int, text: str, *, next_exchange: bool = False, tls: bool = False) -> None:
        super().__init__(text)
        self.code, self.text, self.next_exchange, self.tls = code, text, next_exchange, tls


@dataclass
class Courier:
    """Carries one message to one exchange. ``sign`` makes the octets that leave of those in the queue."""

    host: str
    conduct: Conduct
    helo: str
    source: str
    sign: Callable[[bytes], bytes]
    clear: bool = False
    """Whether STARTTLS is left alone, since it failed before."""
    verified: bytes = b""
    """Authorities of which one has to vouch for the exchange; empty: TLS is opportunistic."""
    keys: frozenset[str] = frozenset()
    """What TLSA records name: SHA-256 of the keys that the exchange may have. They alone count, where there are any."""
    _reader: asyncio.StreamReader = field(init=False)
    _writer: asyncio.StreamWriter = field(init=False)
    _offered: dict[str, str] = field(init=False, default_factory=dict)
    _greeted: bool = field(init=False, default=False)

    async def carry(self, letter: Letter, exchange: str, address: str, port: int = 25) -> Mapping[str, Reply]:
        """Return the reply to each recipient. Raises Failed when it came to none for any of them."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._reader, self._writer = await asyncio.open_connection(
                    address, port, local_addr=(self.source, 0), limit=_LINE * 4
                )
        except (OSError, TimeoutError) as error:
            raise Failed(451, f"cannot reach {exchange}[{address}]: {error}", next_exchange=True) from None
        try:
            return await self._talk(letter, exchange)
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError) as error:
            raise Failed(451, f"lost connection with {exchange}: {error}", next_exchange=True) from None
        finally:
            self._writer.transport.abort() if self._writer.transport.is_closing() else self._writer.close()

    async def _talk(self, letter: Letter, exchange: str) -> Mapping[str, Reply]:
        name = await self._opened()
        await self._hello(name)
        if (self.verified or self.keys) and "STARTTLS" not in self._offered and not letter.needs_tls:
            await self._leave()
            raise Failed(451, f"{exchange} offers no STARTTLS, and the policy asks for it", next_exchange=True)
        if "STARTTLS" in self._offered and not self.clear and not self._does(Wrong.NO_TLS):
            await self._start_tls(exchange)
            await self._hello(f"tls.{name}" if self._does(Wrong.HELO_CHANGES_IN_TLS) else name)
        if letter.needs_tls and "REQUIRETLS" not in self._offered:
            await self._leave()
            raise Failed(550, f"5.7.30 {exchange} offers no REQUIRETLS")
        replies = await self._transaction(letter)
        if not self._does(Wrong.NO_QUIT):
            await self._command("QUIT")
        return replies

    def _does(self, wrong: Wrong) -> bool:
        return self.conduct.does(wrong)

    async def _opened(self) -> str:
        """Wait for the banner and return the name to greet with."""
        if self._does(Wrong.TALKS_EARLY):
            self._writer.write(f"EHLO {self.helo}\r\n".encode())
        code, text = await self._reply()
        if code // 100 != 2:
            await self._leave()
            raise Failed(code, text, next_exchange=code // 100 == 4)
        return (text.split() or [self.helo])[0] if self._does(Wrong.HELO_PARROTS) else self.helo

    async def _hello(self, name: str) -> None:
        self._offered = {}
        said = self._does(Wrong.TALKS_EARLY) and not self._greeted
        self._greeted = True
        code, text = await (self._reply() if said else self._command(f"EHLO {name}"))
        if code // 100 == 5 and not self._does(Wrong.NO_HELO):
            code, text = await self._command(f"HELO {name}")
        elif code // 100 == 2:
            rows = (line.partition(" ") for line in text.split("\n")[1:])
            self._offered = {word.upper(): rest for word, _, rest in rows}
        if code // 100 != 2:
            await self._leave()
            raise Failed(code, text)

    async def _start_tls(self, exchange: str) -> None:
        more = f"\r\nEHLO {self.helo}" if self._does(Wrong.PIPELINES_STARTTLS) else ""
        code, text = await self._command(f"STARTTLS{more}")
        if code // 100 != 2:
            await self._leave()
            raise Failed(451, text, tls=True)
        try:
            name = None if self._does(Wrong.NO_SNI) else exchange
            verifies = self.verified and not self.keys
            context = trusting(self.verified) if verifies else _context(self.conduct.wrong)
            await self._writer.start_tls(context, server_hostname=name, ssl_handshake_timeout=20)
        except (OSError, EOFError) as error:
            code = 554 if self._does(Wrong.BROKEN_TLS_IS_FINAL) else 451
            raise Failed(code, f"TLS handshake with {exchange} failed: {error}", tls=True) from None
        if self._does(Wrong.REFUSES_EXPIRED) and self._is_expired():
            raise Failed(554, f"the certificate of {exchange} has expired")
        if self.keys and key_digest(self._certificate.public_key()) not in self.keys:
            await self._leave()
            raise Failed(451, f"4.7.5 the key of {exchange} is none that TLSA records name", next_exchange=True)

    @property
    def _certificate(self) -> Certificate:
        return load_der_x509_certificate(self._writer.get_extra_info("ssl_object").getpeercert(binary_form=True))

    def _is_expired(self) -> bool:
        return self._certificate.not_valid_after_utc < datetime.datetime.now(datetime.UTC)

    async def _transaction(self, letter: Letter) -> Mapping[str, Reply]:
        content = self._fitted(letter)
        parameters = self._parameters(letter, content)
        colon = ": " if self._does(Wrong.BLANK_AFTER_COLON) else ":"
        sender = letter.sender if self._does(Wrong.NO_BRACKETS) and letter.sender else f"<{letter.sender}>"
        mail = f"MAIL FROM{colon}{sender}{parameters}"
        rcpts = [f"RCPT TO{colon}<{one}>" for one in letter.recipients]
        if self._does(Wrong.PIPELINES_UNASKED) or "PIPELINING" in self._offered:
            replies = await self._pipelined([mail, *rcpts])
        else:
            replies = await self._one_by_one(mail, rcpts)
        told = dict(zip(letter.recipients, replies[1:], strict=True)) if len(replies) > 1 else {}
        if not self._is_good(replies[0]):
            return dict.fromkeys(letter.recipients, replies[0])
        if not (good := [one for one, reply in told.items() if self._is_good(reply)]):
            return told
        begun = await self._command("DATA")
        if begun[0] // 100 != 3:
            return told | dict.fromkeys(good, begun)
        return told | dict.fromkeys(good, await self._data(content))

    @staticmethod
    def _is_good(reply: Reply) -> bool:
        return reply[0] // 100 == 2

    async def _one_by_one(self, mail: str, rcpts: Sequence[str]) -> list[Reply]:
        replies = [await self._command(mail)]
        if self._is_good(replies[0]):
            replies += [await self._command(rcpt) for rcpt in rcpts]
        return replies

    async def _pipelined(self, commands: Sequence[str]) -> list[Reply]:
        """Send a group at once; it ends before DATA (RFC 2920 section 3.1)."""
        self._writer.write("".join(f"{one}\r\n" for one in commands).encode("utf-8"))
        return [await self._reply() for _ in commands]

    def _fitted(self, letter: Letter) -> bytes:
        """Return the message as this receiver can take it. Raises Failed where it cannot."""
        content = letter.content
        limit = self._offered.get("SIZE", "")
        if limit.isdigit() and 0 < int(limit) < len(content):
            raise Failed(552, f"5.3.4 message of {len(content)} octets exceeds the limit of {limit}")
        utf8 = needs_utf8(letter)
        if utf8 and "SMTPUTF8" not in self._offered and not self._does(Wrong.JUST_SENDS_UTF8):
            raise Failed(553, "5.6.7 the receiver does not offer SMTPUTF8")
        needs_recoding = is_eight_bit(content) and "8BITMIME" not in self._offered
        if needs_recoding and self._does(Wrong.SIGNS_BEFORE_RECODING):
            return recoded(self.sign(content))
        if needs_recoding and not self._does(Wrong.JUST_SENDS_8BIT):
            content = recoded(content)
        return self.sign(content)

    def _parameters(self, letter: Letter, content: bytes) -> str:
        words = []
        if "SIZE" in self._offered or self._does(Wrong.PARAMETERS_UNASKED):
            words.append(f"SIZE={len(content)}")
        if is_eight_bit(content) and "8BITMIME" in self._offered:
            words.append("BODY=8BITMIME")
        if needs_utf8(letter) and "SMTPUTF8" in self._offered:
            words.append("SMTPUTF8")
        if letter.needs_tls:
            words.append("REQUIRETLS")
        return "".join(f" {word}" for word in words)

    async def _data(self, content: bytes) -> Reply:
        octets = content if content.endswith(b"\r\n") else content + b"\r\n"
        if not self._does(Wrong.NO_DOT_STUFFING):
            octets = octets.replace(b"\r\n.", b"\r\n..")
        if self._does(Wrong.BARE_LF):
            head, end, body = octets.partition(b"\r\n\r\n")
            octets = head + end + body.replace(b"\r\n", b"\n", 1)
        self._writer.write(octets + b".\r\n")
        seconds = IMPATIENT_SECONDS if self._does(Wrong.IMPATIENT) else REPLY_SECONDS
        return await self._reply(seconds)

    async def _leave(self) -> None:
        if not self._does(Wrong.NO_QUIT):
            await self._command("QUIT")

    async def _command(self, line: str) -> Reply:
        self._writer.write(f"{line}\r\n".encode())
        return await self._reply()

    def _understood(self, code: int) -> int:
        return 451 if self._does(Wrong.EXACT_CODES) and code not in _USUAL else code

    async def _reply(self, seconds: float = REPLY_SECONDS) -> Reply:
        """Read one reply of any number of lines; only its code counts (RFC 5321 section 4.2)."""
        texts = []
        async with asyncio.timeout(seconds):
            await self._writer.drain()
            for _ in range(_LINES):
                line = (await self._reader.readuntil(b"\n")).decode("latin-1").rstrip("\r\n")
                texts.append(line[4:])
                if not line[:3].isdigit():
                    raise Failed(451, f"no reply of SMTP: {line[:80]}")
                if line[3:4] != "-":
                    return self._understood(int(line[:3])), "\n".join(texts)
        raise Failed(451, "a reply without end")


@lru_cache
def _context(wrong: tuple[Wrong, ...]) -> ssl.SSLContext:
    """Return what a host brings to a handshake: opportunistic, so that no certificate is refused."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if Wrong.TLS_12_ONLY in wrong:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if Wrong.TLS_11_ONLY in wrong:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context
