# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an inventory with Ansible's own classes, inside Ansible's interpreter.

Started by :mod:`conformance.fleet.ansible` as ``python -I _ansible_helper.py REQUEST``; REQUEST is a JSON object with
``sources``, ``limit``, ``patterns``, ``vault_password_file``, ``secrets``, ``out`` and ``lifeline`` (descriptors). JSON
lines go to ``out``: progress, then one answer. Standard output is left to whatever the inventory runs.

The answer holds the selected hosts and their resolved ``mailconform_*`` variables. Equal values stand once, in a table,
with the places that they were written at. Ansible's Python interface is internal to it: this is the one file that
depends on it (ansible-core 2.17 to 2.20).
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import re
import signal
import site
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import date
from typing import Any

if importlib.util.find_spec("ansible") is None:
    site.addsitedir(site.getusersitepackages())

from ansible import constants
from ansible.cli import CLI
from ansible.errors import AnsibleError
from ansible.inventory.helpers import sort_groups
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import AnsibleVaultError, AnsibleVaultFormatError
from ansible.plugins.loader import init_plugin_loader
from ansible.release import __version__ as ansible_version
from ansible.template import Templar
from ansible.utils.display import Display
from ansible.vars import manager as variables_of_hosts
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible.vars.plugins import get_vars_from_inventory_sources
from jinja2 import Environment, meta

try:  # ansible-core 2.19 and later
    from ansible._internal._datatag._tags import Origin, VaultedValue
    from ansible.parsing.vault import VaultSecretsContext
except ImportError:
    Origin = VaultedValue = VaultSecretsContext = None

PREFIX = "mailconform_"
STREAMS = PREFIX + "streams"
CONNECTION = frozenset(
    f"ansible_{name}"
    for name in (
        *("become", "become_user", "connection", "password", "port", "private_key_file", "user"),
        *("ssh_common_args", "ssh_extra_args", "ssh_pass", "ssh_password", "ssh_private_key_file"),
    )
)
"""How commands are run on a host; read where there are streams, since those may be made to send by a command."""
NODES, DEPTH = 100_000, 32
"""How many parts and levels a value may have: with YAML aliases few bytes can stand for very many."""
REPORTS = 200
"""How many warnings, and how many faults in one value, are passed on."""

Position = tuple["str | None", "int | None", "int | None"]
Path = tuple["str | int", ...]


class LeftOut(Exception):
    """A part of a value is not there: it was omitted on purpose, or its fault was noted."""


class TooLarge(Exception):
    """A value has more parts or levels than one may have."""


def position(value: Any) -> Position | None:
    """Return file (or a description of the source), line and column of a value, None where Ansible does not say."""
    if Origin is None:
        place = getattr(value, "ansible_pos", None)
        return (str(place[0]), place[1], place[2]) if place and place[0] else None
    tag = value if isinstance(value, Origin) else Origin.get_tag(value)
    return (str(tag.path or tag.description), tag.line_num, tag.col_num) if tag else None


