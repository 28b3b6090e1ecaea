"""How hosts are declared to send, and to be made to: frozen dataclasses, no input or output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from conformance.fleet.origin import IPAddress, Origin


@dataclass(frozen=True, slots=True)
class Probing:
    """How far this host may be probed: ``level`` none, connect, auth or send; ``timeout`` in seconds.

    ``rate`` is in messages a second that the host is given to send, ``messages`` how many in a run; ``sender`` is the
    name the probe greets with (``from`` in the inventory).
    """

    level: str = "connect"
    timeout: float | None = None
    retries: int | None = None
    per_host: int | None = None
    rate: float | None = None
    messages: int = 200
    source_address: IPAddress | None = None
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """Where a host's messages are submitted, and as whom (RFC 6409). ``port`` is the one that is dialled.

    The password stands here, or is read from a file or the environment before the first message is handed over.
    """

    server: str
    port: int
    tls: str = "starttls"
    """``none``, ``starttls`` or ``implicit``."""
    verify: bool = True
    server_name: str = ""
    """The name that the certificate is to cover."""
    ca_file: str = ""
    username: str = ""
    """Empty: nobody logs in."""
    password: str = field(default="", repr=False)
    password_file: str = ""
    password_env: str = ""
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of mail that a host sends, and how the host is made to send some.

    ``kind`` is transactional, bulk, list, auto or form; ``how`` submission, sendmail, command, manual or file.
    ``sources`` are the addresses it is declared to leave from; ``chosen`` says that the host is told which.
    """

    host: str
    name: str
    author: str
    """The address in From (RFC 5322 section 3.6.2)."""
    domain: str
    """The domain in From, as A-labels."""
    mail_from: str
    """The domain in MAIL FROM (RFC 5321 section 4.1.1.2), as A-labels."""
    kind: str = "transactional"
    how: str = "sendmail"
    sources: tuple[IPAddress, ...] = ()
    chosen: bool = False
    sender: str = ""
    """The address in MAIL FROM."""
    trials: tuple[str, ...] = ("*",)
    """Names of the trials that may be made with it, or globs."""
    claims: tuple[str, ...] = ()
    """Policies of receivers that its host is declared to enforce: ``mta-sts``, ``dane``, ``requiretls``."""
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What ``how`` needs: command, file, port ..., as the inventory has it."""
    origin: Origin | None = None

    @property
    def id(self) -> str:
        """Subject id: ``host/stream``."""
        return f"{self.host}/{self.name}"

    def tries(self, name: str) -> bool:
        """Whether a trial may be made with it; one plain delivery always may."""
        return name == "accept" or any(fnmatchcase(name, pattern) for pattern in self.trials)

    @property
    def probes(self) -> tuple[Probe, ...]:
        """The deliveries to observe: one from each source address where the host is told which to use, else one."""
        return tuple(Probe(self, source) for source in self.sources) if self.chosen else (Probe(self),)


@dataclass(frozen=True, slots=True)
class Probe:
    """One delivery of a stream that is to be captured, from a source address where one is asked for."""

    stream: Stream
    source: IPAddress | None = None

    @property
    def id(self) -> str:
        """Subject id: ``host/stream``, with ``@address`` where the source address is asked for."""
        return f"{self.stream.id}@{self.source}" if self.source else self.stream.id
