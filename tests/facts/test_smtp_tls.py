"""Sessions with TLS: what was agreed on, what the certificate says, and how handshakes fail."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import ssl
import warnings
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from smtp_server import EHLO, Server, listener, prober, reset, serving, smtp

from conformance.facts import certificate
from conformance.facts.session import End, Reply, Session
from conformance.outcome import Undetermined

NAMES = ("mx.example.net", "alias.example.net", "192.0.2.1")


@pytest.fixture
def ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Return an authority that OpenSSL's default store holds."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return authority


def server_context(
    authority: trustme.CA, *names: str, valid: tuple[datetime.datetime | None, datetime.datetime | None] = (None, None)
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or NAMES), not_before=valid[0], not_after=valid[1]).configure_cert(context)
    return context


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return a context with a certificate that signed itself and has no subjectAltName."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old.example.net")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    pem = serialization.Encoding.PEM
    (folder / "self.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + builder.sign(key, hashes.SHA256()).public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "self.pem")
    return context


def dial(
    context: ssl.SSLContext | None, tls: str = "starttls", replies: dict[str, bytes] | None = None, old: bool = False
) -> tuple[Session, Server]:
    """Return the session with a server that speaks TLS so, and what the server saw."""

    async def run() -> tuple[Session, Server]:
        implicit, starttls = (context, None) if tls == "implicit" else (None, context)
        async with smtp(replies, starttls=starttls, implicit=implicit) as server:
            return await prober(old_tls=old).session(listener(server.port, tls)), server

    return asyncio.run(run())


def test_a_starttls_session_keeps_everything_before_and_after_it(ca: trustme.CA) -> None:
    session, server = dial(server_context(ca))
    assert (session.end, session.stage, session.error) == (End.COMPLETE, "", "")
    assert session.starttls == Reply(220, ("go",))
    assert session.extensions == ("STARTTLS", "SIZE")
    assert session.ehlo_tls == session.ehlo
    assert session.tls_version == "TLSv1.3"
    assert session.cipher.startswith("TLS_")
    assert [command.split(" ")[0] for command in server.commands] == ["EHLO", "STARTTLS", "EHLO", "QUIT"]
    assert sum(line.text == "250-mx.example.net" for line in session.lines) == 2
    assert [line.side for line in session.lines if line.text.startswith("TLSv1.3, ")] == ["*"]


def test_a_verified_certificate_is_read(ca: trustme.CA) -> None:
    found = dial(server_context(ca))[0].certificate
    assert found is not None
    assert (found.verified, found.verify_error) == (True, "")
    assert found.names == NAMES[:2]
    assert found.addresses == NAMES[2:]
    assert found.issuer.startswith("OU=")
    assert datetime.datetime.fromisoformat(found.not_before).utcoffset() == datetime.timedelta(0)
    assert found.not_before < found.not_after
    assert len(bytes.fromhex(found.sha256)) == 32


def test_a_certificate_for_another_name_is_verified_all_the_same(ca: trustme.CA) -> None:
    found = dial(server_context(ca, "elsewhere.example.org"))[0].certificate
    assert found is not None
    assert found.verified
    assert found.names == ("elsewhere.example.org",)


def test_implicit_tls_has_one_ehlo_inside_tls(ca: trustme.CA) -> None:
    session, server = dial(server_context(ca), "implicit")
    assert session.end is End.COMPLETE
    assert session.certificate is not None
    assert session.certificate.verified
    assert session.ehlo is not None
    assert session.ehlo_tls == session.ehlo
    assert session.starttls is None
    assert [command.split(" ")[0] for command in server.commands] == ["EHLO", "QUIT"]


def test_the_server_is_told_the_name_of_the_host(ca: trustme.CA) -> None:
    context, told = server_context(ca), []
    context.sni_callback = lambda _socket, name, _context: told.append(name)
    for tls in ("starttls", "implicit"):
        dial(context, tls)
    assert told == ["mx.example.net", "mx.example.net"]


def test_starttls_is_not_used_where_the_inventory_says_none(ca: trustme.CA) -> None:
    session, server = dial(server_context(ca), "none")
    assert (session.end, session.certificate) == (End.COMPLETE, None)
    assert "STARTTLS" in session.extensions
    assert "STARTTLS" not in server.commands


def test_a_server_without_starttls_completes_in_the_clear() -> None:
    session, server = dial(None, replies={"EHLO": b"250 mx.example.net\r\n"}, old=True)
    assert (session.end, session.starttls, session.ehlo_tls, session.certificate) == (End.COMPLETE, None, None, None)
    assert (session.old_tls, session.old_tls_error) == ("", "")
    assert server.connections == 1


@pytest.mark.parametrize("reply", [b"454 TLS not available\r\n", b"what?\r\n"])
def test_a_refused_starttls_is_a_tls_error_and_quit_is_said(reply: bytes) -> None:
    session, server = dial(None, replies={"STARTTLS": reply}, old=True)
    assert (session.end, session.stage) == (End.TLS_ERROR, "starttls")
    assert (session.starttls == Reply(454, ("TLS not available",))) is reply.startswith(b"454")
    assert server.commands[-1] == "QUIT"
    assert server.connections == 1


def test_an_expired_certificate_is_seen_and_not_verified(ca: trustme.CA) -> None:
    then = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    session, server = dial(server_context(ca, valid=(then, then + datetime.timedelta(days=90))))
    assert session.end is End.COMPLETE
    assert session.ehlo_tls is not None
    assert session.certificate is not None
    assert (session.certificate.verified, session.certificate.verify_error) == (False, "certificate has expired")
    assert session.certificate.not_after.startswith("2020-03-31")
    assert session.certificate.names == NAMES[:2]
    assert server.connections == 2
    assert any("without verification" in line.text for line in session.lines if line.side == "*")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_of_an_unknown_authority_is_not_verified(ca: trustme.CA, tls: str) -> None:
    session, _ = dial(server_context(trustme.CA()), tls)
    assert session.end is End.COMPLETE
    assert session.certificate is not None
    assert not session.certificate.verified
    assert "unable to get local issuer" in session.certificate.verify_error


def test_a_self_signed_certificate_gives_its_common_name(ca: trustme.CA, tmp_path: Path) -> None:
    found = dial(self_signed(tmp_path))[0].certificate
    assert found is not None
    assert not found.verified
    assert "self" in found.verify_error
    assert (found.names, found.addresses) == (("old.example.net",), ())
    assert found.subject == found.issuer == "CN=old.example.net"


def test_the_chain_and_the_path_along_it_are_told(ca: trustme.CA) -> None:
    child = ca.create_child_ca()
    found = dial(server_context(child))[0].certificate
    assert found is not None
    assert found.verified
    assert found.path
    assert (found.chain[0], found.path[0].subject) == (found.issuer, found.issuer)
    der = x509.load_pem_x509_certificate(child.cert_pem.bytes()).public_bytes(serialization.Encoding.DER)
    assert found.path[0].digests.sha256 == hashlib.sha256(der).hexdigest()
    assert found.digests
    assert found.digests.sha256 == found.sha256
    assert len({digest for _, _, digest in found.digests.sums}) == 4


def test_what_signed_nothing_is_not_on_the_path(ca: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = ca.issue_cert(*NAMES)
    other = trustme.CA().cert_pem.bytes()
    trustme.LeafCert(leaf.private_key_pem.bytes(), leaf.cert_chain_pems[0].bytes(), [other]).configure_cert(context)
    found = dial(context)[0].certificate
    assert found is not None
    assert (len(found.chain), found.path) == (1, ())


def test_a_certificate_whose_second_session_fails_stays_a_tls_error(ca: trustme.CA) -> None:
    context = server_context(trustme.CA())

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if server.connections > 1:
            writer.write(b"554 enough\r\n")
            return
        writer.write(b"220 mx\r\n")
        await reader.readline()
        writer.write(EHLO)
        await reader.readline()
        writer.write(b"220 go\r\n")
        await writer.start_tls(context)

    async def run() -> Session:
        async with serving(once, seen=server):
            return await prober(old_tls=False).session(listener(server.port, "starttls"))

    server = Server()
    session = asyncio.run(run())
    assert (session.end, session.stage, session.certificate) == (End.TLS_ERROR, "handshake", None)
    assert "issuer" in session.error
    assert "enough" in session.error
    with pytest.raises(Undetermined):
        session.need(session.ehlo_tls, "EHLO inside TLS")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("how", "end"),
    [("junk", End.TLS_ERROR), ("close", End.CLOSED), ("reset", End.RESET), ("wait", End.TIMEOUT)],
)
def test_a_broken_handshake_ends_as_what_it_was(tls: str, how: str, end: End) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if tls == "starttls":
            writer.write(b"220 mx\r\n")
            await reader.readline()
            writer.write(EHLO)
            await reader.readline()
            writer.write(b"220 go\r\n")
        await reader.read(10_000)
        if how == "junk":
            writer.write(b"500 what is this?\r\n")
        if how == "reset":
            reset(writer)
        if how in {"junk", "wait"}:
            await asyncio.sleep(60)

    async def run() -> Session:
        async with serving(handle) as server:
            timeout = 0.3 if how == "wait" else 5.0
            return await prober(old_tls=False, timeout=timeout).session(listener(server.port, tls))

    session = asyncio.run(run())
    assert (session.end, session.stage) == (end, "handshake")
    assert session.error
    assert "_ssl.c" not in session.error
    assert session.starttls == (Reply(220, ("go",)) if tls == "starttls" else None)


def test_a_server_of_today_refuses_old_versions(ca: trustme.CA) -> None:
    context = server_context(ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    session, connections = dial_alerting(context, alerts_at=2)
    assert (session.end, session.old_tls, session.old_tls_error) == (End.COMPLETE, "refused", "")
    assert session.tls_version == "TLSv1.3"
    assert connections == 2


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_server_that_takes_old_versions_is_found_out(ca: trustme.CA, tls: str) -> None:
    session, _ = dial(speaking_old(server_context(ca)), tls, old=True)
    assert session.end is End.COMPLETE
    assert session.tls_version == "TLSv1.3"
    assert session.certificate is not None
    assert session.certificate.verified
    assert (session.old_tls, session.old_tls_error) == ("accepted", "")


def test_a_server_that_speaks_old_versions_only_keeps_both_facts(ca: trustme.CA) -> None:
    session, _ = dial_alerting(speaking_old(server_context(ca), only=True), alerts_at=1)
    assert (session.end, session.stage) == (End.TLS_ERROR, "handshake")
    assert session.error  # in the words of whichever OpenSSL
    assert (session.old_tls, session.old_tls_error) == ("accepted", "")


def test_a_server_that_hangs_up_on_old_versions_without_an_alert_refuses_them(ca: trustme.CA) -> None:
    context = server_context(ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    session, _ = dial(context, old=True)
    assert session.end is End.COMPLETE
    assert (session.old_tls, session.old_tls_error) == ("refused", "")


def test_an_openssl_without_old_versions_says_so(ca: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "HAS_TLSv1", False)
    monkeypatch.setattr(ssl, "HAS_TLSv1_1", False)
    session, server = dial(server_context(ca), old=True)
    assert (session.end, session.old_tls) == (End.COMPLETE, "")
    assert "without TLS 1.0" in session.old_tls_error
    assert server.connections == 1


def dial_alerting(context: ssl.SSLContext, alerts_at: int) -> tuple[Session, int]:
    """Return the session with a server whose n-th connection fails its handshake with an alert.

    asyncio hangs up on a failed handshake without the alert that OpenSSL wrote, so this sends it.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = {b"EHLO": EHLO, b"STAR": b"220 go\r\n", b"QUIT": b"221 bye\r\n"}
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            writer.write(answers[line[:4]])
            if line[:4] == b"STAR" and server.connections == alerts_at:
                await fail_handshake(reader, writer, context)
                return
            if line[:4] == b"STAR":
                await writer.start_tls(context)

    async def run() -> Session:
        async with serving(handle, seen=server):
            return await prober().session(listener(server.port, "starttls"))

    server = Server()
    return asyncio.run(run()), server.connections


