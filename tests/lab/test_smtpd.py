"""The simulated listeners: each behaviour as a client meets it."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.lab.smtpd import MAX_LINES, MAX_SESSIONS, serve
from conformance.lab.spec import Behaviour, ListenerSpec, SpecError, parse_listener
from conformance.lab.world import World, serve_world

HOST = "mx.example"


@contextmanager
def listening(**options: object) -> Iterator[tuple[World, int]]:
    """Serve one listener and yield its world and port."""
    spec = ListenerSpec(HOST, **options)  # type: ignore[arg-type]
    with serve_world({}, [spec]) as world:
        yield world, world.ports[HOST, spec.port]


@contextmanager
def connection(port: int, timeout: float = 3.0) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout) as made:
        yield made


def read_all(made: socket.socket) -> bytes:
    """Read until the other side closes."""
    octets = b""
    while more := made.recv(65536):
        octets += more
    return octets


def say(port: int, *commands: str) -> list[str]:
    """Send the commands at once, QUIT last, and return the lines of the whole session."""
    with connection(port) as made:
        made.sendall("".join(f"{command}\r\n" for command in (*commands, "QUIT")).encode())
        return read_all(made).decode("latin-1").split("\r\n")[:-1]


def test_a_session_of_a_good_listener() -> None:
    with listening(tls="none") as (world, port):
        lines = say(port, "EHLO a.example", "MAIL FROM:<>", "rcpt TO:<a@b.example>", "DATA", "NOOP", "RSET", "XYZ")
        assert lines == [
            "220 mx.example ESMTP ready",
            "250-mx.example",
            "250-PIPELINING",
            "250-SIZE 10485760",
            "250-8BITMIME",
            "250 ENHANCEDSTATUSCODES",
            "250 2.1.0 sender noted",
            "554 5.7.1 relay access denied",
            "503 5.5.1 no valid recipients",
            "250 2.0.0 nothing done",
            "250 2.0.0 forgotten",
            "502 5.5.1 not implemented",
            "221 2.0.0 mx.example closes",
        ]
        assert [(c.host, c.port, c.peer, len(c.commands)) for c in world.contacts()] == [(HOST, 25, "127.0.0.1", 8)]


def test_names_banner_and_extensions_are_as_told() -> None:
    with listening(hostname="localhost", banner=("one", "two \xff")) as (_, port):
        assert say(port, "HELO x")[:3] == ["220-one", "220 two \xff", "250 localhost"]
    with listening(ehlo=("[192.0.2.1]", "SIZE 1")) as (_, port):
        assert say(port, "EHLO x")[1:4] == ["250-[192.0.2.1]", "250-SIZE 1", "250 STARTTLS"]


@pytest.mark.parametrize(
    ("behaviour", "commands", "expected"),
    [
        ("banner-554", ("EHLO x",), ["554 5.7.1 mx.example takes no mail from you", "503 5.5.1 no service here"]),
        (
            "ehlo-502",
            ("EHLO x", "HELO x"),
            ["220 mx.example ESMTP ready", "502 5.5.1 not implemented", "250 mx.example"],
        ),
        ("starttls-454", ("STARTTLS",), ["220 mx.example ESMTP ready", "454 4.7.0 TLS not available for now"]),
    ],
)
def test_replies_that_refuse(behaviour: Behaviour, commands: tuple[str, ...], expected: list[str]) -> None:
    with listening(behaviour=behaviour) as (_, port):
        assert say(port, *commands) == [*expected, "221 2.0.0 mx.example closes"]


@pytest.mark.parametrize(
    ("behaviour", "start", "inside"),
    [
        ("banner-garbage", b"\x80\x81", b"\xff\r\n"),
        ("banner-hostile", b"220 mx.example \x1b[2J", b"\x00<script>"),
        ("banner-huge", b"220 mx.example xxx", b"x" * 60000),
    ],
)
def test_banners_that_no_client_expects(behaviour: Behaviour, start: bytes, inside: bytes) -> None:
    with listening(behaviour=behaviour) as (_, port), connection(port) as made:
        octets = b""
        while not octets.endswith(b"\r\n"):
            octets += made.recv(65536)
        assert octets.startswith(start)
        assert inside in octets


def test_a_refusing_listener_is_not_there() -> None:
    with listening(behaviour=Behaviour.REFUSE) as (_, port), pytest.raises(ConnectionRefusedError), connection(port):
        pass


def test_a_deaf_listener_never_answers_the_call() -> None:
    with listening(behaviour=Behaviour.DEAF) as (_, port), pytest.raises(TimeoutError), connection(port, 0.1):
        pass


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_silent_listener_takes_the_call_and_says_nothing(tls: str) -> None:
    with listening(behaviour=Behaviour.SILENT, tls=tls) as (_, port), connection(port, 0.1) as made:
        made.sendall(b"EHLO x\r\n")
        with pytest.raises(TimeoutError):
            made.recv(1)


def test_closing_and_resetting() -> None:
    with listening(behaviour=Behaviour.CLOSE) as (_, port), connection(port) as made:
        assert read_all(made) == b""
    with listening(behaviour=Behaviour.RESET) as (_, port), pytest.raises(ConnectionError), connection(port) as made:
        read_all(made)


def test_ehlo_may_hang_and_the_banner_may_be_late() -> None:
    with listening(behaviour=Behaviour.EHLO_HANG, banner_delay=0.1) as (_, port), connection(port, 0.05) as made:
        with pytest.raises(TimeoutError):
            made.recv(1)
        made.settimeout(3)
        assert made.recv(99) == b"220 mx.example ESMTP ready\r\n"
        made.sendall(b"EHLO x\r\n")
        made.settimeout(0.05)
        with pytest.raises(TimeoutError):
            made.recv(1)


def upgrade(port: int, context: ssl.SSLContext) -> tuple[str | None, list[str]]:
    """Do STARTTLS and return the version and the extensions offered after it."""
    with smtplib.SMTP("127.0.0.1", port, timeout=3) as session:
        session.ehlo()
        assert session.has_extn("starttls")
        session._host = HOST  # type: ignore[attr-defined]
        assert session.starttls(context=context)[0] == 220
        session.ehlo()
        assert isinstance(session.sock, ssl.SSLSocket)
        return session.sock.version(), sorted(session.esmtp_features)


def test_starttls_with_a_trusted_certificate() -> None:
    with listening() as (world, port):
        version, extensions = upgrade(port, ssl.create_default_context(cafile=world.ca_file))
    assert version == "TLSv1.3"
    assert extensions == ["8bitmime", "enhancedstatuscodes", "pipelining", "size"]


@pytest.mark.parametrize(
    ("certificate", "complaint"),
    [
        ("expired", "certificate has expired"),
        ("wrong-name", "Hostname mismatch, certificate is not valid for 'mx.example'."),
        ("self-signed", "self-signed certificate"),
        ("unknown-ca", "unable to get local issuer certificate"),
    ],
)
def test_certificates_are_wrong_in_the_way_asked_for(certificate: str, complaint: str) -> None:
    with listening(certificate=certificate) as (world, port):
        context = ssl.create_default_context(cafile=world.ca_file)
        with pytest.raises(ssl.SSLCertVerificationError) as raised:
            upgrade(port, context)
        assert raised.value.verify_message == complaint
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        assert upgrade(port, context)[0] == "TLSv1.3"


def test_certificate_names_may_be_given() -> None:
    with listening(certificate_names=("other.example", "127.0.0.1")) as (world, port):
        context = ssl.create_default_context(cafile=world.ca_file)
        with pytest.raises(ssl.SSLCertVerificationError):
            upgrade(port, context)
        with smtplib.SMTP("127.0.0.1", port, timeout=3) as session:
            assert session.starttls(context=context)[0] == 220


def lax(oldest: ssl.TLSVersion, newest: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a client's context that verifies nothing and speaks old versions."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = oldest, newest
    return context


def test_tls_versions_have_bounds() -> None:
    v10, v12, v13 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    with listening(tls_min="1.0", tls_max="1.0") as (_, port):
        assert upgrade(port, lax(v10, v13))[0] == "TLSv1"
        with pytest.raises(ssl.SSLError):
            upgrade(port, lax(v12, v13))
    with listening(tls_max="1.2") as (_, port):
        assert upgrade(port, lax(v10, v13))[0] == "TLSv1.2"
    with listening() as (_, port), pytest.raises(ssl.SSLError, match=r"(?i)alert.protocol.version"):
        upgrade(port, lax(v10, v10))


def test_a_broken_handshake_is_a_tls_error() -> None:
    complaint = r"(?i)wrong.version.number"
    with listening(behaviour=Behaviour.HANDSHAKE_BROKEN) as (world, port):
        context = ssl.create_default_context(cafile=world.ca_file)
        with pytest.raises(ssl.SSLError, match=complaint):
            upgrade(port, context)
    implicit = {"behaviour": Behaviour.HANDSHAKE_BROKEN, "tls": "implicit"}
    with listening(**implicit) as (_, port), pytest.raises(ssl.SSLError, match=complaint):
        smtplib.SMTP_SSL("127.0.0.1", port, timeout=3, context=context)


def test_sessions_lines_and_their_number_are_bounded() -> None:
    with listening(tls="none") as (_, port):
        with connection(port) as made:
            made.sendall(b"x" * 20000)
            assert b"250" not in read_until_gone(made)
        with connection(port) as made:
            made.sendall(b"NOOP\r\n" * (MAX_LINES + 5))
            assert read_until_gone(made).count(b"250 ") <= MAX_LINES
        crowd = [socket.create_connection(("127.0.0.1", port), 3) for _ in range(MAX_SESSIONS)]
        for member in crowd:
            assert member.recv(3) == b"220"
        with connection(port) as made:
            assert read_all(made).startswith(b"421 ")
        for member in crowd:
            member.close()


def read_until_gone(made: socket.socket) -> bytes:
    """Read until the other side closes or breaks off."""
    octets = b""
    try:
        while more := made.recv(65536):
            octets += more
    except ConnectionResetError:
        pass
    return octets


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"prot": 25}, "listener: prot: "),
        ({"port": 0}, "listener: Value error, port 0"),
        ({"port": "x"}, "listener: port: "),
        ({"host": "mx_1.example"}, "no certificate can be made for 'mx_1.example'"),
        ({"certificate_names": ["mx.example", "a b"]}, "no certificate can be made for 'a b'"),
        ({"behaviour": "sleepy"}, "listener: behaviour: "),
        ({"tls_min": "1.3", "tls_max": "1.2"}, "tls_min 1.3 is above tls_max 1.2"),
        ({"banner": ["\u20ac"]}, "characters that are not one octet"),
        ({"banner_delay": float("nan")}, "banner_delay nan"),
        ({"certificate": "fine", "tls": "ssl"}, "listener: tls: "),
    ],
)
def test_mistakes_in_a_listener_are_named(table: dict[str, object], complaint: str) -> None:
    with pytest.raises(SpecError) as raised:
        parse_listener(table)
    assert complaint in str(raised.value)


def test_a_listener_is_read_from_a_table() -> None:
    table = {"host": HOST, "port": 2525, "behaviour": "ehlo-502", "banner": ["a", "b"], "addresses": ["2001:db8::1"]}
    spec = parse_listener(table)
    assert (spec.host, spec.port, spec.behaviour, spec.banner) == (HOST, 2525, Behaviour.EHLO_502, ("a", "b"))
    assert [str(address) for address in spec.addresses] == ["2001:db8::1"]


def test_serving_needs_no_world() -> None:
    from conformance.lab.certificates import Certificates

    async def greet() -> bytes:
        running = await serve(ListenerSpec(HOST), Certificates(), "::1", 0)
        reader, writer = await asyncio.open_connection("::1", running.port)
        line = await reader.readline()
        writer.close()
        running.close()
        return line

    assert asyncio.run(greet()) == b"220 mx.example ESMTP ready\r\n"
