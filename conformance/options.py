"""The options of a run: one table for pytest, for the command and for the documentation.

Each option is read from the command line, then the environment variable ``MAILCONFORM_<NAME>``, then the ini key
``mailconform_<name>``, then its default. This module imports nothing heavy: ``mailconform --help`` reads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class UsageError(Exception):
    """An option cannot be what it was set to; the run ends with exit status 4."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a run. ``many`` may be given several times; elsewhere its values stand on lines of their own."""

    name: str
    help: str
    metavar: str = "TEXT"
    default: Any = None
    choices: tuple[str, ...] = ()
    many: bool = False
    flag: bool = False
    number: bool = False

    @property
    def switch(self) -> str:
        """The option on the command line."""
        return f"--{self.name}"

    @property
    def dest(self) -> str:
        """Attribute of pytest's parsed options."""
        return f"mailconform_{self.name.replace('-', '_')}"

    @property
    def ini(self) -> str:
        """Key in pytest.ini."""
        return self.dest

    @property
    def variable(self) -> str:
        """Environment variable."""
        return self.dest.upper()

    def read(self, text: str, where: str) -> Any:
        """Return the value that a text from the environment or an ini file stands for. Raises UsageError."""
        if self.many:
            values = [line.strip() for line in text.splitlines() if line.strip()]
            return [self._one(value, where) for value in values]
        if self.flag:
            if text.strip().lower() in ("1", "true", "yes", "on"):
                return True
            if text.strip().lower() in ("", "0", "false", "no", "off"):
                return False
            raise UsageError(f"{where}: {text!r} is neither yes nor no")
        return self._one(text.strip(), where)

    def _one(self, text: str, where: str) -> Any:
        if self.choices and text not in self.choices:
            raise UsageError(f"{where}: {text!r} is none of {', '.join(self.choices)}")
        if self.number:
            try:
                return float(text)
            except ValueError:
                raise UsageError(f"{where}: {text!r} is not a number") from None
        return text


OPTIONS: tuple[Option, ...] = (
    Option(
        "inventory", "Ansible inventory: a file, a directory or an executable script. Repeatable.", "PATH", many=True
    ),
    Option("limit", "Only these hosts: an Ansible pattern, or @FILE.", "PATTERN"),
    Option("vault-password-file", "File or script with the vault password, as for ansible-playbook.", "FILE"),
    Option("no-secrets", "Read the inventory without what is encrypted.", flag=True, default=False),
    Option("ansible-python", "Python interpreter that has your Ansible and its collections.", "PATH"),
    Option("profile", "Whose rules count; several with commas, then the strictest level holds.", "NAME"),
    Option(
        "level",
        "What gates: a broken rule of this level or a stricter one fails.",
        choices=("must", "should", "info"),
        default="must",
    ),
    Option("rules", "Only rules whose id matches, such as 'ptr.*'. Repeatable.", "GLOB", many=True),
    Option("skip-rules", "Without rules whose id matches. Repeatable.", "GLOB", many=True),
    Option(
        "resolver",
        "Name server to ask, ADDR or ADDR:PORT; default: the system's. Repeatable.",
        "ADDR[:PORT]",
        many=True,
    ),
    Option("dns-timeout", "Seconds to wait for a DNS answer.", "SECONDS", default=2.0, number=True),
    Option("dns-retries", "How often to repeat a DNS question that was not answered.", "N", default=1.0, number=True),
    Option("dns-rate", "DNS questions a second, at most.", "N", default=1000.0, number=True),
    Option(
        "probe",
        "How far hosts are probed; an inventory can ask for less.",
        choices=("none", "connect"),
        default="connect",
    ),
    Option("ehlo", "Name to greet with when probing; default: the name of this machine.", "NAME"),
    Option("smtp-timeout", "Seconds to wait at each step of an SMTP session.", "SECONDS", default=10.0, number=True),
    Option("smtp-sessions", "SMTP sessions at once, at most.", "N", default=20.0, number=True),
    Option("gate", "'none' reports everything and exits with 0.", choices=("all", "none"), default="all"),
    Option("replay", "Judge a facts.json again, without a network.", "FILE"),
    Option(
        "report-dir", "Folder for results.json, facts.json, report.html and junit.xml.", "DIR", default="reports/latest"
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of all options, and which of them were given for this run (command line or environment)."""

    values: Mapping[str, Any]
    given: frozenset[str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def settle(
    option_of: Callable[[str], Any], ini_of: Callable[[str], Any], environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return each option's value. ``option_of`` takes a dest, ``ini_of`` a key; both give None or empty for unset.

    Raises UsageError.
    """
    values: dict[str, Any] = {}
    given = set()
    for option in OPTIONS:
        value = option_of(option.dest)
        if value not in (None, [], ()):
            values[option.name] = value
            given.add(option.name)
        elif environ.get(option.variable):
            values[option.name] = option.read(environ[option.variable], option.variable)
            given.add(option.name)
        elif text := ini_of(option.ini):
            values[option.name] = option.read(text, option.ini)
        else:
            values[option.name] = [] if option.many else option.default
    return Settings(values, frozenset(given))
