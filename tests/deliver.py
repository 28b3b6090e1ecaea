"""A mail host of one command: writes a message, delivers it over SMTP, and tries again in the background if need be.

``python deliver.py --to RECIPIENT --from SENDER [--server ADDR:PORT] [--names ADDR:PORT --port PORT] ...``: with
``--names`` the recipient's MX hosts are looked up there and tried in their order at ``--port``.
"""

from __future__ import annotations

import argparse
import smtplib
import subprocess
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", required=True)
    parser.add_argument("--from", dest="sender", default="news@bounce.example.com")
    parser.add_argument("--author", default="news@example.com")
    parser.add_argument("--server", default="")
    parser.add_argument("--names", default="")
    parser.add_argument("--port", type=int, default=25)
    parser.add_argument("--source", default="127.0.0.1")
    parser.add_argument("--helo", default="mx1.example.com")
    parser.add_argument("--tries", type=int, default=1)
    parser.add_argument("--pause", type=float, default=0.5)
    parser.add_argument("--bounce", action="store_true", help="return what is refused for good")
    parser.add_argument("--in-background", action="store_true")
    return parser.parse_args()


def servers(given: argparse.Namespace, recipient: str) -> list[tuple[str, int]]:
    """Return where to deliver to, the best first."""
    if given.server:
        host, _, port = given.server.rpartition(":")
        return [(host, int(port))]
    import dns.resolver

    address, _, port = given.names.rpartition(":")
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = [address], int(port), 20.0
    domain = recipient.rpartition("@")[2]
    try:
        exchanges = sorted((one.preference, str(one.exchange)) for one in resolver.resolve(domain, "MX"))
    except dns.resolver.NoAnswer:
        exchanges = [(0, f"{domain}.")]
    found = []
    for _, name in exchanges:
        if name != ".":
            found += [(str(one), given.port) for one in resolver.resolve(name, "A")]
    return found


def deliver(given: argparse.Namespace, sender: str, recipient: str, message: bytes) -> str:
    """Try once. Returns ``taken`` or ``refused``, for good; else it is not over."""
    for server, port in servers(given, recipient):
        try:
            with smtplib.SMTP(server, port, given.helo, timeout=20, source_address=(given.source, 0)) as client:
                client.sendmail(sender, [recipient], message)
                return "taken"
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
        except smtplib.SMTPResponseException as error:
            codes = [error.smtp_code]
        except (OSError, smtplib.SMTPException):
            continue
        return "refused" if all(code // 100 == 5 for code in codes) else ""
    return ""


def bounce(given: argparse.Namespace) -> None:
    """Tell the sender."""
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "mailer-daemon@example.com", given.sender, "Returned"
    letter.set_content("Refused.\n")
    deliver(given, "", given.sender, letter.as_bytes().replace(b"\n", b"\r\n"))


def main() -> None:
    given = arguments()
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = given.author, given.to, "Hello"
    letter["Date"], letter["Message-ID"] = formatdate(), make_msgid(domain="example.com")
    letter.set_content("Hello.\n")
    if given.tries > 1 and not given.in_background:
        command = [sys.executable, __file__, *sys.argv[1:], "--in-background"]
        null = subprocess.DEVNULL
        subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
        return
    octets = letter.as_bytes().replace(b"\n", b"\r\n")
    for number in range(given.tries):
        time.sleep(given.pause if number else 0)
        if became := deliver(given, given.sender, given.to, octets):
            if became == "refused" and given.bounce:
                bounce(given)
            sys.stdout.write(f"{became}\n")
            return
    sys.exit("not delivered")


if __name__ == "__main__":
    main()
