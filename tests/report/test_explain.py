from __future__ import annotations

import subprocess
import sys

from conformance.check import Check, Citation, Level
from conformance.report.explain import blanks, explain

CHECK = Check(
    "ptr.exists",
    "Every sending address has a PTR record.",
    "Receivers refuse mail from an address without a name.\n\nSome only defer it.",
    "Publish: {address.reverse_name} IN PTR {address.helo}.",
    (Citation("Z", "ptr", Level.MUST), Citation("RFC1912", "2.1", Level.SHOULD), Citation("RFC1912", "", None)),
    ("ptr",),
    "test_ptr:1",
)


def test_a_rule_is_explained() -> None:
    text = "\n".join(explain(CHECK, {"common": "must", "rfc": Level.SHOULD, "yahoo": None}))
    assert text.startswith("ptr.exists: Every sending address has a PTR record.\n\nReceivers refuse mail")
    assert "Some only defer it." in text
    assert "  common  must\n  rfc     should\n  yahoo   not part of it\n" in text
    assert "  must      Z ptr, " in text
    assert "https://www.rfc-editor.org/rfc/rfc1912#section-2.1" in text
    assert "  explains  RFC1912, " in text
    assert text.endswith("How to fix\n  Publish: <reverse name> IN PTR <helo>.")


def test_blanks_of_a_fix() -> None:
    assert blanks('{domain.name}. IN TXT "v=spf1 {address.spf_mechanism} -all" {probe}') == (
        '<name>. IN TXT "v=spf1 <spf mechanism> -all" <probe>'
    )


def test_explaining_needs_nothing_heavy() -> None:
    code = "import sys, conformance.report.explain; print([m for m in ('jinja2', 'pytest', 'dns') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
