"""How bulk mail and lists let people go. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, check, listed, seen
from conformance.reading import unsubscribing
from conformance.reading.excerpt import quoted
from conformance.reading.listfield import read_list_field

if TYPE_CHECKING:
    from conformance.facts.authentication import Authentication
    from conformance.fleet.sending import Probe
    from conformance.reading.message import Message
    from conformance.reading.mime import Structure

HEADER = (
    "Write into each message: List-Unsubscribe: <https://{stream.domain}/<unguessable token>>, <mailto:<address>> and "
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
)


def _at_most(probe: Probe) -> str | None:
    """Take what is asked of bulk senders for advice to a list, which is none by itself."""
    return None if probe.stream.kind == "bulk" else "should"


@check(
    "G bulk: must", "Y bulk: must", "RFC2369 3.2: should", "YX: must", "MR: should", "GMX bulk: must", "CSA: must",
    fix=HEADER,
)  # fmt: skip
def test_unsub_header(subscribed: Message, probe: Probe) -> None:
    """Bulk mail has a List-Unsubscribe field that programs can read.

    Mailbox providers show it as a button; people without one report the message as spam.
    """
    found = subscribed.first("List-Unsubscribe")
    assert found, seen("there is no List-Unsubscribe field", at_most=_at_most(probe))
    read = read_list_field(found.text)
    assert read.uris, seen(
        f"List-Unsubscribe: {quoted(found.text)}: {read.fault or 'it names no URI'}", at_most=_at_most(probe)
    )


@check(
    "RFC8058 3.1: must", "G bulk: must", "Y bulk: should", "GMX: must", "CSA: should",
    fix=HEADER,
)  # fmt: skip
def test_unsub_oneclick(subscribed: Message, probe: Probe) -> None:
    """Bulk mail offers to unsubscribe by one click.

    Gmail asks for an https address that takes a POST; a mailto alone is not enough there.
    """
    if not subscribed.named("List-Unsubscribe"):
        raise NotApplicable("there is no List-Unsubscribe field, see unsub.header")
    secure = [uri for uri in unsubscribing.unsubscribe_uris(subscribed) if uri.lower().startswith("https:")]
    post = subscribed.first("List-Unsubscribe-Post")
    assert post, seen("there is no List-Unsubscribe-Post field", at_most=_at_most(probe))
    assert post.text == unsubscribing.ONE_CLICK, seen(
        f"List-Unsubscribe-Post: {quoted(post.text)} is not {unsubscribing.ONE_CLICK}", at_most=_at_most(probe)
    )
    assert secure, seen(
        f"List-Unsubscribe: {quoted(subscribed.text('List-Unsubscribe'))} has no https URI", at_most=_at_most(probe)
    )
    assert len(secure) == 1, seen(f"List-Unsubscribe has {len(secure)} https URIs", at_most="should")


@check(
    "RFC8058 3.1: must",
    fix="Let one program alone write List-Unsubscribe and List-Unsubscribe-Post.",
)  # fmt: skip
def test_unsub_one_each(subscribed: Message) -> None:
    """List-Unsubscribe and List-Unsubscribe-Post stand once each.

    Of two fields nobody knows which one leads out.
    """
    names = ("List-Unsubscribe", "List-Unsubscribe-Post")
    if not any(subscribed.named(name) for name in names):
        raise NotApplicable("there is neither of them, see unsub.header")
    doubled = unsubscribing.doubled_fields(subscribed, names)
    assert not doubled, seen(listed(doubled))


@check(
    "G bulk: must", "Y bulk: must", "AP: must", "MS: info", "MR: should", "CSA: should",
    fix='Put into each message a link that says what it does: <a href="https://...">Unsubscribe</a>.',
)  # fmt: skip
def test_unsub_body_link(subscribed: Message, parts: Structure, probe: Probe) -> None:
    """Bulk mail shows a link to unsubscribe in its text.

    Not every mail program shows the one in the header.
    """
    links = unsubscribing.body_links(parts)
    assert links, seen("the text has no link", at_most=None if probe.stream.kind == "bulk" else "info")
    assert unsubscribing.says_so(links, unsubscribing.unsubscribe_uris(subscribed)), seen(
        f"none of {len(links)} links says that it is for unsubscribing: {listed(quoted(link) for link, _ in links)}",
        at_most="should" if probe.stream.kind == "bulk" else "info",
    )


@check(
    "RFC8058 4: must",
    fix="Sign after List-Unsubscribe and List-Unsubscribe-Post are written, and name both in h= (OpenDKIM: "
    "SignHeaders, Exim: dkim_sign_headers).",
)  # fmt: skip
def test_unsub_dkim(subscribed: Message, authentication: Authentication) -> None:
    """A signature that holds covers List-Unsubscribe and List-Unsubscribe-Post.

    Who could write them on the way could make the receiver call any address.
    """
    there = [name for name in ("List-Unsubscribe", "List-Unsubscribe-Post") if subscribed.named(name)]
    if len(there) < 2:
        raise NotApplicable("the message offers no one-click unsubscription, see unsub.oneclick")
    bare = authentication.unsealed(*there)
    assert not bare, seen(
        f"no signature that holds covers {listed(bare, joint=' and ')}",
        at_most="should" if authentication.disputed else None,
    )
