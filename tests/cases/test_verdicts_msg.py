"""What the rules of messages say of messages that are easily judged wrongly, and of what was not seen."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from test_verdicts_seen import IP
from verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, Records, Verdict, Zone, verdict

from conformance.cases import (
    test_auto,
    test_form,
    test_list,
    test_msg,
    test_msg_header,
    test_msg_mime,
    test_smtp,
    test_unsub,
)
from conformance.facts import message as facts
from conformance.facts.delivery import delivery
from conformance.facts.greeted import mail_from
from conformance.facts.imprint import imprint
from conformance.facts.trial import State, Trial
from conformance.fleet.sending import Probe, Stream
from tests.worlds import captures

DOMAINS: Zone = {"example.com MX": [(10, "mx1.example.com")], "mx1.example.com A": [IP]}
KINDS = {"subscribed": ("bulk", "list"), "bulk_mail": ("bulk",), "list_mail": ("list",), "auto_mail": ("auto",)}
KINDS |= {"form_mail": ("form",)}
FACTS = {"delivery": delivery, **{name: facts.of_kind(*kinds) for name, kinds in KINDS.items()}}
NAMES = "message parts composed author header_domains message_ids bcc_copies domains_named"
FACTS |= {"imprint": imprint, "mail_from": mail_from} | {name: getattr(facts, name) for name in NAMES.split()}


class Trials(Records):
    """An asker over a zone and trials."""

    def __init__(self, zone: Zone, trials: Mapping[str, Trial]) -> None:
        super().__init__(zone)
        self.trials = trials

    async def trial(self, probe: Probe, name: str) -> Trial:
        return self.trials[name]


def judged(rule: Any, one: Mapping[str, Any] | None = None, *, kind: str = "transactional", **more: Any) -> Verdict:
    """Return what a rule says of a message that conforms but for ``one`` session.

    ``trials`` changes whole trials, ``zone`` DNS, ``settings`` the stream.
    """
    maker = captures.Maker("mx1.example.com/news", {"from": "news@example.com", "kind": kind}, IP, "mx1.example.com")
    changes = {"accept": {"sessions": [{"at": 1, **(one or {})}]}}
    trials = {name: maker.trial(name, changes.get(name, {})) for name in ("accept", "twice", "bcc")}
    trials |= more.get("trials", {})
    stream = Stream("mx1.example.com", "news", "news@example.com", "example.com", "example.com", kind, "command")
    stream = replace(stream, sources=(ipaddress.ip_address(IP),))
    asker, probe = Trials({**DOMAINS, **more.get("zone", {})}, trials), Probe(stream)
    wanted = rule.check.subjects
    given = {"probe": probe, "own_domains": frozenset({"example.com"})}

    def fact(name: str) -> Any:
        return given[name] if name in given else (lambda: asyncio.run(FACTS[name](asker, probe)))

    return verdict(rule, *map(fact, wanted))


def header(rule: Any, kind: str = "transactional", **fields: Any) -> Verdict:
    """Return what a rule says of a message with some fields changed; underscores are hyphens."""
    return judged(rule, {"header": {name.replace("_", "-"): value for name, value in fields.items()}}, kind=kind)


RULES = [
    rule
    for module in (test_msg, test_msg_header, test_msg_mime, test_unsub, test_list, test_auto, test_form)
    for name, rule in vars(module).items()
    if name.startswith("test_") and not {"authentication", "auto_reply"} & set(rule.check.subjects)
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.check.id)
def test_nothing_passes_that_never_came(rule: Any) -> None:
    nothing = Trial("mx1.example.com/news", "accept", state=State.WATCHED, until=captures.moment(60))
    skipped = Trial("mx1.example.com/news", "accept", state=State.SKIPPED)
    kinds = {kind for kinds in KINDS.values() for kind in kinds}
    said = {judged(rule, trials={"accept": nothing}, kind=kind).said for kind in kinds}
    assert UNDETERMINED in said
    assert said <= {UNDETERMINED, NOT_APPLICABLE}
    assert {judged(rule, trials={"accept": skipped}, kind=kind).said for kind in kinds} == {NOT_APPLICABLE}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.check.id)
def test_what_was_cut_is_undetermined_or_told(rule: Any) -> None:
    said = judged(rule, {"transactions": [{"truncated": True}]}, kind="bulk").said
    assert said in (UNDETERMINED, NOT_APPLICABLE) or rule.check.id == "msg.size"


WRITTEN = "From: news@example.com\r\nTo: x@conform.example.net\r\nSubject: x\r\n\r\nx\r\n"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.check.id)
def test_what_mailconform_wrote_is_not_the_fleets_wording(rule: Any) -> None:
    maker = captures.Maker("mx1.example.com/news", {"from": "news@example.com", "kind": "bulk"}, IP, "mx1.example.com")
    trial = maker.trial("accept", {"sessions": [{"header": {"Subject": "", "To": None, "List-Unsubscribe": None}}]})
    letters = tuple(replace(letter, message=WRITTEN) for letter in trial.letters)
    fields = {"List-Unsubscribe-Post": None, "List-Unsubscribe": None}
    bare = maker.trial("accept", {"sessions": [{"header": fields, "body": "x"}]})
    trials = {"accept": replace(bare, letters=letters)}
    composed = {"composed", *KINDS} & set(rule.check.subjects)
    said = judged(rule, trials=trials, kind="bulk").said
    assert said == NOT_APPLICABLE if composed else said in (PASS, NOT_APPLICABLE)


@pytest.mark.parametrize(
    ("date", "said", "at_most"),
    [
        ("Mon, 02 Mar 2026 09:00:00 +0000", PASS, None),
        ("Mon, 02 Mar 2026 10:00:00 +0100 (CET)", PASS, None),
        ("Mon, 02 Mar 2026 09:00:00 GMT", FINDING, "should"),
        ("Mon, 02 Mar 2026 11:00:00 +0000", FINDING, "should"),
        ("Wed, 04 Mar 2026 11:00:00 +0000", FINDING, None),
        ("Sat, 28 Feb 2026 09:00:00 +0000", FINDING, None),
        ("yesterday", FINDING, None),
    ],
)
def test_dates(date: str, said: str, at_most: str | None) -> None:
    found = header(test_msg_header.test_msg_date, Date=date)
    assert (found.said, found.at_most) == (said, at_most)


def test_days_in_the_queue_are_no_wrong_clock() -> None:
    late = {"at": 5 * 86_400, "header": {"Date": "Mon, 02 Mar 2026 09:00:00 +0000"}}
    assert judged(test_msg_header.test_msg_date, late).said == PASS


@pytest.mark.parametrize("control", ["\0", "\x07", "\x1b[31m", "\x7f"])
def test_control_characters_in_a_header_field_fail(control: str) -> None:
    found = header(test_msg_header.test_msg_ascii_header, Subject=f"a{control}b")
    assert (found.said, found.at_most) == (FINDING, None)


def test_eight_bit_headers_need_smtputf8() -> None:
    rule = test_msg_header.test_msg_ascii_header
    assert header(rule, Subject="Grüße").said == FINDING
    asked = {"header": {"Subject": "Grüße"}, "parameters": ["SMTPUTF8"]}
    assert judged(rule, asked).said == PASS


@pytest.mark.parametrize(
    ("subject", "said"), [("=?utf-8?Q?_?=", FINDING), ("", FINDING), ("=?utf-8?Q?a?=", PASS), ("=?x?Q?a?=", PASS)]
)
def test_empty_subjects(subject: str, said: str) -> None:
    assert header(test_msg.test_msg_subject, Subject=subject).said == said


@pytest.mark.parametrize(
    ("to", "said", "at_most"),
    [
        ("undisclosed-recipients:;", FINDING, "should"),
        (None, FINDING, None),
        ("nobody", FINDING, None),
        ("nobody, a@example.com", PASS, None),
        ("Team: a@example.com;", PASS, None),
    ],
)
def test_who_a_message_is_to(to: str | None, said: str, at_most: str | None) -> None:
    found = header(test_msg.test_msg_to_present, To=to)
    assert (found.said, found.at_most) == (said, at_most)
    assert header(test_msg.test_msg_to_present, To=None, Cc="a@example.com").said == PASS


def test_thousands_of_recipients_are_not_read_to_the_end() -> None:
    rule = test_msg.test_msg_to_present
    assert header(rule, To=", ".join(["nobody"] * 1001)).said == UNDETERMINED
    assert header(rule, To=", ".join(["a@example.com"] * 5000)).said == PASS


@pytest.mark.parametrize(
    ("name", "said", "at_most"),
    [
        ("From: group", FINDING, None),
        ("a@example.com", PASS, None),
        ("Name <a@example.com> (comment)", PASS, None),
        ("a@b", FINDING, None),
        ("a@[192.0.2.1]", FINDING, None),
        ("a@192.0.2.1", FINDING, None),
        ("Team: a@example.com;", FINDING, "should"),
        ("a" * 65 + "@example.com", FINDING, "should"),
        ("", FINDING, None),
    ],
)
def test_authors(name: str, said: str, at_most: str | None) -> None:
    found = header(test_msg.test_msg_from_valid, From=name)
    assert (found.said, found.at_most) == (said, at_most)


def test_one_provider_sends_for_its_own_domain() -> None:
    rule = test_msg.test_msg_from_not_freemail
    assert header(rule, From="a@gmail.com").said == FINDING
    google = {"header": {"From": "a@gmail.com"}, "helo": "mail-qk1-f198.google.com"}
    assert judged(rule, google).said == PASS
    assert header(rule, From="a@example.com, b@example.com").said == NOT_APPLICABLE


def test_domains_that_no_server_answers_for_are_undetermined() -> None:
    silent: Zone = {f"example.org {kind}": None for kind in ("A", "AAAA", "MX")}
    one = {"header": {"Reply-To": "a@example.org"}}
    assert judged(test_msg.test_msg_header_domains_resolve, one, zone=silent).said == UNDETERMINED
    assert judged(test_msg.test_msg_reply_to, one, zone=silent).said == UNDETERMINED
    assert judged(test_msg.test_msg_header_domains_resolve, one).said == FINDING
    assert judged(test_msg.test_msg_reply_to, {"header": {"Reply-To": "a@example.com"}}).said == PASS
    null: Zone = {"example.org MX": [(0, ".")]}
    assert judged(test_msg.test_msg_reply_to, one, zone=null).said == FINDING


def test_ids_of_two_messages() -> None:
    rule = test_msg_header.test_msg_message_id
    assert judged(rule).said == PASS
    skipped = {"twice": Trial("mx1.example.com/news", "twice", state=State.SKIPPED)}
    assert judged(rule, trials=skipped).said == NOT_APPLICABLE
    assert judged(rule, {"header": {"Message-ID": None}}, trials=skipped).said == FINDING
    lost = {"twice": Trial("mx1.example.com/news", "twice", until=captures.moment(60))}
    assert judged(rule, trials=lost).said == UNDETERMINED


def test_a_retry_has_the_same_id_rightly() -> None:
    maker = captures.Maker("mx1.example.com/news", {"from": "news@example.com"}, IP, "mx1.example.com")
    first = {"letter": 0, "header": {"Message-ID": "<1@example.com>"}}
    second = {"at": 900, "letter": 1, "header": {"Message-ID": "<2@example.com>"}}
    sessions = [{"at": 1, **first}, {"at": 300, **first}, second]
    trials = {"twice": maker.trial("twice", {"sessions": sessions})}
    assert judged(test_msg_header.test_msg_message_id, trials=trials).said == PASS


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Content_Length": "7"}, NOT_APPLICABLE),
        ({"Content_Identifier": "x"}, NOT_APPLICABLE),
        ({"Content_Language": "en"}, FINDING),
        ({"Content_Type": "text/plain"}, FINDING),
        ({"Content_Transfer_Encoding": "7bit"}, FINDING),
    ],
)
def test_only_fields_of_mime_make_a_mime_message(fields: dict[str, str], said: str) -> None:
    plain = {"MIME_Version": None, "Content_Type": None, "Content_Transfer_Encoding": None}
    assert header(test_msg_mime.test_msg_mime_version, **(plain | fields)).said == said


QMAIL = "(qmail 123 invoked from network); 2 Mar 2026 09:00:00 -0000"


@pytest.mark.parametrize(
    ("received", "said"),
    [
        ("by mx1.example.com (Postfix, from userid 33)\r\n\tid 4Z; Mon, 02 Mar 2026 09:00:00 +0000", PASS),
        (QMAIL, NOT_APPLICABLE),
        ([QMAIL, "from a (HELO b) (192.0.2.9) by mx1.example.com with SMTP; 2 Mar 2026 09:00:00 -0000"], PASS),
        ([QMAIL, "from a (HELO b) (192.0.2.9) by 0 with SMTP; 2 Mar 2026 09:00:00 -0000"], FINDING),
        ("(qmail 123 invoked by uid 89)", FINDING),
        ("by mx1.example.com; Mon, 02 Mar 2026 12:00:00 +0000", FINDING),
        ("by mx1.example.com; Sun, 01 Mar 2026 09:00:00 +0000", PASS),
        (None, NOT_APPLICABLE),
    ],
)
def test_traces(received: str | list[str] | None, said: str) -> None:
    assert header(test_msg_header.test_msg_received, Received=received).said == said
    assert test_msg_header.test_msg_received.check.citations[0].level == "should"


def test_a_bcc_is_told_to_nobody_else() -> None:
    rule = test_msg.test_msg_no_bcc
    assert judged(rule).said == PASS
    own = judged(rule, {"header": {"Bcc": "t0accept000000000000@accept.conform.example.net"}})
    assert own.said == PASS
    assert header(rule, Bcc="hidden@example.com").said == FINDING
    assert header(rule, Bcc="").said == PASS
    skipped = {"bcc": Trial("mx1.example.com/news", "bcc", state=State.SKIPPED)}
    assert judged(rule, trials=skipped).said == PASS
    lost = {"bcc": Trial("mx1.example.com/news", "bcc", until=captures.moment(60))}
    assert judged(rule, trials=lost).said == UNDETERMINED
    assert judged(rule, {"header": {"Bcc": "hidden@example.com"}}, trials=lost).said == FINDING
    unasked = {"bcc": Trial("mx1.example.com/news", "bcc", state=State.UNASKED)}
    assert judged(rule, {"header": {"Bcc": "hidden@example.com"}}, trials=unasked).said == FINDING


def test_eight_bits_go_to_those_who_take_them() -> None:
    rule = test_msg_mime.test_msg_cte
    eight = {"header": {"Content-Transfer-Encoding": "8bit"}, "body": "Grüße\n"}
    assert judged(rule, eight).said == PASS
    assert judged(rule, eight | {"parameters": []}).at_most == "should"
    told = judged(rule, eight | {"extensions": ["STARTTLS", "SIZE 1000"]})
    assert (told.said, told.at_most) == (FINDING, None)
    assert judged(rule, {"body": "Grüße\n"}).at_most is None
    assert judged(rule, {"body": "Grüße\n"}).said == FINDING


def test_more_parts_than_are_read_are_undetermined() -> None:
    many = "--b\n\nx\n" * 300 + "--b--\n"
    one = {"header": {"Content-Type": "multipart/mixed; boundary=b"}, "body": many}
    assert judged(test_msg_mime.test_msg_mime_version, one).said == UNDETERMINED


def test_a_list_is_no_bulk_mail() -> None:
    bare = {"List_Unsubscribe": None, "List_Unsubscribe_Post": None}
    for rule in (test_unsub.test_unsub_header, test_unsub.test_unsub_body_link):
        assert header(rule, "bulk", **bare).said in (PASS, FINDING)
        assert header(rule, "list", **bare).at_most in ("should", "info")
        assert header(rule, "transactional", **bare).said == NOT_APPLICABLE


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Auto_Submitted": "auto-generated"}, PASS),
        ({"Auto_Submitted": "auto-replied; owner-email=a@example.com"}, PASS),
        ({"Auto_Submitted": "auto-notified (sieve)"}, PASS),
        ({"Auto_Submitted": "no"}, FINDING),
        ({"Auto_Submitted": None}, FINDING),
    ],
)
def test_marks_of_automatic_mail(fields: dict[str, Any], said: str) -> None:
    assert header(test_auto.test_auto_submitted, "auto", **fields).said == said
    assert header(test_auto.test_auto_submitted, "bulk", **fields).said == NOT_APPLICABLE


@pytest.mark.parametrize(
    ("author", "said"),
    [
        ("mailer-daemon@example.com", FINDING),
        ("Postmaster@example.com", FINDING),
        ("postmaster-news@example.com", FINDING),
        ("news@example.com", PASS),
        ("no-reply@example.com", FINDING),
        ("postmasters@example.com", PASS),
    ],
)
def test_names_of_daemons(author: str, said: str) -> None:
    found = header(test_auto.test_auto_no_daemon_sender, "auto", From=author)
    assert found.said == said
    assert not author.startswith("no-reply") or found.at_most == "info"


def test_two_from_fields_of_one_author_need_no_sender() -> None:
    rule = test_msg.test_msg_sender
    assert header(rule, From=["a@example.com", "A@example.com"]).said == NOT_APPLICABLE
    assert header(rule, From=["a@example.com", "b@example.com"]).said == FINDING
    assert header(rule, From="a@example.com, b@example.com", Sender="a@example.com").said == PASS


@pytest.mark.parametrize(
    ("sender", "publish", "send"),
    [
        ("bounces@example.com", True, False),
        ("bounces@gone.example.net", True, True),
        ("root@mx1.internal", False, True),
        ("root", False, True),
        ("root@[192.0.2.1]", False, True),
    ],
)
def test_the_remedy_for_an_envelope_sender_is_for_the_domain_that_is_wrong(
    sender: str, publish: bool, send: bool
) -> None:
    gone: Zone = {"example.com MX": [(0, ".")]}
    told = judged(test_smtp.test_smtp_mailfrom_valid, {"sender": sender}, zone=gone)
    assert told.said == FINDING
    fix = told.fix or test_smtp.test_smtp_mailfrom_valid.check.fix
    assert fix.startswith("Publish an MX record for") is publish
    assert ("end with MAIL FROM in example.com" in fix) is send
    assert "example.com that" not in (told.fix or "")
