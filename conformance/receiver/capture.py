"""What the receiver saw: sessions byte for byte, with the transactions in them. Frozen dataclasses, no I/O.

Octets are kept as text decoded as Latin-1, so that JSON shows them readably and loses none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Ended(StrEnum):
    """How a session ended, and by whom."""

    QUIT = "quit"
    """QUIT was answered 221, then either side closed."""
    CLOSED = "closed"
    """The client closed the connection without QUIT, or after it and before it had been answered."""
    RESET = "reset"
    """The connection was reset by the client or the network."""
    DROPPED = "dropped"
    """The receiver closed it, as its scenario wanted (with or without a 421)."""
    TIMEOUT = "timeout"
    """The client said nothing for longer than the receiver waits."""
    LIMIT = "limit"
    """The receiver closed it because the session went over a limit (commands, octets, time, sessions)."""
    HANDSHAKE = "handshake"
    """A TLS handshake failed."""
    ERROR = "error"
    """An error in the receiver itself."""
    OPEN = "open"
    """The session went on when it was collected, or the receiver was stopped in the middle of it."""

    @property
    def by_receiver(self) -> bool:
        """Whether the receiver ended it: nothing may be said against the host for how such a session ended."""
        return self in (Ended.DROPPED, Ended.TIMEOUT, Ended.LIMIT, Ended.ERROR, Ended.OPEN)


@dataclass(frozen=True, slots=True)
class Line:
    """What went over the wire at once: ``at`` in milliseconds since the connection was accepted.

    ``side`` is ``C`` (client), ``S`` (receiver) or ``*`` (a note). ``text`` keeps line ends, bare CR and LF, and is cut
    at 4 KiB. Lines stand in the order in which they were obeyed; what was pipelined came earlier than it was obeyed.
    Message octets are not among them: a note says where they stood, :class:`Transaction` has them.
    """

    at: float
    side: str
    text: str


@dataclass(frozen=True, slots=True)
class Hello:
    """A greeting of the client: ``verb`` EHLO or HELO as written, ``argument`` as written, whether inside TLS."""

    at: float
    verb: str
    argument: str
    tls: bool = False
    code: int = 0
    """Code of the reply; 0: none was sent."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """The TLS ClientHello (RFC 8446 section 4.1.2), without what keeps servers honest (RFC 8701).

    ``versions`` as ``TLSv1.3`` or ``TLSv1`` for 1.0; of a client without the extension supported_versions the highest
    alone is known. ``ciphers`` by IANA name or ``0xC0FF``, ``groups`` likewise.
    """

    versions: tuple[str, ...]
    ciphers: tuple[str, ...]
    sni: str = ""
    groups: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tls:
    """A handshake after STARTTLS; ``error`` says why it failed.

    ``version`` (as in ClientHello) and ``cipher`` (IANA name) are empty where it failed before its end. A client of TLS
    1.3 may end it and refuse the certificate then: there is an ``error`` and a ``version``.

    ``client_certificate`` is the subject of a certificate that the client sent.
    """

    at: float
    hello: ClientHello | None = None
    version: str = ""
    cipher: str = ""
    error: str = ""
    alert: str = ""
    """The alert that the client sent, by its name in RFC 8446 section 6, such as ``unknown_ca``."""
    client_certificate: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT: ``argument`` as written after ``RCPT TO:``, ``address`` without brackets, and our reply."""

    at: float
    argument: str
    address: str
    parameters: tuple[str, ...] = ()
    token: str = ""
    """The token in the address, empty for a recipient that was refused as none of ours."""
    code: int = 0
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Octets of a message that came at once: ``size`` of them, ending at offset ``end`` of the transaction's wire."""

    at: float
    end: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """One mail transaction, from MAIL on (RFC 5321 section 3.3)."""

    at: float
    argument: str
    """What was written after ``MAIL FROM:``."""
    sender: str
    """The reverse-path without brackets; empty for the null sender."""
    parameters: tuple[str, ...] = ()
    code: int = 0
    """Code of the reply to MAIL."""
    recipients: tuple[Recipient, ...] = ()
    how: str = ""
    """``DATA`` or ``BDAT``; empty where no message was begun."""
    data_code: int = 0
    """Code of the reply to DATA: 354 when the message was let in. With BDAT: that of a refusal of the first chunk."""
    wire: str = ""
    """The octets on the wire: after DATA with doubled dots and the line that ends it, after BDAT the chunks."""
    chunks: tuple[Chunk, ...] = ()
    size: int = 0
    """Octets that came on the wire, also where ``wire`` was cut."""
    truncated: bool = False
    final_at: float = 0.0
    """When the reply to the end of the message was sent; the last of ``chunks`` says when that end came."""
    final_code: int = 0
    """Code of the reply to the end of the message; 0: there was none."""
    final_reply: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the receiver took responsibility for the message (RFC 5321 section 4.2.5)."""
        return self.final_code // 100 == 2

    @property
    def message(self) -> bytes:
        """The message as sent: after DATA without the doubled dots and the end (RFC 5321 section 4.5.2)."""
        octets = self.wire.encode("latin-1")
        if self.how != "DATA":
            return octets
        octets = octets.removesuffix(b".\r\n") if octets.endswith(b"\r\n.\r\n") or octets == b".\r\n" else octets
        return octets.removeprefix(b".").replace(b"\r\n.", b"\r\n")


@dataclass(frozen=True, slots=True)
class Early:
    """Octets that came before a reply that the client has to wait for (RFC 2920 section 3.1).

    ``before`` names what that reply answered: ``banner``, a verb such as ``EHLO``, or ``.`` for the end of a message.
    What came after STARTTLS in clear text was thrown away, all else obeyed in its turn.
    """

    at: float
    before: str
    text: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A fetch of the MTA-STS policy of a domain of ours: when (ISO 8601 in UTC), by whom, and the status it got.

    Status 0 stands for connections on which nothing was asked: the client did not take the certificate, or went away.
    """

    at: str
    peer: str
    status: int


@dataclass(frozen=True, slots=True)
class Capture:
    """One SMTP session as it went. ``started`` is ISO 8601 in UTC with milliseconds, ``ms`` how long it took."""

    id: str
    started: str
    peer: str
    peer_port: int
    local: str
    local_port: int
    ms: float = 0.0
    exchange: str = ""
    """The MX host name that this session's local address stands for, where it is known."""
    tokens: tuple[str, ...] = ()
    """Tokens of the recipients that the client named, or whose scenario gave this address its behaviour."""
    scenario: str = ""
    banner_at: float | None = None
    """When the last line of the banner was sent; None: it was not."""
    extensions: tuple[str, ...] = ()
    """EHLO keywords with their arguments as offered in clear text."""
    extensions_tls: tuple[str, ...] = ()
    """EHLO keywords with their arguments as offered inside TLS."""
    hellos: tuple[Hello, ...] = ()
    tls: Tls | None = None
    transactions: tuple[Transaction, ...] = ()
    early: tuple[Early, ...] = ()
    """Octets that came too early: before the banner, or before a reply that the client has to wait for."""
    lines: tuple[Line, ...] = ()
    truncated: bool = False
    """Whether lines were left out because there were too many."""
    ended: Ended = Ended.OPEN
    error: str = ""
    visits: tuple[Visit, ...] = ()
    """Who had fetched the policy of the recipients' domain by then, where that has one."""

    @property
    def hello(self) -> Hello | None:
        """The last greeting that was answered 250: what counts as the HELO identity (RFC 7208 section 2.3)."""
        return next((hello for hello in reversed(self.hellos) if hello.code // 100 == 2), None)