async def fail_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
    """Hold a handshake that one side refuses, and send what OpenSSL has to say of it, alert included."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = context.wrap_bio(incoming, outgoing, server_side=True)
    while flight := await reader.read(10_000):
        incoming.write(flight)
        try:
            handshake.do_handshake()
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
        except ssl.SSLError:
            writer.write(outgoing.read())
            return


def speaking_old(context: ssl.SSLContext, *, only: bool = False) -> ssl.SSLContext:
    """Return a server context that takes TLS 1.0 and 1.1 too, or ``only`` them; skip where OpenSSL has neither."""
    if not (ssl.HAS_TLSv1 or ssl.HAS_TLSv1_1):
        pytest.skip("this OpenSSL has no TLS 1.0 and 1.1")
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        if only:
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def test_a_certificate_of_no_known_version_is_unreadable_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(der: bytes) -> x509.Certificate:
        raise x509.InvalidVersion("7 is not a valid X509 version", 7)

    class Peer:
        def getpeercert(self, *, binary_form: bool) -> bytes:
            return b"certificate"

        def get_unverified_chain(self) -> list[bytes]:
            return [b"leaf", b"issuer"]

    monkeypatch.setattr(x509, "load_der_x509_certificate", refuse)
    with pytest.raises(ValueError, match="version"):
        certificate.presented(Peer(), "")  # type: ignore[arg-type]
