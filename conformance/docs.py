"""The generated part of the documentation: a page for each check, and tables that are made from the code.

A table stands in a hand-written page between ``<!-- table: NAME -->`` and ``<!-- end of table -->``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance import fixtures, profiles
from conformance.catalogue import checks
from conformance.check import Check, Citation, Level, sources
from conformance.options import OPTIONS, Option
from conformance.report.explain import blanks
from conformance.report.files import write_atomic
from conformance.report.formats import FORMATS
from conformance.report.results import EXITS
from conformance.report.text import place_address
from conformance.subjects import KINDS, kind_of, subject_of

COMMAND = "mailconform docs docs/checks"
"""What brings the generated part up to date, seen from the top of a checkout."""

_MARK = f"<!-- Written by `{COMMAND}`: change the check, not this page. -->\n"
_TABLE = re.compile(r"(<!-- table: ([a-z-]+) -->\n)(?:(?!<!-- table: ).)*?(<!-- end of table -->)", re.DOTALL)
_WIDTH = 88


def write(folder: Path) -> list[Path]:
    """Bring a folder of pages up to date, with the tables of the pages beside it and of the README above.

    Returns the files that changed. A page of a check that is gone is removed, files of other origin stay.
    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    texts = {folder / name: text for name, text in wanted.items()}
    for path in (*sorted(folder.parent.glob("*.md")), folder.parent.parent / "README.md"):
        if path.is_file():
            texts[path] = filled(path.read_text("utf-8"))
    changed = [path for path, text in texts.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in changed:
        write_atomic(path, texts[path])
    for path in folder.glob("*.md"):
        if path.name not in wanted and path.read_text("utf-8").startswith(_MARK):
            path.unlink()
            changed.append(path)
    return changed


def pages() -> dict[str, str]:
    """Return the pages of the checks and their index, by file name."""
    return {"index.md": _index()} | {f"{check.id}.md": page(check) for check in checks().values()}


def filled(text: str) -> str:
    """Return a page with its tables as they should be. Raises KeyError for a table that nobody makes."""
    return _TABLE.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}\n\n{match[3]}", text)


def page(check: Check) -> str:
    """Return the page of a check."""
    weights = [(name, level) for name in profiles.names() if (level := profiles.load(name).level(check))]
    module, function = check.where.partition(":")[0], f"test_{check.id.replace('.', '_').replace('-', '_')}"
    return "\n".join(
        [
            _MARK,
            f"# {check.id}\n",
            f"**{_cell(check.title)}**\n",
            f"{_cell(check.reason)}\n",
            "## How to comply\n",
            f"```text\n{_wrapped(blanks(check.fix))}\n```\n",
            "## Who asks\n",
            f"{_table(('Asks', 'Where', 'Document'), map(_asks, check.citations))}\n",
            "## How much it weighs\n",
            f"{_table(('Profile', 'Level'), weights)}\n",
            "## How it is judged\n",
            f"{_judged(check)}\n",
            f"To judge by this rule alone: `mailconform run --rules {check.id}`. For another level, or none:",
            f"`mailconform_levels: {{{check.id}: info}}` or `off` in the inventory.\n",
            f"The check is `{function}` in `{module.replace('.', '/')}.py`.\n",
        ]
    )


def facts_about(kind: str) -> list[tuple[str, str]]:
    """Return the facts that a check of a kind of subject may ask for: parameter and what it gives."""
    names = [name for name in vars(fixtures) if hasattr(getattr(fixtures, name), "_get_wrapped_function")]
    return [(name, about(name)) for name in names if name not in KINDS and subject_of(name) == kind]


def about(name: str) -> str:
    """Return what the parameter of a check gives."""
    return inspect.getdoc(getattr(fixtures, name)) or ""


def _judged(check: Check) -> str:
    kind = kind_of(check)
    subject = f"each {kind.replace('_', ' ')}: {_lower(about(kind))}" if kind in KINDS else "the fleet as a whole."
    facts = [name for name in check.subjects if name not in KINDS]
    lines = [f"Judges {subject}", *(("", "Looks at:", "") if facts else ())]
    return "\n".join([*lines, *(f"- `{name}`: {_lower(about(name))}" for name in facts)])


def _asks(citation: Citation) -> Sequence[str]:
    source = sources()[citation.key]
    address = place_address(source.address, str(citation))
    title = _cell(source.title)
    return citation.level or "explains", _cell(str(citation)), f"[{title}]({address})" if address else title


