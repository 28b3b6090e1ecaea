"""The parts of a message, their encodings and character sets."""

from __future__ import annotations

import email
import time
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import bodysyntax, transfer
from conformance.reading.message import read
from conformance.reading.mime import DEEPEST, MOST_PARTS, Structure, read_type, structure


def parts(text: str | bytes) -> Structure:
    octets = text.encode("latin-1") if isinstance(text, str) else text
    return structure(read(octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")))


MIXED = "Content-Type: multipart/mixed; boundary={}\n\n{}"


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("text/plain", "text/plain", {}),
        ("Text/HTML; Charset=UTF-8;", "text/html", {"charset": "UTF-8"}),
        ('multipart/mixed; boundary="a b;\\"c"', "multipart/mixed", {"boundary": 'a b;"c'}),
        ("text/plain (comment); charset=utf-8 (comment)", "text/plain", {"charset": "utf-8"}),
        ('multipart/mixed; boundary*0="one"; boundary*1=two', "multipart/mixed", {"boundary": "onetwo"}),
        ("text/plain; name*=utf-8''%C3%BC", "text/plain", {"name": "ü"}),
    ],
)
def test_lawful_types(text: str, name: str, parameters: dict[str, str]) -> None:
    found = read_type(text)
    assert not found.fault
    assert found.name == name
    assert {key: found.parameters[key] for key in parameters} == parameters


@pytest.mark.parametrize("text", ["", "text", "text/", "/plain"])
def test_types_that_cannot_be_read(text: str) -> None:
    assert read_type(text).fault


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("text/plain charset=utf-8", {}),
        ("text/plain; charset", {}),
        ("text/plain; charset=utf-8; charset=utf-8", {"charset": "utf-8"}),
        ("multipart/mixed; boundary=----=_Part_1", {"boundary": "----=_Part_1"}),
        ("application/pdf; name=My File.pdf", {"name": "My File.pdf"}),
    ],
)
def test_types_with_a_slip_are_made_out(text: str, parameters: dict[str, str]) -> None:
    found = read_type(text)
    assert found.slip
    assert not found.fault
    assert {key: found.parameters[key] for key in parameters} == parameters


def test_parts_are_found_with_their_paths() -> None:
    inner = "Content-Type: multipart/alternative; boundary=in\n\n"
    inner += "--in\n\nplain\n--in\nContent-Type: text/html\n\n<p>\n--in--\n"
    found = parts(MIXED.format("out", f"pre\n--out\n{inner}--out\nContent-Type: image/png\n\nx\n--out--\npost"))
    assert [(part.path, part.type.name) for part in found.parts] == [
        ("1.1", "text/plain"),
        ("1.2", "text/html"),
        ("2", "image/png"),
    ]
    assert [part.octets for part in found.parts] == [b"plain", b"<p>", b"x"]
    assert not found.faults
    assert not found.slips


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (MIXED.format("b", "--b\n\nx\n"), "never closed"),
        (MIXED.format("b", "nothing"), "does not occur"),
        ("Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n", "has no boundary"),
        ("Content-Type: text/plain\nContent-Type: text/html\n\nx", "stands 2 times"),
        ("Content-Type: text\n\nx", "no type/subtype"),
    ],
)
def test_faults_of_structure(text: str, fault: str) -> None:
    assert any(fault in one for one in parts(text).faults)


def test_a_boundary_of_strange_characters_is_a_slip() -> None:
    found = parts(MIXED.format('"a{b}"', "--a{b}\n\nx\n--a{b}--\n"))
    assert found.slips
    assert not found.faults


def test_a_multipart_that_is_encoded_by_name_is_a_slip() -> None:
    found = parts("Content-Transfer-Encoding: base64\n" + MIXED.format("b", "--b\n\nx\n--b--"))
    assert "its parts must be instead" in found.slips[0]
    assert not found.faults


def test_a_longer_line_is_no_delimiter() -> None:
    found = parts(MIXED.format("b", "--b\n\nx\n--bb\ny\n--b--\n"))
    assert [part.octets for part in found.parts] == [b"x\r\n--bb\r\ny"]


def test_empty_and_adjacent_parts() -> None:
    found = parts(MIXED.format("b", "--b\n--b\n\n--b--"))
    assert [part.octets for part in found.parts] == [b"", b""]


def test_nesting_and_number_are_bounded() -> None:
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(DEEPEST + 5))
    assert "deep" in parts(nested).cut
    assert "parts" in parts(MIXED.format("b", "--b\n\nx\n" * (MOST_PARTS + 5) + "--b--")).cut


def test_a_message_inside_is_known() -> None:
    found = parts(MIXED.format("b", "--b\nContent-Type: message/rfc822\n\nSubject: x\n\ny\n--b--"))
    assert found.messages == ("1",)


