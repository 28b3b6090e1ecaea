"""Hands a message to a submission server (RFC 6409): verified TLS, login, exact octets."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import aiosmtplib

from conformance.facts import certificate
from conformance.facts.letter import Order, stuffed
from conformance.facts.redaction import Redactor
from conformance.fleet.origin import IPAddress
from conformance.fleet.sending import Submission
from conformance.outcome import Undetermined

LONGEST_REPLY = 1000
"""Characters of a reply that are kept."""
_OF_SENDERS = frozenset({501, 550, 553})
"""Replies to MAIL that are about its address (RFC 5321 section 4.3.2); Postfix gives them to RCPT."""
_TARGETS = 4
_STEPS = 6
"""All steps together may take this many time-outs."""

Resolve = Callable[[str], Awaitable[Sequence[str]]]


class Taken(StrEnum):
    """What became of a message that was handed over."""

    YES = "yes"
    NO = "no"
    """The host refused this message for good (a reply of class 5, RFC 5321 section 4.2.1)."""
    FAILED = "failed"
    """It could not be handed over; nothing is known of what the host would do with it."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of a message, and what the host said."""

    taken: Taken
    reply: str = ""
    sender_refused: bool = False
    """Whether it was refused for its envelope sender, before anything could have been sent on."""
    lacking: str = ""
    """The extension that the message needs and the host does not offer."""


def password_of(door: Submission) -> str:
    """Return the password of an account. Raises ValueError with what is wrong, which holds no secret."""
    if door.password_env:
        if not (found := os.environ.get(door.password_env)):
            raise ValueError(f"the environment variable {door.password_env} of password_env is not set")
        return found
    if door.password_file:
        try:
            with Path(door.password_file).open(encoding="utf-8") as file:
                found = file.readline(1024).rstrip("\r\n")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise ValueError(f"{door.password_file} of password_file cannot be read: {why}") from None
        if not found:
            raise ValueError(f"the first line of {door.password_file} of password_file is empty")
        return found
    return door.password


def context_of(door: Submission) -> ssl.SSLContext:
    """Return the TLS context for a server. Raises ValueError when its CA file cannot be used."""
    if not door.verify:
        return certificate.trusting()
    if not door.ca_file:
        return certificate.verifying()
    try:
        return ssl.create_default_context(cafile=door.ca_file)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else "it holds no certificate"
        raise ValueError(f"{door.ca_file} of ca_file cannot be read: {why}") from None


