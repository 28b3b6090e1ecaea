"""The receiver as a service: started as a process, stopped, killed, and asked by a run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest
import trustme
from click.testing import CliRunner, Result

from conformance.cli import main
from conformance.receiver.announcement import Denied, Unreached, token_of
from conformance.receiver.remote import Remote
from tests.receiver.site import DOMAIN

PATIENCE = 60.0
ROOT = ("--as-root",) if os.geteuid() == 0 else ()


@dataclass
class Receiver:
    """A receiver's files, and the process while it runs."""

    folder: Path
    tls: ssl.SSLContext
    process: subprocess.Popen[str] | None = None
    ports: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "receiver.toml"

    def command(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["receiver", *arguments])

    def serve(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "conformance.cli", "receiver", "serve", "--config", str(self.config), *ROOT],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def client(self, name: str = "ci") -> str:
        done = self.command("token", name, "--clients", str(self.folder / "clients"))
        assert done.exit_code == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def running(self) -> Iterator[Receiver]:
        self.ports.clear()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "conformance.cli", "receiver", "serve", "--config", str(self.config), *ROOT],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | self.environ,
        )
        assert self.process.stderr
        try:
            for line in self.process.stderr:
                self.said.append(line)
                if match := re.fullmatch(r"INFO (smtp|dns|https) at (\S+) port (\d+)\n", line):
                    self.ports.setdefault(match[1], []).append((match[2], int(match[3])))
                if "https" in self.ports:
                    break
            assert self.ports, self.said
            reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)  # type: ignore[union-attr,arg-type]
            reader.start()
            yield self
        finally:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def remote(self, secret: str) -> Remote:
        return Remote(f"https://127.0.0.1:{self.ports['https'][0][1]}", secret, domain=DOMAIN, tls=self.tls)


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", f"*.{DOMAIN}")
    (tmp_path / "certificate.pem").write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "clients").write_text("")
    (tmp_path / "receiver.toml").write_text(
        f"""
domain = "{DOMAIN}"
clients = "{tmp_path}/clients"
state = "{tmp_path}/state"
exchange = [{{addresses = ["127.0.4.1"]}}, {{addresses = ["127.0.4.2"]}}]
ports = {{smtp = 0, dns = 0}}
https = {{listen = ["127.0.0.1:0"]}}
[tls]
certificate = "{tmp_path}/certificate.pem"
key = "{tmp_path}/key.pem"
"""
    )
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    return Receiver(tmp_path, tls)


def deliver(end: tuple[str, int], to: Sequence[str], text: str) -> None:
    with smtplib.SMTP(*end, local_hostname="mx.example.com", timeout=PATIENCE) as client:
        client.sendmail("a@example.com", list(to), f"Subject: {text}\r\n\r\n{text}\r\n")


def subjects(captures: Sequence[object]) -> list[str]:
    return [
        re.search(r"Subject: (\S+)", transaction.wire)[1]  # type: ignore[index]
        for capture in captures
        for transaction in capture.transactions  # type: ignore[attr-defined]
        if transaction.accepted
    ]


def test_a_run_elsewhere_collects_what_a_host_sent(receiver: Receiver) -> None:
    secret, stranger = receiver.client(), receiver.client("other")

    async def go() -> None:
        async with receiver.remote(secret) as asked, receiver.remote(stranger) as other:
            said = await asked.announce()
            assert said.spare == 1
            (address,) = await asked.open("accept", n=1)
            await asyncio.to_thread(deliver, receiver.ports["smtp"][0], [address], "first")
            captures = await asked.wait([token_of(address)], PATIENCE, lambda found: bool(subjects(found)))
            assert subjects(captures) == ["first"]
            assert captures[0].exchange == f"mx1.{DOMAIN}"
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                await asyncio.to_thread(deliver, receiver.ports["smtp"][0], ["someone@example.org"], "relayed")
            query = dns.message.make_query(address.partition("@")[2], "MX")
            for ask in (dns.query.udp, dns.query.tcp):
                host, port = receiver.ports["dns"][0]
                answer = await asyncio.to_thread(ask, query, host, PATIENCE, port)
                assert answer.answer[0][0].to_text() == f"10 mx1.{DOMAIN}."
            with pytest.raises(Exception, match="no such token"):
                await other.collect([token_of(address)])
        async with receiver.remote("wrong-token-of-many-letters") as denied:
            with pytest.raises(Denied):
                await denied.announce()

    with receiver.running():
        asyncio.run(go())
        assert receiver.stop() == 0
    log = "".join(receiver.said)
    assert secret not in log
    assert stranger not in log
    assert "wrong-token" not in log
    assert "rror" not in log


