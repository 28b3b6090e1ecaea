"""Files that a run writes: the same facts give the same results, and every output says the same."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.facts.answer import Answer, Record, Status
from conformance.facts.session import Certificate, End, Line, Reply, Session
from conformance.facts.snapshot import Gathering, SnapshotError, dump, load
from conformance.facts.store import Store
from conformance.fleet.model import Fleet
from conformance.lab.world import World
from tests.plugin import fleet

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]

QUIET = ("-p", "no:cacheprovider")


def test_facts_judged_again_give_the_same_results(
    inside: Inside, world: World, inventories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = inside(inventories / "dark.yml", "--report-dir=first", *QUIET, folder="first")
    assert {"pass", "undetermined", "not-applicable"} <= set(first.outcomes.values())
    assert [one for one in first.results if one["evidence"][:1] == ["smtp:mx1.example.com:25"]]
    asked = len(world.queries()), len(world.contacts())
    monkeypatch.setenv("MAILCONFORM_RESOLVER", "127.0.0.1:1")
    facts = first.folder / "facts.json"
    again = inside(inventories / "dark.yml", f"--replay={facts}", *QUIET)
    assert (len(world.queries()), len(world.contacts())) == asked
    assert again.status == first.status
    assert fleet.told(again.document) == fleet.told(first.document)
    assert again.document["run"]["dns"] == "replay"
    assert again.document["run"]["facts"] == first.document["run"]["facts"]
    assert f"replay of {facts}" in again.out
    (note,) = again.document["run"]["notes"]
    assert "judged again" in note
    assert (again.folder / "facts.json").read_bytes() == facts.read_bytes()


def test_what_was_not_gathered_is_undetermined_in_a_replay(inside: Inside, inventories: Path) -> None:
    ran = inside(inventories / "good.yml", "--rules=ptr.exists", "--report-dir=first", *QUIET, folder="first")
    again = inside(inventories / "broken.yml", "--rules=ptr.*", f"--replay={ran.folder / 'facts.json'}", *QUIET)
    assert again.outcomes["ptr.exists mx1.example.com/203.0.113.1"] == "pass"
    assert again.outcomes["ptr.exists mx2.example.com/203.0.113.2"] == "undetermined"
    assert again.status == 6


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', "\x00", '{"schema": 2, "gathered": "now"}', "results"]
)
def test_a_file_that_is_no_snapshot_is_refused(inside: Inside, inventories: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "facts.json"
    if text == "results":
        ran = inside(inventories / "good.yml", "--rules=ptr.exists", *QUIET)
        text = (ran.folder / "results.json").read_text("utf-8")
    path.write_text(text)
    with pytest.raises(SnapshotError, match=re.escape(str(path))):
        load(str(path))


def test_a_snapshot_keeps_everything(tmp_path: Path) -> None:
    octets = "".join(map(chr, range(256)))
    store = Store()
    records: list[Record] = [("10", "20"), (10, "mx.example"), ("one",), (octets, ""), octets, ()]
    for number, record in enumerate(records):
        store.add(
            Answer(
                f"{number}.example",
                "TXT",
                Status.FOUND,
                "NOERROR",
                (record,),
                ttl=0,
                server="127.0.0.1:53",
                transport="tcp",
                ms=0.1,
                at="2026-01-01T00:00:00+00:00",
            )
        )
    store.add(Answer("dark.example", "A", Status.UNDETERMINED, "TIMEOUT", error=octets, cause="dark"))
    certificate = Certificate("cn", "ca", ("a",), (), "2026", "2027", "00", verified=False, verify_error=octets)
    session = Session("mx.example", 25, "starttls", "127.0.0.1", End.TLS_ERROR, greeting=Reply(220, (octets,)))
    lines = (Line(0.5, "S", octets),)
    store.sessions[session.id] = Session(
        **{**{name: getattr(session, name) for name in session.__slots__}, "certificate": certificate, "lines": lines}
    )
    gathering = Gathering("now", ("127.0.0.1:53",), "none", 1.5, 7, ["a note"], ["a defect"])
    path = tmp_path / "facts.json"
    path.write_text(dump(store, gathering), "utf-8")
    snapshot = load(str(path))
    assert snapshot.store() == store
    assert snapshot.gathering() == gathering


def blob(page: str) -> dict[str, Any]:
    """Return the data of a page that pytest-html wrote."""
    (text,) = re.findall(r'data-jsonblob="(.*?)"', page)
    data: dict[str, Any] = json.loads(html.unescape(text))
    return data


def test_the_page_of_pytest_html_tells_rule_level_subject_and_evidence(inside: Inside, inventories: Path) -> None:
    options = ["--rules=ptr.exists", "--rules=srv.esmtp-ok", "--html=page.html", "--self-contained-html", *QUIET]
    ran = inside(inventories / "broken.yml", *options)
    data = blob((ran.folder.parents[1] / "page.html").read_text("utf-8"))
    rows = {" ".join(test["resultsTableRow"]): test for tests in data["tests"].values() for test in tests}
    assert len(rows) == len(ran.results) == 3
    failed = next(row for name, row in rows.items() if "mx2" in name)
    assert failed["result"] == "Failed"
    cells = " ".join(failed["resultsTableRow"])
    for text in ("ptr.exists", "must", "mx2.example.com/203.0.113.2", "NXDOMAIN"):
        assert text in cells
    assert "required: Every sending address has a PTR record." in failed["log"]
    assert "fix: Publish: 2.113.0.203.in-addr.arpa. IN PTR mx2.example.com." in failed["log"]
    assert "2.113.0.203.in-addr.arpa PTR: NXDOMAIN (127.0.0.1:" in failed["log"]
    session = next(row for name, row in rows.items() if "srv.esmtp-ok" in name)
    assert " S 220 mx1.example.com ESMTP ready" in session["log"]
    assert " C EHLO probe.example.com" in session["log"]


def test_results_are_written_while_a_run_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conformance.check import Level
    from conformance.report import results

    clock = [0.0]
    monkeypatch.setattr("conformance.report.results.time", SimpleNamespace(monotonic=lambda: clock[0]))
    kept = results.Results(tmp_path, Fleet(mtas=()), {}, Level.MUST)
    kept.expected = {str(number): ("x.y", str(number)) for number in range(4)}
    kept.write(exit_status=2)
    result = {"outcome": "pass", "level": "must", "check": "x.y", "kind": "mta"}

    def written() -> tuple[int, list[str]]:
        document = json.loads((tmp_path / "results.json").read_text())
        assert document["run"]["complete"] is False
        return document["counts"]["pass"], document["run"]["unreached"]

    for number, seconds in enumerate((1.0, 4.0, results.WRITE_EVERY + 0.1)):
        clock[0] = seconds
        kept.add(str(number), {**result, "subject": str(number)})
        assert written() == ((0, ["x.y 0", "x.y 1", "x.y 2", "x.y 3"]) if number < 2 else (3, ["x.y 3"]))
    # A check that is judged again, as after an error in its teardown, counts once.
    kept.add("2", {**result, "subject": "2", "outcome": "undetermined"})
    assert kept.counts()["pass"] == 2
    assert kept.counts()["undetermined"] == 1


def test_a_large_fleet_is_judged_more_than_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conformance.check import Level
    from conformance.report import results

    clock, writes = [0.0], []

    def slow(*_: object) -> None:
        writes.append(clock[0])
        clock[0] += 4.0

    monkeypatch.setattr("conformance.report.results.time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr("conformance.report.results.write_atomic", slow)
    kept = results.Results(tmp_path, Fleet(mtas=()), {}, Level.MUST)
    for second in range(1, 200):
        clock[0] = max(clock[0], float(second))
        kept.add(str(second), {"outcome": "pass", "level": "must", "check": "x.y", "kind": "mta", "subject": "s"})
    assert writes == [1.0, 46.0, 91.0, 136.0, 181.0]
