"""Messages handed to submission servers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from conformance.facts.letter import compose
from conformance.facts.redaction import Redactor
from conformance.facts.submission import Handed, Submitter, Taken, context_of, password_of
from conformance.fleet.sending import Submission
from conformance.outcome import Undetermined
from tests.facts.orders import order

WORD = "s3cr3t-word"
AUTHORITY = trustme.CA()


def server_context(*names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names).configure_cert(context)
    return context


@dataclass
class Server:
    """What came in, and what is answered by step."""

    replies: dict[str, str] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[LoginPassword] = field(default_factory=list)
    port: int = 0

    async def handle_MAIL(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.replies.get("MAIL", "250 2.1.0 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self.replies.get("RCPT", "250 2.1.5 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        return self.replies.get("DATA", "250 2.0.0 Ok: queued as ABC")

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        self.logins.append(data)
        return AuthResult(success=data.password == WORD.encode(), handled=False)


@asynccontextmanager
async def serving(
    server: Server, names: Sequence[str] = ("submit.example.net",), **options: Any
) -> AsyncIterator[None]:
    implicit = options.pop("implicit", False)
    context = server_context(*names)
    given = {"auth_require_tls": True, "auth_required": True, "enable_SMTPUTF8": True, **options}

    def protocol() -> SMTP:
        return SMTP(
            server,
            hostname="submit.example.net",
            authenticator=server.authenticate,
            tls_context=None if implicit else context,
            **given,
        )

    listening = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=context if implicit else None
    )
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        listening.close()


@pytest.fixture
def door(tmp_path: Path) -> Submission:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return Submission(
        "submit.example.net",
        0,
        server_name="submit.example.net",
        ca_file=str(tmp_path / "ca.pem"),
        username="probe@example.com",
        password=WORD,
    )


def hand(server: Server, door: Submission, trial: str = "accept", **options: Any) -> Handed:
    recipients = options.pop("recipients", 1)

    async def resolve(name: str) -> Sequence[str]:
        return ["127.0.0.1"]

    async def work() -> Handed:
        submitter = Submitter(ehlo="probe.example.org", timeout=20.0, resolve=resolve, redact=Redactor())
        async with serving(server, **options):
            one = order(trial, recipients)
            return await submitter.submit(replace(door, port=server.port), one, compose(one), None)

    return asyncio.run(work())


def test_a_message_is_handed_over_inside_tls_with_an_account(door: Submission) -> None:
    server = Server()
    assert hand(server, door, recipients=2) == Handed(Taken.YES, "250 2.0.0 Ok: queued as ABC")
    assert server.logins == [LoginPassword(b"probe@example.com", WORD.encode())]
    (envelope,) = server.envelopes
    assert envelope.mail_from == "news@bounce.example.com"
    assert envelope.rcpt_tos == ["token0@label.conform.example.net", "token1@label.conform.example.net"]
    assert envelope.content == compose(order("accept", 2))


def test_tls_from_the_first_octet_on(door: Submission) -> None:
    assert hand(Server(), replace(door, tls="implicit"), implicit=True, auth_require_tls=False).taken is Taken.YES


def test_without_an_account_nobody_logs_in(door: Submission) -> None:
    server = Server()
    assert hand(server, replace(door, username=""), auth_required=False).taken is Taken.YES
    assert not server.logins


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_for_others_ends_it_before_the_password_is_told(door: Submission, tls: str) -> None:
    server = Server()
    done = hand(server, replace(door, tls=tls), names=("other.example.net",), implicit=tls == "implicit")
    assert done.taken is Taken.FAILED
    assert "certificate" in done.reply
    assert not server.logins


def test_any_certificate_is_taken_where_the_inventory_says_so(door: Submission) -> None:
    assert hand(Server(), replace(door, verify=False, ca_file=""), names=("other.example.net",)).taken is Taken.YES


def test_a_server_without_tls_is_told_no_password(door: Submission) -> None:
    server = Server()

    async def work() -> Handed:
        async def resolve(name: str) -> Sequence[str]:
            return ["127.0.0.1"]

        listening = await asyncio.get_running_loop().create_server(
            lambda: SMTP(server, authenticator=server.authenticate, auth_require_tls=False), "127.0.0.1", 0
        )
        port = listening.sockets[0].getsockname()[1]
        submitter = Submitter(ehlo="probe.example.org", timeout=20.0, resolve=resolve, redact=Redactor())
        try:
            return await submitter.submit(replace(door, port=port), order(), compose(order()), None)
        finally:
            listening.close()

    done = asyncio.run(work())
    assert (done.taken, server.logins) == (Taken.FAILED, [])
    assert "STARTTLS" in done.reply


def test_a_wrong_password_is_said_and_not_shown(door: Submission) -> None:
    done = hand(Server(), replace(door, password="wr0ng-word"))
    assert done.taken is Taken.FAILED
    assert done.reply.startswith("535 ")
    assert "wr0ng" not in done.reply


@pytest.mark.parametrize(
    ("step", "reply", "taken", "of_sender"),
    [
        ("MAIL", "550 5.7.1 not your sender", Taken.NO, True),
        ("MAIL", "452 4.3.1 no space", Taken.FAILED, False),
        ("MAIL", "552 5.3.4 too large", Taken.NO, False),
        ("RCPT", "553 5.7.1 Sender address rejected", Taken.NO, True),
        ("RCPT", "550 5.7.1 refused by the receiver", Taken.NO, False),
        ("RCPT", "450 4.7.1 come again", Taken.FAILED, False),
        ("DATA", "550 5.7.1 sender", Taken.NO, False),
        ("DATA", "554 5.7.1 bare LF", Taken.NO, False),
        ("DATA", "451 4.3.0 no space", Taken.FAILED, False),
    ],
)
def test_a_refusal_for_good_is_told_from_a_failure(
    door: Submission, step: str, reply: str, taken: Taken, of_sender: bool
) -> None:
    assert hand(Server({step: reply}), door) == Handed(taken, reply, of_sender)


def test_a_reply_that_repeats_the_password_is_kept_without_it(door: Submission) -> None:
    assert hand(Server({"RCPT": f"550 5.7.1 {WORD} is weak"}), door).reply == "550 5.7.1 [secret] is weak"


def test_octets_are_sent_as_they_are(door: Submission) -> None:
    server = Server()
    assert hand(server, door, "smuggling").taken is Taken.YES
    assert server.envelopes[0].original_content == compose(order("smuggling"))
    assert hand(server, door, "dots").taken is Taken.YES
    assert server.envelopes[1].content == compose(order("dots"))


def test_what_a_message_needs_is_asked_for(door: Submission) -> None:
    server = Server()
    assert hand(server, door, "no-8bitmime").taken is Taken.YES
    assert hand(server, door, "no-smtputf8").taken is Taken.YES
    assert [one.mail_options for one in server.envelopes] == [["BODY=8BITMIME"], ["SMTPUTF8", "BODY=8BITMIME"]]
    done = hand(Server(), door, "no-smtputf8", enable_SMTPUTF8=False)
    assert done.taken is Taken.FAILED
    assert done.reply.endswith("does not offer SMTPUTF8")
    for name in ("requiretls", "tls-optional"):
        server = Server()
        done = hand(server, door, name)
        assert (done.taken, done.lacking, server.envelopes) == (Taken.FAILED, "REQUIRETLS", [])


def test_nobody_there_is_said(door: Submission) -> None:
    async def work(addresses: Sequence[str] | None) -> Handed:
        async def resolve(name: str) -> Sequence[str]:
            if addresses is None:
                raise Undetermined("no answer", cause="")
            return addresses

        submitter = Submitter(ehlo="probe.example.org", timeout=20.0, resolve=resolve, redact=Redactor())
        return await submitter.submit(replace(door, port=1), order(), compose(order()), None)

    for addresses, said in ((["127.0.0.1"], "Connection refused"), ([], "no address"), (None, "no answer")):
        done = asyncio.run(work(addresses))
        assert done == Handed(Taken.FAILED, f"submit.example.net port 1: {said}")


def test_passwords_come_from_a_file_or_the_environment(
    door: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "word").write_text("from-file\nrest\n")
    monkeypatch.setenv("PROBE_WORD", "from-environment")
    assert password_of(replace(door, password="", password_file=str(tmp_path / "word"))) == "from-file"
    assert password_of(replace(door, password="", password_env="PROBE_WORD")) == "from-environment"
    (tmp_path / "empty").write_text("\n")
    for wrong, said in (
        ({"password_file": str(tmp_path / "none")}, "cannot be read: No such file"),
        ({"password_file": str(tmp_path / "empty")}, "is empty"),
        ({"password_env": "PROBE_NONE"}, "is not set"),
    ):
        with pytest.raises(ValueError, match=said):
            password_of(replace(door, password="", **wrong))  # type: ignore[arg-type]


def test_a_ca_file_that_is_none_is_said(door: Submission, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="it holds no certificate"):
        context_of(replace(door, ca_file=str(tmp_path / "text")))
    with pytest.raises(ValueError, match="No such file"):
        context_of(replace(door, ca_file=str(tmp_path / "none")))
