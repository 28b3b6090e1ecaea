"""MTA-STS of the domains that mail comes to. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, listed, seen
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.mtasts import PolicyBefore, StrictPolicy, StrictTransport


@check(
    "RFC8461 3.1: must",
    "NCSC: info",
    fix=(
        'Publish: _mta-sts.{domain.name}. IN TXT "v=STSv1; id=1", with another id whenever the policy changes, and '
        "serve the policy at https://mta-sts.{domain.name}/.well-known/mta-sts.txt."
    ),
)
def test_mtasts_record(strict_transport: StrictTransport) -> None:
    """Every domain that takes mail has one record that announces its MTA-STS policy.

    Without it senders cannot know that TLS is to be had, and whoever sits between can take it away.
    """
    faults = strict_transport.faults
    assert not faults, seen(listed(faults, joint="; "))
    published = strict_transport.published
    assert published.records, seen(published.absence, at_most="info")
    assert not published.spaced, seen(published.spaced, at_most="info")


@check(
    "RFC8461 3.3: must",
    "RFC8461 3.2: should",
    fix=(
        "Serve the policy at https://mta-sts.{domain.name}/.well-known/mta-sts.txt: 200 and no redirection, "
        "Content-Type: text/plain, under a certificate of a public authority for mta-sts.{domain.name}."
    ),
)
def test_mtasts_policy(strict_policy: StrictPolicy) -> None:
    """The MTA-STS policy that a record announces can be fetched as senders fetch it.

    Senders that cannot get it deliver as if there were none.
    """
    faults = strict_policy.faults
    assert not faults, seen("; ".join(faults))
    other = strict_policy.other_type
    assert not other, seen(f"{strict_policy.page.url} has the media type {quoted(other)}", at_most="should")


@check(
    "RFC8461 3.2: must",
    fix=(
        "Write the policy of {domain.name} as lines: version: STSv1; mode: enforce (or testing, none); "
        "mx: <name> for each mail exchanger; max_age: 1209600 (seconds, at most 31557600)."
    ),
)
def test_mtasts_fields(strict_policy: StrictPolicy) -> None:
    """The MTA-STS policy has its version, a mode, an age of at most a year, and mail exchangers.

    A policy that is not valid is taken for none; one that is soon forgotten protects little.
    """
    policy = strict_policy.policy
    assert not policy.problems, seen(listed(policy.problems, joint="; "))
    assert not policy.notes, seen(listed(policy.notes, joint="; "), at_most="info")


@check(
    "RFC8461 4.1: must",
    fix=(
        "Add a line mx: <name> to the policy for each mail exchanger of {domain.name} (*. stands for one label), "
        "and give the record another id."
    ),
)
def test_mtasts_mx_match(strict_policy: StrictPolicy) -> None:
    """The MTA-STS policy names every mail exchanger of the domain.

    Senders deliver to no other when the mode is enforce; mail waits, and comes back at last.
    """
    left_out = strict_policy.left_out
    policy = strict_policy.valid
    text = f"the policy ({policy.mode}) names {listed(map(quoted, policy.mx))}, but not {listed(map(quoted, left_out))}"
    assert not left_out, seen(text, at_most="must" if policy.mode == "enforce" else "should")


@check(
    "NCSC: info",
    "RFC8461 5: info",
    fix="Set mode: enforce in the policy of {domain.name} once reports show no failures; give its record another id.",
)
def test_mtasts_mode(strict_policy: StrictPolicy) -> None:
    """The MTA-STS policy is enforced.

    Until then senders deliver without TLS too, and only report it.
    """
    policy = strict_policy.valid
    assert policy.mode == "enforce", seen(f"mode: {policy.mode}")


@check(
    "RFC8461 3.1: must",
    "RFC8461 8.1: must",
    fix='Give the record another id: _mta-sts.{domain.name}. IN TXT "v=STSv1; id=<a new one, such as the time>".',
)
def test_mtasts_id_change(strict_policy: StrictPolicy, policy_before: PolicyBefore) -> None:
    """The record has another id whenever the MTA-STS policy has changed since the last run.

    Senders keep the policy that they know for as long as the id stays: they never see the new one.
    """
    stale = strict_policy.changed_since(policy_before) and strict_policy.transport.record.id == policy_before.id
    assert not stale, seen(
        f"the policy is another one than in the last run, and id={policy_before.id} is still the same"
    )


@check(
    "RFC8461 3.4: info",
    fix=(
        'Publish, to protect mail to {domain.name}: _mta-sts.{domain.name}. IN TXT "v=STSv1; id=1", and a '
        "policy of its own at https://mta-sts.{domain.name}/.well-known/mta-sts.txt."
    ),
)
def test_mtasts_no_parent(strict_transport: StrictTransport) -> None:
    """No subdomain that takes mail relies on the MTA-STS policy of the domain above.

    A policy holds for its own domain alone; mail to the subdomain goes unprotected.
    """
    above = strict_transport.parent_record
    text = f"{strict_transport.published.absence}; that of {strict_transport.parent} does not hold: {quoted(above)}"
    assert not above, seen(text)