def links(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that led to it."""
    for _ in range(16):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def told(error: BaseException) -> tuple[str, Position | None]:
    """Return what an exception says and where it saw that."""
    said = str(getattr(error, "message", None) or error)
    helped = [str(text) for link in links(error) if (text := getattr(link, "_help_text", None))]
    where = [place for link in links(error) if (place := position(getattr(link, "obj", None)))]
    exact = [place for place in where if place[1]]
    return "\n".join([said, *helped])[:4000], next(iter(exact or where), None)


def is_encrypted(value: Any) -> bool:
    """Say whether a value is text that Ansible decrypts when it is used."""
    return type(value).__name__ == "EncryptedString" or bool(getattr(type(value), "__ENCRYPTED__", False))


def is_template(value: Any) -> bool:
    """Say whether a value is text that Jinja may have to work on."""
    return isinstance(value, str) and ("{{" in value or "{%" in value or "{#" in value)


ONE_NAME = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
"""A template of one variable, which need not be compiled: that is most of the cost of one that differs by host."""


def is_plain(value: Any) -> bool:
    """Say whether a value is text that Jinja would hand on as it is, before ansible-core 2.19 too."""
    return isinstance(value, str) and not is_template(value) and value[:1] not in "[{TF"


class Loader(DataLoader):  # type: ignore[misc]
    """Reads files; notes those that stay locked or are broken, so that the rest is read and all are reported."""

    def __init__(self, locked: dict[str, None]) -> None:
        super().__init__()
        self.opened: set[str] = set()
        self.locked = locked
        self.broken: dict[str, tuple[str, Position | None]] = {}
        self.tolerant = False

    def _get_file_contents(self, file_name: str) -> tuple[bytes, bool]:
        path = self.path_dwim(file_name)
        try:
            content, plain = super()._get_file_contents(file_name)
        except (AnsibleVaultError, AnsibleVaultFormatError):
            self.locked[path] = None
            return b"", True
        if not plain:
            self.opened.add(path)
        return content, plain

    def load_from_file(self, file_name: str, *args: Any, **options: Any) -> Any:
        """Return what is in a file; while tolerant, nothing when it is broken."""
        path = self.path_dwim(file_name)
        if self.tolerant and path in self.broken:
            return {}
        try:
            content = super().load_from_file(file_name, *args, **options)
        except AnsibleError as error:
            if not self.tolerant:
                raise
            self.broken[path] = told(error)
            return {}
        if self.tolerant and content and not isinstance(content, Mapping):
            self.broken[path] = ("variables must be a mapping of names to values", position(content) or (path, 1, None))
            return {}
        return content

    def is_secret(self, value: Any, depth: int = 0) -> bool:
        """Say whether a value was encrypted, or holds one that was within ``depth`` levels."""
        if is_encrypted(value) or (VaultedValue is not None and VaultedValue.is_tagged_on(value)):
            return True
        where = position(value)
        if where and where[0] in self.opened:
            return True
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return depth > 0 and any(self.is_secret(item, depth - 1) for item in inner)


class Dependencies:
    """Which variables the result of a template depends on, so that hosts that agree in them share the result."""

    DYNAMIC = frozenset({"lookup", "query", "q", "vars", "now"})

    def __init__(self) -> None:
        self.environment = Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])  # noqa: S701
        self.known: dict[int, frozenset[str] | None] = {}
        self.kept: dict[int, Any] = {}

    def names(self, value: Any, depth: int = DEPTH) -> frozenset[str] | None:
        """Return the names that templates in a value mention; None when that cannot be told."""
        is_container = isinstance(value, (dict, list))
        if not depth or not (is_container or is_template(value)):
            return frozenset()
        if self.mark(value) not in self.known:
            self.known[id(value)] = frozenset()
            self.known[id(value)] = self._inner(value, depth) if is_container else self._mentioned(value)
        return self.known[id(value)]

    def mark(self, value: Any) -> int:
        """Return a number for an object, which is kept so that the number stays its own."""
        self.kept[id(value)] = value
        return id(value)

    def _mentioned(self, text: str) -> frozenset[str] | None:
        try:
            parsed = self.environment.parse(text)
            found = frozenset(meta.find_undeclared_variables(parsed))
        except Exception:
            return None
        return None if found & self.DYNAMIC or any(meta.find_referenced_templates(parsed)) else found

    def _inner(self, value: Any, depth: int) -> frozenset[str] | None:
        parts = [self.names(item, depth - 1) for item in (value.values() if isinstance(value, dict) else value)]
        return None if None in parts else frozenset().union(*(part for part in parts if part))

    def closure(self, value: Any, variables: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return all names that a value depends on under these variables, directly or through others, sorted."""
        found: set[str] = set()
        todo = [value]
        while todo:
            names = self.names(todo.pop())
            if names is None:
                return None
            todo += [variables.get(name) for name in names - found]
            found |= names
        return tuple(sorted(found))

    def stamp(self, value: Any) -> Any:
        """Return what tells a value from others: its content when that is cheap, else which object it is."""
        if isinstance(value, (str, int, float)) or value is None:
            return type(value).__name__, value
        if isinstance(value, list) and len(value) < 64 and all(isinstance(item, str) for item in value):
            return "list", *value
        return self.mark(value)


class Values:
    """The table of resolved values: each stands once, and a template is worked out once for hosts that agree."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.templar = Templar(loader=loader, variables={})
        self.dependencies = Dependencies()
        self.rows: dict[str, int] = {}
        self.files: dict[str | None, int] = {}
        self.memo: dict[Any, int] = {}

    def index(self, raw: Any, where: Position | None, variables: dict[str, Any]) -> int:
        """Return the row of a variable's value as these variables, those of one host, make it."""
        names = self.dependencies.closure(raw, variables)
        if names is None:
            return self.row(raw, where, variables)
        stamps = [self.dependencies.stamp(variables[name]) if name in variables else None for name in names]
        key = (self.dependencies.mark(raw), where, *stamps)
        if key not in self.memo:
            self.memo[key] = self.row(raw, where, variables)
        return self.memo[key]

    def row(self, raw: Any, where: Position | None, variables: dict[str, Any]) -> int:
        """Resolve a value and return its row."""
        return self.rows.setdefault(json.dumps(Walk(self, variables).row(raw, where)), len(self.rows))

    def place(self, where: Position | None) -> list[int | None] | None:
        """Return a position with its file as a number."""
        return where and [self.files.setdefault(where[0], len(self.files)), where[1], where[2]]


class Walk:
    """Resolves one value: Jinja, vault, plain JSON types; with the place of each part and what went wrong in it."""

    def __init__(self, values: Values, variables: dict[str, Any]) -> None:
        self.values = values
        self.loader = values.loader
        self.variables = variables
        self.origins: list[Any] = []
        self.secrets: list[Path] = []
        self.faults: list[list[Any]] = []
        self.nodes = 0

    def row(self, raw: Any, where: Position | None) -> dict[str, Any]:
        """Return the table row: value (v), origins (o), secrets (s), faults (f)."""
        row: dict[str, Any] = {}
        self.note_origin((), where, None)
        try:
            row["v"] = self.node(raw, (), where, live=True)
        except LeftOut:
            pass
        except (TooLarge, RecursionError):
            self.faults.append([(), "type", f"a value of more than {NODES} parts or {DEPTH} levels", ""])
        parts = {"o": self.origins, "s": self.secrets, "f": self.faults}
        return {**row, **{key: part for key, part in parts.items() if part}}

    def note_origin(self, path: Path, where: Position | None, above: Position | None) -> None:
        """Note where a part was written, when that is not where the whole was."""
        if where and where != above:
            self.origins.append([path, self.values.place(where)])

    def node(self, raw: Any, path: Path, where: Position | None, *, live: bool) -> Any:
        """Return a value in JSON types. ``live``: as declared, so templates in it are worked out. Raises LeftOut."""
        self.nodes += 1
        if self.nodes > NODES or len(path) > DEPTH:
            raise TooLarge
        if self.loader.is_secret(raw):
            self.secrets.append(path)
        if is_encrypted(raw):
            return self.attempt(path, lambda: str(raw), "")
        if live and is_template(raw):
            return self.node(self.rendered(raw, path), path, where, live=False)
        if isinstance(raw, str):
            return str(raw)
        if isinstance(raw, (bool, float)) or raw is None:
            return raw
        if isinstance(raw, int) and raw.bit_length() < 64:
            return int(raw)
        if isinstance(raw, Mapping):
            return self.mapping(raw, path, where, live=live)
        if isinstance(raw, (Sequence, Set)) and not isinstance(raw, bytes):
            return self.sequence(raw, path, where, live=live)
        if isinstance(raw, date):
            return raw.isoformat()
        return self.fault(path, "type", f"a value of type {type(raw).__name__.removeprefix('_AnsibleTagged')}")

    def mapping(self, raw: Mapping[Any, Any], path: Path, where: Position | None, *, live: bool) -> dict[str, Any]:
        """Return a mapping without what is left out."""
        found: dict[str, Any] = {}
        for key, value in raw.items():
            below = (*path, str(key))
            here = position(key) or position(value) or where
            self.note_origin(below, here, where)
            try:
                found[str(key)] = self.node(value, below, here, live=live)
            except LeftOut:
                continue
        return found

    def sequence(self, raw: Any, path: Path, where: Position | None, *, live: bool) -> list[Any]:
        """Return a list without what is left out."""
        found: list[Any] = []
        for value in sorted(raw, key=str) if isinstance(raw, Set) else raw:
            below = (*path, len(found))
            here = position(value) or where
            self.note_origin(below, here, where)
            try:
                found.append(self.node(value, below, here, live=live))
            except LeftOut:
                continue
        return found

    def rendered(self, raw: str, path: Path) -> Any:
        """Return what Jinja makes of a text."""
        names = self.values.dependencies.closure(raw, self.variables)
        used = [self.variables.get(name) for name in names or ()]
        if any(self.loader.is_secret(value, depth=4) for value in used) or (names is None and self.loader.opened):
            self.secrets.append(path)
        self.values.templar.available_variables = self.variables
        if (name := ONE_NAME.fullmatch(raw)) and is_plain(self.variables.get(name[1])):
            return self.variables[name[1]]
        result = self.attempt(path, lambda: self.values.templar.template(raw), raw)
        if isinstance(result, str) and result.startswith("__omit_place_holder__"):
            raise LeftOut
        return result

    def attempt(self, path: Path, work: Any, template: str) -> Any:
        """Return what work returns; note why it cannot."""
        try:
            return work()
        except Exception as error:
            if type(error).__name__ == "AnsibleValueOmittedError":
                raise LeftOut from None
            locked = any(isinstance(link, (AnsibleVaultError, ReferenceError)) for link in links(error))
            return self.fault(path, "vault" if locked else "template", told(error)[0], template)

    def fault(self, path: Path, kind: str, text: str, template: str = "") -> Any:
        """Note what is wrong with a part of the value and leave it out."""
        if len(self.faults) < REPORTS:
            self.faults.append([path, kind, text, template[:1000]])
        raise LeftOut


class Definitions:
    """Finds where a variable was set when its value is one that Ansible cannot mark: true, false or null."""

    def __init__(self, loader: Loader, sources: Sequence[str]) -> None:
        self.loader = loader
        self.sources = sources
        self.groups: dict[str, dict[str, Position | None]] = {}

    def position(self, host: Any, name: str, value: Any) -> Position | None:
        """Return where the value that wins for a host was written."""
        if value is not None and not isinstance(value, bool):
            return position(value)
        places = (self._of(host), *map(self._of_group, reversed(sort_groups(host.get_groups()))))
        return next((place[name] for place in places if name in place), None)

    def _of_group(self, group: Any) -> dict[str, Position | None]:
        if group.name not in self.groups:
            self.groups[group.name] = self._of(group)
        return self.groups[group.name]

    def _of(self, entity: Any) -> dict[str, Position | None]:
        from_files = get_vars_from_inventory_sources(self.loader, self.sources, [entity], "task")
        return {str(key): position(key) for key in (*entity.vars, *from_files)}


class Inventory(InventoryManager):  # type: ignore[misc]
    """Says which source is being read, so that one that hangs can be named."""

    def parse_source(self, source: str, cache: bool = False) -> Any:
        """Read one source."""
        send({"reading": source})
        return super().parse_source(source, cache=cache)

    def selected(self, limit: str | None) -> list[Any]:
        """Return the hosts that a limit leaves. An empty file of hosts selects none, where Ansible would take all."""
        if limit is not None:
            self.subset(limit)
            if not any(pattern.strip() for pattern in self._subset or ()):
                return []
        return list(self.get_hosts("all"))

    def matched(self, pattern: str) -> list[str]:
        """Return the hosts of the whole inventory that a pattern matches; none where it is no pattern."""
        # Who asked says what is to be said of a pattern without hosts.
        warning, Display.warning = Display.warning, lambda *_, **__: None
        try:
            return [str(host.name) for host in self.get_hosts(pattern, ignore_limits=True, ignore_restrictions=True)]
        except Exception:
            return []
        finally:
            Display.warning = warning


def unlock(loader: Loader) -> None:
    """Give the loader the vault passwords: the file named, and those of Ansible's own configuration."""
    if REQUEST["secrets"]:
        named, identities = REQUEST["vault_password_file"], constants.DEFAULT_VAULT_IDENTITY_LIST
        found = CLI.setup_vault_secrets(loader, list(identities or []), [named] if named else [], auto_prompt=False)
        loader.set_vault_secrets(found)
    elif VaultSecretsContext is not None:
        VaultSecretsContext.initialize(VaultSecretsContext([]))


def variable_manager(loader: Loader, inventory: Inventory) -> VariableManager:
    """Return Ansible's merger of variables; like ansible-inventory, it reads beside a playbook only if told where."""
    manager = VariableManager(loader=loader, inventory=inventory)
    # Cleaning no facts looks up every connection plugin, which takes a sixth of the time for a host without any.
    clean = variables_of_hosts.clean_facts
    variables_of_hosts.clean_facts = lambda facts: clean(facts) if facts else {}
    playbooks = constants.config.get_config_value("PLAYBOOK_DIR")
    manager.safe_basedir = bool(playbooks)
    if playbooks:
        loader.set_basedir(playbooks)
    return manager


def read(locked: dict[str, None]) -> dict[str, Any]:
    """Return the answer, and fill in which files are locked. Raises AnsibleError when a source cannot be read."""
    # Without it no plugin, lookup or filter with a full name is found, and those of collections have no other.
    init_plugin_loader()
    loader = Loader(locked)
    unlock(loader)
    inventory = Inventory(loader=loader, sources=REQUEST["sources"])
    manager = variable_manager(loader, inventory)
    hostvars = HostVars(inventory, manager, loader)
    values, definitions = Values(loader), Definitions(loader, REQUEST["sources"])
    chosen = inventory.selected(REQUEST["limit"])
    loader.tolerant = True
    hosts: list[Any] = []
    groups: dict[tuple[str, ...], int] = {}
    broken: dict[Any, None] = {}
    for host in chosen:
        try:
            variables = manager.get_vars(host=host, include_hostvars=False)
        except AnsibleError as error:
            broken[told(error)] = None
            continue
        variables["hostvars"] = hostvars
        more = {"ansible_host", *(CONNECTION if STREAMS in variables else ())}
        wanted = [name for name in variables if name.startswith(PREFIX) or name in more]
        places = {name: definitions.position(host, name, variables[name]) for name in wanted}
        rows = {str(name): values.index(variables[name], places[name], variables) for name in wanted}
        member = groups.setdefault(tuple(sorted(group.name for group in host.get_groups())), len(groups))
        hosts.append([str(host.name), values.place(position(host.name)), member, rows])
    return {
        "ansible": ansible_version,
        "total": len(inventory.hosts),
        "hosts": hosts,
        "groups": list(groups),
        "faults": [*loader.broken.values(), *list(broken)[:REPORTS]],
        "files": list(values.files),
        "values": list(values.rows),
        "patterns": {pattern: inventory.matched(pattern) for pattern in REQUEST["patterns"]},
    }


def send(message: dict[str, Any]) -> None:
    """Write a line to the pipe, whole."""
    data = json.dumps(message).encode("ascii") + b"\n"
    while data:
        data = data[os.write(REQUEST["out"], data) :]


def end_with_parent() -> None:
    """Kill this process and its children as soon as the process that started it is gone."""

    def watch() -> None:
        os.read(REQUEST["lifeline"], 1)
        os.killpg(0, signal.SIGKILL)

    for descriptor in (REQUEST["out"], REQUEST["lifeline"]):
        os.set_inheritable(descriptor, False)
    threading.Thread(target=watch, daemon=True).start()


def listen() -> dict[tuple[str, Position | None], None]:
    """Take the place of Ansible's display and return what will hold its warnings, each once."""
    warnings: dict[tuple[str, Position | None], None] = {}

    def keep(text: str, where: Position | None) -> None:
        if len(warnings) < REPORTS:
            warnings[text[:4000], where] = None

    def keep_error(_: Any, msg: str | None, exception: BaseException, **__: Any) -> None:
        text, where = told(exception)
        keep(f"{msg or ''} {text}".strip(), where)

    Display.display = Display.deprecated = lambda *_, **__: None
    Display.warning = lambda _, msg, *__, **more: keep(str(msg), position(more.get("obj")))
    Display.error_as_warning = keep_error
    return warnings


if __name__ == "__main__":
    gc.set_threshold(100_000)
    REQUEST = json.loads(sys.argv[1])
    end_with_parent()
    WARNINGS = listen()
    LOCKED: dict[str, None] = {}
    try:
        ANSWER = read(LOCKED)
    except Exception as fatal:
        KIND = "" if isinstance(fatal, AnsibleError) else f"{type(fatal).__name__}: "
        ANSWER = {"failed": KIND + told(fatal)[0], "where": told(fatal)[1]}
    send({**ANSWER, "locked": list(LOCKED), "warnings": list(WARNINGS)})
