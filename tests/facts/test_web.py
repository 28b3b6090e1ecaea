"""Policies over HTTPS: what is asked, what is not, and what is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from conformance.facts.page import Fetched, Page, Place
from conformance.facts.snapshot import Gathering, dump
from conformance.facts.store import Recorded, Store
from conformance.facts.web import Fetcher
from conformance.lab.spec import PolicySpec
from conformance.lab.world import serve_world
from conformance.outcome import NotApplicable, Undetermined
from conformance.reading.mtasts import LARGEST

HOST = "mta-sts.example.com"


def fetched(place: Place, *addresses: str | Exception) -> Page:
    """Return what comes of a place whose name has some addresses."""

    async def resolve(_name: str) -> Sequence[str]:
        for one in addresses:
            if isinstance(one, Exception):
                raise one
        return [str(one) for one in addresses]

    return asyncio.run(Fetcher(resolve, timeout=10).fetch(place))


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "127.0.0.1", "::1", "fd00::1", "::ffff:192.168.1.1", "169.254.169.254"]
)
def test_addresses_inside_are_not_asked(address: str) -> None:
    page = fetched(Place(HOST), address)
    assert (page.state, page.target) == (Fetched.PRIVATE, "")
    assert address in page.error


def test_a_policy_is_asked_for_in_the_name_of_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[httpx.Request] = []

    async def refuse(_transport: object, request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", refuse)
    assert fetched(Place(HOST, "127.0.0.1")).state is Fetched.FAILED
    # Servers that shield themselves from scrapers answer 403 to a client that gives no name.
    assert [one.headers["User-Agent"].partition("/")[0] for one in asked] == ["mailconform"]


def test_a_name_without_addresses_and_one_that_is_not_known() -> None:
    assert fetched(Place(HOST)).state is Fetched.NO_ADDRESS
    page = fetched(Place(HOST), Undetermined("SERVFAIL"))
    assert (page.state, page.error) == (Fetched.UNRESOLVED, "SERVFAIL")
    with pytest.raises(Undetermined, match="SERVFAIL"):
        page.known()


def test_a_policy_is_fetched_with_its_own_name_and_cut_when_it_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    policies = [
        PolicySpec("example.com", text="version: STSv1\n"),
        PolicySpec("large.example", text="x" * (LARGEST + 1)),
        PolicySpec("self.example", certificate="self-signed", text="version: STSv1\n"),
    ]
    with serve_world({}, policies=policies) as world:
        monkeypatch.setenv("SSL_CERT_FILE", str(world.ca_file))
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        page = fetched(Place(HOST, "127.0.0.1", world.policy_port))
        large = fetched(Place("mta-sts.large.example", "127.0.0.1", world.policy_port))
        distrusted = fetched(Place("mta-sts.self.example", "127.0.0.1", world.policy_port))
    assert (page.state, page.status, page.body, page.cut) == (Fetched.ANSWERED, 200, "version: STSv1\n", False)
    assert (page.media_type, page.target) == ("text/plain", "127.0.0.1")
    assert (large.cut, len(large.body)) == (True, LARGEST)
    assert (distrusted.state, distrusted.body) == (Fetched.DISTRUSTED, "")
    assert "self" in distrusted.error


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_machine_without_authorities_accuses_no_certificate(
    folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with serve_world({}, policies=[PolicySpec("example.com", text="version: STSv1\n")]) as world:
        monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / folder))
        page = fetched(Place(HOST, "127.0.0.1", world.policy_port))
    with pytest.raises(Undetermined, match="knows no certificate authority"):
        page.known()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_says_nothing_of_the_policy(status: int) -> None:
    with pytest.raises(Undetermined, match=f"answered {status}"):
        Page(HOST, Fetched.ANSWERED, status).known()


def test_a_run_that_asks_nobody_has_nothing_to_judge() -> None:
    with pytest.raises(NotApplicable):
        Page(HOST, Fetched.SKIPPED, error="probe level none").known()


def test_policies_are_kept_with_the_facts() -> None:
    store = Store(pages={HOST: Page(HOST, Fetched.ANSWERED, 200, body="version: STSv1\n")})
    asker = Recorded(store)
    assert '"pages"' in dump(store, Gathering())
    assert asyncio.run(asker.web(Place(HOST))).body == "version: STSv1\n"
    assert asker.asked == [f"web:{HOST}"]
    assert asyncio.run(asker.web(Place("mta-sts.example.net"))).state is Fetched.UNASKED
