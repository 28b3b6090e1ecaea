"""Streams and how they are made to send, as the inventory declares them."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.fleet.ansible import load
from conformance.fleet.errors import InventoryError
from conformance.fleet.model import Mta
from tests.fleet.conftest import Tree

HOST = """\
all:
  vars:
    mailconform_domains: {example.com: {envelope: bounce.example.com}}
    mailconform_role: mta_out
    mailconform_helo: mx1.example.com
    mailconform_send_from: [198.51.100.1, 198.51.100.2]
  hosts:
    mx1.example.com:
"""


def mta(tree: Tree, lines: str) -> Mta:
    tree({"inv/hosts.yml": HOST, "inv/host_vars/mx1.example.com.yml": lines})
    return load(["inv"]).by_name["mx1.example.com"]


def refusal(tree: Tree, lines: str) -> str:
    with pytest.raises(InventoryError) as caught:
        mta(tree, lines)
    return str(caught.value)


def test_a_stream_knows_its_sender_and_sources(tree: Tree) -> None:
    host = mta(
        tree,
        """\
        mailconform_streams:
          news: {from: news@example.com, how: command, command: [/bin/send, "{recipient}", "{source}"]}
          post: {from: post@example.com, how: manual, sender: "post+x=y@out.example.com", sources: 198.51.100.2}
          mail: {from: mail@example.com, how: sendmail, envelope: other.example.com, trials: [accept, "greylist*"]}
        """,
    )
    mail, news, post = host.streams
    assert [(one.sender, one.mail_from) for one in host.streams] == [
        ("mail@other.example.com", "other.example.com"),
        ("news@bounce.example.com", "bounce.example.com"),
        ("post+x=y@out.example.com", "out.example.com"),
    ]
    assert [probe.id for probe in news.probes] == [
        "mx1.example.com/news@198.51.100.1",
        "mx1.example.com/news@198.51.100.2",
    ]
    assert [str(one) for one in post.sources] == ["198.51.100.2"]
    assert (mail.trials, news.trials, post.trials) == (("accept", "greylist*"), ("*",), ("accept",))


@pytest.mark.parametrize(
    ("lines", "door"),
    [
        (
            "mailconform_listen: [{port: 25}, {port: 465, auth: allowed}, {port: 587, auth: allowed}]",
            (587, "starttls"),
        ),
        ("mailconform_listen: [{port: 465, auth: required}, {port: 2525, auth: allowed}]", (465, "implicit")),
        ("mailconform_listen: [{port: 587, dial_port: 10587}]", (10587, "starttls")),
        ("mailconform_listen: [{port: 25}]", None),
    ],
)
def test_messages_are_submitted_at_the_hosts_own_door(tree: Tree, lines: str, door: Any) -> None:
    found = mta(tree, f"{lines}\nmailconform_submission: {{username: me, password: word}}\n").submission
    assert (found and (found.port, found.tls)) == door


def test_a_submission_server_may_be_elsewhere(tree: Tree) -> None:
    door = mta(
        tree,
        """\
        mailconform_listen: [{port: 587, auth: required}]
        mailconform_submission: {server: submit.example.net, port: 465, username: me, password_file: keys/word}
        """,
    ).submission
    assert door is not None
    assert (door.server, door.port, door.tls, door.server_name) == (
        "submit.example.net",
        465,
        "implicit",
        "submit.example.net",
    )
    assert door.password_file == "inv/host_vars/keys/word"


def test_what_lies_beside_the_inventory_is_found_from_anywhere(tree: Tree) -> None:
    host = mta(tree, "mailconform_streams: {old: {from: a@example.com, how: file, file: captured.json}}\n")
    assert host.streams[0].settings["file"] == "inv/host_vars/captured.json"


def test_how_commands_are_run_is_ansibles(tree: Tree) -> None:
    host = mta(
        tree,
        """\
        ansible_host: 10.0.0.1
        ansible_user: deploy
        ansible_password: hidden-word
        ansible_become: true
        mailconform_streams: {news: {from: news@example.com, how: sendmail}}
        """,
    )
    assert host.connection == {
        "ansible_host": "10.0.0.1",
        "ansible_user": "deploy",
        "ansible_password": "hidden-word",
        "ansible_become": True,
    }
    assert "hidden-word" not in repr(host)


def test_without_streams_nobody_asks_how_commands_are_run(tree: Tree) -> None:
    assert mta(tree, "ansible_user: '{{ nobody }}'\nansible_port: 22\n").connection == {}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "mailconform_streams: {a: {from: a@example.com, how: command, command: [/bin/send, me]}}",
            "has a command without {recipient}",
        ),
        ("mailconform_streams: {a: {from: a@example.com, how: command}}", "has how: command and no command"),
        (
            "mailconform_streams: {a: {from: a@example.com, how: submission}}",
            "has how: submission, and mx1.example.com has no listener with auth",
        ),
        (
            "mailconform_listen: [{port: 587}]\nmailconform_streams: {a: {from: a@example.com, how: submission}}",
            "has no username, and a stream has how: submission",
        ),
        (
            "mailconform_listen: [{port: 587}]\nmailconform_submission: {username: me}",
            "has a username and no password",
        ),
        (
            "mailconform_listen: [{port: 587}]\n"
            "mailconform_submission: {username: me, password: word, password_env: WORD}",
            "has password and password_env",
        ),
        (
            "mailconform_streams: {a: {from: a@example.com, how: manual, sender: a@b.example, envelope: c.example}}",
            "has the sender a@b.example and the envelope c.example",
        ),
        ("mailconform_submission: {password: 1234567}", "found a secret, expected text: put it in quotes"),
        ("mailconform_submission: {username: me, pasword: x}", "did you mean password"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(tree: Tree, lines: str, said: str) -> None:
    assert said in refusal(tree, lines + "\n")


def test_nobody_logs_in_where_the_inventory_says_so(tree: Tree) -> None:
    host = mta(
        tree,
        """\
        mailconform_listen: [{port: 587}]
        mailconform_submission: {auth: no}
        mailconform_streams: {a: {from: a@example.com, how: submission}}
        """,
    )
    assert host.submission is not None
    assert host.submission.username == ""
