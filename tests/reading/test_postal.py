"""Postal addresses: in the ways of writing of many places, and what is none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.message import read
from conformance.reading.mime import structure
from conformance.reading.postal import lacking, recognised, shown

ADDRESSES = """
Example Ltd, 1 Example Street, Exampletown
221B Baker St., London NW1 6XE
1600 Pennsylvania Avenue NW, Washington, DC 20500
Suite 4, 77 Massachusetts Ave, Cambridge MA 02139
PO Box 123, Springfield
P.O. Box 77 Dublin
Musterfirma GmbH, Musterstraße 12, 10115 Berlin
Dorfplatz 4, A-6020 Innsbruck
Am Markt 3
    20095 Hamburg
Postfach 10 20 30
12 rue de la Paix, 75002 Paris
BP 1234, 69000 Lyon
Calle Mayor 5, 28013 Madrid
Via Roma, 10 - 00184 Roma
Rua Augusta, nº 1500, São Paulo
Keizersgracht 1, 1015 CJ Amsterdam
Drottninggatan 7, 111 51 Stockholm
ul. Marszałkowska 10, Warszawa
Váci utca 9, Budapest
ул. Ленина, д. 5, Москва
119019, Москва, а/я 12
Οδός Ερμού 3, Αθήνα
شارع التحرير 12، القاهرة
רחוב הרצל 5, תל אביב
〒100-0001 東京都千代田区千代田1-1
東京都港区芝公園4丁目2-8
北京市朝阳区建国路88号
서울특별시 중구 세종대로 110
ถนน สุขุมวิท 21 กรุงเทพ
Jalan Sudirman 10, Jakarta
Atatürk Caddesi No 7
350 Fifth Parade, Anytown, NY 10118
"""


@pytest.mark.parametrize("address", ADDRESSES.strip().replace("\n    ", "|").splitlines())
def test_addresses_are_recognised(address: str) -> None:
    text = f"Our offers of May.\n\n{address.replace('|', chr(10))}\nUnsubscribe\n"
    assert recognised([text])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello.",
        "See https://example.com/street/12 for more",
        "Save 20 % on 3 items until 12 May 2026",
        "Version 3.14 of the 2026 catalogue is here. 10 tips for 2026, and more.",
        "Call 0800 123456 now, order no. 4711.",
        "We are on the street with the news of 2026",
        "You have 3 new messages and 12 likes",
    ],
)
def test_what_is_no_address_is_not_taken_for_one(text: str) -> None:
    assert recognised([text]) == ""


@pytest.mark.parametrize(
    ("address", "text", "missing"),
    [
        ("Example Ltd, 1 Example Street", "example ltd\n1 EXAMPLE   street", []),
        ("Example Ltd, 1 Example Street", "1 Example Street", ["Example Ltd"]),
        ("Müller GmbH\nHauptstraße 5", "Muller GmbH · Hauptstrasse 5", []),
        ("株式会社例\n東京都港区1-2", "発行: 株式会社例 住所:東京都港区１－２", []),
        ("Example Ltd", "Exam ple\u00ad L t d", []),
        (", ;", "nothing", []),
        ("Example Ltd", "", ["Example Ltd"]),
    ],
)
def test_a_declared_address_is_looked_for(address: str, text: str, missing: list[str]) -> None:
    assert lacking(address, [text]) == missing


def test_texts_are_those_that_people_see() -> None:
    header = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    body = (
        "<style>1 Example Street</style><p>Hauptstraße <b>5</b><br>20095 Hamburg <img alt='Example Ltd'></p>".encode()
    )
    texts = [text for text, _ in shown(structure(read(header + body)))]
    assert recognised(texts).startswith("Hauptstraße 5")
    assert lacking("Example Ltd, 1 Example Street", texts) == ["1 Example Street"]
    assert [whole for _, whole in shown(structure(read(header + b"x" * (1 << 21))))] == [False]


@given(st.text(), st.text())
def test_any_text_can_be_read(address: str, text: str) -> None:
    assert isinstance(recognised([text]), str)
    assert set(lacking(address, [text])) <= {piece.strip() for piece in address.replace(";", ",").split(",")} | set(
        lacking(address, [""])
    )
    assert lacking(address, [address]) == []


@pytest.mark.parametrize("piece", ["1 a ", "street ", "1 street a, ", "12345", "a", "box ", "rue a b c d e ", "1, a. "])
def test_long_texts_take_little_time(piece: str) -> None:
    begun = time.process_time()
    recognised([piece * (200_000 // len(piece))])
    assert time.process_time() - begun < 10
