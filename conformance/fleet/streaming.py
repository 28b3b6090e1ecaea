"""Makes the streams of a host out of what its inventory says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.fleet.catalogue import Catalogue
from conformance.fleet.model import Address, Stream
from conformance.fleet.reader import Reader
from conformance.fleet.streams import StreamEntry
from conformance.fleet.values import Host, label

STREAMS = "mailconform_streams"
_NEEDED = {"command": "command", "file": "file"}
"""What ``how`` cannot do without, by its value."""


def streams(host: Host, addresses: Sequence[Address], reader: Reader, catalogue: Catalogue) -> Iterator[Stream]:
    """Yield the streams of a host; what is wrong with them is noted as the reader's problems."""
    value = host.variables.get(STREAMS)
    entries: dict[str, StreamEntry] = reader.get(host, STREAMS)
    for name in sorted(entries):
        entry = entries[name]
        origin = value.origin((name,)) if value else None
        what = label(STREAMS, (name,))
        if (needed := _NEEDED.get(entry.how)) and not getattr(entry, needed):
            reader.problems.add(what, f"has how: {entry.how} and no {needed}", origin)
        own = {address.ip for address in addresses}
        for source in entry.sources:
            if source not in own:
                text = f"leaves from {source}, which is no mailconform_send_from of {host.name}"
                reader.problems.add(what, text, origin)
        domain = entry.author.rpartition("@")[2]
        known = catalogue.domains.get(domain)
        if catalogue.is_complete and known is None:
            text = f"has {domain} in From, which is not in mailconform_domains"
            reader.problems.add(what, text, origin, "add it there: its SPF, DKIM and DMARC are judged by that")
        yield Stream(
            host=host.name,
            name=name,
            author=entry.author,
            domain=domain,
            mail_from=entry.envelope or (known.mail_from if known else domain),
            kind=entry.kind,
            how=entry.how,
            sources=tuple(entry.sources) or tuple(address.ip for address in addresses),
            chosen=entry.how == "command" and any("{source}" in part for part in entry.command),
            settings=entry.model_dump(exclude_none=True),
            origin=origin,
        )