def _index() -> str:
    parts = [_MARK, "# Checks\n", f"{len(checks())} rules. A dash: the default profile does not select the rule.\n"]
    for area, rules in _areas().items():
        parts += [f"## {area}: {_cell(_about_area(rules[0]))}\n", _levels(rules) + "\n"]
    return "\n".join(parts)


def _levels(rules: Sequence[Check]) -> str:
    common, *others = [profiles.load(name) for name in profiles.names()]
    rows = [
        (
            f"[{rule.id}]({rule.id}.md)",
            _cell(rule.title),
            common.level(rule) or "-",
            ", ".join(f"{one.name} {level}" for one in others if (level := one.level(rule))) or "-",
        )
        for rule in rules
    ]
    return _table(("Rule", "What holds", common.name, "Other profiles"), rows)


def _areas() -> dict[str, list[Check]]:
    areas: dict[str, list[Check]] = {}
    for rule in checks().values():
        areas.setdefault(rule.area, []).append(rule)
    return areas


def _about_area(rule: Check) -> str:
    """Return the first sentence of the case file that a rule stands in, without its full stop."""
    text = inspect.getdoc(importlib.import_module(rule.where.partition(":")[0])) or rule.area
    return re.split(r"\.\s", text, maxsplit=1)[0].rstrip(".")


def _area_table() -> str:
    rows = [(f"`{area}`", _cell(_about_area(rules[0])), str(len(rules))) for area, rules in _areas().items()]
    return _table(("Area", "What it judges", "Rules"), [*rows, ("", "in all", str(len(checks())))])


def _profile_table() -> str:
    rows = []
    for name in profiles.names():
        counted = Counter(profiles.load(name).level(check) for check in checks().values())
        numbers = (str(counted[level]) for level in Level)
        rows.append((f"`{name}`", _cell(profiles.load(name).title), *numbers))
    return _table(("Profile", "Whose rules count", *Level), rows)


def _option_table() -> str:
    rows = [(f"`{_usage(one)}`", _cell(one.help), _default(one), f"`{one.variable}`<br>`{one.ini}`") for one in OPTIONS]
    return _table(("Option", "What it does", "Default", "Variable, ini key"), rows)


def _usage(option: Option) -> str:
    takes = f" {'|'.join(option.choices) or option.metavar}"
    return (option.switch + ("" if option.flag else takes)).replace("|", r"\|")


def _default(option: Option) -> str:
    if option.flag or option.default is None:
        return ""
    return f"`{option.default:g}`" if isinstance(option.default, float) else f"`{option.default}`"


def _format_table() -> str:
    rows = [(f"`{one.name}`", f"`{one.file}`", _cell(one.readers), _cell(one.bounds)) for one in FORMATS.values()]
    return _table(("Format", "File", "For", "Bounds"), rows)


def _field_table(name: str) -> str:
    path = Path(__file__).parent / "report" / "schema" / "results.schema.json"
    schema = json.loads(path.read_text("utf-8"))
    fields = (schema["$defs"][name] if name else schema)["properties"]
    shown = [(key, field) for key, field in fields.items() if key != "extra"]
    rows = [(f"`{key}`", _type(field, schema), _cell(_said(field, schema))) for key, field in shown]
    return _table(("Field", "Type", "What it says"), rows)


def _type(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return _type(schema["$defs"][field["$ref"].rpartition("/")[2]], schema)
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        return " or ".join(_type(one, schema) for one in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in field["enum"])
    known = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return " or ".join(known)


def _said(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    meant = schema["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    return str(field.get("description") or meant.get("description", ""))


TABLES: Mapping[str, Callable[[], str]] = {
    "areas": _area_table,
    "profiles": _profile_table,
    "options": _option_table,
    "formats": _format_table,
    "exits": lambda: _table(("Status", "Meaning"), [(f"`{status}`", _cell(text)) for status, text in EXITS.items()]),
    "results": lambda: _field_table(""),
    "results-run": lambda: _field_table("run"),
    "results-check": lambda: _field_table("check"),
    "results-stream": lambda: _field_table("stream"),
    "results-came": lambda: _field_table("came"),
    "results-authentication": lambda: _field_table("authentication"),
    "results-result": lambda: _field_table("result"),
}
"""Tables by the name that a page asks for them with."""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(text: str) -> str:
    """Return a text with what Markdown would take for more than text escaped."""
    return re.sub(r"([\\`*_|\[\]])", r"\\\1", text).replace("<", "&lt;")


def _wrapped(text: str) -> str:
    lines = (textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False) for line in text.splitlines())
    return "\n".join("\n".join(line) for line in lines)


def _lower(text: str) -> str:
    """Return a sentence as it goes on after a colon; an abbreviation keeps its capitals."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
