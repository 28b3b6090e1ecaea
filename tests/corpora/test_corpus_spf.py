"""The openspf test suite for RFC 7208, as far as one record's text decides: syntax.

Each case names a record. Where the expected result is permerror for a reason in its text, the reader must refuse it;
where the record was evaluated (any other result but none and temperror), the reader must accept it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.reading import spf

# permerror for what other records or the DNS say; the record itself is well-formed.
LAWFUL = {"include-permerror", "include-none", "redirect-none", "redirect-loop", "include-loop", "mx-limit",
          "mech-over-limit", "include-over-limit", "void-over-limit", "multitxt1", "multitxt2"}  # fmt: skip


@dataclass(frozen=True)
class Case:
    name: str
    texts: tuple[str, ...]
    results: tuple[str, ...]


def _texts(records: list[Any]) -> tuple[str, ...]:
    """Return the TXT records of a name; type SPF stands for TXT where a name has no TXT of its own."""
    typed = [(kind, value) for record in records if isinstance(record, dict) for kind, value in record.items()]
    kind = "TXT" if any(kind == "TXT" for kind, _ in typed) else "SPF"
    return tuple("".join(value) if isinstance(value, list) else value for found, value in typed if found == kind)


def cases(root: Path) -> list[tuple[str, Case]]:
    found = []
    for document in yaml.safe_load_all((root / "spf" / "rfc7208-tests.yml").read_text("utf-8")):
        zone = {name.lower(): records for name, records in document["zonedata"].items()}
        for name, test in document["tests"].items():
            sender = test["mailfrom"] or f"postmaster@{test['helo']}"
            results = test["result"] if isinstance(test["result"], list) else [test["result"]]
            texts = _texts(zone.get(sender.rpartition("@")[2].lower(), []))
            found.append((name, Case(name, texts, tuple(results))))
    return found


def test_all_cases_are_read(corpora: Path) -> None:
    every = [case for _, case in cases(corpora)]
    assert len(every) == 203
    refused = [case for case in every if case.results == ("permerror",) and case.name not in LAWFUL]
    assert len(refused) == 63
    assert {case.name for case in every} > LAWFUL


def test_syntax(case: Case) -> None:
    records = [text for text in case.texts if spf.is_spf(text)]
    if case.results == ("none",) or "temperror" in case.results:
        assert all(spf.parse(text) for text in records)
    elif case.results == ("permerror",) and case.name not in LAWFUL:
        for text in records:
            with pytest.raises(spf.SpfSyntaxError) as error:
                spf.parse(text)
            assert 6 < error.value.position <= len(text)
        assert records
    else:
        assert records
        assert all(spf.parse(text) for text in records)


def test_selection(case: Case) -> None:
    records = [text for text in case.texts if spf.is_spf(text)]
    if len(records) > 1:
        assert "permerror" in case.results
    if not records:
        assert case.results in (("none",), ("temperror",))
