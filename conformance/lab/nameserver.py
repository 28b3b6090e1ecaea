"""An authoritative name server for the lab and the worlds: several zones, UDP and TCP, faults on request.

Zone files are master files (RFC 1035 section 5). A zone without SOA or NS is given plain ones, and 60 seconds is
the TTL where none is stated. A comment line asks for a fault::

    ;fault NAME [TYPE] KIND [subtree]

NAME is relative to the origin (``@`` is the origin itself), TYPE a record type (any, when left out), ``subtree``
takes in all names below. KIND is one of:

* ``servfail``, ``refused``, ``nxdomain``, ``formerr``: the answer is that code and no records;
* ``drop``: no answer at all;
* ``truncate``: over UDP only an empty answer with TC set; TCP answers as usual;
* ``delay:SECONDS``: the true answer, late;
* ``badid``: first an answer with another message id, then the true one;
* ``authentic``: the answer of a resolver that has validated it (AD); ``insecure``: again without that, below one;
* ``bogus``: that of one which cannot validate it, SERVFAIL, unless the query says CD.

A file's name is its origin with ``.zone`` behind it; ``root.zone`` is the root.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from conformance.lab.stub import Stubs, passed_on
from conformance.lab.zone import Fault, Zone, ZoneError, ancestors
from conformance.receiver import dnswire
from conformance.receiver.dnswire import Reply, Result, Transport

MAX_ALIASES = 16
MAX_LOG = 100_000

_RCODES: dict[str, dns.rcode.Rcode] = {
    "servfail": dns.rcode.SERVFAIL,
    "refused": dns.rcode.REFUSED,
    "nxdomain": dns.rcode.NXDOMAIN,
    "formerr": dns.rcode.FORMERR,
}


@dataclass(frozen=True, slots=True)
class Query:
    """One question that was received. ``at`` is Unix time; ``rcode`` says ``DROP`` when it was not answered."""

    at: float
    transport: Transport
    client: str
    name: str
    rdtype: str
    rcode: str


class Authority:
    """The zones, the faults and the log of one server. Belongs to one event loop or thread."""

    def __init__(self) -> None:
        self.log: deque[Query] = deque(maxlen=MAX_LOG)
        self.stubs = Stubs()
        self._zones: dict[dns.name.Name, Zone] = {}
        self._faults: dict[tuple[dns.name.Name, int | None], Fault] = {}
        self._subtrees: dict[tuple[dns.name.Name, int | None], Fault] = {}

    def load(self, origin: str, text: str, filename: str | None = None) -> None:
        """Load a zone, or replace it; faults asked for earlier stay. Raises ZoneError with file and line."""
        filename = filename or f"zone {origin}"
        zone = Zone.parse(origin, text, filename)
        self._link(zone)
        self._load_faults(zone.origin, text, filename)

    def load_file(self, path: Path, fill: Callable[[str], str] = str) -> None:
        """Load ``ORIGIN.zone``, of which ``fill`` makes the zone. Raises ZoneError, also when it cannot be read."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ZoneError(f"{path}: {error}") from error
        stem = path.name.removesuffix(".zone")
        self.load("." if stem == "root" else stem, fill(text), path.name)

    def fault(self, name: str, kind: str, rdtype: str | None = None, *, subtree: bool = False) -> None:
        """Answer questions for a name with a fault (see the module's text). Raises ZoneError."""
        self._add_fault(dns.name.root, name, kind, rdtype, subtree)

    def fault_line(self, line: str, origin: dns.name.Name = dns.name.root) -> None:
        """Ask for a fault as ``NAME [TYPE] KIND [subtree]``. Raises ZoneError."""
        words = line.split()
        subtree = words[-1:] == ["subtree"]
        words = words[:-1] if subtree else words
        if len(words) not in {2, 3}:
            raise ZoneError(f"{line!r}: expected NAME [TYPE] KIND [subtree]")
        self._add_fault(origin, words[0], words[-1], words[1] if len(words) == 3 else None, subtree)

    def answer(self, wire: bytes, transport: Transport, client: str) -> Reply:
        """Return what the server says to one message, which may be anything at all."""
        if server := self.stubs.server_for(wire):
            return Reply(None, fetch=partial(passed_on, wire, server, self.stubs.vouches_for(server)))
        query = dnswire.read(wire)
        if isinstance(query, Reply):
            return query
        question = query.question[0]
        result = self._judge(query, question)
        fault = self._fault_for(result.names, question.rdtype)
        if fault and fault.kind in _RCODES:
            result = self._failed(question, _RCODES[fault.kind])
        kind = fault.kind if fault else None
        if kind == "bogus" and not query.flags & dns.flags.CD:
            result = self._failed(question, dns.rcode.SERVFAIL)
        result.authentic = kind == "authentic"
        rcode = "DROP" if kind == "drop" else dns.rcode.to_text(result.rcode)
        rdtype = dns.rdatatype.to_text(question.rdtype)
        self.log.append(Query(time.time(), transport, client, question.name.to_text(), rdtype, rcode))
        if kind == "drop":
            return Reply(None)
        answer = dnswire.encode(query, result, transport, truncate=kind == "truncate")
        decoy = bytes((answer[0] ^ 0xFF, *answer[1:])) if kind == "badid" else None
        return Reply(answer, fault.delay if fault else 0.0, decoy)

    def _link(self, loaded: Zone) -> None:
        """Let the names between a zone and a zone inside it exist in the outer one (RFC 8020)."""
        self._zones[loaded.origin] = loaded
        for zone in self._zones.values():
            for outer, inner in ((loaded, zone), (zone, loaded)):
                if len(inner.origin) > len(outer.origin) and inner.origin.is_subdomain(outer.origin):
                    outer.add_empty(inner.origin)

    def _load_faults(self, origin: dns.name.Name, text: str, filename: str) -> None:
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith(";fault "):
                try:
                    self.fault_line(line.removeprefix(";fault "), origin)
                except ZoneError as error:
                    raise ZoneError(f"{filename}:{number}: {error}") from error

    def _add_fault(self, origin: dns.name.Name, name: str, kind: str, rdtype: str | None, subtree: bool) -> None:
        fault = Fault.parse(kind)
        try:
            key = dns.name.from_text(name, origin), dns.rdatatype.from_text(rdtype) if rdtype else None
        except (dns.exception.DNSException, ValueError) as error:
            raise ZoneError(f"fault at {name!r} {rdtype or ''}: {str(error) or type(error).__name__}") from error
        (self._subtrees if subtree else self._faults)[key] = fault

    def _fault_for(self, names: Iterable[dns.name.Name], rdtype: int) -> Fault | None:
        for name in names:
            for key in ((name, rdtype), (name, None)):
                if fault := self._faults.get(key):
                    return fault
            for above in ancestors(name) if self._subtrees else ():
                if fault := self._subtrees.get((above, rdtype)) or self._subtrees.get((above, None)):
                    return fault
        return None

    def _zone_for(self, name: dns.name.Name, rdtype: int) -> Zone | None:
        zones = (zone for above in ancestors(name) if (zone := self._zones.get(above)))
        zone = next(zones, None)
        if zone and rdtype == dns.rdatatype.DS and zone.origin == name:
            # DS lives on the parent's side of the cut (RFC 4035 section 3.1.4.1).
            return next(zones, zone)
        return zone

    def _resolve(self, name: dns.name.Name, rdtype: int) -> Result:
        result = Result()
        while name not in result.names and len(result.names) <= MAX_ALIASES:
            result.names.append(name)
            zone = self._zone_for(name, rdtype)
            if zone is None:
                if not result.answer:
                    result.rcode, result.authoritative = dns.rcode.REFUSED, False
                return result
            target = zone.look(name, rdtype, result)
            if target is None:
                return result
            name = target
        # A loop: the code that a resolver would pass on.
        return Result(dns.rcode.SERVFAIL, authoritative=False, names=result.names)

    def _failed(self, question: dns.rrset.RRset, rcode: dns.rcode.Rcode) -> Result:
        """Return an answer of a code alone; NXDOMAIN is believed with an SOA record only (RFC 2308 section 2.1)."""
        zone = self._zone_for(question.name, question.rdtype)
        soa = [zone.soa] if zone and rcode == dns.rcode.NXDOMAIN else []
        return Result(rcode, authoritative=bool(soa), authority=soa)

    def _judge(self, query: dns.message.Message, question: dns.rrset.RRset) -> Result:
        return dnswire.refused(query) or self._resolve(question.name, question.rdtype)


async def _run(authority: Authority, host: str, port: int) -> None:
    running = await dnswire.serve(authority.answer, host, port)
    sys.stderr.write(f"listening on {host} port {running.port}\n")
    await asyncio.Event().wait()


def main() -> None:
    """Serve zone files until interrupted: ``python -m conformance.lab.nameserver --listen ADDRESS:PORT FILE...``."""
    parser = argparse.ArgumentParser(prog="python -m conformance.lab.nameserver", description="Serve zone files.")
    parser.add_argument("--listen", default="127.0.0.1:5353", metavar="ADDRESS:PORT")
    parser.add_argument("--stub", action="append", default=[], metavar="DOMAIN=ADDRESS", help="Ask there for a domain.")
    parser.add_argument("files", nargs="+", type=Path, metavar="ORIGIN.zone")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    authority = Authority()
    try:
        for path in options.files:
            authority.load_file(path)
        for domain, _, server in (stub.partition("=") for stub in options.stub):
            authority.stubs.add(domain, server)
        asyncio.run(_run(authority, host.strip("[]"), int(port)))
    except (ZoneError, OSError, ValueError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
