"""What a message's body looks like. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import NotApplicable, Undetermined, check, listed, seen
from conformance.reading import bodysyntax, html
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.authentication import Authentication
    from conformance.facts.delivery import Delivery
    from conformance.reading.message import Message
    from conformance.reading.mime import Structure

LIBRARY = "Let a mail library put the parts together; do not edit them afterwards (footers, filters) as text."


@check(
    "RFC2045 4, 5: must", "RFC2046 5.1: must", "Y-err: must", "G-err 554 5.6.0: must",
    fix=LIBRARY,
)  # fmt: skip
def test_msg_mime_version(message: Message, parts: Structure) -> None:
    """A MIME message says so, and its parts are put together as they are declared.

    Without MIME-Version its Content fields mean nothing; a boundary that never closes lets readers see what they like.
    """
    content = [field.name for field in message.fields if field.key in bodysyntax.CONTENT_FIELDS]
    versions = message.named("MIME-Version")
    if not content and not versions:
        raise NotApplicable("it is no MIME message: it has no Content fields")
    assert versions, seen(f"there are {listed(content)}, and no MIME-Version field")
    assert len(versions) == 1, seen(f"{len(versions)} MIME-Version fields")
    version = bodysyntax.version(versions[0].text)
    assert version == "1.0", seen(f"MIME-Version: {quoted(versions[0].text)}")
    assert not parts.faults, seen(listed(parts.faults))
    assert not parts.slips, seen(listed(parts.slips), at_most="should")
    if parts.cut:
        raise Undetermined(f"not all parts were read: {parts.cut}")


@check(
    "RFC2046 4.1.2: should", "RFC2045 5.2: should",
    fix="Declare what the text is written in: Content-Type: text/plain; charset=utf-8",
)  # fmt: skip
def test_msg_charset(parts: Structure) -> None:
    """Text declares its character set, and is written in it.

    Otherwise readers guess, and people see other characters than were written.
    """
    texts = [part for part in parts.parts if part.is_text]
    if not texts:
        raise NotApplicable("no part is text")
    wrong = [why for part in texts if (why := bodysyntax.charset_fault(part))]
    assert not wrong, seen(listed(wrong))


@check(
    "RFC2045 6.2, 6.4, 6.7, 6.8: must", "RFC6152 3: must", "RFC5321 2.4: must", "RFC6376 5.3: should",
    fix="Encode bodies as quoted-printable or base64 before they are signed, and declare that in "
    "Content-Transfer-Encoding.",
)  # fmt: skip
def test_msg_cte(parts: Structure, delivery: Delivery) -> None:
    """The Content-Transfer-Encoding is that of the octets, and 8-bit goes only to who takes it.

    A host that believes the field garbles the text; one that has to convert it breaks its signature.
    """
    wrong, slips = bodysyntax.encoding_faults(parts)
    assert not wrong, seen(listed(wrong))
    if not all(part.octets.isascii() for part in parts.parts):
        assert delivery.offers("8BITMIME"), seen("octets above 127 went to a server that does not offer 8BITMIME")
        assert delivery.body in ("8BITMIME", "BINARYMIME"), seen(
            "octets above 127 were sent without BODY=8BITMIME", at_most="should"
        )
    assert not slips, seen(listed(slips), at_most="should")


@check(
    "G: info", "MS-ts: info", "SA MIME_HTML_ONLY: info",
    fix="Send multipart/alternative: a text/plain part, then the same as text/html without scripts.",
)  # fmt: skip
def test_msg_html_text(composed: Message, parts: Structure) -> None:
    """HTML mail has a text part as well, and no scripts.

    Some people read text only; filters distrust HTML alone, and mail clients take scripts out.
    """
    shown = parts.of_type("text/html")
    if not shown:
        raise NotApplicable("no part is HTML")
    assert parts.of_type("text/plain"), seen("there is a text/html part, and no text/plain part")
    scripts = sum(html.read_html(part.text).scripts for part in shown)
    assert not scripts, seen(f"{scripts} scripts in text/html")


@check(
    "MS-ts: info", "G: info", "CSA: info",
    fix="Link to https:// addresses by names of your own.",
)  # fmt: skip
def test_msg_links(composed: Message, parts: Structure) -> None:
    """Links are HTTPS addresses with names, and no shortened ones.

    People and filters judge a link by its name: a bare address or a shortener hides where it leads.
    """
    found = html.links(parts)
    if not found:
        raise NotApplicable("the message has no links")
    wrong = [f"{quoted(link)} ({why})" for link in found if (why := bodysyntax.link_fault(link))]
    assert not wrong, seen(listed(wrong))


@check(
    "G feedback loop: info", "OR: must",
    fix="Write Feedback-ID: <campaign>:<customer>:<kind of mail>:<sender id> into bulk mail, and sign it.",
)  # fmt: skip
def test_msg_feedback_id(bulk_mail: Message, authentication: Authentication) -> None:
    """Bulk mail carries a signed Feedback-ID.

    Complaint rates are told by it: without one nobody can see which campaign people report.
    """
    assert bulk_mail.named("Feedback-ID"), seen("there is no Feedback-ID field")
    assert not authentication.unsealed("Feedback-ID"), seen("no signature that holds covers Feedback-ID")


@check(
    "CSA: must",
    fix="Write X-CSA-Complaints: csa-complaints@eco.de into each message, and name it in h= of the signature.",
)  # fmt: skip
def test_msg_csa_header(composed: Message, authentication: Authentication) -> None:
    """Mail of members of the Certified Senders Alliance carries a signed X-CSA-Complaints.

    Receivers know certified mail by it; unsigned it could be anybody's.
    """
    assert composed.named("X-CSA-Complaints"), seen("there is no X-CSA-Complaints field")
    assert not authentication.unsealed("X-CSA-Complaints"), seen("no signature that holds covers X-CSA-Complaints")
