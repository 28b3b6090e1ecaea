"""Text from DNS, SMTP and the inventory that attacks whoever looks at it."""

from __future__ import annotations

import html.parser
import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from conformance.lab.spec import parse_listener
from conformance.lab.world import World, serve_world
from conformance.report import formats
from conformance.report.formats import FORMATS
from conformance.report.page import render
from tests.plugin import fleet
from tests.plugin.test_outputs import blob

pytest_plugins = ("pytester",)

SCRIPT = "<script>alert(1)</script>"
ESCAPE = r"\027[2J\027]0;owned\007\000\155\128\255"
"""Escape sequences, NUL, CSI as one octet and other octets, as a zone file has them."""
HUGE = " ".join(f'"{letter * 250}"' for letter in "abcd" * 60)

ZONES = {
    "example.com.": rf"""
@       MX   10 <script>alert\(1\)</script>\027[31m.example.com.
@       TXT  "v=spf1 {SCRIPT} {ESCAPE} a:{SCRIPT}.example.com -all"
@       TXT  {HUGE}
mx1     A    203.0.113.1
mx2     A    203.0.113.2
mx2     TXT  "v=spf1 " {HUGE}
_dmarc  TXT  "v=DMARC1; p={SCRIPT}{ESCAPE}; rua=mailto:{SCRIPT}@example.com"
s1._domainkey TXT "v=DKIM1; n={ESCAPE}; p={SCRIPT}"
s2._domainkey TXT "v=DKIM1; p=" {HUGE}
""",
    "113.0.203.in-addr.arpa.": r"""
1       PTR  <script>alert\(1\)</script>.example.com.
1       PTR  a\027[2J\027]0\;owned\007\000b\155c.example.com.
1       PTR  \"><img\032src=x\032onerror=alert\(1\)>.example.com.
2       PTR  mx2.example.com.
""",
}

SGR = re.compile(r"\x1b\[[0-9;]*m")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.fixture(scope="module")
def hostile() -> Iterator[World]:
    listeners = [
        {"host": "mx1.example.com", "port": 25, "behaviour": "banner-hostile"},
        {"host": "mx2.example.com", "port": 25, "behaviour": "banner-huge"},
        {"host": "mx2.example.com", "port": 587, "ehlo": [f"mx2 {SCRIPT}\x1b[2J", f"X-{SCRIPT}\x1b]0;owned\x07"]},
    ]
    with serve_world(ZONES, [parse_listener(one) for one in listeners]) as world:
        yield world


def hosts(world: World) -> dict[str, dict[str, object]]:
    """Return hosts that greet with hostile names, which the schema takes and the checks judge."""
    found = {}
    for number, ports, helo in ((1, (25,), f"{SCRIPT}\x1b[2J"), (2, (25, 587), "mx2.example.com")):
        name = f"mx{number}.example.com"
        listen = [{"port": port, "tls": "starttls", "dial_port": world.ports[name, port]} for port in ports]
        found[name] = fleet.host(number, listen=listen, connect_to="127.0.0.1", helo=helo)
    return found


@pytest.fixture(scope="module")
def ran(hostile: World, tmp_path_factory: pytest.TempPathFactory) -> fleet.Ran:
    """A run of all checks that writes everything that can be written, in colour."""
    folder = tmp_path_factory.mktemp("hostile")
    domains = {"example.com": {"dkim": [{"selector": "s1"}, {"selector": "s2"}]}}
    fleet.inventory(folder / "hosts.yml", hosts(hostile), domains=domains)
    options = [
        "-p",
        "no:cacheprovider",
        "--color=yes",
        "-rA",
        "--tb=short",
        "--html=page.html",
        "--self-contained-html",
    ]
    command = [*fleet.COMMAND, "run", "--inventory=hosts.yml", "--report-dir=told", "--", *options]
    return fleet.run(*command, cwd=folder, environ=fleet.environment(hostile), folder="told")


