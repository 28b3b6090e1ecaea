"""The public suffix list's own tests of registrable domains."""

from pathlib import Path

from conformance.reading.orgdomain import registrable, to_ascii


def cases(root: Path) -> list[tuple[str, tuple[str, str | None]]]:
    pairs = []
    for line in (root / "psl" / "tests.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("//"):
            name, domain = line.split()
            pairs.append((name, ("" if name == "null" else name, None if domain == "null" else domain)))
    return pairs


def test_all_cases_are_read(corpora: Path) -> None:
    assert len(cases(corpora)) == 78


def test_registrable_domain(case: tuple[str, str | None]) -> None:
    name, domain = case
    assert registrable(name, private=True) == (to_ascii(domain) if domain else None)
