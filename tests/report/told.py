"""Results for the tests of formats: one of each outcome, and texts that attack whoever reads them."""

from __future__ import annotations

from typing import Any

from tests.report.sample_results import result, results

MX = "mx1.example.net"
ADDRESS = f"{MX}/198.51.100.25"

HOSTILE = (
    "=cmd|' /C calc'!A0;@SUM(1)\r\n::error title=x::forged\n##[add-mask]x </script><script>alert(1)</script>"
    "<img src=x onerror=alert(1)> ]]> &amp; %0A %25 @everyone #1 `` ``` ![x](https://evil.example/) [y](1) {0} "
    "\"'\\ | \x1b[2J\0\u202e\udc80\ufffe\n/close\n"
)


def mixed(**run: Any) -> dict[str, Any]:
    """One result of each outcome, each of its own rule."""
    return results(
        result("ptr.exists", ADDRESS, "fail"),
        result("ptr.single", ADDRESS, "advice", level="should"),
        result("ptr.ipv6", ADDRESS, "not-applicable"),
        result("spf.exists", "example.com", "waived", kind="domain", host=None, domain="example.com"),
        result("tls.in-offered", f"{MX}:25", "undetermined", kind="listener", host=MX),
        result("helo.fqdn", ADDRESS, "pass"),
        **run,
    )


def attacked(text: str = HOSTILE) -> dict[str, Any]:
    """The same with a text wherever a file could hold one."""
    found = mixed(
        inventory=[text],
        limit=text,
        profiles=[text],
        tool=text,
        rules=text,
        warnings=[text],
        notes=[text],
        unreached=[text],
        complete=False,
        exit_text=text,
        started=text,
    )
    for check in found["checks"].values():
        check |= {"title": text, "reason": text, "fix": text}
        check["sources"] = [{"cite": text, "level": "must", "title": text, "address": f"https://{text}"}]
    for one in found["results"]:
        one.update(dict.fromkeys(("seen", "required", "fix", "why", "aspect", "declared_at"), text))
        one.update({"subject": f"{one['subject']} {text}", "host": text, "sources": [text]})
        one["cause"] = text if one["outcome"] == "undetermined" else None
        one["waiver"] = {"id": text, "reason": text, "expires": text} if one["outcome"] == "waived" else None
    return found
