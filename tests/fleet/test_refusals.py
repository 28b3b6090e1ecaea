"""Never green on nothing: what cannot be read, or declares nothing, is said with what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.fleet.ansible import load
from conformance.fleet.errors import InventoryError, Problem

Tree = Callable[[dict[str, str]], Path]

GOOD = "mx1 mailconform_helo=mx1.example.net\n"


def refused(*sources: str, **options: object) -> InventoryError:
    with pytest.raises(InventoryError) as caught:
        load(sources, **options)  # type: ignore[arg-type]
    return caught.value


def test_what_is_not_there_is_said_before_anything_is_started(tree: Tree) -> None:
    here = tree({"good": GOOD})
    error = refused("good", "bad", "worse", limit="@nobody", vault_password_file="key")
    assert error.exit_code == 4
    assert str(error).splitlines() == [
        f"bad: there is no such inventory (looked from {here})",
        f"worse: there is no such inventory (looked from {here})",
        f"nobody: there is no such file of hosts (looked from {here})",
        f"key: there is no such vault password file (looked from {here})",
    ]
    assert "--inventory PATH" in str(refused())
    assert "cannot be started" in str(refused("good", ansible_python="/nowhere/python"))


BROKEN = {
    "broken YAML": ("hosts.yml", "all:\n  hosts:\n    mx1: [a\n", 4, "hosts.yml:4: not an inventory: "),
    "mistyped top key": (
        "hosts.yml",
        "host:\n  mx1: {mailconform_helo: x}\n",
        4,
        "hosts.yml: no host in the inventory",
    ),
    "empty directory": ("inv/group_vars/all.yml", "mailconform_helo: x\n", 4, "inv"),
    "failing script": ("dyn", "#!/bin/sh\necho no token >&2; exit 3\n", 4, "no token"),
    "script that prints nonsense": ("dyn", "#!/bin/sh\necho 1 2 3\n", 4, "dyn: not an inventory: "),
    "no mail host": ("hosts.ini", "db1\ndb2\n", 5, "no mail host: of 2 hosts selected, none has a role"),
    "nothing in scope": ("hosts.ini", "mx1 mailconform_helo=x mailconform_enabled=False\n", 5, "out of scope"),
    "unknown plugin": ("hosts.yml", "plugin: acme.cloud.fleet\n", 4, "acme.cloud"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_no_hosts_is_never_green(tree: Tree, what: str) -> None:
    name, text, status, said = BROKEN[what]
    tree({name: text})
    error = refused(name.partition("/")[0])
    assert error.exit_code == status
    assert said in str(error)


def test_a_mistyped_key_shows_what_ansible_said(tree: Tree) -> None:
    tree({"hosts.yml": "all:\n  host:\n    mx1: {}\n"})
    assert "Ansible says: Skipping unexpected key (host) in group (all)" in str(refused("hosts.yml"))


def test_a_script_that_may_not_run_is_named(tree: Tree) -> None:
    (tree({"dyn.py": "#!/usr/bin/python3\nimport json\nprint(json.dumps({}))\n"}) / "dyn.py").chmod(0o644)
    assert "dyn.py is a script: is it executable?" in str(refused("dyn.py"))


def test_a_limit_without_hosts_is_an_error_even_when_its_file_is_empty(tree: Tree) -> None:
    tree({"hosts.ini": GOOD, "none.txt": "\n\n"})
    for limit in ("mx7", "@none.txt"):
        error = refused("hosts.ini", limit=limit)
        assert error.exit_code == 4
        assert f"limit '{limit}' matches none of 1 hosts" in str(error)


def test_a_broken_file_of_variables_does_not_hide_the_others(tree: Tree) -> None:
    tree(
        {
            "inv/hosts": "[mta_out]\nmx1\nmx2\n",
            "inv/group_vars/all.yml": "a: b: c\n",
            "inv/group_vars/mta_out.yml": "- a list\n",
            "inv/host_vars/mx1.yml": "mailconform_helo: [x\n",
        }
    )
    lines = str(refused("inv")).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "inv/group_vars/all.yml:1",
        "inv/group_vars/mta_out.yml:1",
        "inv/host_vars/mx1.yml:2",
    ]


def test_everything_that_is_wrong_is_said_at_once(tree: Tree) -> None:
    tree(
        {
            "inv/hosts.yml": """\
            mta_out:
              hosts:
                mx1:
                  mailconform_send_from: [198.51.100.1, 198.51.100.256, {address: 198.51.100.2, hello: x}]
                  mailconform_listen: [{port: 70000}, {port: 25, tls: ssl}]
                mx2:
                  mailconform_send_from: [198.51.100.2, 198.51.100.2]
                  mailconform_sends_for: [example.com, example.con, "*.org", parked.example]
                mx3:
                mx/4: {mailconform_send_from: 198.51.100.4}
                mx5: {mailconform_enabled: perhaps, mailconform_send_from: ["198.51.100.5"]}
            """,
            "inv/group_vars/all.yml": """\
            mailconform_helo: mx.example.net
            mailconform_domain: {}
            mailconform_domains:
              example.com:
                dkim: [{selector: a}, {selector: A}]
                spf: {all: "-al"}
                dmrac: {}
              EXAMPLE.com: {}
              parked.example: {no_mail: true}
              -bad.example:
            mailconform_levels: {PTR: must, ptr.exists: fatal}
            """,
        }
    )
    error = refused("inv")
    assert error.exit_code == 4
    assert str(error).splitlines() == [
        "inv/group_vars/all.yml:2: unknown variable mailconform_domain (did you mean mailconform_domains?)",
        "inv/group_vars/all.yml:6: mailconform_domains[\"example.com\"].spf.all: found '-al', "
        "expected one of -all, ~all, ?all, +all (did you mean -all?)",
        'inv/group_vars/all.yml:7: unknown key mailconform_domains["example.com"].dmrac (did you mean dmarc?)',
        "inv/group_vars/all.yml:10: mailconform_domains[\"-bad.example\"]: found '-bad.example', "
        "expected a domain name",
        "inv/group_vars/all.yml:11: mailconform_levels.PTR: found 'PTR', "
        "expected the id of a check, such as ptr.exists",
        "inv/group_vars/all.yml:11: mailconform_levels[\"ptr.exists\"]: found 'fatal', "
        "expected one of must, should, info, off",
        "inv/hosts.yml:4: mailconform_send_from[1]: found '198.51.100.256', expected an IPv4 or IPv6 address",
        "inv/hosts.yml:4: unknown key mailconform_send_from[2].hello (did you mean helo?)",
        "inv/hosts.yml:5: mailconform_listen[0].port: found 70000, expected a port from 1 to 65535",
        "inv/hosts.yml:5: mailconform_listen[1].tls: found 'ssl', expected one of none, starttls, implicit",
        "inv/hosts.yml:7: mailconform_send_from[1] of mx2 repeats 198.51.100.2",
        "inv/hosts.yml:9: mailconform_send_from of mx3 is missing: a host with the role mta_out has a source address",
        "inv/hosts.yml:10: host name 'mx/4' holds more than letters, digits, '.', '-' and '_'",
        "inv/hosts.yml:11: mailconform_enabled: found 'perhaps', expected true or false",
    ]
    assert error.problems[0].origin is not None
    assert (error.problems[0].origin.path, error.problems[0].origin.line) == ("inv/group_vars/all.yml", 2)


def test_names_are_looked_up_in_a_catalogue_without_faults_and_without_contradictions(tree: Tree) -> None:
    tree(
        {
            "inv/hosts.yml": """\
            all:
              vars:
                mailconform_helo: mx.example.net
                mailconform_sends_for: [example.con, "*.org", parked.example]
              hosts:
                mx1: {mailconform_send_from: 198.51.100.1}
                mx2: {mailconform_send_from: 198.51.100.1}
            """,
            "inv/host_vars/mx1.yml": "mailconform_domains: {example.com: {}, parked.example: {no_mail: true}}\n",
            "inv/host_vars/mx2.yml": """\
            mailconform_domains:
              Example.COM: {envelope: b.example.com}
              example.net:
                dkim: [{selector: a}, {selector: A}]
              example.org: {no_mail: true}
              EXAMPLE.org: {no_mail: true}
            """,
        }
    )
    assert str(refused("inv")).splitlines() == [
        'inv/host_vars/mx2.yml:2: mailconform_domains["Example.COM"] says something else of example.com '
        "than inv/host_vars/mx1.yml:1 (describe each domain once, in group_vars/all)",
        'inv/host_vars/mx2.yml:4: mailconform_domains["example.net"].dkim[1] repeats the selector a',
        'inv/host_vars/mx2.yml:6: mailconform_domains["EXAMPLE.org"] is example.org, which is there already',
        "inv/hosts.yml:4: mailconform_sends_for[0]: example.con is not in the catalogue (did you mean example.com?)",
        "inv/hosts.yml:4: mailconform_sends_for[1]: *.org matches no sending domain (add it to mailconform_domains)",
        "inv/hosts.yml:4: mailconform_sends_for[2] names parked.example, which is declared no_mail",
    ]


def test_hostile_values_end_in_errors_and_print_escaped(tree: Tree) -> None:
    laughs = "\n".join(f"l{number}: &l{number} [{', '.join([f'*l{number - 1}'] * 9)}]" for number in range(1, 9))
    tree(
        {
            "inv/hosts.yml": r"""
            all:
              hosts:
                mx1:
                  mailconform_helo: "{{ loop1 }}"
                  loop1: "{{ loop2 }}"
                  loop2: "{{ loop1 }}"
                  mailconform_role: "\e[31mred\a\u202e"
                  mailconform_streams: {number: 0xFFFFFFFFFFFFFFFFFFFFFFFF, bytes: !!binary aGk=}
                  mailconform_profile: "{{ 1 // 0 }}"
            """,
            "inv/group_vars/all.yml": f"l0: &l0 [x]\n{laughs}\nmailconform_attest: {{a: *l8}}\n"
            "mailconform_tags: &tags [*tags]\n",
        }
    )
    text = str(refused("inv"))
    assert r"found '\x1b[31mred\x07\u202e'" in text
    for about in ("helo", "tags", "streams.number", "streams.bytes", "profile", "attest"):
        assert f"mailconform_{about} of mx1 cannot be" in text, text
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_source_that_hangs_is_named_and_killed(tree: Tree) -> None:
    here = tree({"dyn": "#!/bin/sh\necho $$ > pid\nsleep 60\n"})
    error = refused("dyn", timeout=4.0)
    assert str(error).startswith("dyn: the inventory could not be read: it took more than 4 s (does a dynamic source")
    assert is_gone(int((here / "pid").read_text()))


@pytest.mark.parametrize("deadly", [signal.SIGINT, signal.SIGKILL])
def test_children_end_with_the_process_that_reads(tree: Tree, deadly: signal.Signals) -> None:
    here = tree({"dyn": "#!/bin/sh\necho $$ > pid\nsleep 60\n"})
    code = (
        "import signal; from conformance.fleet.ansible import load; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); load(['dyn'])"
    )
    root = Path(__file__).parents[2]
    reader = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(root)}, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 20
    while not ((here / "pid").exists() and (here / "pid").read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    reader.send_signal(deadly)
    reader.wait(10)
    assert is_gone(int((here / "pid").read_text()))


def is_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_problem_prints_on_one_line() -> None:
    assert str(Problem("a\nb\x1b\udc80", hint="c")) == "a\\nb\\x1b\\udc80 (c)"


def test_a_run_validates_in_one_way(tree: Tree) -> None:
    tree({"a.ini": f"{GOOD.strip()} mailconform_dnssec=validate mailconform_role=relay\nmx2 mailconform_role=relay\n"})
    assert load(["a.ini"]).dnssec == "validate"
    tree({"b.ini": "mx1 mailconform_role=relay\n"})
    assert load(["b.ini"]).dnssec == "resolver"
    tree({"c.ini": "mx1 mailconform_dnssec=validate\nmx2 mailconform_dnssec=resolver\n[relay]\nmx1\nmx2\n"})
    assert "mailconform_dnssec is resolver, but validate for other hosts" in str(refused("c.ini"))
    tree({"d.ini": "mx1 mailconform_dnssec=always mailconform_role=relay\n"})
    assert "one of resolver, validate" in str(refused("d.ini"))
