"""The recipes of the page about CI, each run command by command as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.examples.pipeline import Repository, steps

PAGE = (Path(__file__).parents[2] / "docs" / "ci.md").read_text("utf-8")


def recipe(title: str) -> dict[str, Any]:
    (text,) = re.findall(rf'^```yaml title="{re.escape(title)}"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def runs(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def broken(top: Path, folder: str = "reports/latest") -> int:
    document = json.loads((top / folder / "results.json").read_text("utf-8"))
    assert document["run"]["complete"] is True
    return int(document["counts"]["fail"])


def test_one_job_of_gitlab(repository: Repository) -> None:
    top, environ = repository
    job = recipe(".gitlab-ci.yml")["mail-conformance"]
    said = steps(job["script"], top, environ | job["variables"], 1)
    assert "valid: 2 mail hosts" in said
    assert broken(top, job["artifacts"]["paths"][0]) == 1


def test_shards_of_gitlab(repository: Repository) -> None:
    top, environ = repository
    jobs = recipe("shards in .gitlab-ci.yml")
    shard, whole = jobs["mail-conformance-shard"], jobs["mail-conformance"]
    for number in range(1, shard["parallel"] + 1):
        own = {"CI_NODE_INDEX": str(number), "CI_NODE_TOTAL": str(shard["parallel"]), "MAILCONFORM_PROBE": "none"}
        steps(shard["script"], top, environ | own, 0, *shard["allow_failure"]["exit_codes"])
    steps(whole["script"], top, environ, 1)
    assert broken(top) == 1


def test_nights_of_gitlab(repository: Repository) -> None:
    top, environ = repository
    shard, whole = recipe("shards in .gitlab-ci.yml")["mail-conformance-shard"], recipe("nights in .gitlab-ci.yml")
    changed = []
    for _ in range(2):
        for number in range(1, shard["parallel"] + 1):
            own = {"CI_NODE_INDEX": str(number), "CI_NODE_TOTAL": str(shard["parallel"]), "MAILCONFORM_PROBE": "none"}
            steps(shard["script"], top, environ | own, 0, *shard["allow_failure"]["exit_codes"])
        hook = {"MAIL_CONFORMANCE_HOOK": "http://127.0.0.1:1/hook"}
        steps(whole["mail-conformance"]["script"], top, environ | hook, 1)
        document = json.loads((top / "reports" / "latest" / "results.json").read_text("utf-8"))
        changed.append([one.get("change") for one in document["results"] if one["outcome"] == "fail"])
    assert changed == [[None], ["known"]]
    assert (top / "junit.xml").exists()


def test_one_job_of_github(repository: Repository) -> None:
    top, environ = repository
    steps(runs(recipe(".github/workflows/mail-conformance.yml")["jobs"]["conformance"]), top, environ, 1)
    assert broken(top) == 1


def test_shards_of_github(repository: Repository) -> None:
    top, environ = repository
    jobs = recipe("shards in .github/workflows/mail-conformance.yml")["jobs"]
    for number in jobs["shard"]["strategy"]["matrix"]["shard"]:
        steps(runs(jobs["shard"]), top, environ | {"SHARD": str(number), "MAILCONFORM_PROBE": "none"}, 0, 1, 5)
    steps(runs(jobs["conformance"]), top, environ, 1)
    assert broken(top) == 1
