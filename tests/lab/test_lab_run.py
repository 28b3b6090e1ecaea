"""What the run over ``inventories/lab`` reports: the same closed list wherever it runs.

After a change of the lab or of the rules, ``python -m tests.lab.lab_run`` writes list and shipped facts anew.
"""

from __future__ import annotations

import json
import lzma
import re
import socket
from collections.abc import Callable, Collection
from pathlib import Path

from conformance.catalogue import checks
from conformance.fleet.ansible import load
from tests.lab.lab_run import FACTS, REPORTED, ROOT, run_lab

CONFORMING = {
    "mx1.example.net",
    "mx2.example.net",
    "smtp6.example.net",
    "out.example.net",
    "submit.example.net",
    "news.example.org",
    "mail.domain.com",
    "tenants.example.net",
    "sends-well.example.net",
    "mails-well.example.net",
    "writes-well.example.net",
    "dane-missing.example.net",
    "dane-one-key.example.net",
    "dane-other-key.example.net",
    "dane-web-usage.example.net",
    "letters.example.net",
    "example.com",
    "example.org",
    "domain.com",
    "support.domain.com",
    "parked.example",
}

ELSEWHERE_LATER = """
import datetime, time
from conformance.lab import namespace

def refuse(network):
    raise namespace.NamespaceError("user and network namespaces are refused: a test forbids them")

namespace.enter = refuse

AHEAD = datetime.timedelta(days=20 * 366)
TRUE_TIME = time.time

class Later(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(TRUE_TIME(), tz) + AHEAD

datetime.datetime = Later
time.time = lambda: TRUE_TIME() + AHEAD.total_seconds()
"""
"""Conditions of a run: no namespaces, and the clock twenty years ahead."""


def listed() -> list[str]:
    """Return the closed list."""
    return REPORTED.read_text().splitlines()


def parted(lines: list[str]) -> tuple[list[str], set[str]]:
    """Return what is told of the hosts that are made to send apart from everything else."""
    sent = {line for line in lines if re.search(r" s-[a-z0-9-]+\.example\.net/", line)}
    return [line for line in lines if line not in sent], sent


def place(subject: str, hosts: Collection[str]) -> str:
    """Return the host or domain that a subject's id speaks of: of a host with one of its domains, the domain."""
    first, *rest = subject.split("/")
    name = re.sub(r":[0-9]+$", "", first)
    return rest[1] if name in hosts and len(rest) > 1 and "." in rest[1] else name


def test_the_lab_in_its_namespace_reports_the_closed_list(tmp_path: Path, permitted: Callable[[object], None]) -> None:
    ran = run_lab(tmp_path)
    if "cannot run here" in ran.notes:
        permitted(ran.notes)
    reported, sent = parted(ran.reported)
    wanted, wanted_of_sent = parted(listed())
    assert reported == wanted
    # A machine that is slow leaves some of what was sent undetermined; it accuses nobody.
    assert {line for line in sent if not line.endswith(" undetermined")} <= wanted_of_sent
    assert len(sent & wanted_of_sent) >= 0.8 * len(wanted_of_sent), sorted(wanted_of_sent - sent)
    assert {one["host"] or one["domain"] for one in ran.document["results"] if one["outcome"] == "pass"} >= CONFORMING
    assert ran.document["run"]["complete"]
    assert ran.status == 0, ran.output


def test_where_namespaces_are_forbidden_the_shipped_facts_say_the_same_for_years(tmp_path: Path) -> None:
    gathered = int(json.loads(lzma.decompress(FACTS.read_bytes()))["gathered"][:4])
    ran = run_lab(tmp_path, plugin=ELSEWHERE_LATER)
    assert "cannot run here" in ran.notes
    assert "facts shipped with it are judged" in ran.output
    assert int(ran.document["run"]["started"][:4]) >= gathered + 20
    assert ran.reported == listed()
    assert ran.status == 0, ran.output


def test_what_is_shipped_says_nothing_of_the_machine_it_was_made_on() -> None:
    text = lzma.decompress(FACTS.read_bytes()).decode()
    greetings = {
        line["text"].split()[1]
        for session in json.loads(text)["sessions"]
        for line in session["lines"]
        if re.match("(EHLO|HELO) ", line["text"]) and line["side"] == "C"
    }
    assert greetings == {"probe.example.net"}
    assert f'"{socket.gethostname()}"' not in text


def test_the_list_names_all_that_is_broken_and_nothing_that_conforms() -> None:
    fleet = load([str(ROOT / "inventories" / "lab")])
    broken = {*fleet.by_name, *fleet.catalogue} - CONFORMING
    assert {place(line.split()[1].removesuffix(":"), fleet.by_name) for line in listed()} == broken
    assert len(broken) >= 30


def test_the_lab_breaks_rules_of_every_area_and_most_rules_at_all() -> None:
    broken = {line.split()[0] for line in listed() if not line.endswith(" undetermined")}
    areas = {check.area for check in checks().values()}
    assert {check.partition(".")[0] for check in broken} == areas
    assert len(broken) >= 45, sorted(checks().keys() - broken)
