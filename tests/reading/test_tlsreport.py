"""TLS reports: what RFC 8460 asks of them, and what hostile ones must not do."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
import zlib
from base64 import encodebytes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.message import read
from conformance.reading.tlsreport import LARGEST, TlsReportError, is_report, read_json, read_report, unpacked

REPORT: dict[str, Any] = {
    "organization-name": "Example",
    "date-range": {"start-datetime": "2026-03-01T00:00:00Z", "end-datetime": "2026-03-01T23:59:59Z"},
    "contact-info": "tls@example.com",
    "report-id": "5065427c-23d3",
    "policies": [
        {
            "policy": {"policy-type": "no-policy-found", "policy-domain": "p1.conform.example.net"},
            "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0},
            "failure-details": [{"result-type": "certificate-expired", "failed-session-count": 0}],
        }
    ],
}


def mail(content: bytes, kind: str = "application/tlsrpt+gzip", outer: str = "tlsrpt", more: str = "") -> bytes:
    head = (
        f"TLS-Report-Domain: p1.conform.example.net\r\nTLS-Report-Submitter: example.com\r\n{more}MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type="{outer}"; boundary="b"\r\n\r\n--b\r\n\r\nA report.\r\n--b\r\n'
        f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode() + encodebytes(content).replace(b"\n", b"\r\n") + b"--b--\r\n"


def octets(**changes: Any) -> bytes:
    return json.dumps({key: value for key, value in (REPORT | changes).items() if value is not None}).encode()


def test_a_report_that_conforms() -> None:
    for whole in (mail(gzip.compress(octets())), mail(octets(), "application/tlsrpt+json")):
        message = read(whole)
        assert is_report(message)
        found = read_report(message)
        assert (found.types, found.content, found.slips) == ((), (), ())


def test_other_mail_is_no_report() -> None:
    assert not is_report(read(b"Content-Type: text/plain\r\n\r\nTLS-Report-Domain: x\r\n"))
    assert is_report(read(b"TLS-Report-Submitter: x\r\n\r\nx"))


def test_parts_of_other_types() -> None:
    found = read_report(read(mail(b"x", "application/gzip", "delivery-status")))
    assert found.types == (
        "its report-type is 'delivery-status', not tlsrpt",
        "no part is application/tlsrpt+gzip or application/tlsrpt+json; there are text/plain, application/gzip",
    )
    bare = read_report(read(b"Content-Type: application/tlsrpt+gzip\r\n\r\nno gzip"))
    assert bare.types == ("its Content-Type is 'application/tlsrpt+gzip', not multipart/report",)
    assert bare.content == ("the report is not gzip",)
    assert bare.slips == ("there is no TLS-Report-Domain field", "there is no TLS-Report-Submitter field")


POLICY = REPORT["policies"][0]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"organization-name": None}, "the report has no organization-name"),
        ({"contact-info": 7}, "the report has no contact-info"),
        ({"report-id": ""}, "the report has no report-id"),
        ({"date-range": "today"}, "the report has no date-range"),
        ({"date-range": {"start-datetime": "2026-03-01T00:00:00Z"}}, "date-range has no end-datetime in the form"),
        ({"date-range": {**REPORT["date-range"], "start-datetime": "2026-03-01"}}, "date-range has no start-datetime"),
        ({"date-range": {**REPORT["date-range"], "start-datetime": "2026-03-01T00:00:00"}}, "date-range has no start-"),
        ({"policies": []}, "the report has no policies"),
        ({"policies": ["x"]}, "policy 1 has no policy"),
        (
            {"policies": [{**POLICY, "policy": {"policy-type": "dane", "policy-domain": "x"}}]},
            "policy 1: policy-type is",
        ),
        ({"policies": [{**POLICY, "policy": {"policy-type": "sts"}}]}, "policy 1 has no policy-domain"),
        ({"policies": [{**POLICY, "summary": None}]}, "policy 1 has no summary"),
        (
            {"policies": [{**POLICY, "summary": {"total-successful-session-count": True}}]},
            "policy 1: summary has no total-successful-session-count",
        ),
        ({"policies": [{**POLICY, "failure-details": {}}]}, "policy 1: failure-details is no list"),
        ({"policies": [{**POLICY, "failure-details": [{}]}]}, "policy 1: failure-details without result-type"),
        (
            {"policies": [{**POLICY, "failure-details": [{"result-type": "x", "failed-session-count": -1}]}]},
            "policy 1: failure-details without failed-session-count",
        ),
    ],
)
def test_what_the_json_lacks(changes: dict[str, Any], fault: str) -> None:
    assert read_json(octets(**changes))[0].startswith(fault)


@pytest.mark.parametrize("text", [b"", b"[]", b"nonsense", b"\xff", b"[" * 100_000, b"9" * 10_000, b'{"a":'])
def test_what_is_no_json(text: bytes) -> None:
    with pytest.raises(TlsReportError):
        read_json(text)


def test_hostile_gzip_is_bounded() -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * (LARGEST * 50)) + b"\0" * (LARGEST * 50))
    begun = time.process_time()
    with pytest.raises(TlsReportError, match="more than"):
        unpacked(bomb)
    assert time.process_time() - begun < 5
    for wrong in (b"", b"x", gzip.compress(b"x")[:-1], zlib.compress(b"x")):
        with pytest.raises(TlsReportError):
            unpacked(wrong)
    assert unpacked(gzip.compress(b"x")) == b"x"


@given(st.binary())
def test_any_octets_can_be_unpacked(content: bytes) -> None:
    with contextlib.suppress(TlsReportError):
        unpacked(content)
    assert unpacked(gzip.compress(content)) == content


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*REPORT, *POLICY, *POLICY["policy"], "result-type"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*REPORT, "x"]), VALUES))
def test_any_json_can_be_read(value: dict[str, Any]) -> None:
    faults = read_json(json.dumps(value).encode())
    assert faults
    assert len(faults) <= 5
    assert all(isinstance(fault, str) for fault in faults)


@given(st.binary(max_size=300))
def test_any_message_can_be_read(content: bytes) -> None:
    for whole in (content, mail(content), mail(gzip.compress(content))):
        message = read(whole)
        is_report(message)
        read_report(message)
