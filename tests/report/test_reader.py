from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.report.reader import ResultsError, load
from tests.report.sample_results import fleet
from tests.report.told import mixed


def test_a_file_and_its_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(mixed()))
    assert load(tmp_path) == load(str(tmp_path / "results.json")) == mixed()


def test_as_many_addresses_are_read_as_ipv6_has(tmp_path: Path) -> None:
    told = mixed() | {"spf": {"addresses": [], "domains": [_domain(2**128)]}}
    (tmp_path / "results.json").write_text(json.dumps(told))
    assert load(tmp_path)["spf"]["domains"][0]["others"][0]["v6"] == 2**128


def _domain(others: int) -> dict[str, Any]:
    return {
        "domain": "d.example", "mail_from": "d.example", "lookups": 0, "sent_from": "", "cells": [],
        "others": [{"record": "d.example", "term": "+all", "v4": 0, "v6": others}], "more_others": 0,
        "by_networks": [6], "tree": {"name": "d.example", "text": "", "absence": "", "looks": [], "more": 0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "is no results.json"),
        (b"\x00", "is no results.json"),
        (b"\xff\xfe\xff", "is no results.json"),
        (b"[" * 200_000, "is no results.json"),
        (b"1" * 5000, "is no results.json"),
        (b"1e999", "1e999 is no number"),
        (b"[]", "the whole: "),
        (b"null", "the whole: "),
        (b'{"schema": 1}', "the whole: "),
        (b'{"schema": 2, "surprise": 1}', "has schema 2, this version reads 1"),
        (b'{"schema": NaN}', "NaN is no number"),
        (json.dumps(mixed()).encode()[:-20], "is no results.json"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_results_file_is_refused(tmp_path: Path, octets: bytes, said: str) -> None:
    (tmp_path / "x.json").write_bytes(octets)
    with pytest.raises(ResultsError) as caught:
        load(tmp_path / "x.json")
    assert str(caught.value).startswith(f"{tmp_path / 'x.json'}: ")
    assert said in str(caught.value)


Break = Callable[[dict[str, Any]], Any]
BROKEN: dict[str, tuple[Break, str]] = {
    "an unknown outcome": (lambda r: r["results"][1].update(outcome="maybe"), "results.1.outcome"),
    "an id that is none": (lambda r: r["results"][0].update(check="ptr.exists\n"), "results.0.check"),
    "a text that is none": (lambda r: r["results"][0].update(seen=["x"]), "results.0.seen"),
    "an exit that is none": (lambda r: r["run"].update(exit=True), "run.exit"),
    "a result that is gone": (lambda r: r["results"].pop(), "counts are not those"),
    "an outcome that was changed": (lambda r: r["results"][0].update(outcome="pass"), "counts are not those"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, name: str) -> None:
    found = mixed()
    change, said = BROKEN[name]
    change(found)
    (tmp_path / "results.json").write_text(json.dumps(found))
    with pytest.raises(ResultsError, match=said):
        load(tmp_path)


def test_a_large_fleet_is_read_quickly(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(fleet(300)[0]))
    began = time.process_time()
    load(tmp_path)
    assert time.process_time() - began < 3


def test_no_file_and_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be read: No such file"):
        load(tmp_path / "nowhere.json")
    with pytest.raises(ResultsError, match="cannot be read: No such file"):
        load(tmp_path)