def test_a_clean_stop_ends_sessions_and_keeps_them(receiver: Receiver) -> None:
    secret = receiver.client()

    async def begin() -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
        async with receiver.remote(secret) as asked:
            (address,) = await asked.open("accept")
        reader, writer = await asyncio.open_connection(*receiver.ports["smtp"][0])
        for line in ("EHLO mx.example.com", "MAIL FROM:<>", f"RCPT TO:<{address}>"):
            while (await reader.readline())[3:4] == b"-":
                pass
            writer.write(f"{line}\r\n".encode())
        assert (await reader.readline()).startswith(b"250")
        return address, reader, writer

    async def end() -> str:
        address, reader, writer = await begin()
        code = await asyncio.to_thread(receiver.stop)
        assert code == 0
        assert b"421 " in await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        return address

    async def look(address: str) -> None:
        async with receiver.remote(secret) as asked:
            (capture,) = await asked.collect([token_of(address)])
            assert capture.ended == "open"
            assert capture.transactions[0].recipients[0].code == 250

    with receiver.running():
        address = asyncio.run(end())
    with receiver.running():
        asyncio.run(look(address))
        assert receiver.stop() == 0


def test_kill_9_in_the_middle_loses_nothing_that_was_acknowledged(receiver: Receiver) -> None:
    secret = receiver.client()
    acknowledged: list[str] = []
    enough = threading.Event()

    def send(end: tuple[str, int], address: str, sender: int) -> None:
        for number in range(10_000):
            try:
                deliver(end, [address], f"{sender}-{number}")
            except (OSError, smtplib.SMTPException):
                return
            acknowledged.append(f"{sender}-{number}")
            if len(acknowledged) >= 60:
                enough.set()

    async def begin() -> str:
        async with receiver.remote(secret) as asked:
            (address,) = await asked.open("accept")
            return address

    async def end(address: str) -> list[str]:
        async with receiver.remote(secret) as asked:
            return subjects(await asked.collect([token_of(address)]))

    with receiver.running():
        address = asyncio.run(begin())
        ends = receiver.ports["smtp"]
        senders = [threading.Thread(target=send, args=(ends[0], address, sender)) for sender in range(8)]
        for sender in senders:
            sender.start()
        assert enough.wait(PATIENCE)
        assert receiver.process
        receiver.process.send_signal(signal.SIGKILL)
        assert receiver.process.wait() == -signal.SIGKILL
        for sender in senders:
            sender.join()
    with receiver.running():
        found = asyncio.run(end(address))
        assert receiver.stop() == 0
    assert len(acknowledged) >= 60
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    assert len(found) <= len(acknowledged) + 8


SECRETIVE = """
import os, sys

def hook(event, arguments):
    if event == "socket.connect" and not isinstance(arguments[1], (str, bytes)):
        with open(os.environ["CONNECTED"], "a") as file:
            file.write(f"{arguments[1]}\\n")

sys.addaudithook(hook)
"""
"""Notes every connection that a process opens."""


