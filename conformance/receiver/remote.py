"""A receiver that runs elsewhere, asked over HTTPS with a bearer token."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from conformance.receiver.announcement import (
    Announcement,
    Busy,
    Denied,
    Foreign,
    NoSuchToken,
    ReceiverError,
    Unavailable,
    Unkept,
    Unreached,
    checked,
    probe_domain,
)
from conformance.receiver.capture import Capture
from conformance.receiver.client import LONGEST, Collection, Predicate, watch

if TYPE_CHECKING:
    import httpx
    from pydantic import TypeAdapter

TIMEOUT = 30.0
"""Seconds that one answer may take."""
TRIES = 4
MAX_ANSWER = 64 * 1024 * 1024
MAX_COLLECTED = 512 * 1024 * 1024
"""Octets of sessions that are collected for one set of tokens."""
STEP = 2.0
"""Seconds between two looks at what has come."""

_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{16,512}=*")
_ERRORS: Mapping[str, type[ReceiverError]] = {
    "busy": Busy,
    "denied": Denied,
    "no-such-token": NoSuchToken,
    "unavailable": Unavailable,
    "unkept": Unkept,
}


class Remote:
    """A receiver at a URL. ``domain`` pins the probe domain; ``run`` names the run to it.

    Without a pin, the probe domain that it announces must be the URL's host or lie below it: whoever answers there can
    then point hosts nowhere else. Use it as an asynchronous context manager, or call :meth:`aclose`.
    """

    def __init__(
        self, url: str, bearer: str, *, domain: str = "", run: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        """Raise ValueError for a URL, a bearer token or a domain that cannot be used; the message holds no secret."""
        self._base, self._host = _checked_url(url)
        if not _BEARER.fullmatch(bearer):
            raise ValueError("the receiver's bearer token is not of the form of RFC 6750 section 2.1")
        self._bearer = bearer
        self._pin = probe_domain(domain) if domain else ""
        self._run = run
        self._tls = tls
        self._announced: Announcement | None = None
        self._seen: dict[tuple[str, ...], Collection] = {}
        self._client: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"Remote({self._base!r})"

    async def __aenter__(self) -> Remote:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close connections."""
        if self._client:
            await self._client.aclose()
            self._client = None

    async def announce(self) -> Announcement:
        """Return what the receiver is and can do."""
        said: Announcement = _read(_announcements(), await self._ask("GET", "/v1/announcement"))
        try:
            domain = probe_domain(said.domain)
        except ValueError as error:
            raise Foreign(f"{self._base} announces a probe domain: {error}") from None
        if self._pin and domain != self._pin:
            raise Foreign(f"{self._base} announces the probe domain {domain}, not {self._pin}")
        if not self._pin and not (domain == self._host or domain.endswith(f".{self._host}")):
            raise Foreign(f"{self._base} announces the probe domain {domain}, which is not below its own name: name it")
        self._pin = domain
        self._announced = said
        return said

    async def open(
        self, scenario: str, route: str = "plain", n: int = 1, expires: float = LONGEST, *, peers: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return addresses; see :class:`~conformance.receiver.client.Receiver`."""
        if self._announced is None:
            await self.announce()
        asked = {
            "scenario": scenario,
            "route": route,
            "n": n,
            "expires": expires,
            "peers": list(peers),
            "run": self._run,
        }
        answer = _object(await self._ask("POST", "/v1/openings", asked))
        addresses = answer.get("addresses")
        if not isinstance(addresses, list) or not all(isinstance(address, str) for address in addresses):
            raise Unreached(f"{self._base} gave no addresses")
        return checked(addresses, self._pin, n)

    async def collect(self, tokens: Sequence[str]) -> tuple[Capture, ...]:
        """Return sessions; see :class:`~conformance.receiver.client.Receiver`."""
        wanted = tuple(dict.fromkeys(tokens))
        if not wanted:
            return ()
        seen = self._seen.setdefault(wanted, Collection())
        more = True
        while more:
            octets = await self._ask("POST", "/v1/captures", {"tokens": wanted, "after": seen.after})
            page: _Page = _read(_pages(), octets)
            seen.octets += len(octets) if page.captures else 0
            if seen.octets > MAX_COLLECTED:
                raise ReceiverError(f"more than {MAX_COLLECTED >> 20} MiB of sessions came for {len(wanted)} tokens")
            if page.more and page.after <= seen.after:
                raise Unreached(f"{self._base} gives the same sessions again and again")
            seen.take(capture for capture in page.captures if not set(wanted).isdisjoint(capture.tokens))
            seen.after, more = page.after, page.more
        return seen.sessions

    async def move(self, token: str) -> None:
        """Move a domain; see :class:`~conformance.receiver.client.Receiver`."""
        said = self._announced or await self.announce()
        await self._ask("POST", "/v1/moves", {"token": token})
        await asyncio.sleep(min(max(said.ttl, 0), 300))

    async def close(self, tokens: Sequence[str]) -> None:
        """Give back what is held; see :class:`~conformance.receiver.client.Receiver`."""
        if tokens:
            await self._ask("POST", "/v1/closings", {"tokens": list(tokens)})

    async def wait(self, tokens: Sequence[str], until: float, predicate: Predicate) -> tuple[Capture, ...]:
        """Collect until it is enough; see :class:`~conformance.receiver.client.Receiver`."""
        return await watch(self, tokens, until, predicate, STEP)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Return the answer's body. What may be asked twice is, where the network or the receiver falters."""
        import httpx

        content = json.dumps(body).encode() if body is not None else None
        for left in reversed(range(TRIES)):
            try:
                status, octets = await self._once(method, path, content)
            except httpx.ConnectError as error:
                trouble = f"cannot be reached: {error}"
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
                trouble = f"gave no answer: {error or type(error).__name__}"
                left = 0 if path == "/v1/openings" else left  # noqa: PLW2901 - it may have been opened
            else:
                if status not in (502, 503, 504):
                    return self._judge(status, octets)
                trouble = f"answered {status}: {_reason(octets)[1]}"
            if left:
                await asyncio.sleep(2.0 ** (TRIES - left) / 4)
            else:
                break
        raise Unreached(f"{self._base} {trouble}")

    async def _once(self, method: str, path: str, content: bytes | None) -> tuple[int, bytes]:
        client = self._connected()
        async with asyncio.timeout(2 * TIMEOUT), client.stream(method, path, content=content) as response:
            octets = bytearray()
            async for part in response.aiter_bytes():
                octets += part
                if len(octets) > MAX_ANSWER:
                    raise Unreached(f"{self._base} answers with more than {MAX_ANSWER >> 20} MiB")
            return response.status_code, bytes(octets)

    def _judge(self, status: int, octets: bytes) -> bytes:
        if status // 100 == 2:
            return octets
        if status // 100 == 3:
            raise Unreached(f"{self._base} redirects, which is not followed")
        code, message = _reason(octets)
        kind = Denied if status == 401 else _ERRORS.get(code, Unreached)
        raise kind(f"{self._base} answered {status}: {message}")

    def _connected(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self._base,
                headers={
                    "authorization": f"Bearer {self._bearer}",
                    "content-type": "application/json",
                    "accept-encoding": "identity",
                },
                verify=self._tls or ssl.create_default_context(),
                follow_redirects=False,
                timeout=TIMEOUT,
                # A proxy of the environment would be asked for what only this machine can see.
                trust_env=not _is_loopback(self._host),
            )
        return self._client


@dataclass(frozen=True, slots=True)
class _Page:
    captures: tuple[Capture, ...]
    after: int
    more: bool


@cache
def _announcements() -> TypeAdapter[Announcement]:
    from pydantic import TypeAdapter

    return TypeAdapter(Announcement)


@cache
def _pages() -> TypeAdapter[_Page]:
    from pydantic import TypeAdapter

    return TypeAdapter(_Page)


def _read(adapter: TypeAdapter[Any], octets: bytes) -> Any:
    try:
        return adapter.validate_json(octets)
    except ValueError:
        raise Unreached("the receiver's answer is none that this version reads") from None


def _object(octets: bytes) -> dict[str, Any]:
    try:
        value = json.loads(octets)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unreached("the receiver's answer is none that this version reads")
    return value


def _reason(octets: bytes) -> tuple[str, str]:
    """Return code and text of a refusal."""
    try:
        answer = _object(octets)
    except Unreached:
        answer = {}
    return str(answer.get("error")), str(answer.get("message") or "no reason given")[:500]


def _checked_url(url: str) -> tuple[str, str]:
    """Return base URL and host. Raises ValueError."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"{url[:200]!r} is no URL") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("the receiver's URL holds a user or a password: the bearer token belongs elsewhere")
    if not host or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ValueError(f"{url[:200]!r} is no URL such as https://conform.example.net")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError(f"{url[:200]!r}: a bearer token travels over https only, or to this machine itself")
    return f"{parts.scheme}://{parts.netloc}", host.removesuffix(".").lower()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
