"""STARTTLS: what is seen of clients, and what scenarios do to them."""

import asyncio
import contextlib
import re
import smtplib
import ssl
import warnings
from typing import Any

import pytest
import trustme
from cryptography import x509
from hand import NAME, Client, Receiver, certificates, played, played_all, trusting
from hypothesis import example, given
from hypothesis import strategies as st
from OpenSSL import SSL

from conformance.receiver.capture import Capture, ClientHello, Ended
from conformance.receiver.certificates import Certificates
from conformance.receiver.clienthello import ClientHelloError, chosen_cipher, read_client_hello
from conformance.receiver.scenario import Version


def verifying() -> ssl.SSLContext:
    """Return a client's context that trusts the receiver's own authority."""
    context = ssl.create_default_context(cadata=certificates().bundle.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def old(version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a client's context for an old version."""
    context = trusting()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


def encrypted(scenario: str, context: ssl.SSLContext | None = None, name: str = NAME) -> tuple[Capture, Any]:
    """Begin TLS and say EHLO in it; return the session, and the reply or the exception."""

    async def do(_: Receiver, client: Client) -> str | Exception:
        await client.hear()
        await client.ask("EHLO before.example.com")
        try:
            await client.start_tls(context, name)
            reply = await client.ask("EHLO after.example.com")
            await client.ask("QUIT")
        except OSError as error:
            return error
        return reply

    return played(scenario, do)


def test_a_session_in_tls_is_written_down() -> None:
    capture, reply = encrypted("accept")
    assert [(hello.argument, hello.tls) for hello in capture.hellos] == [
        ("before.example.com", False),
        ("after.example.com", True),
    ]
    assert "STARTTLS" in capture.extensions
    assert "STARTTLS" not in capture.extensions_tls
    assert "STARTTLS" not in reply
    assert capture.tls is not None
    assert (capture.tls.version, capture.tls.cipher, capture.tls.error) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "")
    assert capture.tls.hello is not None
    assert capture.tls.hello.sni == NAME
    assert capture.tls.hello.versions[:2] == ("TLSv1.3", "TLSv1.2")
    assert "TLS_AES_128_GCM_SHA256" in capture.tls.hello.ciphers
    assert "x25519" in capture.tls.hello.groups
    assert capture.tls.client_certificate == ""
    assert [line.text for line in capture.lines if line.side == "*"] == ["TLS: TLSv1.3 TLS_AES_256_GCM_SHA384", "quit"]
    assert capture.ended is Ended.QUIT


def test_ciphers_before_1_3_have_their_registered_names() -> None:
    capture, _ = encrypted("accept", trusting(maximum_version=ssl.TLSVersion.TLSv1_2))
    assert capture.tls is not None
    assert capture.tls.cipher == "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
    assert capture.tls.hello is not None
    assert capture.tls.cipher in capture.tls.hello.ciphers
    assert capture.tls.hello.versions == ("TLSv1.2",)


def test_its_certificate_is_good_for_its_name() -> None:
    capture, reply = encrypted("accept", verifying())
    assert reply.startswith("250")
    assert capture.ended is Ended.QUIT


@pytest.mark.parametrize(
    ("scenario", "version"), [("tls-12", "TLSv1.2"), ("tls-13", "TLSv1.3"), ("no-8bitmime", "TLSv1.3")]
)
def test_one_version_alone(scenario: str, version: str) -> None:
    capture, reply = encrypted(scenario)
    assert reply.startswith("250")
    assert capture.tls is not None
    assert capture.tls.version == version


def test_tls_1_0_alone() -> None:
    capture, reply = encrypted("tls-10", old(ssl.TLSVersion.TLSv1))
    assert reply.startswith("250")
    assert capture.tls is not None
    assert capture.tls.version == "TLSv1"
    assert capture.tls.hello is not None
    assert capture.tls.hello.versions == ("TLSv1",)


def test_old_clients_are_not_turned_away() -> None:
    capture, reply = encrypted("accept", old(ssl.TLSVersion.TLSv1))
    assert reply.startswith("250")
    assert capture.tls is not None
    assert capture.tls.version == "TLSv1"


@pytest.mark.parametrize(
    ("scenario", "context", "offered"),
    [
        ("tls-10", trusting(minimum_version=ssl.TLSVersion.TLSv1_2), "TLSv1.3"),
        ("tls-13", trusting(maximum_version=ssl.TLSVersion.TLSv1_2), "TLSv1.2"),
    ],
)
def test_a_handshake_that_fails_shows_what_was_offered(scenario: str, context: ssl.SSLContext, offered: str) -> None:
    capture, failure = encrypted(scenario, context)
    assert isinstance(failure, ssl.SSLError)
    assert "PROTOCOL_VERSION" in str(failure)
    assert capture.ended is Ended.HANDSHAKE
    assert capture.tls is not None
    assert capture.tls.version == capture.tls.cipher == ""
    assert "protocol" in capture.tls.error
    assert capture.tls.hello is not None
    assert capture.tls.hello.versions[0] == offered


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("scenario", "alert"), [("tls-expired", "certificate_expired"), ("tls-selfsigned", "unknown_ca")]
)
def test_clients_that_refuse_the_certificate_say_so(scenario: str, alert: str, version: ssl.TLSVersion) -> None:
    context = verifying()
    context.check_hostname = False
    context.maximum_version = context.minimum_version = version

    # asyncio's own client closes the connection before OpenSSL's alert is on its way.
    def refuse(receiver: Receiver) -> None:
        with smtplib.SMTP(receiver.address, receiver.port) as client, pytest.raises(ssl.SSLCertVerificationError):
            client.starttls(context=context)

    async def do(receiver: Receiver, _: Client) -> None:
        await asyncio.to_thread(refuse, receiver)

    capture = next(one for one in played_all(scenario, do) if one.tls)
    assert capture.ended is Ended.HANDSHAKE
    assert capture.tls is not None
    assert capture.tls.alert == alert
    assert alert.replace("_", " ") in capture.tls.error


