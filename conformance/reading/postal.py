"""Postal addresses in the text of a message: one that is declared, and what looks like one in many ways of writing.

Ways of writing addresses have no standard. What is recognised here is one in all likelihood; what is not may be one all
the same, so that nobody is to be accused of having none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from conformance.reading.html import read_html
from conformance.reading.mime import Structure

__all__ = ["LARGEST", "lacking", "recognised", "shown"]

LARGEST: Final = 1 << 20
"""Characters of one part that are read."""
_MOST_PARTS: Final = 20

_PIECE: Final = re.compile(r"[\n\r,;|•·]+")
_NUMBER: Final = r"(?<![\w.])(?!0|(?:19|20)\d\d\b)\d{1,5}(?:[ ]?[A-Za-z])?(?:[-/–]\d{1,5}[A-Za-z]?)?(?!\w)"
_WORDS: Final = r"(?:[^\s.,;:!?()<>/@]{1,40}[ .,'’-]{1,3})"
_STREET: Final = (
    r"(?:street|st\.|road|rd\.?|avenue|ave\.?|boulevard|blvd\.?|lane|drive|square|parkway|highway|terrace|rue|quai|"
    r"chemin|allée|impasse|cours|calle|c/|avenida|avda?\.|paseo|plaza|carrera|via|viale|piazza|corso|rua|travessa|"
    r"alameda|praça|ulica|ul\.|aleja|náměstí|nám\.|třída|utca|út|tér|strada|str\.|bulevardul|bd\.?|sokak|sok\.|"
    r"cadde(?:si)?|cad\.|mahallesi|mah\.|jalan|jl\.?|jln\.?|đường|phố|улица|ул\.|проспект|пр\.|переулок|пер\.|вулиця|"
    r"вул\.|бул\.|οδός|λεωφόρος|شارع|طريق|רחוב|שדרות|मार्ग|रोड|ถนน|ซอย)"
)
_COMPOUND: Final = (
    r"[^\W\d_]{2,40}(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer|gatan|vägen|vej|gade|veien|gata|straat|"
    r"laan|plein|kade|gracht|katu|tie)"
)
_CODE: Final = (
    r"(?:[A-Z]{1,2}-)?(?:(?!(?:19|20)\d\d\b)\d{4,6}|\d{3}[ -]\d{2}|\d{5}-\d{3,4}|[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2}|"
    r"[A-Z]\d[A-Z][ ]?\d[A-Z]\d|\d{4}[ ]?[A-Z]{2})"
)
_FORMS: Final = (
    re.compile(rf"{_NUMBER},?[ ]{_WORDS}{{1,4}}?{_STREET}(?!\w)", re.IGNORECASE),
    re.compile(rf"(?<!\w){_STREET}[ ]{{0,2}}{_WORDS}{{0,4}}?(?:n[°ºro]{{1,2}}\.?[ ]?)?{_NUMBER}", re.IGNORECASE),
    re.compile(rf"(?<!\w){_COMPOUND}[ ]{{1,2}}{_NUMBER}", re.IGNORECASE),
    re.compile(
        r"(?<!\w)(?:p\.?[ ]?o\.?[ ]?box|postfach|postbus|postboks|boîte postale|b\.?p\.?|casella postale|apartado|"
        r"caixa postal|casilla(?: de correo)?|skrytka pocztowa|а/я|абонентский ящик|ταχ\. θυρίδα|ص\.ب\.?|ת\.?ד\.?)"
        r"[ :№nº°ro.]{0,5}\d{1,7}(?!\w)",
        re.IGNORECASE,
    ),
    re.compile(r"〒\s?\d{3}[-‐－ー]?\d{4}|\d{1,4}丁目|\d{1,4}番地|私書箱\D{0,3}\d|郵政\S{0,6}信箱"),
    re.compile(r"[路街道巷弄]\s?\d{1,5}\s?[号號]|[가-힣](?:로|길)\s?\d{1,5}(?:-\d{1,4})?(?!\d)|\d{1,5}번지"),
    # A name with a number, and a postal code with a place behind or before it.
    re.compile(
        rf"(?:[^\W\d_]{{3,40}}[ ]{_NUMBER}|{_NUMBER}[ ]{_WORDS}{{1,3}}?)[,\s•·|–-]{{1,6}}{_CODE}[ ][^\W\d_]{{2}}"
    ),
    re.compile(rf"{_NUMBER},?[ ]{_WORDS}{{2,8}}?[\s,]{{0,3}}{_CODE}(?!\w)"),
)


def shown(parts: Structure) -> Iterator[tuple[str, bool]]:
    """Yield the texts of a message that people are shown, each with whether it was read to its end."""
    for part in parts.of_type("text/plain")[:_MOST_PARTS]:
        yield part.text[:LARGEST], len(part.text) <= LARGEST
    for part in parts.of_type("text/html")[:_MOST_PARTS]:
        html = read_html(part.text)
        yield html.text, not html.cut


def lacking(address: str, texts: list[str]) -> list[str]:
    """Return the pieces of an address, parted by lines and commas, that no text shows.

    Letters and digits alone count: breaks of lines, accents, tags between letters and capitals do not.
    """
    squeezed = [_squeezed(text) for text in texts]
    pieces = [piece.strip() for piece in _PIECE.split(address)]
    return [piece for piece in pieces if (key := _squeezed(piece)) and not any(key in text for text in squeezed)]


def recognised(texts: list[str]) -> str:
    """Return what looks like a postal address in some texts; empty where nothing does."""
    for text in texts:
        plain = unicodedata.normalize("NFC", text[:LARGEST]).replace("\u00a0", " ")
        for form in _FORMS:
            if found := form.search(plain):
                return " ".join(found[0].split())
    return ""


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text[:LARGEST].casefold()))).casefold()
