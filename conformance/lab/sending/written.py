"""What programs on a simulated host write by themselves: newsletters, list posts, answers, notices, form mail.

``python -m conformance.lab.sending.written HOST NAME RECIPIENT [SENDER]`` hands the message of a name to the host's own
submission, as a cron job or a web form on it would.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import sys
import tomllib
from collections.abc import Callable, Mapping
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path

DOMAIN = "letters.example.net"
UNSUBSCRIBE = f"https://{DOMAIN}/u/7f3c9d1e5b8a4260"
IMPRINT = "Letters Ltd, 7 Conduit Street, Exampleton"
TIMEOUT = 20.0


def _message(recipient: str, subject: str, text: str, author: str = f"news@{DOMAIN}") -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = author
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain=DOMAIN)
    message.set_content(text)
    return message


def bulk(recipient: str) -> EmailMessage:
    """Return a newsletter (RFC 8058)."""
    text = f"The letters of this month.\n\nUnsubscribe: {UNSUBSCRIBE}\n{IMPRINT}\n"
    message = _message(recipient, "Letters of this month", text)
    message["List-Unsubscribe"] = f"<{UNSUBSCRIBE}>, <mailto:leave@{DOMAIN}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Feedback-ID"] = "letters:readers:monthly:example"
    return message


def posting(recipient: str) -> EmailMessage:
    """Return a post of a mailing list (RFC 2369, RFC 2919)."""
    text = f"A post to the list.\n\nUnsubscribe: {UNSUBSCRIBE}\n{IMPRINT}\n"
    message = _message(recipient, "[readers] A post", text, f"reader@{DOMAIN}")
    message["List-Id"] = f"Readers of letters <readers.{DOMAIN}>"
    message["List-Help"] = f"<mailto:readers-request@{DOMAIN}?subject=help>"
    message["List-Unsubscribe"] = f"<{UNSUBSCRIBE}>, <mailto:readers-leave@{DOMAIN}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message


def answer(recipient: str) -> EmailMessage:
    """Return an automatic reply (RFC 3834)."""
    message = _message(recipient, "Auto: Your question", "We have got your message.\n", f"desk@{DOMAIN}")
    message["Auto-Submitted"] = "auto-replied"
    message["In-Reply-To"] = message["References"] = "<4711.question@example.org>"
    return message


def notice(recipient: str) -> EmailMessage:
    """Return a notice of a program."""
    message = _message(recipient, "Backup complete", "All is saved.\n", f"backup@{DOMAIN}")
    message["Auto-Submitted"] = "auto-generated"
    return message


def form(recipient: str) -> EmailMessage:
    """Return what a web form sends to a help desk."""
    message = _message(recipient, "Contact form", "A visitor has a question.\n", f"form@{DOMAIN}")
    message["Reply-To"] = "visitor@example.org"
    return message


def report(recipient: str, kind: str = "delivery-status") -> Message:
    """Return a delivery report (RFC 3464) of a type."""
    outer: Message = MIMEMultipart("report", report_type="delivery-status", policy=SMTP)
    status = MIMEBase("message", kind, policy=SMTP) if kind == "delivery-status" else MIMEText("Status: 5.1.1\n")
    if kind == "delivery-status":
        block = Message(policy=SMTP)
        block["Reporting-MTA"] = "dns; s-writes-badly.example.net"
        status.set_payload([block])
    for part in (MIMEText("It could not be delivered.\n"), status):
        outer.attach(part)
    outer["From"] = f"Mail Delivery System <reports@{DOMAIN}>"
    outer["To"] = recipient
    outer["Subject"] = "Undelivered mail"
    outer["Date"] = formatdate(localtime=True)
    outer["Message-ID"] = make_msgid(domain=DOMAIN)
    outer["Auto-Submitted"] = "auto-replied"
    return outer


def _without(made: Callable[[str], EmailMessage], *names: str) -> Callable[[str], EmailMessage]:
    def make(recipient: str) -> EmailMessage:
        message = made(recipient)
        for name in names:
            del message[name]
        return message

    return make


def _with(made: Callable[[str], EmailMessage], **fields: str) -> Callable[[str], EmailMessage]:
    """Return what makes a message with other values; underscores stand for hyphens."""

    def make(recipient: str) -> EmailMessage:
        message = made(recipient)
        for name, value in fields.items():
            del message[name.replace("_", "-")]
            message[name.replace("_", "-")] = value
        return message

    return make


def _with_text(made: Callable[[str], EmailMessage], text: str) -> Callable[[str], EmailMessage]:
    def make(recipient: str) -> EmailMessage:
        message = made(recipient)
        message.set_content(text)
        return message

    return make


def _doubled(recipient: str) -> EmailMessage:
    message = bulk(recipient)
    message.add_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
    return message


WRITTEN: Mapping[str, Callable[[str], Message]] = {
    "bulk": bulk,
    "list": posting,
    "answer": answer,
    "notice": notice,
    "form": form,
    "report": report,
    "bulk-no-way-out": _without(bulk, "List-Unsubscribe", "List-Unsubscribe-Post"),
    "bulk-no-click": _without(bulk, "List-Unsubscribe-Post"),
    "bulk-twice": _doubled,
    "bulk-no-link": _with_text(bulk, f"The letters of this month.\n\n{IMPRINT}\n"),
    "bulk-no-address": _with_text(bulk, f"The letters of this month.\n\nUnsubscribe: {UNSUBSCRIBE}\n"),
    "bulk-old-address": bulk,
    "bulk-freemail-reply": _with(bulk, Reply_To="letters.ltd@gmail.com"),
    "list-no-id": _without(posting, "List-Id"),
    "list-no-brackets": _with(posting, List_Help=f"mailto:readers-request@{DOMAIN}"),
    "list-no-owner": _without(posting, "List-Help"),
    "list-unmarked": _without(posting, "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"),
    "list-authors-bounces": posting,
    "answer-by-person": answer,
    "answer-unmarked": _without(answer, "Auto-Submitted"),
    "answer-to-nothing": _without(answer, "In-Reply-To", "References"),
    "notice-by-daemon": _with(notice, From=f"mailer-daemon@{DOMAIN}"),
    "notice-for-parked": _with(notice, Sender="backup@parked.example"),
    "notice-by-machine": _with(notice, From="root@localhost.localdomain"),
    "report-untyped": lambda recipient: report(recipient, "plain"),
    "form-no-reply-to": _without(form, "Reply-To"),
    "form-as-visitor": _with(form, From="visitor@otherdomain.com", Reply_To="visitor@otherdomain.com"),
}
"""What makes each message, by its name; each after the reports is wrong in the way that its name says."""


class _Client(smtplib.SMTP):
    """A client that connects to an address and knows the server by its name: names of the lab are in its DNS alone."""

    def __init__(self, name: str, address: str) -> None:
        self._address = address
        super().__init__(name, 587, local_hostname=name, timeout=TIMEOUT)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return socket.create_connection((self._address, port), timeout)


def main(host: str, name: str, recipient: str, sender: str = "") -> None:
    """Hand a message to the submission of a host of the lab. Raises OSError and SMTPException."""
    hosts = tomllib.loads((Path(__file__).parents[1] / "hosts.toml").read_text())["host"]
    found = next(one for one in hosts if one["name"] == host)
    with _Client(host, found["addresses"][0]) as client:
        client.starttls(context=ssl.create_default_context())
        client.login(found["sends"]["user"], found["sends"]["password"])
        client.sendmail(sender, [recipient], WRITTEN[name](recipient).as_bytes(policy=SMTP))


if __name__ == "__main__":
    main(*sys.argv[1:])
