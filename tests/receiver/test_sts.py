"""Policy domains: what DNS, HTTPS and SMTP say of them, and who is noted as having asked."""

from __future__ import annotations

import asyncio
import http.client
import smtplib
import socket
import ssl
from dataclasses import dataclass

import dns.message
import dns.query
import dns.rdatatype
import pytest
import trustme

from conformance.receiver.announcement import Unavailable
from conformance.receiver.capture import Capture
from conformance.receiver.certificates import Certificates
from conformance.receiver.ephemeral import Ephemeral
from conformance.receiver.sts import DOMAINS, PATH, Policies
from tests.receiver.site import DOMAIN

ADDRESS = "127.0.7.1"
PATIENCE = 60.0


@dataclass
class Up:
    """A receiver with policies, and a client's trust in it."""

    receiver: Ephemeral
    tls: ssl.SSLContext

    def ask(self, name: str, rdtype: str) -> list[str]:
        query = dns.message.make_query(f"{name}.{DOMAIN}", rdtype)
        answer = dns.query.udp(query, self.receiver.nameserver, PATIENCE, self.receiver.dns_port)
        wanted = dns.rdatatype.from_text(rdtype)
        return [item.to_text() for rrset in answer.answer if rrset.rdtype == wanted for item in rrset]

    def fetch(self, label: str, path: str = PATH) -> tuple[int, str]:
        host = f"mta-sts.{label}.{DOMAIN}"
        plain = socket.create_connection((ADDRESS, self.receiver.https_port), PATIENCE)
        with self.tls.wrap_socket(plain, server_hostname=host) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, response.read().decode()

    def send(self, to: str) -> str:
        """Deliver as a host that verifies the exchange; return what it saw of TLS."""
        (mx,) = self.ask(to.partition("@")[2].removesuffix(f".{DOMAIN}"), "MX")
        name = mx.split()[1].removesuffix(".")
        (address,) = self.ask(name.removesuffix(f".{DOMAIN}"), "A")
        with smtplib.SMTP(timeout=PATIENCE) as client:
            client.connect(address, self.receiver.smtp_port)
            client.ehlo("mx.example.com")
            if not client.has_extn("starttls"):
                client.sendmail("a@example.com", [to], "Subject: x\r\n\r\nx\r\n")
                return "no starttls"
            client._host = name  # type: ignore[attr-defined]
            try:
                client.starttls(context=self.tls)
            except ssl.SSLCertVerificationError:
                client.close()
                return "another name"
            client.sendmail("a@example.com", [to], "Subject: x\r\n\r\nx\r\n")
            return "verified"


def up(policies: bool = True) -> Up:
    ca = trustme.CA()
    leaf = ca.issue_cert(f"*.{DOMAIN}", *Policies(DOMAIN, "mx1").hosts())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf.configure_cert(context)
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    trust = ssl.create_default_context()
    ca.configure_trust(trust)
    receiver = Ephemeral(
        ADDRESS,
        smtp_port=0,
        dns_port=0,
        https_port=0,
        spare=3,
        pace=20,
        certificates=Certificates(chain, leaf.private_key_pem.bytes()),
        policies=context if policies else None,
    )
    return Up(receiver, trust)


def test_dns_and_policy_agree() -> None:
    async def go() -> None:
        made = up()
        async with made.receiver:
            for label, policy in DOMAINS.items():
                (record,) = await asyncio.to_thread(made.ask, f"_mta-sts.{label}", "TXT")
                assert record.startswith('"v=STSv1; id='), record
                assert await asyncio.to_thread(made.ask, f"mta-sts.{label}", "A") == [ADDRESS]
                status, text = await asyncio.to_thread(made.fetch, label)
                assert status == policy.status
                if status == 200:
                    (mx,) = await asyncio.to_thread(made.ask, label, "MX")
                    assert f"mode: {policy.mode}\r\n" in text
                    assert (f"mx: {mx.split()[1].removesuffix('.')}\r\n" in text) is not bool(policy.listed)
                else:
                    assert "STSv1" not in text
            assert await asyncio.to_thread(made.fetch, "sts-enforce", "/") == (404, "")

    asyncio.run(go())


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("sts-enforce", "verified"),
        ("sts-unlisted", "verified"),
        ("sts-mismatch", "another name"),
        ("sts-plain", "no starttls"),
    ],
)
def test_what_a_host_meets_at_the_exchange(route: str, expected: str) -> None:
    async def go() -> tuple[Capture, ...]:
        made = up()
        async with made.receiver:
            (address,) = await made.receiver.open("accept", route, 1, 60)
            assert address.endswith(f"@{route}.{DOMAIN}")
            assert await asyncio.to_thread(made.send, address) == expected
            return await made.receiver.collect([address.partition("@")[0]])

    captures = asyncio.run(go())
    assert len(captures) == (expected != "another name")


def test_those_who_fetch_are_noted_with_mail_that_comes_later() -> None:
    async def go() -> None:
        made = up()
        async with made.receiver:
            addresses = [(await made.receiver.open("accept", "sts-unlisted", 1, 60))[0] for _ in range(3)]
            seen = []
            for number, address in enumerate(addresses):
                if number == 1:
                    await asyncio.to_thread(made.fetch, "sts-unlisted")
                elif number == 2:
                    made.tls, trust = ssl.create_default_context(), made.tls
                    with pytest.raises(ssl.SSLError):
                        await asyncio.to_thread(made.fetch, "sts-unlisted")
                    made.tls = trust
                await asyncio.to_thread(made.send, address)
                (capture,) = await made.receiver.collect([address.partition("@")[0]])
                seen.append([(visit.peer[:4], visit.status) for visit in capture.visits])
            assert seen == [[], [("127.", 200)], [("127.", 200), ("", 0)]]

    asyncio.run(go())


def test_without_a_certificate_there_are_no_policies() -> None:
    async def go() -> None:
        made = up(policies=False)
        async with made.receiver:
            assert not set(DOMAINS) & set((await made.receiver.announce()).routes)
            assert await asyncio.to_thread(made.ask, "_mta-sts.sts-enforce", "TXT") == []
            with pytest.raises(Unavailable, match="a certificate for its policy hosts"):
                await made.receiver.open("accept", "sts-enforce", 1, 60)

    asyncio.run(go())