class Submitter:
    """Hands messages to submission servers. ``ehlo`` is the name to greet with, ``timeout`` seconds for each step."""

    def __init__(self, *, ehlo: str, timeout: float, resolve: Resolve, redact: Redactor) -> None:
        self._ehlo = ehlo
        self._timeout = timeout
        self._resolve = resolve
        self._redact = redact

    async def submit(self, door: Submission, order: Order, message: bytes, source: IPAddress | None) -> Handed:
        """Hand over one message, from a source address of this machine where one is given. Raises nothing."""
        timeout = self._timeout
        try:
            password, context = password_of(door), context_of(door) if door.tls != "none" else None
            self._redact.know([password])
            async with asyncio.timeout(_STEPS * timeout):
                client = await self._connected(door, context, source)
                try:
                    return await self._hand(client, door, password, order, message)
                finally:
                    client.close()
        except aiosmtplib.SMTPResponseException as error:
            return self._failed(f"{error.code} {error.message}")
        except TimeoutError:
            return self._failed(f"{door.server} port {door.port}: no answer in time")
        except (aiosmtplib.SMTPException, OSError, ValueError, Undetermined) as error:
            return self._failed(f"{door.server} port {door.port}: {_why(error)}")

    def _failed(self, text: str) -> Handed:
        return Handed(Taken.FAILED, self._shown(text))

    def _shown(self, text: str) -> str:
        return self._redact(" ".join(text.split()))[:LONGEST_REPLY]

    async def _connected(
        self, door: Submission, context: ssl.SSLContext | None, source: IPAddress | None
    ) -> aiosmtplib.SMTP:
        """Return a client that has greeted the server, inside TLS where the door has it."""
        sock = await self._dialled(door, source)
        client = aiosmtplib.SMTP(
            # With a socket the name serves for the certificate alone.
            hostname=door.server_name or door.server,
            sock=sock,
            local_hostname=self._ehlo,
            timeout=self._timeout,
            use_tls=door.tls == "implicit",
            start_tls=False,
            tls_context=context,
        )
        try:
            await client.connect()
            await client.ehlo()
            if door.tls == "starttls":
                await client.starttls(tls_context=context)
                await client.ehlo()
        except BaseException:
            client.close()
            sock.close()
            raise
        return client

    async def _dialled(self, door: Submission, source: IPAddress | None) -> socket.socket:
        """Return a socket that is connected to the first address of the server that takes it. Raises OSError."""
        failure: Exception = OSError("no address")
        for address in (await self._addresses(door.server))[:_TARGETS]:
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                if source is not None:
                    sock.bind((str(source), 0))
                async with asyncio.timeout(self._timeout):
                    await asyncio.get_running_loop().sock_connect(sock, (address, door.port))
                return sock
            except (OSError, TimeoutError) as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
        raise failure

    async def _addresses(self, name: str) -> Sequence[str]:
        try:
            return [str(ipaddress.ip_address(name))]
        except ValueError:
            return await self._resolve(name)

    async def _hand(
        self, client: aiosmtplib.SMTP, door: Submission, password: str, order: Order, message: bytes
    ) -> Handed:
        if door.username:
            await client.login(door.username, password)
        options, lacking = _options(client, order)
        if lacking:
            return Handed(Taken.FAILED, f"{door.server} port {door.port} does not offer {lacking}", lacking=lacking)
        try:
            await client.mail(order.sender, options=options)
            for recipient in order.recipients:
                await client.rcpt(recipient)
            reply = await self._data(client, stuffed(message))
        except aiosmtplib.SMTPResponseException as error:
            taken = Taken.NO if error.code // 100 == 5 else Taken.FAILED
            return Handed(taken, self._shown(f"{error.code} {error.message}"), _of_sender(error))
        finally:
            await _leave(client)
        return Handed(Taken.YES, self._shown(reply))

    async def _data(self, client: aiosmtplib.SMTP, octets: bytes) -> str:
        """Send the message as it is: the library would make line ends of bare CR and LF, which are to be tried."""
        start = await client.execute_command(b"DATA")
        if start.code != 354 or client.protocol is None:
            raise aiosmtplib.SMTPDataError(start.code, start.message)
        client.protocol.write(octets)
        reply = await client.protocol.read_response(timeout=self._timeout)
        if reply.code // 100 != 2:
            raise aiosmtplib.SMTPDataError(reply.code, reply.message)
        return f"{reply.code} {reply.message}"


_NEEDED: Mapping[str, tuple[str, list[str]]] = {
    "eight-bit": ("8BITMIME", ["BODY=8BITMIME"]),
    "utf8-address": ("SMTPUTF8", ["SMTPUTF8"]),
    "requiretls": ("REQUIRETLS", ["REQUIRETLS"]),
    # The field alone asks for nothing: who offers the extension is who handles it.
    "tls-optional": ("REQUIRETLS", []),
}
"""The extension and the parameters of MAIL that a body needs."""


def _options(client: aiosmtplib.SMTP, order: Order) -> tuple[list[str], str]:
    """Return the parameters of MAIL that a message needs, and the extension for one that is not offered."""
    extension, parameters = _NEEDED.get(order.recipe.body, ("", []))
    if not extension:
        return [], ""
    more = ["BODY=8BITMIME"] if extension == "SMTPUTF8" and client.supports_extension("8BITMIME") else []
    return [*parameters, *more], "" if client.supports_extension(extension) else extension


def _of_sender(error: aiosmtplib.SMTPResponseException) -> bool:
    """Whether a message was refused for its envelope sender."""
    at_rcpt = isinstance(error, aiosmtplib.SMTPRecipientRefused) and "sender" in error.message.lower()
    return error.code in _OF_SENDERS and (isinstance(error, aiosmtplib.SMTPSenderRefused) or at_rcpt)


async def _leave(client: aiosmtplib.SMTP) -> None:
    try:
        await client.quit(timeout=2.0)
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def _why(error: Exception) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError):
        return certificate.explain(cause)
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return os.strerror(cause.errno)
    return str(cause) or type(cause).__name__
