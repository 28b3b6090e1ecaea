"""What a mail server makes of a message before it leaves: trace, missing fields, line ends, signature, bounce."""

from __future__ import annotations

import base64
import email.policy
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import BytesParser
from email.utils import format_datetime, formatdate, localtime, make_msgid, parseaddr
from pathlib import Path

import dkim

from conformance.lab.sending.conduct import Conduct, Wrong

LONGEST_LINE = 998
"""Octets, without the line's end (RFC 5321 section 4.5.3.1.6)."""
CLOCK_OFF = 3 * 86400
_SIGNED = (b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to") * 2
"""Named once more than they are there, so that none can be added unseen (RFC 6376 section 8.15)."""
_MORE = (
    *(b"mime-version", b"content-type", b"content-transfer-encoding", b"in-reply-to", b"references"),
    *(b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id"),
)
_FIELD = re.compile(rb"(?im)^(?P<name>[!-9;-~]+)[ \t]*:.*(?:\r\n[ \t].*)*\r\n")


@dataclass(frozen=True, slots=True)
class Letter:
    """A message under way. ``sender`` is the envelope's, empty for a bounce."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    needs_tls: bool = False
    """Whether it was submitted with REQUIRETLS (RFC 8689)."""

    @property
    def needs_none(self) -> bool:
        """Whether its header says that it may go without TLS (RFC 8689 section 3)."""
        return str(header(self.content).get("TLS-Required", "")).strip().lower() == "no"

    @property
    def author(self) -> str:
        """The domain in From, in lower case."""
        return parseaddr(str(header(self.content).get("From", "")))[1].rpartition("@")[2].lower()


@dataclass(frozen=True, slots=True)
class Signer:
    """A DKIM key of the lab, in PEM."""

    key: bytes

    @classmethod
    def of_the_lab(cls) -> Signer:
        """Return the key that lies with the lab: the same in every run, so that runs can be compared."""
        return cls((Path(__file__).with_name("key.pem")).read_bytes())

    @property
    def record(self) -> str:
        """The public key in base64: ``p=`` of its record (RFC 6376 section 3.6.1)."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

        public = load_pem_private_key(self.key, None).public_key()
        return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()

    def sign(self, content: bytes, domain: str, conduct: Conduct) -> bytes:
        """Return a message with a signature in front of it (RFC 6376 section 5)."""
        fields = [b"from"] if conduct.does(Wrong.SIGNS_LITTLE) else [*_SIGNED, *_present(content, _MORE)]
        signature: bytes = dkim.sign(
            content,
            conduct.selector.encode(),
            domain.encode(),
            self.key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=fields,
            length=conduct.does(Wrong.SIGNS_PART),
        )
        return crlf(signature) + content


def _present(content: bytes, names: tuple[bytes, ...]) -> list[bytes]:
    there = {match["name"].lower() for match in _FIELD.finditer(content.partition(b"\r\n\r\n")[0] + b"\r\n")}
    return [name for name in names if name in there]


def header(content: bytes) -> EmailMessage:
    """Return a message's header as the standard library reads it."""
    found = BytesParser(EmailMessage, policy=email.policy.default).parsebytes(content, headersonly=True)
    assert isinstance(found, EmailMessage)
    return found


def crlf(content: bytes) -> bytes:
    """Return text whose lines end in CRLF and nothing else does: a bare CR or LF becomes a line's end."""
    return re.sub(rb"\r\n|\r|\n", b"\r\n", content)


def prepared(letter: Letter, host: str, client: str, conduct: Conduct) -> bytes:
    """Return a message that was submitted as it stands in the queue: traced, completed, with lawful lines."""
    content = _folded(crlf(letter.content))
    drop = {b"return-path": Wrong.KEEPS_RETURN_PATH, b"bcc": Wrong.KEEPS_BCC}
    for name, keeps in drop.items():
        if not conduct.does(keeps):
            content = without(content, name)
    if conduct.does(Wrong.KEEPS_RETURN_PATH):
        content = b"Return-Path: <%b>\r\n" % letter.sender.encode() + content
    return _completed(content, host, client, conduct)


def _completed(content: bytes, host: str, client: str, conduct: Conduct) -> bytes:
    said = header(content)
    off = CLOCK_OFF if conduct.does(Wrong.WRONG_CLOCK) else 0
    if conduct.does(Wrong.WRONG_CLOCK) or conduct.does(Wrong.NO_DATE):
        content = without(content, b"date")
    if not conduct.does(Wrong.NO_DATE) and (off or "Date" not in said):
        content = f"Date: {formatdate(time.time() + off)}\r\n".encode() + content
    if conduct.does(Wrong.SAME_MESSAGE_ID) or conduct.does(Wrong.NO_MESSAGE_ID):
        content = without(content, b"message-id")
    if conduct.does(Wrong.SAME_MESSAGE_ID):
        content = f"Message-ID: <1@{host}>\r\n".encode() + content
    elif "Message-ID" not in said and not conduct.does(Wrong.NO_MESSAGE_ID):
        content = f"Message-ID: {make_msgid(domain=host)}\r\n".encode() + content
    if conduct.does(Wrong.FROM_TWICE):
        content = f"From: {said['From']}\r\n".encode() + content
    if not conduct.does(Wrong.NO_RECEIVED):
        when = format_datetime(localtime())
        trace = f"Received: from {client}\r\n\tby {host} with ESMTPSA id {secrets.token_hex(6)};\r\n\t{when}\r\n"
        content = trace.encode() + content
    return content


def without(content: bytes, name: bytes) -> bytes:
    """Return a message without the fields of a name."""
    head, end, body = content.partition(b"\r\n\r\n")
    kept = _FIELD.sub(lambda field: b"" if field["name"].lower() == name else field[0], head + b"\r\n")
    return kept.removesuffix(b"\r\n") + end + body


def _folded(content: bytes) -> bytes:
    """Return a message whose lines are short enough: longer ones are broken, as mail servers do it."""
    lines = []
    for line in content.split(b"\r\n"):
        pieces = [line[at : at + LONGEST_LINE - 1] for at in range(0, len(line), LONGEST_LINE - 1)] or [b""]
        lines += [pieces[0], *(b" " + piece for piece in pieces[1:])]
    return b"\r\n".join(lines)


def is_eight_bit(content: bytes) -> bool:
    """Whether the body holds octets that need 8BITMIME (RFC 6152)."""
    return not content.partition(b"\r\n\r\n")[2].isascii()


def needs_utf8(letter: Letter) -> bool:
    """Whether an address or a header field needs SMTPUTF8 (RFC 6531 section 3.2)."""
    head = letter.content.partition(b"\r\n\r\n")[0]
    return not (head.isascii() and all(one.isascii() for one in (letter.sender, *letter.recipients)))


def recoded(content: bytes) -> bytes:
    """Return a text message in quoted-printable, for receivers without 8BITMIME (RFC 6152 section 3)."""
    import quopri

    head, end, body = content.partition(b"\r\n\r\n")
    named = without(head + b"\r\n\r\n", b"content-transfer-encoding").removesuffix(b"\r\n\r\n")
    encoded = crlf(quopri.encodestring(body.replace(b"\r\n", b"\n")))
    return named + b"\r\nContent-Transfer-Encoding: quoted-printable" + end + encoded


def signed(content: bytes, author: str, host: str, signer: Signer, conduct: Conduct) -> bytes:
    """Return a message signed as the host does it."""
    if conduct.does(Wrong.UNSIGNED) or author not in conduct.domains:
        return content
    domain = host if conduct.does(Wrong.SIGNS_FOREIGN) else author
    made = signer.sign(content, domain, conduct)
    return made + b"-- \r\nscanned\r\n" if conduct.does(Wrong.SIGNATURE_BREAKS) else made


def bounce(letter: Letter, failed: Mapping[str, str], host: str, conduct: Conduct) -> bytes:
    """Return the report that mail could not be delivered (RFC 3464). ``failed`` gives the reply to each recipient."""
    prose = "Your message could not be delivered:\n\n" + "".join(f"<{one}>: {why}\n" for one, why in failed.items())
    report: Message = MIMEMultipart("report", report_type="delivery-status")
    if conduct.does(Wrong.BOUNCES_IN_PROSE):
        report = MIMEText(prose)
    else:
        status = MIMEBase("message", "delivery-status")
        blocks = [{"Reporting-MTA": f"dns; {host}"}, *(_failure(one, why) for one, why in failed.items())]
        status.set_payload([_block(block) for block in blocks])
        original = letter.content.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n").decode("ascii", "replace")
        for part in (MIMEText(prose), status, MIMEText(original, "rfc822-headers")):
            report.attach(part)
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{conduct.bounces_as or conduct.domains[0]}>"
    report["To"] = letter.sender
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Date"] = formatdate(localtime=True)
    report["Message-ID"] = make_msgid(domain=host)
    report["Auto-Submitted"] = "auto-replied"
    return report.as_bytes(policy=email.policy.SMTP)


def _failure(recipient: str, why: str) -> dict[str, str]:
    kind = "rfc822" if recipient.isascii() else "utf-8"
    return {
        "Final-Recipient": f"{kind}; {_in_ascii(recipient)}",
        "Action": "failed",
        "Status": _status(why),
        "Diagnostic-Code": f"smtp; {why}",
    }


def _in_ascii(address: str) -> str:
    """Return an address as a report names it (utf-8-addr-xtext of RFC 6533 section 3)."""
    return "".join(one if one.isascii() else f"\\x{{{ord(one):X}}}" for one in address)


def _block(fields: Mapping[str, str]) -> Message:
    block = Message()
    for name, value in fields.items():
        block[name] = value
    return block


def _status(reply: str) -> str:
    """Return the enhanced status code in a reply, or that of its class (RFC 3463)."""
    found = re.search(r"\b([245]\.\d{1,3}\.\d{1,3})\b", reply)
    return found[1] if found else "5.0.0"
