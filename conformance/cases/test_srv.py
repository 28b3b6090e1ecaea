"""What the fleet's own servers do in a session. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, seen
from conformance.reading.excerpt import quoted

if TYPE_CHECKING:
    from conformance.facts.session import Reply, Session

UNKNOWN_COMMAND = (500, 502)


@check(
    "RFC5321 4.5.1: must",
    fix="Let {listener.id} greet with 220 and answer EHLO with 250 (no mail proxy or firewall that rewrites SMTP).",
)
def test_srv_esmtp_ok(session: Session) -> None:
    """Every listener greets and answers EHLO.

    EHLO is how either side learns what the other can do; without it there is neither TLS nor a size limit.
    """
    refused = session.end == "bad-greeting" and not _temporary(session.greeting)
    assert not refused, seen(f"at {session.stage}: {session.error}")
    ehlo = session.need(session.ehlo, "the EHLO reply")
    helo_only = ehlo.code in UNKNOWN_COMMAND or (session.helo is not None and session.helo.code == 250)
    assert not helo_only, seen(f"EHLO is answered by {_said(ehlo)}, HELO by {_said(session.helo) or 'nothing'}")
    if ehlo.code // 100 != 2:
        raise session.undetermined("the EHLO reply")


def _temporary(reply: Reply | None) -> bool:
    return reply is not None and reply.code // 100 == 4


def _said(reply: Reply | None) -> str:
    return f"{reply.code} {quoted(' '.join(reply.lines))}" if reply else ""
