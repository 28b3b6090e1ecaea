"""What mailing lists and bulk mail say of themselves. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, listed, seen
from conformance.reading import unsubscribing
from conformance.reading.excerpt import quoted
from conformance.reading.listfield import list_id
from conformance.reading.mailbox import read_addresses

if TYPE_CHECKING:
    from conformance.facts.delivery import Delivery
    from conformance.facts.imprint import Imprint
    from conformance.reading.message import Message


@check(
    "RFC2919 2, 3: should",
    fix="Let the list software write: List-Id: <{stream.name}.{stream.domain}>",
)  # fmt: skip
def test_list_id(list_mail: Message) -> None:
    """A list says which one it is.

    People sort by List-Id, whoever writes and wherever the list moves to.
    """
    found = list_mail.first("List-Id")
    assert found, seen("there is no List-Id field")
    assert list_id(found.text), seen(f"List-Id: {quoted(found.text)} has no identifier such as <posts.example.com>")


@check(
    "RFC2369 2: must", "RFC2919 3: must",
    fix="Write each List field once, as URIs in angle brackets with commas between them: <https://...>, <mailto:...>",
)  # fmt: skip
def test_list_fields_once(subscribed: Message) -> None:
    """Each List field stands once and holds URIs in angle brackets.

    Programs read them; what they cannot read, nobody is shown.
    """
    names = [field.name for field in subscribed.fields if field.key.startswith("list-")]
    if not names:
        raise NotApplicable("there are no List fields, see unsub.header and list.id")
    known = ("List-Id", *(f"List-{name}" for name in unsubscribing.LIST_FIELDS))
    wrong = [*unsubscribing.doubled_fields(subscribed, known), *unsubscribing.field_faults(subscribed)]
    assert not wrong, seen(listed(wrong))


@check(
    "RFC2369 3.1, 3.5: should", "RFC2142 6",
    fix="Let the list software write: List-Help: <mailto:{stream.name}-request@{stream.domain}?subject=help> and "
    "List-Owner: <mailto:{stream.name}-owner@{stream.domain}>",
)  # fmt: skip
def test_list_owner(list_mail: Message) -> None:
    """A list says where help is, or who is answerable for it.

    Whoever cannot leave by himself has to find somebody who can help.
    """
    found = [name for name in ("List-Help", "List-Owner") if list_mail.named(name)]
    assert found, seen("there is neither a List-Help nor a List-Owner field")


@check(
    "RFC3834 3.1.8: info", "Z-susp: info",
    fix="Mark what no person wrote to one other: Precedence: list (or bulk), or List-Id, or Auto-Submitted.",
)  # fmt: skip
def test_list_precedence(subscribed: Message) -> None:
    """List and bulk mail is marked as such, so that no automatic reply comes back.

    The mark was never standardised; programs that answer by themselves look for it all the same.
    """
    marked = subscribed.text("Precedence").strip().lower() in ("list", "bulk", "junk")
    other = [name for name in ("List-Id", "List-Unsubscribe", "Auto-Submitted") if subscribed.named(name)]
    assert marked or other, seen("there is neither Precedence nor List-Id, List-Unsubscribe or Auto-Submitted")


@check(
    "RFC5321 3.9.2: must", "AP: must", "Y: must", "GMX: must",
    fix="Send with an envelope sender of the list's own that handles bounces: MAIL FROM:<{stream.name}-bounces@"
    "{stream.mail_from}>",
)  # fmt: skip
def test_list_bounces(subscribed: Message, delivery: Delivery) -> None:
    """Bounces of a list or of bulk mail come back to an address of its own.

    Who does not get them goes on sending to addresses that are gone, or lets the authors have them.
    """
    assert delivery.sender, seen("MAIL FROM:<>: bounces come back to nobody")
    if delivery.probe.stream.kind != "list":
        return
    authors = [one.spec.lower() for one in read_addresses(subscribed.text("From")).valid]
    assert delivery.sender.lower() not in authors, seen(f"MAIL FROM:{quoted(delivery.sender)} is the author's address")


@check(
    "Y bulk: must", "MS: must", "GMX bulk: must", "CSA: should",
    fix="Put the sender's name and postal address into the text of each message, where people see it; declare it as "
    "postal_address of {stream.name} in mailconform_streams to have that very address looked for.",
)  # fmt: skip
def test_list_physical(imprint: Imprint) -> None:
    """Bulk mail shows the postal address of its sender.

    Laws ask for it (in the United States 15 U.S.C. 7704), and receivers ask for what the laws ask.
    """
    if not imprint.declared:
        lacking = imprint.unrecognised
        assert not lacking, seen(f"{lacking[0]}, and none is declared", at_most="should", aspect="unrecognised")
        return
    missing = imprint.missing
    assert not missing, seen(
        f"of the declared address the text does not show {listed(map(quoted, missing), 3)}",
        fix="Write it into the text as it is declared, or declare it in mailconform_streams as it is written.",
        aspect="declared",
    )
