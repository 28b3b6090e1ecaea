"""The interface over HTTP: who may ask, what is answered, and what a hostile receiver cannot do."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.receiver import http, remote
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
    token_of,
)
from conformance.receiver.api import Api, Bearers
from conformance.receiver.archive import Archive, Retention
from conformance.receiver.capture import Capture, Ended, Line, Recipient, Transaction
from conformance.receiver.database import Full
from conformance.receiver.desk import Desk
from conformance.receiver.http import Request, Response
from conformance.receiver.remote import Remote
from tests.receiver.site import DOMAIN, desk

SECRET, OTHER = "ci-secret-of-many-letters", "eve-secret-of-many-letters"
BEARERS = Bearers({name: hashlib.sha256(key.encode()).hexdigest() for name, key in (("ci", SECRET), ("eve", OTHER))})
SESSION = Capture(
    "one",
    "2026-11-24T12:00:00.000+00:00",
    "192.0.2.1",
    40000,
    "127.0.0.25",
    25,
    banner_at=1.5,
    lines=(Line(1.5, "S", "220 mx1\r\n"), Line(2.0, "C", "EHLO \xff\x00\n")),
    transactions=(
        Transaction(3.0, "<a@b>", "a@b", recipients=(Recipient(4.0, "<t@x>", "t@x"),), wire="\xe9\r\n.\r\n"),
    ),
    ended=Ended.QUIT,
)


@asynccontextmanager
async def serving(
    handler: Callable[[Request], Awaitable[Response]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    running = await http.serve(handler, socket.create_server(("127.0.0.1", 0)), tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{running.port}"
    finally:
        running.close()


@asynccontextmanager
async def api(**options: object) -> AsyncIterator[tuple[Desk, str]]:
    async with desk(**options) as made, serving(Api(made, BEARERS, lambda: "")) as url:  # type: ignore[arg-type]
        yield made, url


def client(url: str, secret: str = SECRET, domain: str = DOMAIN) -> Remote:
    return Remote(url, secret, domain=domain)


def test_a_run_opens_collects_moves_and_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "STEP", 0.01)
    slept: list[float] = []

    async def go() -> None:
        async with api() as (made, url), client(url) as asked:
            assert await asked.announce() == made.announce()
            (address,) = await asked.open("accept", "mx-moved", 1, 60.0, peers=["192.0.2.1"])
            token = token_of(address)
            assert await asked.collect([token]) == ()
            (kept,) = [Capture(**{**_fields(SESSION), "tokens": (token,)})]
            await made.keep(kept)
            assert await asked.collect([token]) == (kept,)
            later = Capture(**{**_fields(kept), "ms": 99.0, "error": "x"})
            await made.keep(later)
            assert await asked.wait([token], 60, lambda found: found[0].ms == 99.0) == (later,)
            assert await asked.wait([token], 0.05, lambda _found: False) == (later,)
            monkeypatch.setattr(asyncio, "sleep", _sleeper(slept))
            await asked.move(token)
            monkeypatch.undo()
            assert slept == [5]
            assert (opening := made.opening_of(address.partition("@")[2].partition(".")[0])) and opening.moved
            await asked.close([token])
            assert await asked.collect([token]) == (later,)
            assert await asked.collect([]) == ()

    asyncio.run(go())


def _fields(capture: Capture) -> dict[str, object]:
    return {name: getattr(capture, name) for name in Capture.__slots__}


def _sleeper(slept: list[float]) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return sleep


def test_refusals_come_through_as_what_they_are() -> None:
    async def go() -> None:
        async with api() as (_, url), client(url) as asked, client(url, OTHER) as eve:
            (address,) = await asked.open("tempfail-banner", "plain", 1, 60.0)
            with pytest.raises(NoSuchToken):
                await eve.collect([token_of(address)])
            with pytest.raises(NoSuchToken):
                await eve.move(token_of(address))
            with pytest.raises(NoSuchToken):
                await eve.close([token_of(address)])
            with pytest.raises(Unavailable, match="nonsense"):
                await asked.open("nonsense", "plain", 1, 60.0)
            await asked.open("tempfail-banner", "plain", 1, 60.0)
            with pytest.raises(Busy):
                await asked.open("tempfail-banner", "plain", 1, 60.0)
            with pytest.raises(Unreached, match="answered 400"):
                await asked.open("x" * 100, "plain", 1, 60.0)

    asyncio.run(go())


def test_sessions_that_could_not_be_kept_are_told_and_no_empty_answer() -> None:
    async def go() -> None:
        async with api(retention=Retention(captures=1)) as (made, url), client(url) as asked:
            first, second = (await asked.open("accept", "plain", 2, 60.0))[:2]
            await made.keep(Capture(**{**_fields(SESSION), "id": "kept", "tokens": (token_of(first),)}))
            with pytest.raises(Full):
                await made.keep(Capture(**{**_fields(SESSION), "id": "lost", "tokens": (token_of(second),)}))
            assert len(await asked.collect([token_of(first)])) == 1
            with pytest.raises(Unkept, match="answered 507: 1 sessions were answered 451"):
                await asked.collect([token_of(first), token_of(second)])

    asyncio.run(go())


def test_a_full_disk_is_named_where_nothing_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise Full("the disk or the database is full")

    async def go() -> None:
        async with api() as (_, url), client(url) as asked:
            monkeypatch.setattr(Archive, "save", full)
            with pytest.raises(Unreached, match="answered 503: the receiver cannot store that now: the disk or the"):
                await asked.open("accept", "plain", 1, 60.0)

    asyncio.run(go())


@pytest.mark.parametrize("path", ["/v1/announcement", "/v1/openings", "/v1/captures", "/v1/x", "/", "/v1/../health"])
@pytest.mark.parametrize(
    "header",
    [{}, {"authorization": "Bearer"}, {"authorization": f"Bearer {SECRET}x"}, {"authorization": f"Basic {SECRET}"}],
)
def test_without_the_token_nothing_is_told(path: str, header: dict[str, str]) -> None:
    async def go() -> None:
        async with api() as (_, url), httpx.AsyncClient() as plain:
            for method in ("GET", "POST", "PUT"):
                answer = await plain.request(method, url + path, headers=header)
                if answer.request.url.path == "/health":
                    continue
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert set(answer.json()) == {"error", "message"}

    asyncio.run(go())


def test_a_wrong_token_is_denied_and_never_shown() -> None:
    async def go() -> None:
        async with api() as (_, url), client(url, "wrong-secret-of-many-letters") as asked:
            with pytest.raises(Denied) as caught:
                await asked.announce()
            assert "wrong-secret" not in str(caught.value) + repr(asked)

    asyncio.run(go())


def test_health_needs_no_token_and_says_what_is_wrong() -> None:
    async def go() -> None:
        async with desk() as made, httpx.AsyncClient() as plain:
            wrong = ""
            async with serving(Api(made, BEARERS, lambda: wrong)) as url:
                assert (await plain.get(f"{url}/health")).json() == {"status": "ok", "message": ""}
                head = await plain.head(f"{url}/health")
                assert (head.status_code, head.content) == (200, b"")
                assert (await plain.post(f"{url}/health")).status_code == 405
                wrong = "the disk is full"
                answer = await plain.get(f"{url}/health")
                assert (answer.status_code, answer.json()["message"]) == (503, "the disk is full")

    asyncio.run(go())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b"null",
        b'{"scenario": "accept"}',
        b'{"scenario": "accept", "expires": 60, "secret": 1}',
        b'{"scenario": "accept", "expires": "60"}',
        b'{"scenario": "accept", "expires": 60, "n": 1.5}',
        b'{"scenario": "accept", "expires": 60, "peers": ["nobody"]}',
        b'{"scenario": "accept", "expires": 60, "peers": 7}',
        b'{"scenario": "\xff", "expires": 60}',
    ],
)
def test_bodies_that_are_none_are_refused(body: bytes) -> None:
    async def go() -> None:
        async with api() as (_, url), httpx.AsyncClient(headers={"authorization": f"Bearer {SECRET}"}) as asked:
            answer = await asked.post(f"{url}/v1/openings", content=body)
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"] == "malformed"

    asyncio.run(go())


def test_methods_paths_and_sizes_are_what_they_have_to_be() -> None:
    async def go() -> None:
        async with api() as (_, url), httpx.AsyncClient(headers={"authorization": f"bearer {SECRET}"}) as asked:
            assert (await asked.get(f"{url}/v1/openings")).status_code == 405
            assert (await asked.get(f"{url}/v1/nothing")).status_code == 404
            assert (await asked.post(f"{url}/v1/openings", content=b"x" * 300_000)).status_code == 413
            assert (await asked.get(f"{url}/health", headers={"x": "y" * 100_000})).status_code == 431
            many = json.dumps({"tokens": ["t"] * 5001}).encode()
            assert (await asked.post(f"{url}/v1/captures", content=many)).status_code == 400

    asyncio.run(go())


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_octets_end_in_an_answer_or_a_closed_connection(octets: bytes) -> None:
    async def handler(_request: Request) -> Response:
        return Response(HTTPStatus.OK, b"{}")

    async def go() -> bytes:
        async with serving(handler) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(octets)
            writer.write_eof()
            said = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            return said

    said = asyncio.run(go())
    assert not said or said.startswith(b"HTTP/1.1 ")


def test_it_is_served_inside_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def go() -> None:
        async with desk() as made, serving(Api(made, BEARERS, lambda: ""), server) as url:
            async with Remote(url, SECRET, domain=DOMAIN, tls=trusting) as asked:
                assert (await asked.announce()).domain == DOMAIN
            async with Remote(url, SECRET, domain=DOMAIN) as stranger:
                stranger._client = None
                with pytest.raises(Unreached, match="certificate"):
                    await stranger.announce()

    monkey = pytest.MonkeyPatch()
    monkey.setattr(remote, "TRIES", 1)
    asyncio.run(go())
    monkey.undo()


# A receiver in false hands.


def playing(**answers: object) -> Callable[[Request], Awaitable[Response]]:
    """Answer by the last part of the path: with JSON, with octets, or with a whole response."""
    said = {"announcement": {"domain": DOMAIN, "time": "2026-11-24T12:00:00Z"}, **answers}

    async def handler(request: Request) -> Response:
        answer = said[request.path.rpartition("/")[2]]
        if isinstance(answer, Response):
            return answer
        return Response(HTTPStatus.OK, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    return handler


@pytest.mark.parametrize(
    "addresses",
    [
        ["ceo@bank.example"],
        [f"token@one.{DOMAIN}", f"token@two.{DOMAIN}"],
        [],
        [f"ceo%bank.example@one.{DOMAIN}"],
        [f"token@one.not{DOMAIN}"],
        [f"token@one.{DOMAIN}\r\nRCPT TO:<ceo@bank.example>"],
    ],
)
def test_no_address_outside_the_probe_domain_is_taken(addresses: list[str]) -> None:
    async def go() -> None:
        async with serving(playing(openings={"addresses": addresses})) as url, client(url) as asked:
            with pytest.raises(Foreign):
                await asked.open("accept")

    asyncio.run(go())


@pytest.mark.parametrize("addresses", [None, "token@one", [1], {}, [None]])
def test_addresses_that_are_none_are_of_no_use(addresses: object) -> None:
    async def go() -> None:
        async with serving(playing(openings={"addresses": addresses})) as url, client(url) as asked:
            with pytest.raises(Unreached):
                await asked.open("accept")

    asyncio.run(go())


def test_the_probe_domain_is_the_one_that_was_pinned_or_the_urls_own(monkeypatch: pytest.MonkeyPatch) -> None:
    announcing = playing(announcement={"domain": "bank.example", "time": "x"})

    async def go() -> None:
        async with serving(announcing) as url:
            async with client(url) as pinned:
                with pytest.raises(Foreign, match=r"not conform\.example\.net"):
                    await pinned.open("accept")
            async with client(url, domain="") as unpinned:
                with pytest.raises(Foreign, match="not below its own name"):
                    await unpinned.open("accept")
            for host in ("bank.example", "example"):
                async with client(url, domain="") as own:
                    own._host = host
                    assert (await own.announce()).domain == "bank.example"
            async with client(url, domain="") as parent:
                parent._host = "mx.bank.example"
                with pytest.raises(Foreign):
                    await parent.announce()

    asyncio.run(go())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"[" * 200_000,
        {"domain": 1, "time": "x"},
        {"domain": DOMAIN},
        {"domain": DOMAIN, "time": "x", "scenarios": "accept"},
        Response(HTTPStatus.FOUND, b"", {"location": "https://bank.example/"}),
        Response(HTTPStatus.IM_A_TEAPOT, b"[]"),
    ],
)
def test_answers_that_are_none_are_of_no_use(answer: object) -> None:
    async def go() -> None:
        async with serving(playing(announcement=answer)) as url, client(url) as asked:
            with pytest.raises(ReceiverError):
                await asked.announce()

    asyncio.run(go())


def test_sessions_of_other_tokens_and_endless_pages_are_not_taken() -> None:
    foreign = {"captures": [{"id": "x", "started": "s", "peer": "p", "peer_port": 1, "local": "l", "local_port": 25}]}

    async def go() -> None:
        async with serving(playing(captures=foreign | {"after": 1, "more": False})) as url, client(url) as asked:
            assert await asked.collect(["mine"]) == ()
        async with serving(playing(captures=foreign | {"after": 0, "more": True})) as url, client(url) as asked:
            with pytest.raises(Unreached, match="again"):
                await asked.collect(["mine"])

    asyncio.run(go())


def test_a_receiver_that_falters_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.asyncio, "sleep", _sleeper([]))
    answers = [Response(HTTPStatus.SERVICE_UNAVAILABLE, b"{}"), Response(HTTPStatus.BAD_GATEWAY, b"")]
    good = {"domain": DOMAIN, "time": "x"}
    asked_for = 0

    async def handler(_request: Request) -> Response:
        nonlocal asked_for
        asked_for += 1
        return answers.pop(0) if answers else Response(HTTPStatus.OK, json.dumps(good).encode())

    async def go() -> None:
        async with serving(handler) as url, client(url) as asked:
            assert await asked.announce() == Announcement(DOMAIN, "x")
        with pytest.raises(Unreached, match="cannot be reached"):
            async with client(url) as gone:
                await gone.announce()

    asyncio.run(go())
    assert asked_for == 3


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://conform.example.net", "https only"),
        ("https://user:secret-word@conform.example.net", "bearer token belongs elsewhere"),
        ("https://conform.example.net/path", "no URL"),
        ("https://conform.example.net/?x", "no URL"),
        ("ftp://conform.example.net", "https only"),
        ("conform.example.net", "no URL"),
        ("https://", "no URL"),
        ("https://[::1", "no URL"),
        ("https://conform.example.net:x", "no URL"),
    ],
)
def test_urls_that_cannot_be_used_are_refused(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        Remote(url, SECRET)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "short", "with space in the middle", "two\nlines-of-many-letters", "ü" * 20])
def test_bearer_tokens_that_are_none_are_refused_unseen(secret: str) -> None:
    with pytest.raises(ValueError, match="RFC 6750") as caught:
        Remote("https://conform.example.net", secret)
    assert not secret or secret not in str(caught.value)


def test_loopback_may_be_asked_in_clear_text() -> None:
    for url in ("http://127.0.0.1:8080", "http://[::1]:8080/"):
        Remote(url, SECRET)


def test_a_client_that_dawdles_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE", 0.2)

    async def handler(_request: Request) -> Response:
        raise AssertionError("no request was ever complete")

    async def go() -> None:
        async with serving(handler) as url:
            for begun in (
                b"GET /health HTTP/1.1\r\nhost: x\r\n",
                b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1",
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
                writer.write(begun)
                assert await asyncio.wait_for(reader.read(), 60) == b""
                writer.close()

    asyncio.run(go())


def test_no_more_connections_are_held_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_CONNECTIONS", 2)

    async def handler(_request: Request) -> Response:
        return Response(HTTPStatus.OK, b"{}")

    async def go() -> None:
        async with serving(handler) as url:
            port = int(url.rpartition(":")[2])
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await asyncio.wait_for(reader.read(), 60) == b""
            for one in (writer, *(writer for _, writer in held)):
                one.close()

    asyncio.run(go())
