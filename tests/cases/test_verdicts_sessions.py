"""What the rules on sessions say of hosts that were seen in some trials, and not in others."""

from __future__ import annotations

from typing import Any

import pytest
from verdicts import FINDING, NOT_APPLICABLE, PASS, UNDETERMINED, verdict

from conformance.cases import test_helo_sessions, test_queue, test_smtp, test_smtp_replies, test_smtp_routes
from conformance.check import NotApplicable, Undetermined, first_seen, seen
from conformance.facts.greetings import Greetings
from conformance.facts.manners import Manners
from conformance.facts.outcomes import Outcomes
from conformance.facts.patience import Patience
from conformance.facts.required import Required
from conformance.facts.routes import Routes
from conformance.facts.tried import Tried
from tests.facts.tries import ENDLESS, trial, view

ABSENT = NotApplicable("the trial is not among the trials of the stream")
UNKNOWN = Undetermined("nothing came")
HELO = {"at": 5, "verb": "HELO", "argument": "mx1.example.com", "code": 250}
ONE_BY_ONE = [{"recipients": [place]} for place in range(3)]
AGAIN = [{"codes": {"rcpt": 599}}, {"at": 700, "codes": {"rcpt": 599}}]


def only(kind: type[Tried], name: str, sessions: list[dict[str, Any]], **changes: Any) -> Tried:
    return view(kind, trial(name, sessions=sessions, **changes))


@pytest.mark.parametrize("why", [ABSENT, UNKNOWN], ids=["not tried", "unknown"])
@pytest.mark.parametrize(
    ("rule", "unseen", "found"),
    [
        (test_smtp.test_smtp_crlf, {1: Manners}, {0: only(Manners, "accept", [{"wire": "a\nb\r\n.\r\n"}])}),
        (
            test_smtp_replies.test_smtp_unknown_xyz,
            {0: Outcomes, 1: Patience},
            {2: only(Patience, "unknown-5yz", AGAIN)},
        ),
        (test_smtp_replies.test_smtp_rcpt_grouping, {1: Patience}, {0: only(Outcomes, "recipients", ONE_BY_ONE)}),
        (
            test_helo_sessions.test_helo_ehlo_first,
            {0: Greetings},
            {1: only(Greetings, "ehlo-502", [{"codes": {"ehlo": 502}}], until=ENDLESS)},
        ),
    ],
)
def test_a_finding_holds_whatever_the_first_trial_is(rule: Any, unseen: Any, found: Any, why: Exception) -> None:
    facts = found | {place: kind({"first": why}) for place, kind in unseen.items()}
    assert verdict(rule, *(facts[place] for place in sorted(facts))).said == FINDING


@pytest.mark.parametrize(("why", "expected"), [(ABSENT, FINDING), (UNKNOWN, UNDETERMINED)])
def test_advice_does_not_stand_in_for_what_is_unknown(why: Exception, expected: str) -> None:
    greeting = trial("refuse-banner", sessions=[{"codes": {"banner": 554}}, {"at": 700, "codes": {"banner": 554}}])
    said = verdict(test_queue.test_queue_no_retry_5xx, Patience({"refuse-rcpt": why}), view(Patience, greeting))
    assert said.said == expected
    assert said.at_most == ("info" if expected == FINDING else None)


def test_a_domain_without_mx_is_judged_where_the_other_way_is_not_tried() -> None:
    missing = trial("mx-implicit", sessions=[], until=ENDLESS)
    routes = view(Routes, trial("accept"), missing, missing={"mx-not-a": ABSENT})
    assert verdict(test_smtp_routes.test_smtp_implicit_mx, routes).said == FINDING


def test_looks_that_find_nothing() -> None:
    def missing(why: Exception) -> Any:
        def look() -> list[str]:
            raise why

        return look

    def rule(*looks: Any) -> None:
        wrong = first_seen(*((look, lambda texts: seen(texts[0])) for look in looks))
        assert not wrong, wrong

    assert verdict(lambda: rule(list, list)).said == PASS
    assert verdict(lambda: rule(list, missing(ABSENT))).said == PASS
    assert verdict(lambda: rule(missing(ABSENT), missing(ABSENT))).said == NOT_APPLICABLE
    assert verdict(lambda: rule(list, missing(UNKNOWN), missing(ABSENT))).said == UNDETERMINED


def test_a_host_that_claims_no_requiretls_is_not_asked_what_it_makes_of_its_opposite() -> None:
    why = NotApplicable("nothing is claimed")
    unclaimed = Required(dict.fromkeys(("requiretls", "requiretls-missing", "requiretls-clear"), why))
    unseen = view(Required, trial("tls-optional", sessions=[]))
    assert verdict(test_smtp.test_smtp_requiretls, unclaimed, unseen).said == NOT_APPLICABLE
