"""What a receiver would write into Authentication-Results (RFC 8601), as data."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from conformance.facts.authentication import Authentication
from conformance.facts.signatures import Checked
from conformance.facts.spfcheck import SpfResult
from conformance.outcome import NotApplicable, Undetermined


@dataclass(frozen=True, slots=True)
class AuthResult:
    """One result: ``method`` and ``result`` in the words of RFC 8601 section 2.7, properties as ``ptype.property``.

    Text from the network stands in it as it came.
    """

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()
    reason: str = ""


def results(found: Authentication) -> Iterator[AuthResult]:
    """Yield the results of a delivery: of its address, of SPF by both identities, of each signature, of DMARC."""
    yield _iprev(found)
    if found.delivery.sender:
        yield _spf(found.spf, ("smtp.mailfrom", found.delivery.sender))
    if found.helo is not None:
        yield _spf(found.helo, ("smtp.helo", found.delivery.helo))
    elif not found.delivery.sender:
        yield _spf(found.spf, ("smtp.helo", found.delivery.helo))
    for one in found.signatures:
        yield _dkim(one)
    if not found.signatures:
        yield AuthResult("dkim", "none")
    yield _dmarc(found)


def _iprev(found: Authentication) -> AuthResult:
    shown = (("policy.iprev", str(found.delivery.peer)),)
    try:
        names = found.reverse.reverse.names
        confirmed = found.reverse.confirmed if names else False
    except Undetermined as why:
        return AuthResult("iprev", "temperror", shown, why.text)
    if not names:
        return AuthResult("iprev", "permerror", shown, f"no PTR record: {found.reverse.reverse.rcode}")
    return AuthResult("iprev", "pass" if confirmed else "fail", shown, "" if confirmed else found.reverse.describe())


def _spf(one: SpfResult, identity: tuple[str, str]) -> AuthResult:
    return AuthResult("spf", one.result, (identity,), "" if one.result == "pass" else one.describe())


def _dkim(one: Checked) -> AuthResult:
    signature = one.signature
    shown = (
        ("header.d", signature.domain),
        ("header.i", signature.identity),
        ("header.s", signature.selector),
        ("header.a", signature.algorithm),
        ("header.b", base64.b64encode(signature.value).decode()[:8]),
    )
    testing = "the key is in test mode (t=y)" if one.key and one.key.testing else ""
    reason = "; ".join(filter(None, (one.own.reason, testing, one.dispute)))
    return AuthResult("dkim", one.own.result, tuple(pair for pair in shown if pair[1]), reason)


def _dmarc(found: Authentication) -> AuthResult:
    try:
        shown: tuple[tuple[str, str], ...] = (("header.from", found.author),)
        source = found.source
        if source is None:
            return AuthResult("dmarc", "none", shown)
        shown = (*shown, ("policy.dmarc", found.policy or "none"))
        return AuthResult("dmarc", "pass" if found.passes else "fail", shown)
    except NotApplicable:
        return AuthResult("dmarc", "permerror", (), found.author_fault)
    except Undetermined as why:
        return AuthResult("dmarc", "temperror", (("header.from", found.author),), why.text)
