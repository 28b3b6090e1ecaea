"""Runs by night: silent unless there is news, told to those who asked, bounded in time, and gone on with."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from conformance.lab.world import World
from conformance.notify import notify
from tests.plugin import fleet
from tests.report.sample_results import result, results

RULES = ("--rules=ptr.exists", "--rules=ptr.matches-helo")
COMMAND = ("-m", "conformance.cli", "run")
MX2 = "ptr.exists mx2.example.com/203.0.113.2"


@pytest.fixture
def night(tmp_path: Path, inventories: Path, world: World) -> Any:
    def night(*options: str, inventory: str = "broken.yml", **environ: str) -> fleet.Ran:
        arguments = (*COMMAND, f"--inventory={inventories / inventory}", *RULES, *options)
        return fleet.run(*arguments, cwd=tmp_path, environ=fleet.environment(world, **environ))

    return night


class Hook(BaseHTTPRequestHandler):
    told: list[dict[str, Any]]
    answer = 204

    def do_POST(self) -> None:
        self.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.answer)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    handler: type[Hook] = type("One", (Hook,), {"told": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook/secret", handler
    server.shutdown()
    server.server_close()


def test_silence_until_there_is_news(night: Any, tmp_path: Path) -> None:
    first = night("--quiet-ok")
    assert first.status == 1
    lines = first.out.splitlines()
    assert lines[0] == f"mailconform: 1 new: {MX2}"
    assert lines[1].startswith(f"F MUST {MX2}: 2.113.0.203.in-addr.arpa PTR answered NXDOMAIN")
    assert lines[-1].startswith("exit 1: ")
    second = night("--quiet-ok")
    assert (second.status, second.out, second.err) == (1, "", "")
    assert [one["change"] for one in second.results if one["outcome"] == "fail"] == ["known"]
    repaired = night("--quiet-ok", "--limit=mx1.example.com")
    assert (repaired.status, repaired.out, repaired.err) == (0, "", "")
    assert len(list(tmp_path.glob("reports/20*"))) == 3


def test_what_cannot_be_looked_at_is_news(night: Any) -> None:
    ran = night("--quiet-ok", "--rules=ptr.exists", inventory="dark.yml")
    assert ran.status == 6
    assert "? no answer from" in ran.out


def test_the_difference_is_told_once_and_no_secret_with_it(night: Any, hook: Any, tmp_path: Path) -> None:
    url, handler = hook
    # What is told may be a secret, and goes through nobody's hands.
    ran = night(f"--notify={url}", http_proxy="http://127.0.0.1:9")
    (told,) = handler.told
    assert [one["subject"] for one in told["new"]] == ["mx2.example.com/203.0.113.2"]
    assert told["counts"] == ran.document["counts"]
    assert "secret" not in ran.said
    night(f"--notify={url}")
    assert len(handler.told) == 1


def test_a_notification_that_fails_is_said_and_changes_nothing(night: Any, hook: Any) -> None:
    url, handler = hook
    handler.answer = 302
    ran = night(f"--notify={url}", "--notify=https://127.0.0.1:9/token")
    assert ran.status == 1
    assert "http://127.0.0.1/... was not told: the answer was 302" in ran.err
    assert "https://127.0.0.1/... was not told: " in ran.err
    assert "secret" not in ran.said and "token" not in ran.said
    assert len(handler.told) == 1


def test_mail_goes_through_sendmail(night: Any, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    sendmail = tmp_path / "bin" / "sendmail"
    sendmail.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat > {tmp_path}/message\n')
    sendmail.chmod(0o755)
    night("--notify=mailto:ops@example.com", PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert (tmp_path / "arguments").read_text() == "-i -t\n"
    message = (tmp_path / "message").read_text()
    assert "To: ops@example.com\n" in message
    assert f"Subject: mailconform: 1 new: {MX2}" in message.replace("\n ", " ")
    assert "Auto-Submitted: auto-generated" in message


def test_mail_that_is_not_taken_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sendmail").write_text("#!/bin/sh\ncat > /dev/null\nexit 75\n")
    (tmp_path / "sendmail").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    document = results(result("ptr.exists", "mx1/203.0.113.1", "fail"), exit=1)
    said = "mailto:ops@example.com was not told: sendmail ended with status 75"
    assert list(notify(["mailto:ops@example.com"], document)) == [said]


def test_what_cannot_be_told_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    document = results(result("ptr.exists", "mx1/203.0.113.1", "fail"), exit=1)
    monkeypatch.setenv("PATH", str(tmp_path))
    targets = ["mailto:ops@example.com", "http://127.0.0.1:9/token"]
    assert list(notify(targets, document)) == [
        f"mailto:ops@example.com was not told: no sendmail in {tmp_path}",
        "http://127.0.0.1/... was not told: no connection",
    ]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--notify=ops@example.com", "'ops@example.com' is an address: write it as mailto:ops@example.com"),
        ("--notify=http://example.com/", "neither mailto:ADDRESS nor https://..."),
        ("--notify=mailto:a@b\nBcc:c@d", "is not of the form mailto:ADDRESS"),
        ("--notify=ftp://example.com/token", "'ftp://example.com/...' is neither"),
        ("--budget=soon", "'soon' is no duration such as 20m or 90s"),
        ("--budget=0", "'0' is no duration"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(night: Any, option: str, said: str) -> None:
    ran = night(option)
    assert ran.status == 4
    assert said in ran.err


def test_a_run_out_of_budget_is_partial_and_is_gone_on_with(night: Any, world: World, tmp_path: Path) -> None:
    slow = {"MAILCONFORM_DNS_TIMEOUT": "60"}
    ran = night("--budget=6s", inventory="dark.yml", **slow)
    assert ran.status == 2, ran.said
    (folder,) = tmp_path.glob("reports/20*")
    partial = fleet.Ran(ran.status, ran.out, ran.err, folder)
    assert "the budget of 6 s was used up" in partial.document["run"]["notes"]
    assert "exit 2: the budget of 6 s was used up: these results are partial" in ran.out
    assert "KeyboardInterrupt" not in ran.said
    assert partial.document["run"]["unreached"]
    asked = [query.name for query in world.queries()]
    resumed = night("--resume", inventory="dark.yml")
    again = [query.name for query in world.queries()][len(asked) :]
    assert "1.113.0.203.in-addr.arpa." in asked
    assert "1.113.0.203.in-addr.arpa." not in again
    assert "3.113.0.203.in-addr.arpa." in again
    assert resumed.outcomes["ptr.exists mx1.example.com/203.0.113.1"] == "pass"
    assert f"Note: this run goes on with what reports/{folder.name} has gathered" in resumed.out
    assert "there is no interrupted run" in " ".join(night("--resume").document["run"]["notes"])


def test_a_resolver_that_died_makes_one_message_and_no_findings(tmp_path: Path) -> None:
    hosts = fleet.numbered(*range(1, 30))
    fleet.inventory(tmp_path / "hosts.json", hosts)
    last = [number for number in range(1, 30) if number > 12]
    faults = [f"{number}.113.0.203.in-addr.arpa. drop" for number in last]
    faults += [f"mx{number}.example.com. drop" for number in last]
    with fleet.served(faults=faults) as world:
        options = (*COMMAND, "--inventory=hosts.json", "--rules=ptr.*", "--rules=helo.*", "--quiet-ok")
        ran = fleet.run(*options, cwd=tmp_path, environ=fleet.environment(world))
    assert ran.status == 6
    assert any(result["outcome"] == "fail" for result in ran.results)
    first, told, *rest = ran.out.splitlines()
    assert first.startswith("mailconform: ")
    assert told.startswith(f"? {world.resolver} left ")
    assert told.endswith(
        "questions without an answer: this run says nothing of the fleet, neither that something is "
        "broken nor that it is fixed."
    )
    assert len(rest) == 2
    assert rest[-1] == "exit 6: the run is undetermined: its resolver failed"
    assert not (tmp_path / "reports" / "history.sqlite").exists()


@pytest.fixture
def flicker(tmp_path: Path) -> Any:
    """A night in which the PTR record of mx1 was there the night before, and is gone when it is asked for."""

    def flicker(comes_back: bool) -> tuple[fleet.Ran, fleet.Ran]:
        fleet.inventory(tmp_path / "hosts.json", fleet.numbered(1))
        options = (*COMMAND, "--inventory=hosts.json", "--rules=ptr.exists", "--confirm=3")
        with fleet.served() as world:
            environ = fleet.environment(world)
            first = fleet.run(*options, cwd=tmp_path, environ=environ)
            world.load("113.0.203.in-addr.arpa.", "")
            process = fleet.start(options, tmp_path, environ)
            while not any(query.rcode == "NXDOMAIN" for query in world.queries()):
                time.sleep(0.05)
            if comes_back:
                world.load("113.0.203.in-addr.arpa.", "1 PTR mx1.example.com.")
            return first, fleet.ended(process, tmp_path / "reports/latest")

    return flicker


def test_what_is_seen_once_alone_is_unknown(flicker: Any) -> None:
    first, second = flicker(comes_back=True)
    assert first.status == 0
    assert second.status == 6, second.said
    (result,) = second.results
    assert result["outcome"] == "undetermined"
    assert result["seen"].startswith("two looks disagree: first 1.113.0.203.in-addr.arpa PTR answered NXDOMAIN")


def test_what_is_seen_twice_is_reported(flicker: Any) -> None:
    _, second = flicker(comes_back=False)
    assert second.status == 1
    assert [one["change"] for one in second.results] == ["new"]
