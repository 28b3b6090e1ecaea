"""Makes the streams of a host, and the door they leave by, out of what its inventory says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.fleet.catalogue import Catalogue
from conformance.fleet.model import Address, Listener
from conformance.fleet.origin import Origin
from conformance.fleet.reader import Reader
from conformance.fleet.sending import Stream, Submission
from conformance.fleet.streams import StreamEntry, SubmissionEntry
from conformance.fleet.values import Host, Value, label

STREAMS = "mailconform_streams"
SUBMISSION = "mailconform_submission"
_NEEDED = {"command": "command", "file": "file"}
"""What ``how`` cannot do without, by its value."""
_PREFERRED = (587, 465)


def streams(
    host: Host, addresses: Sequence[Address], door: Submission | None, reader: Reader, catalogue: Catalogue
) -> Iterator[Stream]:
    """Yield the streams of a host; what is wrong with them is noted as the reader's problems."""
    value = host.variables.get(STREAMS)
    entries: dict[str, StreamEntry] = reader.get(host, STREAMS)
    for name in sorted(entries):
        entry = entries[name]
        origin = value.origin((name,)) if value else None
        for text, hint in _problems(entry, value, name, host, addresses, door):
            reader.problems.add(label(STREAMS, (name,)), text, origin, hint)
        domain = entry.author.rpartition("@")[2]
        known = catalogue.domains.get(domain)
        if catalogue.is_complete and known is None:
            text = f"has {domain} in From, which is not in mailconform_domains"
            hint = "add it there: its SPF, DKIM and DMARC are judged by that"
            reader.problems.add(label(STREAMS, (name,)), text, origin, hint)
        envelope = entry.envelope or (known.mail_from if known else domain)
        sender = entry.sender or f"{entry.author.rpartition('@')[0]}@{envelope}"
        yield Stream(
            host=host.name,
            name=name,
            author=entry.author,
            domain=domain,
            mail_from=sender.rpartition("@")[2],
            kind=entry.kind,
            how=entry.how,
            sources=tuple(entry.sources) or tuple(address.ip for address in addresses),
            chosen=entry.how == "command" and any("{source}" in part for part in entry.command),
            sender=sender,
            trials=_trials(entry),
            claims=tuple(reader.get(host, "mailconform_tls_policies")),
            settings=_settings(entry, origin),
            origin=origin,
        )


def _problems(
    entry: StreamEntry,
    value: Value | None,
    name: str,
    host: Host,
    addresses: Sequence[Address],
    door: Submission | None,
) -> Iterator[tuple[str, str]]:
    """Say what is wrong with a stream, with a hint."""
    if (needed := _NEEDED.get(entry.how)) and not getattr(entry, needed):
        yield f"has how: {entry.how} and no {needed}", ""
    if entry.how == "command" and entry.command:
        if not any("{recipient}" in part or "{token}" in part for part in entry.command):
            yield "has a command without {recipient}", "it stands for the address that the mail must go to"
        if value and value.is_secret((name, "command")):
            yield (
                "has a command from the vault",
                "command lines are seen by all: let it read its secret itself",
            )
    if entry.how == "submission" and door is None:
        yield f"has how: submission, and {host.name} has no listener with auth", f"set {SUBMISSION}"
    if entry.sender and entry.envelope and entry.sender.rpartition("@")[2] != entry.envelope:
        yield f"has the sender {entry.sender} and the envelope {entry.envelope}", "the envelope is the sender's domain"
    own = {address.ip for address in addresses}
    for source in entry.sources:
        if source not in own:
            yield f"leaves from {source}, which is no mailconform_send_from of {host.name}", ""


def _trials(entry: StreamEntry) -> tuple[str, ...]:
    """Return what may be tried: by hand one message alone, unless more is asked for."""
    by_hand = entry.how == "manual" and "trials" not in entry.model_fields_set
    return ("accept",) if by_hand else tuple(entry.trials)


def _settings(entry: StreamEntry, origin: Origin | None) -> Mapping[str, Any]:
    settings = entry.model_dump(exclude_none=True)
    return settings | {"file": beside(entry.file, origin)} if entry.file else settings


def beside(path: str, origin: Origin | None) -> str:
    """Return a path that is relative to the file that names it, as seen from here."""
    there = Path(origin.path).parent if origin and Path(origin.path).is_file() else Path()
    return str(there / Path(path).expanduser())


def submission(host: Host, listeners: Sequence[Listener], connect_to: str, reader: Reader) -> Submission | None:
    """Return where a host's messages are submitted; None where nothing says so."""
    value = host.variables.get(SUBMISSION)
    entry: SubmissionEntry = reader.get(host, SUBMISSION)
    own = _listener(entry, listeners)
    if own is None and not (entry.server or entry.port):
        return None
    origin = value.origin() if value else None
    port = entry.port or (own.port if own else 587)
    _check_login(host, entry, value, reader)
    return Submission(
        server=entry.server or connect_to,
        port=(own.dial_port or own.port) if own else port,
        tls=entry.tls or (own.tls if own else "implicit" if port == 465 else "starttls"),
        verify=entry.verify,
        server_name=entry.server_name or entry.server or host.name,
        ca_file=beside(entry.ca_file, origin) if entry.ca_file else "",
        username=(entry.username or "") if entry.auth == "required" else "",
        password=entry.password or "",
        password_file=beside(entry.password_file, origin) if entry.password_file else "",
        password_env=entry.password_env or "",
        origin=origin,
    )


def _listener(entry: SubmissionEntry, listeners: Sequence[Listener]) -> Listener | None:
    """Return the host's own listener that takes submissions."""
    if entry.server:
        return None
    if entry.port:
        return next((one for one in listeners if one.port == entry.port), None)
    fit = [one for one in listeners if one.auth != "no"] or [one for one in listeners if one.port in _PREFERRED]
    return min(fit, key=lambda one: (one.port not in _PREFERRED, _PREFERRED[:1] != (one.port,), one.port), default=None)


def _check_login(host: Host, entry: SubmissionEntry, value: Value | None, reader: Reader) -> None:
    """Note what is wrong with an account. A password that was left out on purpose is not missing."""
    given = [name for name in ("password", "password_file", "password_env") if getattr(entry, name)]
    left_out = bool(value and value.faults) or reader.is_broken(host, SUBMISSION)
    submits = any(one.how == "submission" for one in reader.get(host, STREAMS).values())
    origin = value.origin() if value else None
    if len(given) > 1:
        reader.problems.add(SUBMISSION, f"has {' and '.join(given)}", origin, "one of them is enough")
    if entry.auth == "no" or left_out:
        return
    if entry.username and not given:
        reader.problems.add(
            SUBMISSION, "has a username and no password", origin, "password, password_file, password_env"
        )
    elif submits and not entry.username:
        hint = "set username and password, or auth: no where none is asked for"
        reader.problems.add(SUBMISSION, "has no username, and a stream has how: submission", origin, hint, host.name)
