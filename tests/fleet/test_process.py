"""The process that reads: bounded, isolated, and apart from what inventories print."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance.fleet import ansible, process
from conformance.fleet.ansible import load
from conformance.fleet.errors import InventoryError
from conformance.fleet.process import HelperFailed, ask, environment

Tree = Callable[[dict[str, str]], Path]

ANSWER = """\
import json, os, sys
request = json.loads(sys.argv[-1])
print("noise on standard output")
os.write(request["out"], json.dumps({"reading": "x"}).encode() + b"\\n")
"""


def child(code: str, timeout: float = 20.0) -> dict[str, Any]:
    return ask([sys.executable, "-I", "-c", ANSWER + code], {"text": "\udc80ü"}, timeout)


def test_the_last_line_of_the_pipe_is_the_answer() -> None:
    answer = child("os.write(request['out'], json.dumps({'warnings': [], 'got': request['text']}).encode() + b'\\n')")
    assert answer == {"warnings": [], "got": "\udc80ü"}


def test_what_is_done_meanwhile_is_done_while_the_process_runs() -> None:
    done = []
    code = "os.write(request['out'], json.dumps({'warnings': [], 'much': 'x' * 1_000_000}).encode() + b'\\n')"
    answer = ask([sys.executable, "-I", "-c", ANSWER + code], {}, 20.0, lambda: done.append("done"))
    assert (done, len(answer["much"])) == (["done"], 1_000_000)


def test_a_process_without_an_answer_is_told_by_its_last_words() -> None:
    with pytest.raises(HelperFailed, match=r"^ValueError: no idea$"):
        child("raise ValueError('no idea')")
    with pytest.raises(HelperFailed, match="ended with status 7"):
        ask([sys.executable, "-I", "-c", "raise SystemExit(7)"], {}, 20.0)


def test_time_and_size_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HelperFailed) as caught:
        child("import time; time.sleep(60)", timeout=0.5)
    assert caught.value.last == {"reading": "x"}
    monkeypatch.setattr(process, "LARGEST_ANSWER", 1 << 20)
    with pytest.raises(HelperFailed, match="larger than 1 MiB"):
        child("while True: os.write(request['out'], b'x' * 65536)")


def test_the_environment_keeps_what_ansible_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("ANSIBLE_CONFIG", "my.cfg")
    monkeypatch.delenv("ANSIBLE_HOME", raising=False)
    given = environment("/run/x")
    assert (given["LC_ALL"], given["ANSIBLE_CONFIG"], given["ANSIBLE_LOCAL_TEMP"]) == ("C.UTF-8", "my.cfg", "/run/x")
    assert not {"PYTHONHOME", "ANSIBLE_HOME"} & set(given)
    monkeypatch.setenv("HOME", "/dev/null/nobody")
    assert environment("/run/x")["ANSIBLE_HOME"] == "/run/x"


def test_an_interpreter_without_ansible_says_so(tree: Tree) -> None:
    tree({"hosts": "mx1\n", "python": f"#!/bin/sh\nshift\nexec '{sys.base_prefix}/bin/python3' -S -I \"$@\"\n"})
    with pytest.raises(InventoryError, match=r"has no ansible-core 2\.17 or later: --ansible-python PATH"):
        load(["hosts"], ansible_python=str(Path("python").absolute()))


def test_what_hosts_share_is_sent_once(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    domains = "\n".join(f'  d{number}.example: {{dmarc: {{p: "{{{{ policy }}}}"}}}}' for number in range(20))
    tree(
        {
            "inv/hosts": "[mta_out]\n" + "\n".join(f"mx{number}" for number in range(300)),
            "inv/group_vars/all.yml": f"""\
policy: reject
mailconform_domains:
{domains}
mailconform_send_from: ["198.51.100.1"]
mailconform_helo: "{{{{ inventory_hostname }}}}.example.net"
""",
        }
    )
    answers: list[dict[str, Any]] = []

    def listen(command: Sequence[str], request: Mapping[str, Any], *more: Any) -> dict[str, Any]:
        answers.append(ask(command, request, *more))
        return answers[-1]

    monkeypatch.setattr(ansible, "ask", listen)
    fleet = load(["inv"])
    assert fleet.by_name["mx299"].helo == "mx299.example.net"
    assert len(fleet.domains) == 20
    assert len(answers[0]["values"]) == 302
