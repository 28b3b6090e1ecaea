"""Parts of a fleet, each judged by a run of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from conformance.cli import main
from conformance.facts.answer import Answer, Status
from conformance.facts.snapshot import Gathering, dump, load
from conformance.facts.store import Store
from conformance.lab.world import World
from conformance.merge import Shard, merge
from conformance.report import schema
from conformance.shard import Part, part
from conformance.subjects import Place
from tests.plugin import fleet
from tests.report.sample_results import result, results

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]

QUIET = ("-p", "no:cacheprovider")
OF = 3


@pytest.fixture
def judge(inside: Inside, inventories: Path, tmp_path: Path) -> Callable[..., fleet.Ran]:
    """A function that judges an inventory into a folder."""

    def run(name: str, inventory: str, *options: str) -> fleet.Ran:
        folder = str(tmp_path / name)
        return inside(inventories / inventory, f"--report-dir={folder}", *options, *QUIET, folder=folder)

    return run


def joined(folder: Path, shards: Iterable[fleet.Ran]) -> tuple[Result, dict[str, Any]]:
    parts = [str(one.folder) for one in shards]
    done = CliRunner().invoke(main, ["merge", *parts, f"--report-dir={folder}"])
    document: dict[str, Any] = json.loads((folder / "results.json").read_text("utf-8"))
    jsonschema.validate(document, schema())
    return done, document


@pytest.mark.parametrize("facts", ["gathered by each", "shared"])
def test_shards_are_together_what_one_run_is(judge: Callable[..., fleet.Ran], tmp_path: Path, facts: str) -> None:
    inventory = "broken.yml" if facts == "gathered by each" else "dark.yml"
    whole = judge("whole", inventory)
    shared = [f"--replay={whole.folder / 'facts.json'}"] if facts == "shared" else []
    shards = [judge(f"shard{k}", inventory, f"--shard={k}/{OF}", *shared) for k in range(OF, 0, -1)]
    done, document = joined(tmp_path / "told", shards)
    assert done.exit_code == whole.status, done.output
    assert fleet.told(document) == fleet.told(whole.document)
    assert len(whole.results) == sum(len(one.results) for one in shards)
    assert sorted(len(one.results) for one in shards)[1] > 10
    one, both = (load(str(folder / "facts.json")).store() for folder in (whole.folder, tmp_path / "told"))
    assert both.answers.keys() == one.answers.keys()
    assert both.sessions.keys() == one.sessions.keys()


def test_a_host_stays_whole_and_what_belongs_to_none_comes_first(judge: Callable[..., fleet.Ran]) -> None:
    shards = [judge(f"shard{k}", "broken.yml", f"--shard={k}/{OF}") for k in range(1, OF + 1)]
    owners = [{one["host"] or one["domain"] for one in shard.results} for shard in shards]
    assert None in owners[0]
    assert set.union(*owners) == {None, "mx1.example.com", "mx2.example.com", "example.com"}
    assert sum(map(len, owners)) == 4
    for number, shard in enumerate(shards, 1):
        assert shard.document["run"]["extra"]["shard"] == f"{number}/{OF}"
        assert f"shard {number}/{OF} of them" in shard.out


def test_nobody_is_looked_at_twice(judge: Callable[..., fleet.Ran], world: World) -> None:
    before = len(world.contacts())
    judge("whole", "broken.yml")
    needed = len(world.contacts()) - before
    for k in range(1, OF + 1):
        judge(f"shard{k}", "broken.yml", f"--shard={k}/{OF}")
    assert needed
    assert len(world.contacts()) - before == 2 * needed


def test_a_subject_is_in_one_shard_and_always_in_the_same() -> None:
    places = [Place(f"mx{number}.example.net", None, (), None) for number in range(1000)]
    shards = [[place for place in places if Part(k, 4).has(place)] for k in range(1, 5)]
    assert sorted(place.host or "" for shard in shards for place in shard) == sorted(one.host or "" for one in places)
    assert all(200 < len(shard) < 300 for shard in shards)
    home = [next(k for k in range(1, 5) if Part(k, 4).has(place)) for place in places[:8]]
    assert home == [3, 1, 4, 2, 1, 1, 4, 3]
    assert Part(1, 4).has(Place(None, None, (), None))
    domain = Place(None, "mx1.example.net", (), None)
    assert [Part(k, 4).has(domain) for k in range(1, 5)] == [Part(k, 4).has(places[1]) for k in range(1, 5)]


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "1/", "/4", "a/b", "1/1001", "-1/4", "1/4/4", " 1/4", "١/٤"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no shard K/N"):
        part(text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--shard=5/4", "--report-dir=told"], "--shard: '5/4' is no shard K/N such as 2/4"),
        (["--shard=1/4"], "--shard: name a folder for the results of this shard with --report-dir"),
        (
            ["--shard=1/4", "--report-dir=told", "--baseline=b.json", "--update-baseline"],
            "--shard: a shard sees a part of what a baseline knows",
        ),
    ],
)
def test_what_does_not_go_with_a_shard(inside: Inside, inventories: Path, options: list[str], said: str) -> None:
    ran = inside(inventories / "good.yml", *options, *QUIET)
    assert ran.status == 4
    assert said in ran.err


def test_a_shard_is_held_against_the_whole_and_not_the_whole_against_a_shard(judge: Callable[..., fleet.Ran]) -> None:
    rules = ("--rules=ptr.exists", "--gate=new")
    whole = judge("whole", "broken.yml", "--rules=ptr.exists")
    (shard,) = [
        found
        for k in (1, 2)
        if (found := judge(f"shard{k}", "broken.yml", *rules, f"--shard={k}/2", f"--against={whole.folder}")).results
        and found.document["counts"]["known"]
    ]
    assert shard.status == 0
    own = shard.document["run"]["extra"]["shard"]
    assert judge("again", "broken.yml", *rules, f"--shard={own}", f"--against={shard.folder}").status == 0
    refused = judge("all", "broken.yml", *rules, f"--against={shard.folder}")
    assert refused.status == 4
    assert f"is shard {own} alone, and knows nothing of the rest: merge the shards first" in refused.err


def test_an_empty_shard_checked_nothing_and_takes_nothing_from_the_whole(
    judge: Callable[..., fleet.Ran], tmp_path: Path
) -> None:
    whole = judge("whole", "good.yml", "--rules=ptr.exists")
    shards = [judge(f"shard{k}", "good.yml", "--rules=ptr.exists", f"--shard={k}/2") for k in (1, 2)]
    assert sorted(one.status for one in shards) == [0, 5]
    done, document = joined(tmp_path / "told", shards)
    assert done.exit_code == whole.status == 0, done.output
    assert fleet.told(document) == fleet.told(whole.document)
    done, document = joined(tmp_path / "less", shards[:1])
    assert (done.exit_code, document["run"]["unreached"]) == (2, ["shard 2 of 2"])


def test_workers_of_xdist_judge_shared_facts(world: World, inventories: Path, tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    environ = fleet.environment(world)
    options = ["run", f"--inventory={inventories / 'dark.yml'}", "--rules=ptr.*", "--rules=helo.*"]
    alone = fleet.run(*fleet.COMMAND, *options, cwd=tmp_path, environ=environ)
    contacts, queries = len(world.contacts()), len(world.queries())
    options.append(f"--replay={alone.folder / 'facts.json'}")
    shards = []
    for more in ([], ["--shard=1/2"], ["--shard=2/2"]):
        folder = f"told{len(shards)}"
        workers = [*options, *more, f"--report-dir={folder}", "--", "-n", "2", *QUIET]
        shards.append(fleet.run(*fleet.COMMAND, *workers, cwd=tmp_path, environ=environ, folder=folder))
    whole = shards.pop(0)
    assert whole.status == alone.status == 6, whole.said
    assert fleet.told(whole.document) == fleet.told(alone.document)
    _, document = joined(tmp_path / "told", shards)
    assert fleet.told(document) == fleet.told(alone.document)
    assert (len(world.contacts()), len(world.queries())) == (contacts, queries)


def test_a_resolver_that_failed_is_seen_by_all_shards_together(tmp_path: Path) -> None:
    """Each of them asked too little to tell."""
    shards = []
    for number in (1, 2):
        answers = [answer(f"n{number}-{one}.example.com", one % 2 == 0) for one in range(30)]
        store = Store({(one.name, one.rdtype): one for one in answers})
        snapshot = tmp_path / f"facts{number}.json"
        snapshot.write_text(dump(store, Gathering()))
        own = result("ptr.exists", f"mx{number}.example.net/198.51.100.25")
        document = results(own, hosts=("mx1.example.net", "mx2.example.net"), extra={"shard": f"{number}/2"})
        shards.append(Shard(str(number), document, load(str(snapshot))))
    run = merge(shards).document["run"]
    assert (run["inconclusive"], run["exit"]) == ("192.0.2.53 left 30 of 60 questions without an answer", 6)
    for one in shards:
        assert not one.run.get("inconclusive")


def answer(name: str, dark: bool) -> Answer:
    return Answer(
        name=name,
        rdtype="A",
        status=Status.UNDETERMINED if dark else Status.ABSENT,
        rcode="" if dark else "NXDOMAIN",
        server="192.0.2.53",
        transport="udp",
        ms=1.0,
    )