def test_it_connects_to_nobody_whatever_it_is_told(receiver: Receiver) -> None:
    (receiver.folder / "sitecustomize.py").write_text(SECRETIVE)
    connected = receiver.folder / "connected"
    receiver.environ |= {"PYTHONPATH": str(receiver.folder), "CONNECTED": str(connected)}
    probe = f"import socket; socket.socket().connect_ex({('127.0.4.9', 1)})"
    subprocess.run([sys.executable, "-c", probe], env=os.environ | receiver.environ, check=True, timeout=PATIENCE)
    assert connected.read_text(), "the hook sees connections"
    connected.unlink()
    secret = receiver.client()

    async def go() -> None:
        async with receiver.remote(secret) as asked:
            taken, refused = [(await asked.open(scenario))[0] for scenario in ("accept", "refuse-dot")]
            for to in (taken, refused, "someone@example.org"):
                for sender in ("a@example.com", "", taken):
                    with contextlib.suppress(smtplib.SMTPException):
                        await asyncio.to_thread(mail, receiver.ports["smtp"][0], sender, to)
            assert await asked.wait([token_of(taken)], PATIENCE, lambda found: len(found) == 3)

    with receiver.running():
        asyncio.run(go())
        assert receiver.stop() == 0
    assert not connected.exists(), connected.read_text()


def mail(end: tuple[str, int], sender: str, to: str) -> None:
    with smtplib.SMTP(*end, local_hostname="mx.example.com", timeout=PATIENCE) as client:
        client.sendmail(sender, [to], "Return-Receipt-To: <a@example.com>\r\nSubject: x\r\n\r\nx\r\n")


def test_sighup_reads_the_clients_anew(receiver: Receiver) -> None:
    old = receiver.client("old")

    async def announce(secret: str) -> str:
        async with receiver.remote(secret) as asked:
            return (await asked.announce()).domain

    def hang_up(expected: str) -> None:
        assert receiver.process
        known = len(receiver.said)
        receiver.process.send_signal(signal.SIGHUP)
        for _ in range(int(PATIENCE * 20)):
            if any(expected in line for line in receiver.said[known:]):
                return
            threading.Event().wait(0.05)
        raise AssertionError(receiver.said)

    with receiver.running():
        new = receiver.client("new")
        with pytest.raises(Denied):
            asyncio.run(announce(new))
        hang_up("clients were read anew")
        assert asyncio.run(announce(new)) == DOMAIN
        (receiver.folder / "clients").write_text("what is this\n")
        hang_up("clients were not read anew")
        assert asyncio.run(announce(old)) == DOMAIN
        assert receiver.stop() == 0


def test_it_says_what_is_wrong_and_ends_with_4(receiver: Receiver, tmp_path: Path) -> None:
    if ROOT:
        refused = receiver.command("serve", "--config", str(receiver.config))
        assert refused.exit_code == 4
        assert "--as-root" in refused.stderr
    assert receiver.command("check-config", "--config", str(receiver.config)).exit_code == 0
    (tmp_path / "key.pem").write_text("no key\n")
    checked = receiver.command("check-config", "--config", str(receiver.config))
    served = receiver.serve()
    assert (checked.exit_code, served.returncode) == (4, 4)
    for said in (checked.stderr, served.stderr):
        assert "key.pem" in said
        assert "Traceback" not in said
    receiver.config.write_text("domain = 7\n")
    checked = receiver.command("check-config", "--config", str(receiver.config))
    assert checked.exit_code == 4
    assert f"{receiver.config}: domain: " in checked.stderr


def test_a_port_that_is_taken_is_said(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = receiver.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}")
        receiver.config.write_text(text)
        done = receiver.serve()
    assert done.returncode == 4
    assert f"127.0.0.1 port {port}: Address already in use" in done.stderr


def test_check_config_says_what_cannot_be_played(receiver: Receiver) -> None:
    text = receiver.config.read_text().replace(', {addresses = ["127.0.4.2"]}', "")
    receiver.config.write_text(text)
    done = receiver.command("check-config", "--config", str(receiver.config))
    assert done.exit_code == 0
    assert "route mx-two cannot be played: it needs a second address" in done.stdout
    assert "needs a spare exchange" in done.stdout
    assert "clients names no client" in done.stderr
    assert f"certificate.pem does not cover {DOMAIN}\n" in done.stderr, "its names are 127.0.0.1 and *.DOMAIN"
    assert "mx1" not in done.stderr
    assert "expired" not in done.stderr


