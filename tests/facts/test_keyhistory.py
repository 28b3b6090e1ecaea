"""What is remembered of DKIM keys from run to run: carried, joined, forgotten, and never learnt of proposed DNS."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from conformance.earlier import keys_before
from conformance.facts.answer import Answer, Status
from conformance.facts.joined import joined
from conformance.facts.keyhistory import (
    MOST_KEYS,
    KeyHistory,
    Sighting,
    beginnings,
    fingerprint,
    history_of,
    known_after,
    united,
)
from conformance.facts.snapshot import Gathering, Snapshot, dump, load
from conformance.facts.store import Store
from conformance.options import OPTIONS, Settings
from tests import worlds

NAME = "s1._domainkey.example.com"
JANUARY, MARCH, MAY = (f"2026-0{month}-01T00:00:00+00:00" for month in (1, 3, 5))


def answer(key: str, name: str = NAME, layer: str = "live") -> Answer:
    return Answer(name, "TXT", Status.FOUND, "NOERROR", ((f"v=DKIM1; p={worlds.keys()[key]}",),), layer=layer)


def snapshot(key: str, gathered: str, *keys: Sighting, overlays: tuple[str, ...] = ()) -> Snapshot:
    return Snapshot(schema=1, gathered=gathered, answers=(answer(key),), keys=keys, overlays=overlays)


def test_a_key_has_one_fingerprint_in_whichever_form_it_is_published() -> None:
    assert fingerprint(answer("rsa2048")) == fingerprint(answer("rsa2048pkcs1")) != fingerprint(answer("rsa1024"))
    assert len(fingerprint(answer("rsa2048"))) == 64
    for text in ("v=DKIM1; p=", "v=spf1 -all", "v=DKIM1; k=other; p=AAAA"):
        assert fingerprint(Answer(NAME, "TXT", Status.FOUND, "NOERROR", ((text,),))) == ""
    two = msgspec.structs.replace(answer("rsa2048"), records=answer("rsa2048").records + answer("rsa1024").records)
    assert fingerprint(two) == ""
    assert fingerprint(Answer(NAME, "TXT", Status.UNDETERMINED, "SERVFAIL")) == ""


def test_a_run_hands_on_what_it_knew_and_what_it_saw() -> None:
    first = known_after(snapshot("rsa1024", JANUARY))
    second = known_after(snapshot("rsa2048", MARCH, *first[NAME]))
    third = known_after(snapshot("rsa2048", MAY, *second[NAME]))
    assert [(one.spki, one.first, one.last) for one in third[NAME]] == [
        (fingerprint(answer("rsa1024")), JANUARY, JANUARY),
        (fingerprint(answer("rsa2048")), MARCH, MAY),
    ]


def test_proposed_dns_teaches_nothing_and_forgets_nothing() -> None:
    known = Sighting(NAME, "11", JANUARY, JANUARY)
    assert known_after(snapshot("rsa2048", MARCH, known, overlays=("change.zone",))) == {NAME: (known,)}


def test_what_is_seen_no_more_is_forgotten_after_years() -> None:
    old, new = Sighting("old._domainkey.example.com", "11", JANUARY, JANUARY), "2029-01-01T00:00:00+00:00"
    assert set(united((old, Sighting(NAME, "22", MAY, MAY)))) == {NAME, old.name}
    assert set(united((old, Sighting(NAME, "22", new, new)))) == {NAME}
    many = [Sighting(NAME, f"{number:02}", f"2026-01-{number:02}", f"2026-01-{number:02}") for number in range(1, 30)]
    assert [one.spki for one in united(many)[NAME]] == [f"{number:02}" for number in range(30 - MOST_KEYS, 30)]


def test_shards_are_joined_with_all_that_each_knew() -> None:
    one, other = (
        Store(keys=united([Sighting(NAME, "11", MARCH, MAY)])),
        Store(keys=united([Sighting(NAME, "11", JANUARY, MARCH)])),
    )
    whole, _ = joined([one, other, Store()])
    assert whole.keys == {NAME: (Sighting(NAME, "11", JANUARY, MAY),)}


def test_facts_keep_what_was_known(tmp_path: Path) -> None:
    store = Store(keys=united([Sighting(NAME, "11", JANUARY, MARCH)]))
    store.add(answer("rsa2048"))
    (tmp_path / "facts.json").write_text(dump(store, Gathering(MAY)))
    assert load(str(tmp_path / "facts.json")).store().keys == store.keys
    assert "MII" not in str(store.keys)


def test_the_run_to_compare_with_is_the_one_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text(
        dump(Store(keys=united([Sighting(NAME, "11", JANUARY, MARCH)])), Gathering(MAY))
    )
    assert keys_before(settings(against=str(tmp_path)))[NAME][0].first == JANUARY
    assert keys_before(settings(reports=str(tmp_path))) == {}
    assert keys_before(settings(against=str(tmp_path), replay=str(tmp_path / "facts.json"))) == {}


def settings(**given: str) -> Settings:
    return Settings({option.name: option.default for option in OPTIONS} | given, {})


def test_ages() -> None:
    seen = united([Sighting(NAME, "11", JANUARY, MARCH), Sighting("s0._domainkey.example.com", "22", JANUARY, MARCH)])
    current = fingerprint(answer("rsa2048"))
    assert history_of(seen, beginnings(seen), answer("rsa2048"), MAY) == KeyHistory(
        NAME, current, MAY, seen[NAME], JANUARY
    )
    assert not KeyHistory(NAME, "11", MAY, seen[NAME], JANUARY).is_whole
    assert KeyHistory(NAME, "11", MAY, seen[NAME], JANUARY).days == 120
    assert KeyHistory(NAME, "33", MAY, (), JANUARY).is_whole
    assert KeyHistory(NAME, "33", MAY, (), JANUARY).days == 0
    assert not KeyHistory(NAME, "33", MAY).is_whole
    assert history_of(seen, beginnings(seen), answer("rsa2048", "s1._domainkey.example.org"), MAY).begins == ""


MOMENTS = st.sampled_from([JANUARY, MARCH, MAY, "", "yesterday", "0001-01-01T00:00:00+00:00"])
SIGHTINGS = st.lists(st.builds(Sighting, st.sampled_from([NAME, "x"]), st.sampled_from(["11", "22"]), MOMENTS, MOMENTS))


@given(SIGHTINGS)
def test_joining_twice_changes_nothing(sightings: list[Sighting]) -> None:
    once = united(sightings)
    assert united(one for seen in once.values() for one in seen) == once