@pytest.mark.parametrize("scenario", ["tls-expired", "tls-selfsigned"])
def test_clients_that_take_it_go_on(scenario: str) -> None:
    capture, reply = encrypted(scenario)
    assert reply.startswith("250")
    assert capture.tls is not None
    assert capture.tls.error == capture.tls.alert == ""


@pytest.mark.parametrize("given_one", [True, False])
def test_a_client_certificate_is_asked_for_and_not_demanded(given_one: bool) -> None:
    context = trusting()
    if given_one:
        trustme.CA().issue_cert("mx1.example.com", common_name="mx1.example.com").configure_cert(context)
    capture, reply = encrypted("tls-client-cert", context)
    assert reply.startswith("250")
    assert capture.tls is not None
    assert ("CN=mx1.example.com" in capture.tls.client_certificate) == given_one


def test_a_handshake_is_reset_the_first_time() -> None:
    async def do(receiver: Receiver, client: Client) -> list[str]:
        seen = []
        for number in range(2):
            one = client if not number else Client(*await asyncio.open_connection(receiver.address, receiver.port))
            await one.hear()
            await one.ask("EHLO a")
            try:
                await one.start_tls()
                seen.append((await one.ask("EHLO a"))[:3])
            except ConnectionResetError:
                seen.append("reset")
            one.close()
        return seen

    capture, seen = played("tls-reset", do)
    assert seen == ["reset", "250"]
    assert capture.tls is not None
    assert not capture.tls.error


def test_a_reset_handshake_is_written_down() -> None:
    capture, failure = encrypted("tls-reset")
    assert isinstance(failure, ConnectionResetError)
    assert (capture.ended, capture.ended.by_receiver) == (Ended.DROPPED, True)
    assert capture.tls is not None
    assert capture.tls.hello is not None
    assert capture.tls.hello.sni == NAME


def test_454_the_first_time() -> None:
    async def do(receiver: Receiver, client: Client) -> list[str]:
        await client.hear()
        replies = [await client.ask("EHLO a", "STARTTLS"), await client.ask("MAIL FROM:<>")]
        again = Client(*await asyncio.open_connection(receiver.address, receiver.port))
        await again.hear()
        await again.ask("EHLO a")
        await again.start_tls()
        replies.append(await again.ask("EHLO a"))
        again.close()
        return replies

    _, replies = played("starttls-454", do)
    assert [reply[:3] for reply in replies] == ["454", "250", "250"]


def test_requiretls_is_offered_inside_tls_alone() -> None:
    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        clear = await client.ask("EHLO a")
        await client.start_tls()
        return [clear, await client.ask("EHLO a"), await client.ask("MAIL FROM:<a@example.com> REQUIRETLS")]

    capture, (clear, inside, mail) = played("requiretls", do)
    assert "REQUIRETLS" not in clear
    assert "REQUIRETLS" in inside
    assert mail.startswith("250")
    assert "REQUIRETLS" in capture.extensions_tls


def test_what_was_said_before_tls_is_forgotten() -> None:
    async def do(_: Receiver, client: Client) -> list[str]:
        await client.hear()
        await client.ask("EHLO a", "MAIL FROM:<>")
        await client.start_tls()
        return [await client.ask("RCPT TO:<t1@conform.example.net>"), await client.ask("MAIL FROM:<>")]

    assert [reply[:3] for reply in played("accept", do)[1]] == ["503", "503"]


def test_clear_text_after_starttls_is_written_down_and_not_obeyed() -> None:
    async def do(_: Receiver, client: Client) -> str:
        await client.hear()
        await client.ask("EHLO a")
        client.say(b"STARTTLS\r\nEHLO injected\r\nMAIL FROM:<injected@example.com>\r\n")
        await client.hear()
        await client.writer.start_tls(trusting(), server_hostname=NAME)
        return await client.ask("NOOP")

    capture, reply = played("accept", do)
    assert reply.startswith("250 2.0.0 nothing")
    assert [(one.before, one.text) for one in capture.early] == [
        ("STARTTLS", "EHLO injected\r\nMAIL FROM:<injected@example.com>\r\n")
    ]
    assert not capture.transactions
    assert [hello.argument for hello in capture.hellos] == ["a"]


