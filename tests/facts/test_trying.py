"""Trials, made with a real receiver and a host of one command, all on this machine."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from conformance.facts import sending
from conformance.facts.campaign import Campaign, Trier, Where, begin
from conformance.facts.delivery import nothing_came
from conformance.facts.letter import Order
from conformance.facts.store import Store
from conformance.facts.trial import State, Trial
from conformance.facts.trying import UNFINISHED
from conformance.fleet.model import Address, Fleet, Mta
from conformance.fleet.sending import Probe, Probing
from conformance.outcome import Undetermined
from conformance.receiver.archive import Archive
from conformance.receiver.database import Full
from conformance.receiver.ephemeral import Ephemeral
from tests.facts.orders import order, stream

DELIVER = str(Path(__file__).parents[1] / "deliver.py")
HOST = "mx1.example.com"
LONG = 60.0


@asynccontextmanager
async def receiver(pace: float = 100.0, spare: int = 4) -> AsyncIterator[Ephemeral]:
    async with Ephemeral("127.0.0.1", pace=pace, spare=spare, smtp_port=0, dns_port=0) as one:
        yield one


def command(at: Ephemeral, *more: str) -> list[str]:
    names = ["--names", f"{at.nameserver}:{at.dns_port}", "--port", str(at.smtp_port)]
    return [sys.executable, DELIVER, "--to", "{recipient}", *names, *more]


def sent_by(words: list[str], how: str = "command", **probe: Any) -> Fleet:
    one = stream(how=how, settings={"command": words, "sendmail": words[0] if words else ""})
    level = Probing(**{"level": "send", "rate": 1000.0, **probe})
    address = Address(HOST, ip_address("127.0.0.1"), HOST)
    host = Mta(HOST, addresses=(address,), streams=(one,), probe=level, connection={"ansible_connection": "local"})
    return Fleet((host,))


async def resolve(name: str) -> Sequence[str]:
    return ["127.0.0.1"]


@asynccontextmanager
async def trying(
    at: Ephemeral, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, store: Store | None = None, **campaign: Any
) -> AsyncIterator[Trier]:
    """Give what makes trials with a receiver that is up already."""

    class Ready(Ephemeral):
        def __new__(cls, *_: Any, **__: Any) -> Any:
            return at

        def __init__(self, *_: Any, **__: Any) -> None: ...

    async def up() -> None: ...

    monkeypatch.setattr("conformance.receiver.ephemeral.Ephemeral", Ready)
    monkeypatch.setattr(at, "start", up)
    monkeypatch.setattr(at, "stop", up)
    given = Campaign(Where.parse("embedded"), **{"wait": LONG, **campaign})
    async with begin(
        given, fleet, store or Store(), [], ehlo="probe.example.org", timeout=20.0, resolve=resolve
    ) as trier:
        yield trier
    monkeypatch.undo()


Make = Callable[..., Trial]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that makes one trial of a host that runs a command."""

    def made(name: str, *more: str, spare: int = 4, **options: Any) -> Trial:
        async def work() -> Trial:
            async with receiver(spare=spare) as at:
                words = options.pop("words", None) or command(at, *more)
                fleet = sent_by(words, options.pop("how", "command"), **options.pop("probe", {}))
                async with trying(at, fleet, monkeypatch, **options) as trier:
                    return await trier.trial(Probe(fleet.streams[0]), name)

        return asyncio.run(work())

    return made


def test_what_a_host_sends_is_seen(make: Make) -> None:
    trial = make("accept")
    assert trial.state is State.WATCHED
    ((capture, transaction),) = trial.accepted
    assert capture.peer == "127.0.0.1"
    assert transaction.sender == "news@bounce.example.com"
    assert b"Subject: Hello" in transaction.message
    (letter,) = trial.letters
    assert (letter.taken, letter.message, letter.reply) == (True, "", "taken")
    assert [one.token for _, _, one in trial.recipients] == list(letter.tokens)
    assert letter.handed < capture.started < trial.until
    assert trial.pace == 100.0


def test_a_host_tries_again_after_greylisting(make: Make) -> None:
    trial = make("greylist-twice", "--tries", "5", "--pause", "0.2")
    codes = [one.code for _, _, one in trial.recipients]
    assert codes == [451, 451, 250]


