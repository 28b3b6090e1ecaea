"""The interface of a receiver that runs elsewhere: JSON over HTTPS, with a bearer token (RFC 6750).

``GET /health`` needs no token. The rest does: ``GET /v1/announcement``, ``POST /v1/openings``, ``/v1/captures``,
``/v1/moves`` and ``/v1/closings``. An error is ``{"error": CODE, "message": TEXT}``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, ValidationError

from conformance.receiver.announcement import Busy, NoSuchToken, Unavailable, Unkept
from conformance.receiver.database import DatabaseError, Full
from conformance.receiver.desk import Desk
from conformance.receiver.http import Request, Response

MOST_TOKENS = 5000
"""Tokens of one request."""

_LOG = logging.getLogger("mailconform.receiver")

Token = Annotated[str, Field(min_length=1, max_length=64)]
Tokens = Annotated[list[Token], Field(min_length=1, max_length=MOST_TOKENS)]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Opening(_Asked):
    """Addresses that are asked for; ``expires`` in seconds."""

    scenario: Name
    route: Name = "plain"
    n: int = 1
    expires: float
    peers: Annotated[list[IPvAnyAddress], Field(max_length=1000, strict=False)] = []
    run: Annotated[str, Field(max_length=200)] = ""


class Captures(_Asked):
    """Sessions that are asked for: those of tokens, kept after a place in the order of keeping."""

    tokens: Tokens
    after: Annotated[int, Field(ge=0, le=2**62)] = 0


class Move(_Asked):
    """A domain that is to move, by one of its tokens."""

    token: Token


class Closing(_Asked):
    """Tokens that are given back."""

    tokens: Tokens


class Bearers:
    """Who may ask: SHA-256 of bearer tokens in hexadecimal, by the name of the client."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._digests = dict(digests)

    @property
    def names(self) -> tuple[str, ...]:
        """The clients."""
        return tuple(self._digests)

    def owner(self, header: str) -> str | None:
        """Return the client whose token an Authorization field holds. Takes the same time for each that is wrong."""
        scheme, _, secret = header.partition(" ")
        digest = hashlib.sha256(secret.strip().encode("utf-8", "surrogateescape")).hexdigest()
        found = None
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known.lower()):
                found = name
        return found if scheme.lower() == "bearer" else None


class Api:
    """What answers requests. ``health`` returns what is wrong with the receiver, empty when nothing is."""

    def __init__(self, desk: Desk, bearers: Bearers, health: Callable[[], str]) -> None:
        self.bearers = bearers
        self._desk = desk
        self._health = health
        self._doors: Mapping[str, tuple[str, Callable[[str, bytes], Awaitable[Response]]]] = {
            "/v1/announcement": ("GET", self._announce),
            "/v1/openings": ("POST", self._open),
            "/v1/captures": ("POST", self._collect),
            "/v1/moves": ("POST", self._move),
            "/v1/closings": ("POST", self._close),
        }

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        path = request.path.partition("?")[0]
        if path == "/health":
            return self._say_health(request)
        owner = self.bearers.owner(request.headers.get("authorization", ""))
        if owner is None:
            challenge = {"www-authenticate": 'Bearer realm="mailconform receiver"'}
            return _refusal(HTTPStatus.UNAUTHORIZED, "denied", "a valid bearer token is needed", challenge)
        if path not in self._doors:
            return _refusal(HTTPStatus.NOT_FOUND, "no-such-path", "no such path")
        method, door = self._doors[path]
        if request.method != method:
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "method", f"{path} takes {method}", {"allow": method})
        try:
            return await door(owner, request.body)
        except ValidationError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, "malformed", _wrong(error))
        except NoSuchToken as error:
            return _refusal(HTTPStatus.NOT_FOUND, "no-such-token", str(error))
        except Unavailable as error:
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "unavailable", str(error))
        except Busy as error:
            return _refusal(HTTPStatus.CONFLICT, "busy", str(error))
        except Unkept as error:
            return _refusal(HTTPStatus.INSUFFICIENT_STORAGE, "unkept", str(error))
        except DatabaseError as error:
            _LOG.error("%s %s: %s", method, path, error)
            why = f": {error}" if isinstance(error, Full) else ""
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "storage", f"the receiver cannot store that now{why}")

    def _say_health(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "method", "/health takes GET", {"allow": "GET, HEAD"})
        wrong = self._health()
        status = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
        return _json(status, {"status": "failing" if wrong else "ok", "message": wrong})

    async def _announce(self, _owner: str, _body: bytes) -> Response:
        return _json(HTTPStatus.OK, dataclasses.asdict(self._desk.announce()))

    async def _open(self, owner: str, body: bytes) -> Response:
        asked = Opening.model_validate_json(body)
        addresses = await self._desk.open(
            owner, asked.scenario, asked.route, asked.n, asked.expires, [str(peer) for peer in asked.peers], asked.run
        )
        _LOG.info("%s opened %d addresses: %s, %s", owner, asked.n, asked.scenario, asked.route)
        return _json(HTTPStatus.CREATED, {"addresses": addresses})

    async def _collect(self, owner: str, body: bytes) -> Response:
        asked = Captures.model_validate_json(body)
        page = await self._desk.collect(owner, asked.tokens, asked.after)
        more = b"true" if page.more else b"false"
        return Response(
            HTTPStatus.OK, b'{"captures":[%b],"after":%d,"more":%b}' % (b",".join(page.bodies), page.after, more)
        )

    async def _move(self, owner: str, body: bytes) -> Response:
        await self._desk.move(owner, Move.model_validate_json(body).token)
        return _json(HTTPStatus.OK, {})

    async def _close(self, owner: str, body: bytes) -> Response:
        await self._desk.close(owner, Closing.model_validate_json(body).tokens)
        return _json(HTTPStatus.OK, {})


def _json(status: HTTPStatus, value: Any) -> Response:
    return Response(status, json.dumps(value).encode())


def _refusal(status: HTTPStatus, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, json.dumps({"error": code, "message": message}).encode(), headers or {})


def _wrong(error: ValidationError) -> str:
    """Return what is wrong first with a body, without the values in it."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