def test_the_key_of_the_zone_is_kept_and_its_record_is_printed(receiver: Receiver) -> None:
    async def go(secret: str) -> tuple[str, ...]:
        async with receiver.remote(secret) as asked:
            return (await asked.announce()).ds

    secret = receiver.client()
    early = receiver.command("dns", "--config", str(receiver.config))
    assert early.exit_code == 4
    assert early.stdout.splitlines()[0] == f"{DOMAIN}. IN NS ns.{DOMAIN}."
    assert "start the service once" in early.stderr
    told = []
    for _ in range(2):
        with receiver.running():
            told.append(asyncio.run(go(secret)))
            assert receiver.stop() == 0
    late = receiver.command("dns", "--config", str(receiver.config))
    assert late.exit_code == 0
    assert told == [(late.stdout.splitlines()[-1].removeprefix(f"{DOMAIN}. IN DS "),)] * 2
    assert f"ns.{DOMAIN}. IN A 127.0.4.1" in late.stdout
    (receiver.folder / "state" / "zone-key.pem").write_text("no key\n")
    for done in (receiver.command("dns", "--config", str(receiver.config)), receiver.serve()):
        assert "zone_key: " in done.stderr
        assert "holds no private key" in done.stderr


def test_tokens_are_shown_once_and_kept_as_digests(receiver: Receiver) -> None:
    clients = receiver.folder / "clients"
    clients.write_text("# ours")
    first, second = receiver.client("ci"), receiver.client("nightly")
    assert first != second
    assert first not in clients.read_text()
    assert [line.split()[0] for line in clients.read_text().splitlines()] == ["#", "ci", "nightly"]
    again = receiver.command("token", "ci", "--clients", str(clients))
    assert (again.exit_code, again.stdout) == (4, "")
    assert receiver.command("token", "a b").exit_code == 4
    bare = receiver.command("token", "ci")
    assert bare.stderr.startswith("ci ")
    assert bare.stdout.strip() not in bare.stderr


def test_a_receiver_that_is_down_is_said(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.receiver.remote.TRIES", 1)
    receiver.ports["https"] = [("127.0.0.1", 9)]

    async def go() -> None:
        async with receiver.remote("some-token-of-many-letters") as asked:
            with pytest.raises(Unreached, match="cannot be reached"):
                await asked.announce()

    asyncio.run(go())


def test_policies_are_served_beside_those_who_collect_with_a_certificate_of_their_own(receiver: Receiver) -> None:
    host, authority, trust = f"mta-sts.sts-enforce.{DOMAIN}", trustme.CA(), ssl.create_default_context()
    authority.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(str(receiver.folder / "policies.pem"))
    authority.configure_trust(trust)
    both = f'"{receiver.folder}/policies.pem"'
    part = f'[policies]\ncertificate = {both}\nkey = {both}\nplain = {{addresses = ["127.0.4.3"]}}\n'
    receiver.config.write_text(receiver.config.read_text() + part)
    secret = receiver.client()

    def fetched() -> bytes:
        plain = socket.create_connection(receiver.ports["https"][0], PATIENCE)
        with trust.wrap_socket(plain, server_hostname=host) as connection, connection.makefile("rb") as answer:
            connection.sendall(f"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            return answer.read()

    async def go() -> None:
        async with receiver.remote(secret) as asked:
            assert {"sts-enforce", "sts-plain"} <= set((await asked.announce()).routes)
            (address,) = await asked.open("accept", "sts-plain")
            assert b"mx: mx1.conform.example.net\r\n" in await asyncio.to_thread(fetched)
            with smtplib.SMTP(*receiver.ports["smtp"][-1], timeout=PATIENCE) as client:
                client.ehlo("mx.example.com")
                assert not client.has_extn("starttls")
                client.sendmail("a@example.com", [address], "Subject: clear\r\n\r\nx\r\n")
            (capture,) = await asked.wait([token_of(address)], PATIENCE, lambda found: bool(subjects(found)))
            assert capture.exchange == f"mx-plain.{DOMAIN}"
            assert capture.tokens == (token_of(address),)

    with receiver.running():
        asyncio.run(go())
        assert receiver.stop() == 0
    done = receiver.command("check-config", "--config", str(receiver.config))
    assert f"policies.pem does not cover mta-sts.sts-dane.{DOMAIN}" in done.stdout + done.stderr
