"""A fast authoritative name server in a process of its own, with a delay and with zones that stay silent."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import socket
from collections.abc import Collection, Iterator, Sequence
from multiprocessing.connection import Connection

import dns.message
import dns.name
import dns.rrset

Records = Sequence[tuple[str, str, str]]
"""Owner, type and data of each record, names absolute."""

_TTL = 300
_HEADER = 12
_TYPE_AND_CLASS = 4
_NODATA = bytes.fromhex("8500")
_NXDOMAIN = bytes.fromhex("8503")
_ONE_QUESTION = bytes.fromhex("0001 0000 0000 0000")


class _Zone:
    """Replies by question, all made before the first is asked, so that serving costs little of what is measured."""

    def __init__(self, records: Records, silent: Collection[str]) -> None:
        rrsets: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = {}
        for name, rdtype, data in records:
            rrset = dns.rrset.from_text(name, _TTL, "IN", rdtype, data)
            kept = rrsets.setdefault((rrset.name, rrset.rdtype), rrset)
            for rdata in rrset:
                kept.add(rdata)
        self._names = {name.to_wire() for name, _ in rrsets}
        self._silent = tuple(dns.name.from_text(name).to_wire() or b"" for name in silent)
        self._made = {}
        for (name, rdtype), rrset in rrsets.items():
            reply = dns.message.make_response(dns.message.make_query(name, rdtype, use_edns=0))
            reply.answer.append(rrset)
            data = reply.to_wire()
            self._made[data[_HEADER : _end(data)]] = data[2:]

    def reply(self, query: bytes) -> bytes:
        """Return a reply without its id; nothing for a name in a silent zone."""
        question = query[_HEADER : _end(query)]
        if question[:-_TYPE_AND_CLASS].endswith(self._silent):
            return b""
        if question in self._made:
            return self._made[question]
        flags = _NODATA if question[:-_TYPE_AND_CLASS] in self._names else _NXDOMAIN
        return flags + _ONE_QUESTION + question


def _end(message: bytes) -> int:
    """Return where the question of a message ends."""
    return message.index(b"\0", _HEADER) + 1 + _TYPE_AND_CLASS


class _Server(asyncio.DatagramProtocol):
    def __init__(self, zone: _Zone, delay: float) -> None:
        self._zone = zone
        self._delay = delay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if reply := self._zone.reply(data):
            send = self._transport.sendto  # type: ignore[attr-defined]
            asyncio.get_running_loop().call_later(self._delay, send, data[:2] + reply, addr)


def _serve(records: Records, silent: Collection[str], delay: float, ready: Connection) -> None:
    async def run() -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        zone = _Zone(records, silent)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Server(zone, delay), sock=sock)
        ready.send(sock.getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(run())


@contextlib.contextmanager
def name_server(records: Records, *, delay: float = 0.0, silent: Collection[str] = ()) -> Iterator[int]:
    """Serve records on 127.0.0.1 and yield the port. ``delay`` is in seconds, ``silent`` names zones never answered."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(records, silent, delay, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(10):
            raise RuntimeError("the name server did not start")
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def mail_records(domain: str) -> Records:
    """Return the records of a domain that sends mail from one host."""
    return [
        (f"{domain}.", "MX", f"10 mx.{domain}."),
        (f"{domain}.", "TXT", f'"v=spf1 mx include:_spf.{domain} -all"'),
        (f"_spf.{domain}.", "TXT", '"v=spf1 ip4:192.0.2.1 -all"'),
        (f"{domain}.", "A", "192.0.2.1"),
        (f"mx.{domain}.", "A", "192.0.2.1"),
        (f"_dmarc.{domain}.", "TXT", f'"v=DMARC1; p=reject; rua=mailto:d@{domain}"'),
        (f"s1._domainkey.{domain}.", "TXT", f'"v=DKIM1; p={"A" * 200}" "{"A" * 190}"'),
        (f"s2._domainkey.{domain}.", "TXT", f'"v=DKIM1; p={"A" * 200}" "{"A" * 190}"'),
    ]