def test_what_acts_before_a_recipient_is_played_at_an_address_of_its_own(make: Make) -> None:
    trial = make("busy-banner", "--tries", "5", "--pause", "0.2")
    assert [capture.scenario for capture in trial.captures] == ["busy-banner"] * 2
    assert trial.captures[0].lines[0].text.startswith("421")
    assert len(trial.accepted) == 1


def test_a_second_letter_follows_when_the_mx_has_moved(make: Make) -> None:
    trial = make("mx-moved", "--tries", "3")
    assert len(trial.letters) == 2
    first, second = (capture.exchange for capture, _ in trial.accepted)
    assert first != second


def test_without_the_first_letter_there_is_no_second(make: Make) -> None:
    trial = make("mx-moved", words=["/bin/true", "{recipient}"], wait=1.0)
    assert (trial.state, len(trial.letters), trial.captures) == (State.WATCHED, 1, ())


def test_bounces_to_a_sender_at_the_receiver_are_kept_apart(make: Make) -> None:
    trial = make("refuse-rcpt", "--from", "{sender}", "--bounce", wait=3.0)
    (letter,) = trial.letters
    assert letter.return_token
    assert letter.sender == trial.captures[0].transactions[0].sender
    assert not trial.accepted
    ((bounce,),) = (capture.transactions for capture in trial.returns)
    assert (bounce.sender, bounce.recipients[0].address, bounce.final_code) == ("", letter.sender, 250)


def test_a_host_that_sets_its_own_sender_gets_no_bounce_address(make: Make) -> None:
    trial = make("refuse-rcpt", wait=1.0)
    assert (trial.letters[0].return_token, trial.letters[0].sender) == ("", "news@bounce.example.com")


@pytest.mark.parametrize(
    ("before_exit", "sessions", "own"),
    # What was offered on the way is not sent again; what was refused for its sender is.
    [("{deliver}; exit 67", 1, False), ('case "$*" in *conform*--*) exit 77;; esac; {deliver}', 1, True)],
)
def test_a_letter_is_handed_over_once_more_only_where_its_sender_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before_exit: str, sessions: int, own: bool
) -> None:
    program = tmp_path / "sendmail"

    async def work() -> Trial:
        async with receiver() as at:
            words = shlex.join(command(at)).replace(shlex.quote("{recipient}"), '"$last"')
            program.write_text(f"#!/bin/sh\nfor last; do :; done\n{before_exit.format(deliver=words)}\n")
            program.chmod(0o755)
            fleet = sent_by([str(program)], "sendmail")
            async with trying(at, fleet, monkeypatch, wait=1.0) as trier:
                return await trier.trial(Probe(fleet.streams[0]), "refuse-rcpt")

    trial = asyncio.run(work())
    assert len(trial.captures) == sessions
    assert trial.letters[0].taken is own
    assert bool(trial.letters[0].return_token) is not own


def test_nothing_that_came_is_undetermined_and_never_a_pass(make: Make) -> None:
    trial = make("accept", words=["/bin/true", "{recipient}"], wait=1.0)
    assert (trial.state, trial.captures, trial.letters[0].taken) == (State.WATCHED, (), True)
    assert 0 < trial.waited <= 200 * LONG


def test_a_receiver_that_is_full_shows_nothing_and_says_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Archive, "keep", full)
    trial = make("accept")
    assert trial.state is State.UNREACHED
    assert "were answered 451 and could not be kept: the disk" in trial.error
    with pytest.raises(Undetermined, match="the receiver: 1 sessions were answered 451"):
        trial.watched()


async def full(*_: object) -> None:
    raise Full("the disk is full")


def test_what_cannot_be_sent_is_unsent_with_the_hosts_words(make: Make) -> None:
    trial = make("accept", words=["/bin/sh", "-c", "echo out of paper {recipient} >&2; exit 7", "{token}"])
    assert trial.state is State.UNSENT
    assert "exit status 7: out of paper" in trial.error
    assert not trial.letters[0].taken


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("accept", {"probe": {"level": "connect"}}, "mailconform_probe.level of mx1.example.com is connect"),
        ("smuggling", {}, "the host writes the messages of mx1.example.com/news itself (how: command)"),
        ("mx-moved", {"how": "manual"}, "is not sent by hand"),
        ("requiretls", {"how": "sendmail"}, "no program but one that speaks SMTP can ask for REQUIRETLS"),
    ],
)
def test_what_is_not_tried_is_skipped_with_the_reason(make: Make, name: str, options: Any, said: str) -> None:
    trial = make(name, **options)
    assert trial.state is State.SKIPPED
    assert said in trial.error


