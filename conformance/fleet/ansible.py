"""Reads the declared fleet from an Ansible inventory, with Ansible itself, in a process of its own.

Variables are merged as ``ansible-inventory`` does: ``group_vars`` and ``host_vars`` beside the inventory count, those
beside a playbook only with ``ANSIBLE_PLAYBOOK_DIR`` (or ``playbook_dir`` in ansible.cfg).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.fleet.errors import InventoryError, Problem
from conformance.fleet.model import Fleet
from conformance.fleet.origin import Origin
from conformance.fleet.process import HelperFailed, ask
from conformance.fleet.values import Answer, described, shown_path

TIMEOUT = 300.0
"""Seconds that reading an inventory may take, dynamic sources included."""

_HELPER = Path(__file__).with_name("_ansible_helper.py")
_FAILED = re.compile(r"\s*(?:\* )?Failed to parse .+? with '?(\S+?)'? plugin[:.]\s*")
_QUOTED = re.compile(r"The error appears to (?:be|have been) in '(.+?)': line (\d+), column (\d+)")
_UNLOCK = "--vault-password-file FILE, or --no-secrets to read the rest"


def load(
    sources: Sequence[str],
    *,
    limit: str | None = None,
    patterns: Sequence[str] = (),
    vault_password_file: str | None = None,
    secrets: bool = True,
    ansible_python: str | None = None,
    timeout: float = TIMEOUT,
    meanwhile: Callable[[], object] | None = None,
) -> Fleet:
    """Return the fleet that some inventory sources declare; ``limit`` is a pattern of Ansible's, or ``@FILE``.

    ``patterns`` are further ones: the fleet says which hosts of the whole inventory each matches.
    ``secrets`` false reads what is not encrypted. ``ansible_python`` is an interpreter with another ansible-core (2.17
    or later). ``timeout`` is in seconds. ``meanwhile`` is called while Ansible reads. Raises InventoryError
    with everything that is wrong.
    """
    _refuse(_not_there(sources, limit, vault_password_file if secrets else None))
    request = {
        "sources": [source if "," in source else _absolute(source) for source in sources],
        "limit": (limit or "").strip() or None,
        "patterns": list(patterns),
        "vault_password_file": vault_password_file,
        "secrets": secrets,
    }
    answer = _answer(ansible_python or sys.executable, request, timeout, meanwhile)
    warnings = [_warning(text, where) for text, where in answer["warnings"] if not _FAILED.match(text)]
    if "failed" in answer:
        _refuse(_locked(answer, vault_password_file) or _unread(answer, sources))
    _refuse([*(_locked(answer, vault_password_file) if secrets else ()), *_faults(answer["faults"])])
    if not answer["hosts"]:
        _refuse(_no_hosts(answer["total"], limit, sources, warnings))
    skipped = [f"{shown_path(path)}: skipped, since it is encrypted" for path in answer["locked"]]

    from conformance.fleet.build import build

    return build(Answer(answer), secrets=secrets, sources=sources, warnings=[*warnings, *skipped])


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise InventoryError(dict.fromkeys(problems))


def _absolute(source: str) -> str:
    """Return where a source lies: of a name alone Ansible's classes do not read the group_vars beside it."""
    return os.path.abspath(os.path.expanduser(source))  # noqa: PTH100, PTH111


def _not_there(sources: Sequence[str], limit: str | None, password_file: str | None) -> list[Problem]:
    if not sources:
        return [Problem("no inventory is named", hint="--inventory PATH")]
    paths = [(source, "there is no such inventory") for source in sources if "," not in source]
    if limit and limit.startswith("@"):
        paths.append((limit[1:], "there is no such file of hosts"))
    if password_file:
        paths.append((password_file, "there is no such vault password file"))
    missing = [(path, text) for path, text in paths if not os.path.exists(os.path.expanduser(path))]  # noqa: PTH110, PTH111
    return [Problem(text, Origin(path), f"looked from {Path.cwd()}") for path, text in missing]