class Scripts(html.parser.HTMLParser):
    """Collects what a page would run."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script"
        self.scripts += [""] if self._inside else []
        self.handlers += [f"{tag} {name}" for name, value in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data


def run_by(text: str) -> Scripts:
    parser = Scripts()
    parser.feed(text)
    parser.close()
    return parser


def test_hostile_text_is_inert_wherever_it_is_told(ran: fleet.Ran) -> None:
    assert ran.status == 1, ran.said
    # The text was there to be told.
    assert [one for one in ran.results if SCRIPT in one["seen"]]
    assert [one for one in ran.results if one["check"] == "helo.server-banner" and one["outcome"] == "fail"]
    assert "\x1b[" in ran.out
    assert not CONTROLS.findall(SGR.sub("", ran.out))
    assert not CONTROLS.findall(ran.err)
    assert "\\x1b[2J" in ran.out
    assert max(map(len, ran.out.splitlines())) < 4000

    for name in ("results.json", "facts.json"):
        text = (ran.folder / name).read_text("utf-8")
        assert not CONTROLS.findall(text)
        json.loads(text)
    assert "x" * 1000 in (ran.folder / "facts.json").read_text("utf-8")

    page = (ran.folder / "report.html").read_text("utf-8")
    assert not CONTROLS.findall(page)
    known = run_by(render(json.loads(json.dumps(ran.document | {"results": []})), None))
    assert run_by(page).scripts == known.scripts
    assert not run_by(page).handlers
    assert "&lt;script&gt;alert(1)" in page
    assert len(page) < 1_000_000

    junit = (ran.folder / "junit.xml").read_text("utf-8")
    assert not CONTROLS.findall(junit)
    ElementTree.fromstring(junit)
    assert len(ran.cases) == len(ran.results)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_inert(ran: fleet.Ran, name: str) -> None:
    text = formats.render(name, ran.document).replace("\r\n", "\n")
    assert not CONTROLS.findall(text)
    assert not [line for line in text.splitlines() if re.match(r"\s*::(?!error |warning |notice )", line)]
    if name not in ("html", "prometheus"):
        assert "alert(1)" in text
        assert len(text) < 300_000


def test_the_page_of_pytest_html_is_inert_too(ran: fleet.Ran) -> None:
    page = (ran.folder.parent / "page.html").read_text("utf-8")
    assert not CONTROLS.findall(page)
    assert not [script for script in run_by(page).scripts if "alert(1)" in script]
    rows = [row for rows in blob(page)["tests"].values() for row in rows]
    assert len(rows) == len(ran.results)
    # Its own script puts these into the page as they are.
    shown = [text for row in rows for text in (row["log"], *row["resultsTableRow"])]
    for text in shown:
        assert not run_by(text).scripts
        assert not run_by(text).handlers
    assert any("&lt;script&gt;alert(1)" in text for text in shown)


def test_ids_are_safe_wherever_they_stand(ran: fleet.Ran) -> None:
    for one in ran.results:
        assert re.fullmatch(r"[A-Za-z0-9._:@/-]+", one["subject"])
        assert re.fullmatch(r"[a-z0-9.-]+", one["check"])


def test_an_inventory_cannot_write_to_the_terminal(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in fleet.environment().items():
        monkeypatch.setenv(name, value)
    evil = "\x1b[2J\x07<script>"
    wrongs: list[dict[str, Any]] = [{evil: 1}, {"profile": evil}, {"levels": {evil: "off"}}, {"send_from": [evil]}]
    for number, wrong in enumerate(wrongs):
        path = fleet.inventory(pytester.path / f"hosts{number}.yml", fleet.numbered(1, **wrong))
        ran = fleet.inside(pytester, f"--inventory={path}")
        assert ran.status == 4, ran.said
        assert not CONTROLS.findall(ran.said)
    ran = fleet.inside(pytester, f"--inventory={path}", f"--rules={evil}")
    assert ran.status == 4
    assert not CONTROLS.findall(ran.said)
