from __future__ import annotations

from xml.etree import ElementTree

import junitparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.report.formats import junit
from tests.report.sample_results import result, results
from tests.report.told import ADDRESS, MX, attacked, mixed


def cases(text: str) -> dict[str, junitparser.TestCase]:
    """Return test cases by class name and name, as the reader of an action on GitHub sees them."""
    (suite,) = junitparser.JUnitXml.fromstring(text.encode())
    found = {f"{case.classname} {case.name}": case for case in suite}
    assert len(found) == suite.tests
    told = [answer for case in found.values() for answer in case.result]
    assert suite.failures == sum(isinstance(one, junitparser.Failure) for one in told)
    assert suite.errors == sum(isinstance(one, junitparser.Error) for one in told)
    assert suite.skipped == sum(isinstance(one, junitparser.Skipped) for one in told)
    return found


def test_each_outcome_is_what_readers_take_for_it() -> None:
    found = cases(junit.render(mixed()))
    kinds = {name: [type(one).__name__ for one in case.result] for name, case in found.items()}
    assert kinds == {
        f"{MX} ptr.exists [{ADDRESS}]": ["Failure"],
        f"{MX} ptr.single [{ADDRESS}]": ["Skipped"],
        f"{MX} ptr.ipv6 [{ADDRESS}]": ["Skipped"],
        "example.com spf.exists [example.com]": ["Skipped"],
        f"{MX} tls.in-offered [{MX}:25]": ["Error"],
        f"{MX} helo.fqdn [{ADDRESS}]": [],
    }
    message = {name.split()[1]: case.result[0].message for name, case in found.items() if case.result}
    assert message["ptr.exists"] == "25.100.51.198.in-addr.arpa PTR answered NXDOMAIN"
    assert message["ptr.single"].startswith("advice (should): 25.100.51.198")
    assert message["ptr.ipv6"] == "not an IPv6 address"
    assert message["spf.exists"].startswith("waived: provider changes it (until 2027-01-31); ")
    assert "fix: 25.100.51.198.in-addr.arpa. IN PTR" in found[f"{MX} ptr.exists [{ADDRESS}]"].result[0].text


def test_names_do_not_change_with_what_was_seen() -> None:
    def names(**more: str) -> list[dict[str, str]]:
        text = junit.render(results(result("ptr.exists", ADDRESS, "fail", **more), started="2026-01-01T00:00:00Z"))
        root = ElementTree.fromstring(text)
        return [{key: case.attrib[key] for key in ("classname", "name")} for case in root.iter("testcase")]

    assert names(seen="NXDOMAIN") == names(seen="3 names", declared_at="hosts.yml:99", fix="other")


def test_a_finding_leads_to_its_declaration() -> None:
    root = ElementTree.fromstring(junit.render(mixed()))
    place = {case.attrib["name"].split()[0]: case.get("file") for case in root.iter("testcase")}
    assert place["ptr.exists"] == f"host_vars/{MX}.yml"
    assert place["helo.fqdn"] is None
    assert {case.get("line") for case in root.iter("testcase")} == {"2", None}


def test_hostile_text_is_text() -> None:
    root = ElementTree.fromstring(junit.render(attacked()))
    assert {one.tag for one in root.iter()} == {"testsuites", "testsuite", "testcase", "failure", "error", "skipped"}
    failure = next(root.iter("failure"))
    assert "</script><script>" in failure.attrib["message"]
    assert failure.text is not None
    assert "\\x1b[2J\\x00\\u{202e}\\u{dc80}\\u{fffe}" in failure.text


@given(st.text(st.characters(), max_size=300))
def test_any_text_can_be_told(text: str) -> None:
    found = results(result("ptr.exists", ADDRESS, "fail", seen=text, declared_at=text), inventory=[text])
    ElementTree.fromstring(junit.render(found).encode())


def test_a_traceback_is_kept_on_its_lines() -> None:
    own = result("ptr.exists", ADDRESS, "undetermined", extra={"traceback": "Traceback\n  File x\nValueError"})
    error = next(ElementTree.fromstring(junit.render(results(own))).iter("error"))
    assert error.text is not None
    assert error.text.endswith("Traceback\n  File x\nValueError")


@pytest.mark.parametrize(
    ("room", "kept", "said"),
    [
        (10_000, 6, None),
        (2150, 6, "1 not applicable"),
        (1600, 4, "1 not applicable, 1 passed, 1 waived"),
        (1000, 3, "1 not applicable, 1 passed, 1 waived, 1 advice"),
        (700, 2, "1 not applicable, 1 passed, 1 waived, 1 advice, 1 undetermined"),
        (100, 1, "1 undetermined, 1 failed"),
    ],
)
def test_what_there_is_no_room_for_is_counted(
    monkeypatch: pytest.MonkeyPatch, room: int, kept: int, said: str | None
) -> None:
    monkeypatch.setattr(junit, "LIMIT", room)
    found = cases(junit.render(mixed()))
    assert len(found) == kept
    own = found.get("mailconform every result is listed")
    assert (own is None) is (said is None)
    if own is not None and said is not None:
        assert own.result[0].message.endswith(said)


def test_a_run_that_fell_short_is_an_error() -> None:
    found = cases(junit.render(mixed(complete=False, exit=2, unreached=["ptr.exists mx9"])))
    error = found["mailconform the run looked at everything"].result[0]
    assert isinstance(error, junitparser.Error)
    assert "1 not reached, first ptr.exists mx9" in error.message