@pytest.mark.parametrize(
    ("octets", "encoding", "text", "garbles"),
    [
        (b"\xc3", "7bit", "0xC3", True),
        (b"\0", "8bit", "a NUL", True),
        (b"=3D=\r\n=c3", "quoted-printable", "", False),
        (b"=3", "quoted-printable", "'=3' is no escape", True),
        (b"\xc3", "quoted-printable", "0xC3", True),
        (b"a" * 77, "quoted-printable", "77 characters", False),
        (b"YWJj\r\nYWI=\r\n", "base64", "", False),
        (b"YWJjY", "base64", "ends within an octet", True),
        (b"YWI", "base64", "lacks its padding", False),
        (b"YW-j", "base64", "'-'", True),
        (b"YWJj" * 20, "base64", "80 characters", False),
        (b"\xff\0", "binary", "", False),
        (b"plain", "7bit", "", False),
    ],
)
def test_transfer_encodings(octets: bytes, encoding: str, text: str, garbles: bool) -> None:
    found = list(transfer.faults(octets, encoding))
    assert bool(found) == bool(text)
    assert not text or any(text in one and harm == garbles for one, harm in found)


@pytest.mark.parametrize(
    ("header", "body", "fault"),
    [
        ("text/plain; charset=utf-8", b"Gr\xc3\xbc\xc3\x9fe", ""),
        ("text/plain; charset=utf-8", b"Gr\xfc\xdfe", "0xFC"),
        ("text/plain; charset=us-ascii", b"\xc3", "0xC3"),
        ("text/plain", b"plain", ""),
        ("text/plain", b"\xc3", "declares no charset"),
        ("text/calendar", b"\xc3\xbc", ""),
        ("text/plain; charset=nobody", b"plain", "nobody knows"),
        ("text/plain; charset=gb2312", "镕".encode("gbk"), ""),
        ("text/plain; charset=ks_c_5601-1987", "똠".encode("cp949"), ""),
        ("text/plain; charset=viscii", b"\xc3", ""),
    ],
)
def test_character_sets_of_text(header: str, body: bytes, fault: str) -> None:
    (part,) = structure(read(f"Content-Type: {header}\r\n\r\n".encode() + body)).parts
    said = bodysyntax.charset_fault(part)
    assert bool(said) == bool(fault)
    assert fault in said


def test_encodings_across_parts() -> None:
    wrong, slips = bodysyntax.encoding_faults(parts("Content-Transfer-Encoding: eightbit\n\nx"))
    assert "unknown" in wrong[0]
    assert not slips
    text = MIXED.format("b", "--b\nContent-Transfer-Encoding: 8bit\n\n\xfc\n--b--")
    wrong, slips = bodysyntax.encoding_faults(parts(text))
    assert not wrong
    assert "counts as 7bit" in slips[0]


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("https://example.com/a", ""),
        ("http://example.com", "not HTTPS"),
        ("https://192.0.2.1/", "no name"),
        ("https://[2001:db8::1]/", "no name"),
        ("https://bit.ly/x", "a shortener"),
        ("https://[oops", "no web address"),
    ],
)
def test_links(link: str, why: str) -> None:
    assert bodysyntax.link_fault(link) == why


def test_time_is_bounded() -> None:
    began = time.process_time()
    parts(MIXED.format("b", "--b\n" * 1_000_000))
    parts(MIXED.format("b", "-" * 4_000_000))
    parts("Content-Type: " + "a/b;" * 100_000 + "\n\n")
    parts("Content-Type: a/b" + '; c="\\"' * 100_000 + "\n\n")
    list(transfer.faults(b"=" * 4_000_000, "quoted-printable"))
    assert time.process_time() - began < 60


TEXTS = st.text(st.sampled_from('Content-Type:multipar/xd; boundary="b"\n-é='), max_size=60)


@given(TEXTS, TEXTS)
def test_any_message_is_read(header: str, body: str) -> None:
    found = parts(f"Content-Type: multipart/mixed; boundary=b{header}\n\n--b\n{body}\n--b--".encode())
    bodysyntax.encoding_faults(found)
    for part in found.parts:
        bodysyntax.charset_fault(part)
        assert part.text is not None


@given(st.binary(max_size=60), st.sampled_from(transfer.KNOWN))
def test_any_octets_are_decoded(octets: bytes, encoding: str) -> None:
    transfer.decode(octets, encoding)
    list(transfer.faults(octets, encoding))


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1), st.binary())
def test_what_the_library_writes_is_lawful(text: str, attached: bytes) -> None:
    made = EmailMessage()
    made.set_content(f"{text}\n")
    made.add_alternative(f"<p>{text}</p>\n", subtype="html")
    made.add_attachment(attached, maintype="application", subtype="octet-stream", filename="é.bin")
    octets = made.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    found = structure(read(octets))
    assert not found.faults
    assert bodysyntax.encoding_faults(found)[0] == []
    assert not any(map(bodysyntax.charset_fault, found.parts))
    leaves = [one for one in email.message_from_bytes(octets).walk() if not one.is_multipart()]
    assert [part.content for part in found.parts if part.type.major != "text"] == [
        one.get_payload(decode=True) for one in leaves if one.get_content_maintype() != "text"
    ]
    assert [part.type.name for part in found.parts] == [one.get_content_type() for one in leaves]