def test_however_much_of_it() -> None:
    async def do(_: Receiver, client: Client) -> None:
        await client.hear()
        await client.ask("EHLO a")
        client.say(b"STARTTLS\r\n" + b"NOOP\r\n" * 300_000)
        with contextlib.suppress(ConnectionError):
            await client.gone()

    capture, _ = played("accept", do)
    assert capture.ended is Ended.HANDSHAKE
    assert all(one.before == "STARTTLS" for one in capture.early)
    assert not any(line.text.startswith("NOOP") for line in capture.lines)


def test_a_clienthello_that_did_not_wait_is_no_tls() -> None:
    async def do(_: Receiver, client: Client) -> None:
        await client.hear()
        await client.ask("EHLO a")
        client.say(b"STARTTLS\r\n\x16\x03\x01\x00\x05hello")
        await client.hear()

    capture, _ = played("accept", do)
    assert [one.before for one in capture.early] == ["STARTTLS"]
    assert capture.ended is Ended.HANDSHAKE


@pytest.mark.parametrize(
    ("said", "error"), [(b"EHLO a\r\n", "wrong version|http request|packet"), (b"", "the client closed the connection")]
)
def test_what_is_no_handshake(said: bytes, error: str) -> None:
    async def do(_: Receiver, client: Client) -> None:
        await client.hear()
        await client.ask("EHLO a", "STARTTLS")
        client.say(said)
        if said:
            await client.gone()

    capture, _ = played("accept", do)
    assert capture.ended is Ended.HANDSHAKE
    assert capture.tls is not None
    assert re.search(error, capture.tls.error)
    assert capture.tls.hello is None


class TestClientHello:
    """The reader of the first flight."""

    @staticmethod
    def first_flight(**options: Any) -> bytes:
        outgoing = ssl.MemoryBIO()
        context = trusting(**options)
        context.set_alpn_protocols(["smtp"])
        with pytest.raises(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=NAME).do_handshake()
        return outgoing.read()

    def test_all_of_it_is_read(self) -> None:
        hello = read_client_hello(self.first_flight())
        assert hello is not None
        assert (hello.sni, hello.alpn) == (NAME, ("smtp",))

    def test_its_beginning_is_not_all_of_it(self) -> None:
        flight = self.first_flight()
        assert [size for size in range(len(flight)) if read_client_hello(flight[:size]) is not None] == []

    def test_it_may_come_in_several_records(self) -> None:
        flight = self.first_flight()
        body = flight[5:]
        parts = [body[start : start + 3] for start in range(0, len(body), 3)]
        several = b"".join(b"\x16\x03\x01" + len(part).to_bytes(2) + part for part in parts)
        assert read_client_hello(several) == read_client_hello(flight)

    def test_what_keeps_servers_honest_is_left_out(self) -> None:
        body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\6\x0a\x0a\x13\x01\xc0\xfe" + b"\1\0"
        message = b"\1" + len(body).to_bytes(3) + body
        hello = read_client_hello(b"\x16\x03\x01" + len(message).to_bytes(2) + message)
        assert hello == ClientHello(("TLSv1.2",), ("TLS_AES_128_GCM_SHA256", "0xC0FE"))

    @given(
        st.binary(max_size=300)
        | st.binary(max_size=300).map(lambda tail: b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc" + tail)
    )
    @example(b"\x16\x03\x01\x00\x00")
    @example(b"\x16\x03\x01\x00\x01\x02")
    @example(b"\x80\x2e\x01\x03\x01")
    def test_any_octets_are_read_or_refused(self, octets: bytes) -> None:
        assert isinstance(chosen_cipher(octets), str)
        try:
            read_client_hello(octets)
        except ClientHelloError as error:
            assert str(error)  # noqa: PT017


class TestCertificates:
    """Certificates that are given."""

    @staticmethod
    def pem(*names: str) -> tuple[bytes, bytes, trustme.CA]:
        ca = trustme.CA()
        leaf = ca.issue_cert(*names)
        return b"".join(one.bytes() for one in leaf.cert_chain_pems), leaf.private_key_pem.bytes(), ca

    def test_a_given_one_is_shown(self) -> None:
        chain, key, _ = self.pem("mx.receiver.example")
        made = Certificates(chain, key)
        context = made.context("good", "other.example", Version.TLS_1_2, Version.TLS_1_3, False)
        shown = SSL.Connection(context, None).get_certificate(as_cryptography=True)
        assert shown == x509.load_pem_x509_certificate(chain)

    def test_a_foreign_key_is_refused(self) -> None:
        with pytest.raises(ValueError, match="does not belong"):
            Certificates(self.pem("a.example")[0], self.pem("a.example")[1])

    def test_what_is_no_certificate_is_refused(self) -> None:
        with pytest.raises(ValueError, match="PEM"):
            Certificates(b"nonsense", b"nonsense")
