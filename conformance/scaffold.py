"""Begins a new check: the function, the world in which it fails, and what to do next. Both fail until written."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from pathlib import Path

from conformance import fixtures
from conformance.catalogue import checks
from conformance.docs import COMMAND, about, facts_about
from conformance.report.files import write_atomic
from conformance.subjects import KINDS

_ID = re.compile(r"(?P<area>[a-z][a-z0-9]*)\.(?P<rest>[a-z0-9]+(?:-[a-z0-9]+)*)")
_LINE = 120

_FILE = '''"""Say here what this area is about. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, seen

if TYPE_CHECKING:
    from conformance.fleet.model import {subject}
'''

_FUNCTION = '''

@check(
    "RFC5321: must",
    fix="Say here which record to publish, or which setting to change.",
)
def {function}({parameter}: {subject}) -> None:
    """Say here what holds where the rule is kept.

    Say here why receivers care.
    """
    assert False, seen("not written yet")
'''

_WORLD = """\
about: Say here what is broken in this world.
# Record sets that differ from those of good.yml, [] for none, such as:
#   mx1.example.com A: [203.0.113.2]
changes: {{}}
# All that must be reported here: anything else fails the test, which says what it saw.
reports:
  - "{rule} SUBJECT: must fail"
"""


class ScaffoldError(Exception):
    """The check cannot be begun; nothing was written."""


def checkout() -> Path:
    """Return the top of the checkout that this package lies in. Raises ScaffoldError when it is installed."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "pyproject.toml").is_file() or not (root / "tests" / "worlds").is_dir():
        raise ScaffoldError(
            f"{root} is no checkout: clone the repository and install it with: pip install -e '.[test]'"
        )
    return root


def scaffold(rule: str, kind: str) -> list[str]:
    """Write the skeleton of a check and of its world. Returns lines that say what was written and what is next.

    ``rule`` is the id, ``kind`` the kind of its subject. Raises ScaffoldError before anything is written; OSError.
    """
    root = checkout()
    area, function = _named(rule)
    if kind not in KINDS:
        raise ScaffoldError(f"no subject {kind!r}; there are {', '.join(sorted(KINDS))}")
    if rule in checks():
        raise ScaffoldError(f"{rule} exists already: {checks()[rule].where}")
    case = root / "conformance" / "cases" / f"test_{area}.py"
    world = root / "tests" / "worlds" / f"{rule.replace('.', '-')}.yml"
    if world.exists():
        raise ScaffoldError(f"{world} exists already")
    subject = str(inspect.signature(inspect.unwrap(getattr(fixtures, kind))).return_annotation)
    text = case.read_text("utf-8") if case.exists() else _FILE.format(subject=subject)
    text = with_imports(text, "conformance.check", ("check", "seen"))
    text = with_imports(text, "conformance.fleet.model", (subject,), typing=True)
    write_atomic(case, text + _FUNCTION.format(function=function, parameter=kind, subject=subject))
    write_atomic(world, _WORLD.format(rule=rule))
    return [
        f"written: {case.relative_to(root)}: {function}",
        f"written: {world.relative_to(root)}",
        *_next(rule, kind, world.stem),
    ]


def _named(rule: str) -> tuple[str, str]:
    match = _ID.fullmatch(rule)
    if match is None:
        raise ScaffoldError(f"{rule!r} is no id: it is AREA.RULE in small letters, such as ptr.own-domain")
    return match["area"], f"test_{match['area']}_{match['rest'].replace('-', '_')}"


def _next(rule: str, kind: str, world: str) -> Iterable[str]:
    yield ""
    yield f"It judges `{kind}`: {about(kind)} In its place, or beside it, the check may ask for:"
    yield from (f"  {name:<16} {text}" for name, text in facts_about(kind))
    yield ""
    yield "Next"
    yield "  1. Write the function: what holds, why, who asks (keys of conformance/profiles/sources.toml), the fix."
    yield "  2. Write the world in which it fails. In tests/worlds/good.yml it passes, or is never_applicable."
    yield f"  3. pytest -q tests/test_worlds.py -k 'good or {world}'"
    yield f"  4. {COMMAND}"
    yield f"  5. mailconform explain {rule}"


def with_imports(source: str, module: str, names: Iterable[str], *, typing: bool = False) -> str:
    """Return the source of a case file with names of a module imported, below TYPE_CHECKING where ``typing`` is set.

    Raises ScaffoldError for a file that has no place for them.
    """
    body = ast.parse(source).body
    if typing:
        body = [one for block in body if isinstance(block, ast.If) for one in block.body]
    imports = [one for one in body if isinstance(one, ast.ImportFrom)]
    if not imports:
        raise ScaffoldError(f"no place to import {module}: no {'TYPE_CHECKING block' if typing else 'imports'}")
    known = next((one for one in imports if one.module == module), None)
    wanted = {*names, *(alias.name for alias in known.names)} if known else {*names}
    lines = source.splitlines(keepends=True)
    place = known or imports[-1]
    first, last = (place.lineno - 1, place.end_lineno) if known else (place.end_lineno, place.end_lineno)
    lines[first:last] = [_import(module, wanted, " " * place.col_offset)]
    return "".join(lines)


def _import(module: str, names: Iterable[str], indent: str) -> str:
    ordered = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"{indent}from {module} import {', '.join(ordered)}\n"
    if len(line) <= _LINE + 1:
        return line
    return f"{indent}from {module} import (\n" + "".join(f"{indent}    {name},\n" for name in ordered) + f"{indent})\n"
