"""The options of a run: one table for pytest, for the command and for the documentation.

Each option is read from the command line, then the environment variable ``MAILCONFORM_<NAME>``, then the ini key
``mailconform_<name>``, then its default. This module imports nothing heavy: ``mailconform --help`` reads it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.reading.excerpt import did_you_mean
from conformance.report.formats import FORMATS


class UsageError(Exception):
    """An option cannot be what it was set to; the run ends with exit status 4."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a run. ``many`` may be given several times; elsewhere its values stand on lines of their own.

    A value of a ``listed`` one may be several, with commas. ``least`` is the smallest value of a ``number``; ``whole``
    numbers count something.
    """

    name: str
    help: str
    metavar: str = "TEXT"
    default: Any = None
    choices: tuple[str, ...] = ()
    many: bool = False
    listed: bool = False
    flag: bool = False
    number: bool = False
    least: float = 0.0
    whole: bool = False

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
        """Return the value that a text from the environment or an ini file stands for.

        Raises UsageError, which names ``where`` the text was found.
        """
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

    def check(self, value: Any, where: str) -> None:
        """Raise UsageError for a number that makes no sense."""
        if not self.number:
            return
        if not math.isfinite(value) or value < self.least:
            raise UsageError(f"{where}: {value:g} is not a number of {self.least:g} or more")
        if self.whole and not value.is_integer():
            raise UsageError(f"{where}: {value:g} is not a whole number")


_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smh]?)")
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Return the seconds that a text such as ``90``, ``20m`` or ``1.5h`` stands for. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None or not (seconds := float(match["number"]) * _SECONDS[match["unit"]]):
        raise ValueError(f"{text!r} is no duration such as 20m or 90s")
    return seconds


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
    Option(
        "rules", "Only rules whose id matches, such as 'ptr.*,helo.fqdn'. Repeatable.", "GLOB", many=True, listed=True
    ),
    Option("skip-rules", "Without rules whose id matches. Repeatable.", "GLOB", many=True, listed=True),
    Option("shard", "Only the K-th of N parts of the fleet; 'mailconform merge' joins their results.", "K/N"),
    Option(
        "resolver",
        "Name server to ask, ADDR or ADDR:PORT; default: the system's. Repeatable.",
        "ADDR[:PORT]",
        many=True,
    ),
    Option(
        "overlay",
        "Zone file that is not live and answers before live DNS: whole, or the record sets of a patch. Repeatable.",
        "FILE[,mode=replace|patch][,origin=ZONE]",
        many=True,
    ),
    Option(
        "overlay-plan",
        "What octoDNS, dnscontrol or Terraform plans to do, before live DNS. Repeatable.",
        "FILE",
        many=True,
    ),
    Option(
        "authoritative",
        "Ask every name server of each zone as well, so that one that fails or lags behind is found.",
        flag=True,
        default=False,
    ),
    Option(
        "authoritative-port",
        "Port of authoritative name servers; another than 53 in a laboratory only.",
        "N",
        default=53.0,
        number=True,
        least=1,
        whole=True,
    ),
    Option(
        "dnssec",
        "Who validates DNS answers: the resolver, whose AD bit is believed, or this run itself; default: what the "
        "inventory says, or the resolver.",
        choices=("resolver", "validate"),
    ),
    Option(
        "trust-anchor",
        "File of DS or DNSKEY records that validation begins with; default: those of the root zone.",
        "FILE",
    ),
    Option("dns-timeout", "Seconds to wait for a DNS answer.", "SECONDS", default=2.0, number=True, least=0.01),
    Option(
        "dns-retries",
        "How often to repeat a DNS question that was not answered.",
        "N",
        default=1.0,
        number=True,
        whole=True,
    ),
    Option("dns-rate", "DNS questions a second, at most.", "N", default=1000.0, number=True, least=0.1),
    Option(
        "dns-paranoid",
        "Read every DNS reply with dnspython, too: an internal error where the fast reader says something else.",
        flag=True,
        default=False,
    ),
    Option(
        "probe",
        "How far hosts are probed: not, asked at their listeners, or also made to send; 'collect' looks for what they "
        "were made to send before. An inventory can ask for less.",
        choices=("none", "connect", "send", "collect"),
        default="connect",
    ),
    Option(
        "receiver",
        "Where hosts are made to send to: the URL of a receiver, or 'embedded' for one in this run, with "
        "':ADDRESS', ':ADDRESS:PORT' and '/PACE'.",
        "URL",
    ),
    Option("receiver-token-file", "File with the token that the receiver's clients show.", "FILE"),
    Option(
        "receiver-certificate",
        "File with a certificate chain and its key that an embedded receiver shows, and that the hosts trust: for its "
        "exchanges and for the policy hosts of MTA-STS.",
        "FILE",
    ),
    Option(
        "receiver-zone-key",
        "File with the key that an embedded receiver signs its probe domain with (DNSSEC), for trials of DANE; it is "
        "made where there is none, and the run's notes have the DS record for the zone above.",
        "FILE",
    ),
    Option(
        "receiver-domain",
        "The receiver's probe domain; without it, it has to be the receiver's own name or lie below it.",
        "NAME",
    ),
    Option(
        "probe-wait",
        "Seconds that are waited for what a host was made to send, at most.",
        "SECONDS",
        default=600.0,
        number=True,
        least=1,
    ),
    Option("ehlo", "Name to greet with when probing; default: the name of this machine.", "NAME"),
    Option(
        "smtp-timeout",
        "Seconds to wait at each step of an SMTP session.",
        "SECONDS",
        default=10.0,
        number=True,
        least=0.01,
    ),
    Option("smtp-sessions", "SMTP sessions at once, at most.", "N", default=20.0, number=True, least=1, whole=True),
    Option(
        "gate",
        "'new' fails on what was not known to be broken, 'none' reports everything and exits with 0.",
        choices=("all", "new", "none"),
        default="all",
    ),
    Option("against", "What is known: the results of another run, or 'latest' for those of the last.", "RESULTS"),
    Option("baseline", "What is known: a baseline, which --update-baseline makes.", "FILE"),
    Option(
        "update-baseline",
        "Write the baseline: what is fixed leaves it. The first time, all that is broken enters it.",
        flag=True,
        default=False,
    ),
    Option("accept-new", "With --update-baseline: what is new enters the baseline too.", flag=True, default=False),
    Option(
        "waivers",
        "Waivers: what may be broken for now, why, and until when; see 'mailconform waivers'. Repeatable.",
        "FILE",
        many=True,
    ),
    Option("strict-waivers", "A waiver that nobody needs any more fails the run.", flag=True, default=False),
    Option("replay", "Judge a facts.json again, without a network.", "FILE"),
    Option(
        "reports",
        "Folder that gets one for each run; 'latest' in it leads to the last one of what is live.",
        "DIR",
        default="reports",
    ),
    Option("report-dir", "Folder for the results of this run, instead of one below --reports.", "DIR"),
    Option(
        "keep",
        "Runs below --reports that are kept, besides the last one of each of twelve months.",
        "N",
        default=35.0,
        number=True,
        least=1,
        whole=True,
    ),
    Option(
        "lock-wait",
        "Seconds to wait for another run of the same inventory to end.",
        "SECONDS",
        default=0.0,
        number=True,
    ),
    Option("budget", "Time for the whole run, such as 20m; what is not reached by then stays open (exit 2).", "TIME"),
    Option(
        "confirm",
        "Seconds after which what is newly broken is looked at again, before it counts.",
        "SECONDS",
        default=30.0,
        number=True,
    ),
    Option("resume", "Use what an interrupted run of the last hour has gathered.", flag=True, default=False),
    Option("quiet-ok", "Say nothing unless something is new, fixed or unknown: for cron.", flag=True, default=False),
    Option(
        "notify",
        "Tell what is new to mailto:ADDRESS, by sendmail, or to a webhook, https://... Repeatable.",
        "TARGET",
        many=True,
    ),
    Option(
        "format",
        f"Write a further output, into the report folder or to FILE: {', '.join(FORMATS)}. Repeatable.",
        "NAME[=FILE]",
        many=True,
    ),
)


_OTHER_VARIABLES = frozenset({"MAILCONFORM_CORPORA", "MAILCONFORM_NOW"})
"""Read by the tests."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of all options, and where each was set: ``--level``, ``MAILCONFORM_LEVEL`` or ``mailconform_level``.

    Options that have their default are not in ``where``.
    """

    values: Mapping[str, Any]
    where: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def given(self) -> frozenset[str]:
        """Options given for this run, on the command line or in the environment: they win over the inventory."""
        return frozenset(option.name for option in OPTIONS if self.where.get(option.name, option.ini) != option.ini)

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """Return settings with some other values."""
        return replace(self, values={**self.values, **values})


def unknown(ini: Iterable[str], environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence about each ini key and variable that is named like an option and is none."""
    keys = {option.ini for option in OPTIONS}
    variables = {option.variable for option in OPTIONS} | _OTHER_VARIABLES
    stray = [(key, keys) for key in ini if key.startswith("mailconform_") and key not in keys]
    stray += [(key, variables) for key in environ if key.startswith("MAILCONFORM_") and key not in variables]
    return [f"{key} is set and is no option; {did_you_mean(key, known)}".removesuffix("; ") for key, known in stray]


def settle(
    option_of: Callable[[str], Any], ini_of: Callable[[str], Any], environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return each option's value. ``option_of`` takes a dest, ``ini_of`` a key; both give None or empty for unset.

    An ini value is text, or the lines of it. Raises UsageError.
    """
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    for option in OPTIONS:
        name = option.name
        value = option_of(option.dest)
        if option.many and "" in (value or ()):
            raise UsageError(f"{option.switch}: is empty, as a variable that is not set leaves it")
        if value not in (None, [], ()):
            values[name], where[name] = value, option.switch
        elif text := environ.get(option.variable):
            values[name], where[name] = option.read(text, option.variable), option.variable
        elif text := ini_of(option.ini):
            lines = [text] if isinstance(text, str) else text
            values[name], where[name] = option.read("\n".join(lines), option.ini), option.ini
        else:
            values[name] = [] if option.many else option.default
        if option.listed:
            values[name] = [part.strip() for value in values[name] for part in value.split(",") if part.strip()]
        option.check(values[name], where.get(name, option.switch))
    return Settings(values, where)
