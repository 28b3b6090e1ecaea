"""Mail that web forms send. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, listed, seen
from conformance.reading.encodedword import decode
from conformance.reading.mailbox import read_addresses
from conformance.reading.orgdomain import is_within, owned

if TYPE_CHECKING:
    from conformance.facts.message import Author
    from conformance.fleet.sending import Probe
    from conformance.reading.message import Message

NEEDED = ("From", "To", "Reply-To")


@check(
    "Z form mail: must", "RFC5322 3.6: should",
    fix="Let the form write From: {stream.author}, To: <the help desk>, Reply-To: <the visitor> and a Subject.",
)  # fmt: skip
def test_form_headers(form_mail: Message) -> None:
    """A form's mail has a Subject and valid addresses in From, To and Reply-To.

    The help desk makes a ticket from them, and answers to Reply-To.
    """
    without = [name for name in NEEDED if not read_addresses(form_mail.text(name)).valid]
    without += [] if decode(form_mail.text("Subject")).strip() else ["Subject"]
    assert not without, seen(f"missing, or without a valid value: {listed(without)}")


@check(
    "G spoofing: must", "Z forged sender: should",
    fix="Write From: {stream.author}; the visitor's address belongs into Reply-To.",
)  # fmt: skip
def test_form_from_own(form_mail: Message, author: Author, own_domains: frozenset[str], probe: Probe) -> None:
    """A form writes in its own name, and not in the visitor's.

    The form's host is not authorised to send for the visitor's domain, so that the message looks forged.
    """
    own = own_domains or frozenset(filter(None, [owned(probe.stream.domain)]))
    if not own:
        raise NotApplicable("the fleet declares no domain of its own")
    assert is_within(author.domain, own), seen(f"From is in {author.domain}, not in {listed(sorted(own))}")
