"""Policies over HTTPS: only at their own names, at public addresses, with a verified certificate, never redirected."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from conformance import __version__
from conformance.facts import certificate
from conformance.facts.page import PATH, Fetched, Page, Place
from conformance.facts.reply import now
from conformance.outcome import Undetermined
from conformance.reading.excerpt import listed, quoted
from conformance.reading.hostname import is_ip_text
from conformance.reading.mtasts import LARGEST
from conformance.reading.ranges import unreachable

if TYPE_CHECKING:
    import httpx

Resolve = Callable[[str], Awaitable[Sequence[str]]]

MOST_TARGETS = 4
"""Addresses of one host that are tried in turn."""
WHOLE = 60.0
"""Seconds for one policy, all tries together (RFC 8461 section 3.3)."""
AT_ONCE = 20
"""Policies that are fetched at once."""


class Fetcher:
    """Fetches policies, each once.

    ``resolve`` returns the addresses of a name; it raises Undetermined when they are not known. ``timeout`` is in
    seconds for each step.
    """

    def __init__(self, resolve: Resolve, *, timeout: float = 10.0) -> None:
        self._resolve = resolve
        self._timeout = timeout
        self._gate = asyncio.Semaphore(AT_ONCE)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """One context for all: it verifies chain and host name, the latter by subjectAltName alone."""
        context = certificate.verifying()
        context.check_hostname = True
        context.hostname_checks_common_name = False
        return context

    async def fetch(self, place: Place) -> Page:
        """Ask for the policy at a place. Raises nothing for what network, DNS or server do."""
        began = time.monotonic()
        page = Page(place.host, Fetched.FAILED, error=f"no answer within {WHOLE:g} s")
        async with self._gate:
            try:
                async with asyncio.timeout(WHOLE):
                    page = await self._fetch(place)
            except TimeoutError:
                pass
        return replace(page, at=now(), ms=round((time.monotonic() - began) * 1000, 3))

    async def _fetch(self, place: Place) -> Page:
        if place.connect_to and is_ip_text(place.connect_to):
            return await self._first(place, [place.connect_to])
        try:
            found = await self._resolve(place.connect_to or place.host)
        except (OSError, Undetermined) as error:
            return Page(place.host, Fetched.UNRESOLVED, error=str(error))
        if not found:
            return Page(place.host, Fetched.NO_ADDRESS, error="no address")
        # Where a policy lies inside, the inventory says so: nothing that DNS says may lead there.
        inside = {} if place.connect_to else {one: why for one in found if (why := unreachable(_ip(one)))}
        reachable = [one for one in found if one not in inside]
        if not reachable:
            text = listed(f"{address} ({why})" for address, why in inside.items())
            return Page(place.host, Fetched.PRIVATE, error=text)
        return await self._first(place, reachable[:MOST_TARGETS])

    async def _first(self, place: Place, targets: Sequence[str]) -> Page:
        """Return the first answer; without one what the first address had to say."""
        pages = []
        for target in targets:
            page = await self._ask(place, target)
            if page.state is Fetched.ANSWERED:
                return page
            pages.append(page)
        return next((page for page in pages if page.state is Fetched.DISTRUSTED), pages[0])

    async def _ask(self, place: Place, target: str) -> Page:
        import httpx

        page = Page(place.host, Fetched.FAILED, target=target)
        shown = f"[{target}]" if ":" in target else target
        request = httpx.Request(
            "GET",
            f"https://{shown}:{place.port}{PATH}",
            headers={
                "Host": place.host,
                "User-Agent": f"mailconform/{__version__}",
                "Accept": "text/plain",
                "Accept-Encoding": "identity",
            },
            extensions={"sni_hostname": place.host, "timeout": httpx.Timeout(self._timeout).as_dict()},
        )
        try:
            # A transport knows neither proxies nor redirections, and trips over no Location that is nonsense.
            async with httpx.AsyncHTTPTransport(verify=self._context, trust_env=False) as transport:
                response = await transport.handle_async_request(request)
                try:
                    return await _read(page, response)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, OSError) as error:
            refused = _verification(error)
            if refused is not None and not certificate.knows_authorities(self._context):
                return replace(page, error=f"this machine knows no certificate authority: {refused.verify_message}")
            if refused is not None:
                return replace(page, state=Fetched.DISTRUSTED, error=refused.verify_message)
            return replace(page, error=f"{target} port {place.port}: {_reason(error)}")


async def _read(page: Page, response: httpx.Response) -> Page:
    body = b""
    async for part in response.aiter_raw():
        body += part
        if len(body) > LARGEST:
            break
    return replace(
        page,
        state=Fetched.ANSWERED,
        status=response.status_code,
        media_type=response.headers.get("Content-Type", "")[:200],
        location=response.headers.get("Location", "")[:500],
        body=body[:LARGEST].decode("latin-1"),
        cut=len(body) > LARGEST,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came of."""
    one: BaseException | None = error
    for _ in range(10):
        if one is None:
            return
        yield one
        one = one.__cause__ or one.__context__


def _verification(error: BaseException) -> ssl.SSLCertVerificationError | None:
    return next((one for one in _causes(error) if isinstance(one, ssl.SSLCertVerificationError)), None)


def _reason(error: BaseException) -> str:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return quoted(str(error) or type(error).__name__, 200)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text)