def test_a_part_that_the_receiver_cannot_play_is_unavailable(make: Make) -> None:
    trial = make("busy-banner", spare=0)
    assert trial.state is State.UNAVAILABLE
    assert trial.error.startswith("the receiver cannot play it:")


def test_a_host_that_comes_as_a_stranger_is_not_judged_by_what_it_was_not_shown(make: Make) -> None:
    trial = make("busy-banner", "--source", "127.0.0.9")
    assert trial.state is State.UNAVAILABLE
    assert "plays busy-banner for declared addresses alone, and the mail came from 127.0.0.9" in trial.error


def test_addresses_are_asked_of_people(make: Make) -> None:
    asked: list[Order] = []
    trial = make("accept", how="manual", by_hand=asked.append, wait=1.0)
    assert [one.recipients for one in asked] == [trial.letters[0].recipients]
    assert trial.state is State.WATCHED


def test_sendmail_is_given_the_message_and_the_envelope(make: Make, tmp_path: Path) -> None:
    program = tmp_path / "sendmail"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/words\ncat > {tmp_path}/message\n")
    program.chmod(0o755)
    trial = make("no-8bitmime", how="sendmail", words=[str(program)], wait=1.0)
    (letter,) = trial.letters
    assert (tmp_path / "words").read_text().split() == ["-i", "-f", letter.sender, "--", *letter.recipients]
    assert (tmp_path / "message").read_bytes().replace(b"\n", b"\r\n").decode("latin-1") == letter.message
    assert "Grüße".encode() in (tmp_path / "message").read_bytes()
    null = make("null-sender", how="sendmail", words=[str(program)], wait=1.0)
    assert (tmp_path / "words").read_text().split()[:3] == ["-i", "-f", "<>"]
    assert null.letters[0].sender == ""


def test_a_program_that_refuses_for_good_is_an_answer(make: Make, tmp_path: Path) -> None:
    program = tmp_path / "sendmail"
    program.write_text("#!/bin/sh\ncat > /dev/null; echo not your sender; exit 77\n")
    program.chmod(0o755)
    trial = make("undeclared-author", how="sendmail", words=[str(program)])
    assert trial.state is State.WATCHED
    assert (trial.letters[0].taken, trial.letters[0].reply) == (False, "exit status 77: not your sender")
    assert "From: mailconform-probe@example.org" in trial.letters[0].message


def test_a_program_that_is_not_there_is_no_refusal(make: Make) -> None:
    trial = make("accept", how="sendmail", words=["/nowhere/sendmail"])
    assert trial.state is State.UNSENT
    assert "exit status 127" in trial.error


def test_a_host_is_given_no_more_than_its_messages(make: Make) -> None:
    trial = make("twice", probe={"messages": 1})
    assert [letter.taken for letter in trial.letters] == [True, False]
    assert trial.letters[1].reply == "mx1.example.com was given its 1 messages of this run"


def test_all_trials_of_a_host_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("accept", "greylist", "busy-mail", "drop-data", "recipients")

    async def work() -> tuple[list[Trial], float]:
        async with receiver() as at:
            fleet = sent_by(command(at, "--tries", "5", "--pause", "0.3"))
            loop = asyncio.get_running_loop()
            async with trying(at, fleet, monkeypatch) as trier:
                began = loop.time()
                made = await asyncio.gather(*(trier.trial(Probe(fleet.streams[0]), name) for name in names))
                return made, loop.time() - began

    made, seconds = asyncio.run(work())
    assert [trial.state for trial in made] == [State.WATCHED] * 4 + [State.SKIPPED]
    assert all(len(trial.accepted) == 1 for trial in made[:4])
    assert seconds < LONG


def test_a_scenario_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> list[Trial]:
        async with receiver(spare=1) as at:
            fleet = sent_by(command(at, "--tries", "5", "--pause", "0.2"))
            async with trying(at, fleet, monkeypatch) as trier:
                names = ("busy-mail", "busy-ehlo")
                return await asyncio.gather(*(trier.trial(Probe(fleet.streams[0]), name) for name in names))

    made = asyncio.run(work())
    assert [[capture.scenario for capture in trial.captures] for trial in made] == [
        ["busy-mail"] * 2,
        ["busy-ehlo"] * 2,
    ]