def _answer(
    python: str, request: Mapping[str, Any], timeout: float, meanwhile: Callable[[], object] | None
) -> dict[str, Any]:
    try:
        return ask([python, "-I", str(_HELPER)], request, timeout, meanwhile)
    except OSError as error:
        problem = Problem(f"{python} cannot be started: {error.strerror}", hint="--ansible-python PATH")
    except HelperFailed as error:
        reading = error.last.get("reading")
        hint = "does a dynamic source hang?" if reading else ""
        if "No module named 'ansible" in str(error):
            hint = f"{python} has no ansible-core 2.17 or later: --ansible-python PATH"
        place = Origin(shown_path(reading)) if reading else None
        problem = Problem(f"the inventory could not be read: {error}", place, hint)
    raise InventoryError([problem]) from None


def _locked(answer: Mapping[str, Any], password_file: str | None) -> list[Problem]:
    why = "no vault password given opens it" if password_file else "no vault password is given"
    return [Problem(f"encrypted, and {why}", Origin(shown_path(path)), _UNLOCK) for path in answer["locked"]]


def _faults(faults: Sequence[Any]) -> list[Problem]:
    return [Problem(_tidy(text), _origin(text, where)) for text, where in faults]


def _unread(answer: Mapping[str, Any], sources: Sequence[str]) -> list[Problem]:
    """Return why a source could not be read: what the plugin said that was meant to read it."""
    failures = [
        (match[1], text[match.end() :], where) for text, where in answer["warnings"] if (match := _FAILED.match(text))
    ]
    hint = next((text for source in sources for text in _not_executable(source)), "")
    _, text, where = min(failures, key=_preference, default=("", answer["failed"], answer["where"]))
    place = _origin(text, where) or (Origin(shown_path(sources[0])) if len(sources) == 1 else None)
    if not failures and place and Path(place.path).is_dir():
        hint = hint or "no file in it is an inventory; in a directory, Ansible skips *.cfg, *.md, *.txt and others"
    return [Problem(f"{'not an inventory: ' if failures else ''}{_tidy(text)}", place, hint)]


def _preference(failure: tuple[str, str, Any]) -> int:
    """Rank what plugins said about a source: ini reads everything, so its complaint says the least."""
    plugin, text, _ = failure
    if "no root 'plugin' key" in text or "Plugin configuration YAML file" in text:
        return 9
    return {"script": 0, "auto": 1, "yaml": 2, "ini": 8, "toml": 8}.get(plugin.rpartition(".")[2], 3)


def _not_executable(source: str) -> Iterator[str]:
    """Yield a hint for a script that lacks the permission to run, which Ansible reads as an INI file."""
    path = Path(source).expanduser()
    for file in sorted(path.iterdir())[:200] if path.is_dir() else [path]:
        if file.is_file() and not os.access(file, os.X_OK):
            with file.open("rb") as content:
                if content.read(2) == b"#!":
                    yield f"{shown_path(str(file))} is a script: is it executable?"


def _no_hosts(total: int, limit: str | None, sources: Sequence[str], warnings: Sequence[str]) -> list[Problem]:
    said = [Problem(f"Ansible says: {warning}") for warning in warnings[:20]]
    if total and limit:
        return [
            Problem(f"limit '{limit}' matches none of {total} hosts", hint="mailconform list hosts shows all"),
            *said,
        ]
    hint = next((text for source in sources for text in _not_executable(source)), "is the top key 'all:' or a group?")
    return [Problem("no host in the inventory", Origin(shown_path(source)), hint) for source in sources] + said


def _warning(text: str, where: Any) -> str:
    origin = _origin(text, where)
    return f"{origin}: {_tidy(text)}" if origin and origin.line else _tidy(text)


def _origin(text: str, where: Any) -> Origin | None:
    quoted = _QUOTED.search(text)
    if quoted and not (where and where[1]):
        where = (quoted[1], int(quoted[2]), int(quoted[3]))
    return Origin(shown_path(described(where[0])), where[1], where[2]) if where else None


def _tidy(text: str) -> str:
    """Return what Ansible says on one line, without the lines of the file that it quotes."""
    text = re.split(r"\s*(?:For example:|The error appears to (?:be|have been) in|The offending line)", text)[0]
    text = text.rpartition("Syntax Error while loading YAML.")[2].strip() or text
    return " ".join(text.split())[:400]
