"""The keys of the DKIM selectors, RFC 6376. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, listed, seen
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.dkim import KeyRecord
    from conformance.fleet.model import Selector

ALIAS = "{name} is a CNAME: publish the key at {owner}, where it leads, or let it lead to where the key is."
PUBLISH = 'Publish: {selector.record_name} IN TXT "v=DKIM1; k=rsa; p=..." with the public key that the signer uses.'
RENEW = "Make an RSA key of 2048 bits, publish it at a new selector of {selector.signing_domain}, then sign with it."


@check(
    "RFC6376 3.6.2: must",
    "Z DKIM: must",
    fix=PUBLISH,
)
def test_dkim_key_exists(dkim_key: KeyRecord) -> None:
    """Every selector that signs or will sign has its key in DNS.

    Without the key no signature can be verified; an alias to a provider's record is as good.
    """
    others = listed(quoted(text) for text in dkim_key.expected)
    said = f"holds no key but {others}" if others else f"answered {dkim_key.answer.describe()}"
    assert dkim_key.meant, seen(f"{dkim_key.answer.question} {said}", fix=_by_alias(dkim_key))


def _by_alias(dkim_key: KeyRecord) -> str | None:
    answer = dkim_key.answer
    return ALIAS.format(name=answer.name, owner=answer.owner) if answer.aliases else None


def _at_owner(dkim_key: KeyRecord, change: str) -> str | None:
    """Return where a change is to be made if that is behind an alias, mostly a provider's; None for the name itself."""
    answer = dkim_key.answer
    return f"{change} at {answer.owner}, where the CNAME at {answer.name} leads." if answer.aliases else None


@check(
    "RFC6376 3.6.2.2: must",
    fix="Keep one TXT record at {selector.record_name}",
)
def test_dkim_key_single(dkim_key: KeyRecord) -> None:
    """A selector has exactly one TXT record.

    Of several, each verifier may take another one, or none.
    """
    assert len(dkim_key.expected) < 2, seen(
        f"{dkim_key.answer.question} has {len(dkim_key.texts)} records: "
        f"{listed((quoted(text, 60) for text in dkim_key.texts), joint=' and ')}",
        fix=_at_owner(dkim_key, "Keep one TXT record"),
    )


@check(
    "RFC6376 3.6.1: must",
    "RFC8463 4: should",
    fix=(
        "Publish the key record as the signer printed it: {selector.record_name} IN TXT, tags with plain semicolons "
        "between them, p= whole."
    ),
)
def test_dkim_key_syntax(dkim_key: KeyRecord) -> None:
    """A key record is well-formed and holds a key of its type.

    Escaped semicolons, typographic quotes and keys cut off are what zone files and web forms leave behind.
    """
    assert not dkim_key.faults, seen(listed((f"{quoted(text)}: {why}" for text, why in dkim_key.faults), joint="; "))


@check(
    "RFC6376 3.6.1: must",
    fix=PUBLISH,
)
def test_dkim_key_not_revoked(dkim_key: KeyRecord) -> None:
    """The key of a selector in use is not revoked.

    An empty p= says that whatever is signed with this selector is not to be believed.
    """
    assert not dkim_key.key.revoked, seen(f"p= is empty in {quoted(dkim_key.texts[0])}", fix=_by_alias(dkim_key))


@check(
    "RFC8301 3.2: must",
    "G DKIM: must",
    "Y: should",
    "Y-faq: should",
    fix=RENEW,
)
def test_dkim_key_1024(dkim_key: KeyRecord) -> None:
    """An RSA key has at least 1024 bits.

    Verifiers do not take shorter ones.
    """
    assert dkim_key.rsa_bits >= 1024, seen(f"the key has {dkim_key.rsa_bits} bits")


@check(
    "RFC8301 3.2: should",
    "G DKIM: info",
    "Y: info",
    "M3: info",
    fix=RENEW,
)
def test_dkim_key_2048(dkim_key: KeyRecord, selector: Selector) -> None:
    """An RSA key has at least 2048 bits, or as many as the inventory declares.

    1024 bits are within reach of those who want to forge mail.
    """
    bits = dkim_key.rsa_bits
    assert bits >= 2048, seen(f"the key has {bits} bits")
    assert bits >= (selector.min_bits or 0), seen(
        f"the key has {bits} bits; declared are at least {selector.min_bits}",
        fix=f"Make an RSA key of {selector.min_bits} bits, publish it at a new selector, then sign with it.",
    )


@check(
    "RFC8301 3.2: must",
    fix=RENEW,
)
def test_dkim_key_4096max(dkim_key: KeyRecord) -> None:
    """An RSA key has at most 4096 bits.

    Verifiers need not take longer ones.
    """
    assert dkim_key.rsa_bits <= 4096, seen(f"the key has {dkim_key.rsa_bits} bits")


@check(
    "FIPS186 A.1.1: info",
    fix=RENEW,
)
def test_dkim_key_exponent(dkim_key: KeyRecord) -> None:
    """The numbers of an RSA key are sound: its exponent is 65537 or more, its modulus resists cheap factoring.

    Keys of broken generators are factored in seconds, and some verifiers refuse small exponents.
    """
    weakness = dkim_key.weakness
    assert not weakness, seen(f"the key is unsound: {weakness}")


@check(
    "RFC6376 3.6.1: must",
    "NCSC: should",
    fix="Remove y from t= at {selector.record_name}",
)
def test_dkim_key_not_test(dkim_key: KeyRecord) -> None:
    """A key is not in test mode.

    With t=y verifiers treat signed mail as if it were not signed.
    """
    key = dkim_key.valid
    assert not key.testing, seen(f"t={':'.join(key.flags)}", fix=_at_owner(dkim_key, "Remove y from t="))


@check(
    "RFC6376 3.6.1, 6.1.2: must",
    fix="Remove h= at {selector.record_name} or let it name sha256",
)
def test_dkim_key_hash(dkim_key: KeyRecord) -> None:
    """A key admits signatures with sha256.

    Signers use no other hash any more; a key for sha1 alone makes all of them fail.
    """
    key = dkim_key.valid
    assert key.allows_hash("sha256"), seen(
        f"h={':'.join(key.hashes)}", fix=_at_owner(dkim_key, "Remove h=, or let it name sha256,")
    )


@check(
    "RFC6376 3.6.1: must",
    fix="Remove s= at {selector.record_name} or let it name email",
)
def test_dkim_key_service(dkim_key: KeyRecord) -> None:
    """A key is for mail.

    A key for another service, as TLS reports, verifies no message.
    """
    key = dkim_key.valid
    assert key.serves("email"), seen(
        f"s={':'.join(key.services)}", fix=_at_owner(dkim_key, "Remove s=, or let it name email,")
    )


@check(
    "RFC6376 3.1, 3.6.1: info",
    fix='Once no mail that it signed is under way: {selector.record_name} IN TXT "v=DKIM1; p=", or no record.',
)
def test_dkim_retired(dkim_key: KeyRecord) -> None:
    """The key of a retired selector is gone or revoked.

    Whoever finds an old private key can sign as the domain while its public half is there.
    """
    answer = dkim_key.answer
    there = listed(quoted(text) for text in dkim_key.living)
    assert not dkim_key.living, seen(
        f"the key is still there: {there}",
        fix=f"Once no mail that it signed is under way, remove the CNAME at {answer.name}." if answer.aliases else None,
    )