def test_an_interrupt_leaves_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()

    async def work() -> None:
        async with receiver() as at:
            fleet = sent_by(command(at, "--tries", "20", "--pause", "600"))
            async with trying(at, fleet, monkeypatch, store) as trier:
                task = asyncio.create_task(trier.trial(Probe(fleet.streams[0]), "greylist"))
                while not (store.trials and next(iter(store.trials.values())).captures):
                    await asyncio.sleep(0.1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    asyncio.run(asyncio.wait_for(work(), LONG))
    (trial,) = store.trials.values()
    assert (trial.state, trial.error) == (State.UNREACHED, UNFINISHED)
    assert [one.code for _, _, one in trial.recipients] == [451]


def test_a_receiver_in_false_hands_leads_no_mail_to_strangers(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def strangers(self: Ephemeral, *_: Any, **__: Any) -> tuple[str, ...]:
        return ("victim@a.conform.example.net.example.com",)

    monkeypatch.setattr(Ephemeral, "open", strangers)
    trial = make("accept", words=["/bin/sh", "-c", "echo sent", "{recipient}"])
    assert (trial.state, trial.letters) == (State.UNREACHED, ())
    assert "is no plain mailbox below conform.example.net" in trial.error


def test_a_message_that_does_not_come_is_looked_for_in_the_queue(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = tmp_path / "queue"
    mailq = f"#!/bin/sh\nprintf 'ANOTHER\\n (full)\\n someone\\n\\n'\ncat {queue}\n"
    sendmail = f'#!/bin/sh\nfor last; do :; done\nprintf "ABC\\n (no route) %s\\n" "$last" > {queue}\n'
    for name, text in (("mailq", mailq), ("sendmail", sendmail)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    trial = make("accept", how="sendmail", words=["sendmail"], wait=1.0)
    (letter,) = trial.letters
    assert letter.queue == f"ABC (no route) {letter.recipients[0]}"
    why = str(nothing_came(trial))
    assert "nothing came in" in why
    assert f"the host's queue says ABC (no route) {letter.recipients[0]}" in why


def test_a_host_without_a_queue_listing_says_nothing_of_it(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sh", "base64", "awk", "head", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    (tmp_path / "eat").write_text("#!/bin/sh\ncat > /dev/null\n")
    (tmp_path / "eat").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sending, "_PATH", ":")
    trial = make("accept", how="sendmail", words=["eat"], wait=1.0)
    assert trial.letters[0].queue == ""
    assert "it may still be in the host's queue" in str(nothing_came(trial))


def test_messages_go_no_faster_than_their_rate() -> None:
    async def work() -> float:
        gate = sending._Gate(rate=10.0, most=4)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await asyncio.gather(*(gate.opens() for _ in range(5))) == [True] * 4 + [False]
        return loop.time() - began

    assert asyncio.run(work()) >= 0.3


def test_what_is_urgent_goes_first() -> None:
    async def work() -> list[str]:
        gate = sending._Gate(rate=20.0, most=9)
        order: list[str] = []

        async def one(name: str) -> None:
            assert await gate.opens(urgent=name.startswith("urgent"))
            order.append(name)

        waiting = [asyncio.create_task(one(name)) for name in ("a", "b", "c", "d")]
        await asyncio.sleep(0)
        await asyncio.gather(one("urgent 1"), one("urgent 2"), *waiting)
        return order

    assert asyncio.run(work()) == ["a", "urgent 1", "urgent 2", "b", "c", "d"]


def test_what_stands_in_braces_is_filled_in_quoted() -> None:
    hostile = order(sender="a'$(x)`y`@example.com", probe=Probe(stream(), ip_address("203.0.113.1")))
    words = ["send", "to={recipient}", "{sender}", "{source} {token}", "{other} ${{recipient}"]
    assert shlex.split(sending.filled(words, hostile)) == [
        "send",
        f"to={hostile.recipients[0]}",
        hostile.sender,
        "203.0.113.1 token0",
        f"{{other}} ${{{hostile.recipients[0]}",
    ]
    line = "send {recipient} | awk '{print $1}'"
    assert sending.filled([line], hostile) == f"send {hostile.recipients[0]} | awk '{{print $1}}'"
    with pytest.raises(ValueError, match="declare the command as a list of words"):
        sending.filled(["send -f {sender} {recipient}"], hostile)
