"""Where in a delivery a finding belongs: a line of the session, a header field, a result of authentication."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from conformance.report.grouping import Result

_AUTHORS = "header from"
_SIGNATURE = "header dkim-signature"
_TYPE = "header content-type"
_LIST = "header list-id"

_AREAS: Mapping[str, str] = {
    "ptr": "auth iprev",
    "spf": "auth spf",
    "dkim": "auth dkim",
    "dmarc": "auth dmarc",
    "ip": "line connected",
    "helo": "line EHLO",
    "tls": "line STARTTLS",
    "smtp": "line MAIL",
    "queue": "line end",
    "dom": _AUTHORS,
    "form": _AUTHORS,
    "msg": "header",
    "unsub": "header list-unsubscribe",
    "list": _LIST,
    "auto": "header auto-submitted",
    "parked": _AUTHORS,
}
_RULES: Mapping[str, str] = {
    **dict.fromkeys(
        ("msg.from-one", "msg.from-single", "msg.from-valid", "msg.from-not-freemail", "msg.display-name", "msg.idn"),
        _AUTHORS,
    ),
    **dict.fromkeys(("dmarc.from-one", "msg.header-domains-resolve", "form.from-own"), _AUTHORS),
    **dict.fromkeys(
        (
            *(
                "dkim.from-signed",
                "dkim.headers",
                "dkim.oversign",
                "dkim.no-l",
                "dkim.canon",
                "dkim.alg",
                "dkim.expiry",
            ),
            *("dkim.sig-tags", "dkim.no-trace-signed", "dkim.unsub-signed", "dkim.ed25519-dual"),
        ),
        _SIGNATURE,
    ),
    **dict.fromkeys(("msg.charset", "msg.cte", "msg.html-text", "msg.mime-version"), _TYPE),
    **dict.fromkeys(("msg.subject", "msg.subject-honest", "msg.encoded-valid"), "header subject"),
    **dict.fromkeys(("msg.received", "msg.hops", "tls.out-logged"), "header received"),
    "msg.to-present": "header to",
    **dict.fromkeys(("msg.reply-to", "dom.no-freemail-reply"), "header reply-to"),
    "tls.out-tlsrpt-sent": "line message",
    "msg.sender": "header sender",
    "msg.no-return-path": "header return-path",
    "msg.no-bcc": "header bcc",
    "msg.date": "header date",
    "msg.message-id": "header message-id",
    **dict.fromkeys(
        ("msg.size", "msg.no-bare-lf", "msg.line-998", "msg.links", "unsub.body-link", "list.physical"), "line message"
    ),
    "unsub.oneclick": "header list-unsubscribe-post",
    "list.precedence": "header precedence",
    "list.owner": "header list-owner",
    **dict.fromkeys(("list.bounces", "auto.null-return", "spf.align", "smtp.mailfrom-valid"), "line MAIL"),
    "spf.helo": "line EHLO",
    "ptr.matches-helo": "line EHLO",
    **dict.fromkeys(("smtp.waits-banner", "smtp.v6-v4", "smtp.mx-lookup", "smtp.implicit-mx"), "line connected"),
    **dict.fromkeys(("smtp.quit", "smtp.server-errors-closed"), "line QUIT"),
    **dict.fromkeys(("smtp.dot-stuffing", "smtp.crlf", "smtp.8bit-downgrade", "smtp.timeouts"), "line message"),
    **dict.fromkeys(("smtp.one-domain", "smtp.rcpt-grouping"), "line RCPT"),
    "smtp.no-pipeline-starttls": "line STARTTLS",
    "helo.after-starttls": "line EHLO",
}


def place_of(check: str) -> str:
    """Return where findings of a rule belong: ``line MAIL``, ``header from``, ``auth spf``."""
    return _RULES.get(check) or _AREAS.get(check.partition(".")[0], "")


class Beside:
    """Findings that wait for the line they belong to. Each is handed out once."""

    def __init__(self, results: Iterable[Result]) -> None:
        self._waiting: dict[str, list[Result]] = {}
        for result in results:
            self._waiting.setdefault(place_of(result["check"]), []).append(result)

    def at(self, place: str) -> Sequence[Result]:
        """Return the findings of a place that were not handed out."""
        return self._waiting.pop(place, ())

    def rest(self, kind: str = "") -> Sequence[Result]:
        """Return all findings of a kind of place that were not handed out: ``line``, ``header``, ``auth``."""
        places = [place for place in self._waiting if place.startswith(kind)]
        return [result for place in places for result in self._waiting.pop(place)]
