"""What is said of how hosts write, wait, greet and encrypt in their sessions."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.cases import test_tls_out
from conformance.facts.greetings import Greetings
from conformance.facts.handshakes import Handshakes
from conformance.facts.manners import Manners
from tests.cases.verdicts import verdict
from tests.facts.tries import said, trial, view


def manners(name: str = "accept", **session: Any) -> Manners:
    return view(Manners, trial(name, sessions=[session]))


def check(text: str, expected: str) -> None:
    assert text.startswith(expected), text
    assert bool(text) is bool(expected), text


def test_early_talkers() -> None:
    early = manners(early=[[0.4, "banner", "EHLO x\r\n"], [9.0, "STARTTLS", "EHLO"], [30.0, "DATA", "Subject"]])
    check(said(lambda: early.before_banner), "'EHLO x\\r\\n' came before the banner, 0 ms after the connection")
    check(said(lambda: early.before_reply), "'Subject' came before the reply to DATA, 30 ms")
    check(said(lambda: early.after_starttls), "'EHLO' came before the reply to STARTTLS, 9 ms")
    for look in ("before_banner", "before_reply", "after_starttls"):
        check(said(lambda look=look: getattr(manners(), look)), "")
    check(said(lambda: manners(tls=False).after_starttls), "not applicable: no session asked for TLS")
    check(said(lambda: view(Manners, trial("accept", sessions=[])).before_banner), "undetermined: ")


def test_line_ends() -> None:
    check(said(lambda: manners().bare_line_ends), "")
    check(said(lambda: manners(wire="a\nb\r\n.\r\n").bare_line_ends), "LF at octet 2 of the message")
    check(said(lambda: manners(lines=[[1, "C", "QUIT\n"]]).bare_line_ends), "LF at octet 5 of the command 'QUIT")
    check(said(lambda: manners(lines=[[1, "S", "250 x\n"]]).bare_line_ends), "")
    binary = {"how": "BDAT", "wire": "a\nb", "parameters": ["BODY=BINARYMIME"]}
    check(said(lambda: manners(**binary).bare_line_ends), "")
    check(said(lambda: manners(**{**binary, "parameters": []}).bare_line_ends), "LF at octet 2 of the message")
    check(said(lambda: manners(wire="a\n.\r\nb\r\n.\r\n").false_ends), "LF.CRLF at octet 2 of the message")
    check(said(lambda: manners(how="BDAT", wire="a\n.\r\n").false_ends), "")


def test_the_syntax_of_commands() -> None:
    check(said(lambda: manners().syntax_faults), "")
    check(said(lambda: manners(argument=" <a@example.com>").syntax_faults), "MAIL FROM: has a blank after the colon")
    check(said(lambda: manners("no-extensions", extensions=[]).syntax_faults), "MAIL FROM: has the parameter SIZE, whi")
    check(said(lambda: manners("no-extensions", extensions=[], parameters=[]).syntax_faults), "")


def test_what_is_offered_inside_tls_counts_there() -> None:
    inside = {"extensions": ["STARTTLS"], "extensions_tls": ["SIZE", "8BITMIME"]}
    check(said(lambda: manners(**inside).syntax_faults), "")
    check(said(lambda: manners(**inside, tls=False).syntax_faults), "MAIL FROM: has the parameter SIZE")


def test_commands_that_are_too_long() -> None:
    check(said(lambda: manners().length_faults), "")
    check(
        said(lambda: manners(sender="a" * 65 + "@example.com").length_faults), "'MAIL FROM:<aaaaaaaaaaaaaaaaaaaaaaaaa"
    )


def test_commands_out_of_order() -> None:
    wrong = [[1, "C", "DATA\r\n"], [2, "*", "a note"], [3, "S", "503 5.5.1 MAIL first\r\n"], [4, "C", "QUIT\r\n"]]
    check(said(lambda: manners(lines=wrong).out_of_order), "'DATA' was answered '503 5.5.1 MAIL first'")
    check(said(lambda: manners().out_of_order), "")
    group = ["MAIL FROM:<a@example.com>", "550 no", "RCPT TO:<b@example.com>", "503 MAIL first", "DATA", "503 no"]
    lines = [[n, "SC"[n % 2 == 0], f"{text}\r\n"] for n, text in enumerate(group)]
    check(said(lambda: manners(lines=lines).out_of_order), "")
    chunks = ["BDAT 5", "554 nobody", "BDAT 11 LAST", "503 MAIL first", "RSET", "250 done", "BDAT 5", "503 MAIL first"]
    lines = [[n, "SC"[n % 2 == 0], f"{text}\r\n"] for n, text in enumerate(chunks)]
    check(said(lambda: manners(lines=lines[:6]).out_of_order), "")
    check(said(lambda: manners(lines=lines).out_of_order), "'BDAT 5' was answered '503 MAIL first'")
    lines = [[n, "SC"[n % 2 == 0], f"{text}\r\n"] for n, text in enumerate(group)]
    begun = [[0, "C", "RSET\r\n"], [1, "S", "250 done\r\n"], *lines[2:]]
    check(said(lambda: manners(lines=begun).out_of_order), "'RCPT TO:<b@example.com>' was answered '503 MAIL")


UNSEEN = {"transactions": []}
NEEDING_MAIL = ("syntax_faults", "length_faults", "before_reply", "out_of_order")


@pytest.mark.parametrize("look", ["bare_line_ends", "false_ends", *NEEDING_MAIL])
def test_sessions_without_mail_show_nothing_of_it(look: str) -> None:
    check(said(lambda: getattr(manners(**UNSEEN), look)), "undetermined: mx1/news accept: 1 sessions came and none")
    if look.endswith("faults"):
        refused = {"sender": "a b@example.com" + "x" * 500, "codes": {"rcpt": 0}, "recipients": [], "parameters": []}
        check(said(lambda: getattr(manners(**refused), look)), "MAIL FROM:" if look == "syntax_faults" else "'MAIL F")
    returned = view(Manners, trial("greylist", sessions=[UNSEEN], returns=[{}]))
    check(said(lambda: getattr(returned, look)), "not applicable: no message came: the host sent a bounce")


def test_a_session_that_the_receiver_ended_shows_no_opening() -> None:
    cut = {"banner_at": None, "ended": "open", "hellos": [], "transactions": [], "tls": False}
    check(said(lambda: manners(**cut).before_banner), "undetermined: mx1/news accept: the receiver ended every session")
    check(said(lambda: manners(**{**cut, "ended": "closed"}).before_banner), "")
    check(said(lambda: manners(**cut, early=[[1.0, "banner", "EHLO"]]).before_banner), "'EHLO' came before the banner")


@pytest.mark.parametrize(
    ("session", "without_quit", "before_221"),
    [
        ({}, "", ""),
        ({"ended": "closed"}, "the session of 2026-03-02T09:00:01.000+00:00 was closed by the client after 0.9 s", ""),
        ({"ended": "reset"}, "undetermined: mx1/news accept: the session of", ""),
        ({"ended": "closed", "lines": [[1, "C", "quit\r\n"]]}, "", "the session of"),
        ({"ended": "reset", "lines": [[1, "C", "QUIT\r\n"]]}, "", "undetermined: "),
        ({"ended": "dropped"}, "", ""),
        ({"ended": "timeout"}, "", ""),
        ({"ended": "limit"}, "", ""),
        ({"ended": "open"}, "", ""),
    ],
)
def test_ends_of_sessions(session: dict[str, Any], without_quit: str, before_221: str) -> None:
    check(said(lambda: manners(**session).left_without_quit), without_quit)
    check(said(lambda: manners(**session).left_before_221), before_221)


def test_a_session_that_was_closed_counts_beside_one_that_was_reset() -> None:
    both = view(Manners, trial("accept", sessions=[{"ended": "reset"}, {"ended": "closed"}]))
    check(said(lambda: both.left_without_quit), "the session of 2026-03-02T09:00:02.000+00:00 was closed")


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({}, ""),
        ({"lines": [[1, "C", "VRFY a\r\n"]]}, "'VRFY a'"),
        ({"lines": [[1, "C", "expn list\r\n"]]}, "'expn list'"),
        ({"codes": {"data": 0}}, "MAIL FROM:<bounces@bounce.example.com>, RCPT TO:<"),
        ({"codes": {"data": 0}, "sender": ""}, "MAIL FROM:<>, RCPT TO:<"),
        ({"transactions": [{"codes": {"data": 0}}, {}], "ended": "closed"}, "MAIL FROM:<"),
        ({"codes": {"data": 0}, "ended": "closed", "lines": [[1, "C", "QUIT\r\n"]]}, "MAIL FROM:<"),
        # Refused at RCPT, refused at DATA, or the connection was lost: no question.
        ({"codes": {"rcpt": 550}}, ""),
        ({"codes": {"data": 451}}, ""),
        ({"codes": {"data": 0}, "ended": "closed"}, ""),
        ({"codes": {"data": 0}, "ended": "dropped"}, ""),
    ],
)
def test_questions_without_mail(session: dict[str, Any], expected: str) -> None:
    check(said(lambda: manners(**session).questions), expected)


def test_call_outs() -> None:
    def callouts(returns: list[Any], **changes: Any) -> str:
        held = view(Manners, trial("refuse-rcpt", returns=returns, **changes))
        return said(lambda: held.questions_about_senders)

    check(callouts([{}]), "")
    check(callouts([{"codes": {"data": 0}}]), "MAIL FROM:<>, RCPT TO:<rt0refusercpt")
    check(callouts([{"codes": {"data": 0}, "ended": "dropped"}]), "")
    check(callouts([{"codes": {"rcpt": 550}}]), "")
    check(callouts([], letter={"return_token": ""}), "not applicable: ")


def greetings(name: str = "accept", **session: Any) -> Greetings:
    return view(Greetings, trial(name, sessions=[session]))


def hello(verb: str = "EHLO", argument: str = "mx1.example.com", at: int = 5, **more: Any) -> dict[str, Any]:
    return {"at": at, "verb": verb, "argument": argument, "code": 250, **more}


def test_greetings() -> None:
    good = greetings()
    for look in ("not_ehlo", "malformed", "receivers", "lost_in_tls", "changed_in_tls"):
        check(said(lambda look=look: getattr(good, look)), "")
    check(said(lambda: greetings(hellos=[hello("HELO")]).not_ehlo), "a session begins with 'HELO mx1.example.com'")
    check(said(lambda: greetings(hellos=[hello(argument="")]).malformed), "EHLO has no argument")
    check(said(lambda: greetings(hellos=[hello(argument="a b")]).malformed), "EHLO has more than one argument")
    check(said(lambda: greetings(hellos=[]).malformed), "MAIL FROM:<bounces@bounce.example.com> SIZE=1000 BODY=8BIT")
    check(said(lambda: greetings(hellos=[], transactions=[]).malformed), "undetermined: ")
    check(said(lambda: greetings(tls=False).lost_in_tls), "not applicable: no session came to TLS")
    check(said(lambda: greetings(hellos=[hello()]).lost_in_tls), "MAIL is the first command after the TLS handshake")
    again = [hello(), hello(argument="other.example.com", at=15, tls=True)]
    check(said(lambda: greetings(hellos=again).changed_in_tls), "EHLO 'mx1.example.com' before TLS, EHLO 'other")
    same = [hello(), hello(argument="MX1.example.com", at=15, tls=True)]
    check(said(lambda: greetings(hellos=same).changed_in_tls), "")


@pytest.mark.parametrize(
    "argument", ["mx.conform.example.net", "MX.CONFORM.example.net.", "accept.conform.example.net", "[198.51.100.1]"]
)
def test_greetings_with_the_receivers_name(argument: str) -> None:
    check(said(lambda: greetings(hellos=[hello(argument=argument)]).receivers), "EHLO '")


def test_the_name_in_the_banner_is_the_receivers_too() -> None:
    lines = [[1, "S", "220 odd.example.org ESMTP\r\n"]]
    check(said(lambda: greetings(hellos=[hello(argument="odd.example.org")], lines=lines).receivers), "EHLO 'odd")


def test_one_name_an_address() -> None:
    def names(*sessions: dict[str, Any]) -> str:
        held = view(Greetings, trial("accept", sessions=list(sessions)), trial("twice", sessions=[]))
        return said(lambda: held.names)

    check(names({}, {}, {"helo": "MX1.EXAMPLE.COM"}), "")
    check(names({}, {"helo": "b.example.com"}), "203.0.113.1 greets with 'mx1.example.com' and 'b.example.com'")
    check(names({}, {"helo": "b.example.com", "peer": "203.0.113.2"}, {}), "")
    check(names({}, {}), "not applicable: 2 sessions were seen, too few")
    check(names(), "undetermined: mx1/news accept: nothing came")


def test_a_receiver_that_knows_helo_alone() -> None:
    check(said(lambda: view(Greetings, trial("ehlo-502")).no_fallback), "")
    session = {"hellos": [hello(code=502)], "transactions": [], "tls": False}
    lost = view(Greetings, trial("ehlo-502", sessions=[session], returns=[{}]))
    check(said(lambda: lost.no_fallback), "502 to EHLO, then the host sent a bounce")
    waiting = view(Greetings, trial("ehlo-502", sessions=[session]))
    check(said(lambda: waiting.no_fallback), "undetermined: mx1/news ehlo-502: 502 to EHLO, and no other attempt")


def handshakes(name: str = "accept", returns: list[Any] | None = None, **session: Any) -> Handshakes:
    return view(Handshakes, trial(name, sessions=[session], returns=returns or []))


def broken(**tls: Any) -> dict[str, Any]:
    return {"tls": {"version": "", "error": "no", **tls}, "transactions": [], "ended": "handshake"}


def test_tls_that_is_used_or_not() -> None:
    check(said(lambda: handshakes().unused), "")
    check(said(lambda: handshakes(tls=False, extensions=["STARTTLS"]).unused), "the message came in clear text")
    check(said(lambda: handshakes(tls=False).unused), "undetermined: ")
    plain = {"hellos": [{"at": 5, "verb": "HELO", "argument": "mx1.example.com", "code": 250}], "extensions": []}
    check(said(lambda: handshakes(tls=False, **plain).unused), "the message came in clear text: the session greets wi")
    check(said(lambda: handshakes(**broken()).unused), "undetermined: ")


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({"tls": "TLSv1.2"}, ""),
        ({"tls": "TLSv1.3"}, ""),
        ({"tls": "TLSv1.1"}, "the handshake came to TLSv1.1"),
        ({"tls": "TLSv1"}, "the handshake came to TLSv1"),
        (broken(hello={"versions": ["TLSv1.1"]}), "the ClientHello offers TLSv1.1"),
        (broken(hello={"versions": []}), "the ClientHello offers no version"),
        # A handshake that failed for another reason says nothing about versions, nor does one that was not seen.
        (broken(), "undetermined: mx1/news tls-12: the handshake failed (no), though it is offered"),
        ({"tls": False}, "not applicable: no session asked for TLS"),
        ({"tls": {"version": "TLSv1.2", "error": "bad certificate"}, "transactions": []}, ""),
    ],
)
def test_versions(session: dict[str, Any], expected: str) -> None:
    check(said(lambda: handshakes("tls-12", **session).without("TLSv1.2")), expected)


def test_no_client_hello_is_no_answer() -> None:
    from dataclasses import replace

    made = trial("tls-12", sessions=[broken()])
    capture = made.captures[0]
    assert capture.tls
    blind = replace(made, captures=(replace(capture, tls=replace(capture.tls, hello=None)),))
    view_of = view(Handshakes, blind)
    check(
        said(lambda: view_of.without("TLSv1.2")), "undetermined: mx1/news tls-12: the handshake failed (no), and no Cl"
    )
    check(said(lambda: view_of.weak_ciphers), "undetermined: mx1/news tls-12: no ClientHello was seen")


@pytest.mark.parametrize(
    ("ciphers", "weak", "anonymous"),
    [
        (["TLS_AES_128_GCM_SHA256"], "", ""),
        (["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"], "", ""),
        (["TLS_DHE_RSA_WITH_AES_128_CCM", "TLS_DH_anon_WITH_AES_128_GCM_SHA256"], "", "the ClientHello offers TLS_DH"),
        (["TLS_AES_128_GCM_SHA256", "TLS_RSA_WITH_NULL_SHA"], "the ClientHello offers TLS_RSA_WITH_NULL_SHA", ""),
        (["TLS_AES_128_GCM_SHA256", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"], "", ""),
        (["TLS_AES_128_GCM_SHA256", "TLS_RSA_WITH_DES_CBC_SHA"], "the ClientHello offers TLS_RSA_WITH_DES_CBC", ""),
        (["TLS_AES_128_GCM_SHA256", "TLS_RSA_EXPORT_WITH_RC4_40_MD5"], "the ClientHello offers TLS_RSA_EXPORT", ""),
        (["TLS_RSA_WITH_AES_128_GCM_SHA256", "0xC0FF"], "the ClientHello offers no AEAD suite with ephemeral keys", ""),
        ([], "the ClientHello offers no AEAD suite with ephemeral keys", ""),
    ],
)
def test_cipher_suites(ciphers: list[str], weak: str, anonymous: str) -> None:
    held = handshakes(tls={"version": "TLSv1.2", "hello": {"ciphers": ciphers}})
    check(said(lambda: held.weak_ciphers), weak)
    check(said(lambda: held.anonymous_ciphers), anonymous)


def test_suites_that_grow_old_are_no_broken_ones() -> None:
    suites = ["TLS_AES_128_GCM_SHA256", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"]
    held = handshakes(tls={"version": "TLSv1.2", "hello": {"ciphers": suites}})
    check(said(lambda: held.ageing_ciphers), "the ClientHello offers TLS_RSA_WITH_3DES_EDE_CBC_SHA")
    check(said(lambda: handshakes().ageing_ciphers), "")
    told = verdict(test_tls_out.test_tls_out_ciphers, held)
    assert (told.said, told.at_most) == ("finding", "should")


def test_server_names() -> None:
    check(said(lambda: handshakes().no_server_names), "")
    check(said(lambda: handshakes().wrong_server_names), "")
    none = handshakes(tls={"version": "TLSv1.3", "hello": {"sni": ""}})
    check(said(lambda: none.no_server_names), "the ClientHello for mx.conform.example.net names no server")
    check(said(lambda: none.wrong_server_names), "")
    wrong = handshakes(tls={"version": "TLSv1.3", "hello": {"sni": "x.example"}})
    check(said(lambda: wrong.wrong_server_names), "the ClientHello for mx.conform.example.net names 'x.example'")
    dotted = handshakes(tls={"version": "TLSv1.3", "hello": {"sni": "MX.conform.example.net."}})
    check(said(lambda: dotted.wrong_server_names), "")


def test_handshakes_that_fail() -> None:
    alert = {"tls": {"version": "TLSv1.3", "error": "alert", "alert": "unknown_ca"}, "transactions": []}
    bounced = handshakes("tls-selfsigned", [{}], **alert)
    expected = "tls-selfsigned: the TLS handshake failed (unknown_ca), then the host sent a bounce"
    check(said(lambda: bounced.undelivered), expected)
    check(said(lambda: handshakes("tls-selfsigned", **alert).undelivered), "undetermined: ")
    in_clear = view(Handshakes, trial("tls-selfsigned", sessions=[alert, {"at": 3, "tls": False}]))
    check(said(lambda: in_clear.undelivered), "")
    left = {"tls": "TLSv1.3", "hellos": [hello()], "transactions": []}
    check(
        said(lambda: handshakes("tls-expired", [{}], **left).undelivered), "tls-expired: the client left after STARTTLS"
    )


def test_old_versions() -> None:
    check(said(lambda: handshakes("tls-10", tls="TLSv1").old), "the handshake came to TLSv1")
    check(said(lambda: handshakes("tls-10", **broken()).old), "")
