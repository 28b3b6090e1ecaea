"""What may stand in ``mailconform_*`` variables: types, their check with all errors at once, and a JSON Schema.

The schema takes, the checks judge: syntax is demanded where the suite could not work without it, not of what it is
there to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from conformance.fleet.scalars import (
    Address,
    Alignment,
    CheckId,
    Codes,
    Count,
    DomainName,
    Level,
    Loose,
    NetworkNumbers,
    Networks,
    Part,
    Patterns,
    Policies,
    Port,
    RoleName,
    Roles,
    Seconds,
    SelectorName,
    SpfAlls,
    Text,
    Texts,
    Word,
    Words,
    addressed,
    empty_is_mapping,
    listed,
    number,
    off_is_no,
    zoned,
)
from conformance.fleet.streams import StreamEntry, Streams, SubmissionEntry
from conformance.fleet.values import Parts
from conformance.fleet.waive import Waive, WaiveEntry
from conformance.reading.excerpt import did_you_mean

PREFIX = "mailconform_"


class SendFrom(Part):
    """A source address as the world sees it."""

    address: Address
    helo: Text | None = Field(None, description="The name it greets with, where it differs from mailconform_helo.")
    source: Any = None
    nat: Any = None


class Listen(Part):
    """A port that accepts SMTP."""

    port: Port
    dial_port: Port | None = Field(None, description="Port to dial where another one leads to it; default: port.")
    tls: Literal["none", "starttls", "implicit"] | None = Field(None, description="Default: starttls; on 465 implicit.")
    auth: Annotated[Literal["no", "allowed", "required"], BeforeValidator(off_is_no)] = "no"


class Dkim(Part):
    """A DKIM selector and what its record should be."""

    selector: SelectorName
    state: Literal["signing", "published", "retired"] = "signing"
    domain: DomainName | None = Field(None, description="The d= domain, where it is another one.")
    min_bits: Annotated[int, BeforeValidator(number), Field(ge=512, le=16384)] | None = None
    max_months: Annotated[int, BeforeValidator(number), Field(ge=1, le=60)] = Field(
        6, description="Months after which another key is to be used; 12 will do for small senders."
    )


class Arc(Part):
    """A selector that ARC sets are sealed with."""

    selector: SelectorName
    domain: DomainName | None = Field(None, description="The d= domain, where it is another one.")


class Spf(Part):
    """What the owner wants of the SPF record."""

    all: SpfAlls = Field(default=[])
    max_lookups: Count = 10


class Dmarc(Part):
    """What the owner wants of the DMARC record."""

    p: Policies = Field(default=[])
    adkim: Alignment | None = None
    aspf: Alignment | None = None
    rua: Text | None = Field(default=None, description="'required', or the address that reports must go to.")
    ruf: Texts = Field(default=[], description="Addresses that failure reports may go to.")


class MtaSts(Part):
    """Where the MTA-STS policy of a domain is fetched, where DNS leads elsewhere than to the place to ask."""

    connect_to: Word | None = Field(None, description="Where mta-sts.DOMAIN is dialled; default: where DNS leads.")
    dial_port: Port = Field(443, description="Its port.")


class DomainEntry(Part):
    """A domain of the catalogue."""

    header_from: bool = True
    envelope: DomainName | None = Field(None, description="The RFC5321.MailFrom domain; default: the domain itself.")
    dkim: list[Dkim] = Field(default=[])
    arc: list[Arc] = Field([], description="Selectors that ARC sets of forwarded mail are sealed with.")
    spf: Spf = Spf()
    dmarc: Dmarc = Dmarc()
    lists: bool = Field(False, description="People write to mailing lists from it.")
    consoles: dict[Word, Text] = Field(
        {}, description="Consoles of receivers, by name: the TXT record by which each knows the owner."
    )
    mta_sts: MtaSts = MtaSts.model_validate({})
    no_mail: bool = Field(False, description="Never sends mail.")


class ProbeEntry(Part):
    """How far a host may be probed, and how gently."""

    level: Literal["none", "connect", "auth", "send"] = "connect"
    timeout: Seconds | None = None
    retries: Annotated[int, BeforeValidator(number), Field(ge=0, le=10)] | None = None
    per_host: Count | None = None
    rate: Annotated[float, BeforeValidator(number), Field(gt=0)] | None = Field(
        None, description="Messages a second that the host is given to send; default 1."
    )
    messages: Count = Field(200, description="Most messages that the host is given to send in a run.")
    source_address: Address | None = None
    sender: Text | None = Field(default=None, alias="from", description="The name the probe greets with.")


class BlocklistEntry(Part):
    """A DNS list that is asked."""

    zone: DomainName
    lists: Literal["addresses", "names"] = "addresses"
    dynamic: Codes | None = Field(
        None, description="Answers that say that an address is not meant to send; default: those of well-known lists."
    )
    ignore: Codes = Field([], description="Answers that are of no consequence.")


class RoutingEntry(Part):
    """Who is asked which network announces an address, and which networks may."""

    zone: DomainName | None = Field(None, description="Asked for IPv4 addresses, as origin.asn.cymru.com.")
    zone6: DomainName | None = Field(None, description="Asked for IPv6 addresses, as origin6.asn.cymru.com.")
    origins: NetworkNumbers = Field([], description="Autonomous systems that may announce them; none: any.")


Blocklists = Annotated[
    list[Annotated[BlocklistEntry, BeforeValidator(zoned, json_schema_input_type=str | BlocklistEntry)]],
    BeforeValidator(listed, json_schema_input_type=str | list[str | BlocklistEntry]),
]
TlsPolicy = Literal["mta-sts", "dane", "requiretls"]
TlsPolicies = Annotated[
    list[TlsPolicy],
    BeforeValidator(listed, json_schema_input_type=TlsPolicy | list[TlsPolicy]),
]
Catalogue = dict[DomainName, Annotated[DomainEntry, BeforeValidator(empty_is_mapping)]]
SendFroms = Annotated[
    list[Annotated[SendFrom, BeforeValidator(addressed, json_schema_input_type=str | SendFrom)]],
    BeforeValidator(listed, json_schema_input_type=str | list[str | SendFrom]),
]


class Variables(BaseModel):
    """Variables of mailconform in an Ansible inventory."""

    model_config = ConfigDict(alias_generator=PREFIX.__add__)

    role: Roles = Field([], description="What the host does; default: from the names of its groups.")
    role_groups: dict[RoleName, Words] = Field({}, description="The groups that give a role; default: the role's name.")
    send_from: SendFroms = Field([], description="Source addresses of outgoing mail, as the world sees them.")
    helo: Text | None = Field(None, description="The name the host greets with.")
    connect_to: Word | None = Field(None, description="Where it is dialled; default: ansible_host.")
    listen: list[Listen] = Field([], description="Ports on which it accepts SMTP; none: it is not dialled.")
    domains: Catalogue = Field({}, description="The catalogue of domains, one for the whole fleet.")
    sends_for: Patterns = Field([], description="Domains of the catalogue, or globs: for all hosts.")
    group_sends_for: Patterns = Field([], description="As mailconform_sends_for, added by a group.")
    host_sends_for: Patterns = Field([], description="As mailconform_sends_for, added by a host.")
    profile: Words = Field([], description="Whose rules count.")
    levels: dict[CheckId, Level] = Field({}, description="Another level for a check, or off.")
    probe: ProbeEntry = ProbeEntry.model_validate({})
    treat_as_public: Networks = Field([], description="Special networks that are public here.")
    dnsbl: Blocklists = Field([], description="DNS lists that may be asked; none: nobody is asked.")
    routing: RoutingEntry = Field(
        RoutingEntry.model_validate({}), description="Where routes of its addresses are looked up; no zone: nowhere."
    )
    dnssec: Literal["resolver", "validate"] | None = Field(
        None, description="Who validates DNS answers: the resolver, or the run itself."
    )
    lab: Word | None = Field(None, description="This inventory is a lab: embedded.")
    enabled: bool = Field(True, description="False: not judged, and listed as out of scope.")
    ipv6: Literal["none"] | None = Field(None, description="The host sends over IPv4 only.")
    tags: Words = []
    submission: SubmissionEntry = Field(
        SubmissionEntry.model_validate({}), description="Where and as whom messages are submitted."
    )
    forward: Loose = {}
    attest: Loose = Field({}, description="What no probe can see, by rule.")
    streams: Streams = Field({}, description="The kinds of mail it sends, by name, and how it is made to send them.")
    tls_policies: TlsPolicies = Field(
        [], description="Policies that the host enforces when it sends: mta-sts, dane, requiretls."
    )
    waive: Waive = Field([], description="Waivers for the host in whose variables they stand.")


NAMES = tuple(f"{PREFIX}{field}" for field in Variables.model_fields)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A part of a value that is not what it should be."""

    path: Parts
    expected: str
    found: Any
    kind: Literal["value", "unknown", "missing"] = "value"
    hint: str = ""


def check(name: str, data: Any) -> tuple[Any, list[Mismatch]]:
    """Return a variable's value as this schema reads it, and everything that is wrong with it.

    ``ansible_host`` is read like ``mailconform_connect_to``.
    """
    try:
        return _adapter(name).validate_python(data), []
    except ValidationError as error:
        return None, list(_mismatches(name, error))
    except RecursionError:
        return None, [Mismatch((), "fewer levels", data)]


def json_schema() -> dict[str, Any]:
    """Return a JSON Schema (2020-12) for a file of variables; other variables may stand beside ours."""
    schema = Variables.model_json_schema(by_alias=True, mode="validation")
    _let_templates_in(schema)
    known = "|".join(Variables.model_fields)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "patternProperties": {f"^{PREFIX}(?!(?:{known})$)": False},
    }


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    field = "connect_to" if name == "ansible_host" else name.removeprefix(PREFIX)
    return TypeAdapter(Variables.model_fields[field].rebuild_annotation())


def default(name: str) -> Any:
    """Return what holds for a variable that is not declared."""
    field = "connect_to" if name == "ansible_host" else name.removeprefix(PREFIX)
    return Variables.model_fields[field].default


_EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "{expected}",
}


_BRANCHES = frozenset({"[key]"})
"""What pydantic adds to a path that is not part of the data."""

_MAPPINGS: dict[str, type[Part]] = {
    "send_from": SendFrom,
    "listen": Listen,
    "probe": ProbeEntry,
    "dkim": Dkim,
    "spf": Spf,
    "dmarc": Dmarc,
    "mta_sts": MtaSts,
    "submission": SubmissionEntry,
    "streams": StreamEntry,
    "waive": WaiveEntry,
    "dnsbl": BlocklistEntry,
    "routing": RoutingEntry,
}


def _mismatches(name: str, error: ValidationError) -> Iterator[Mismatch]:
    for item in error.errors(include_url=False):
        path = tuple(part for part in item["loc"] if part not in _BRANCHES)
        context = item.get("ctx", {})
        kind, found = item["type"], item["input"]
        if kind == "extra_forbidden":
            yield Mismatch(path, "", found, "unknown", did_you_mean(str(path[-1]), _keys_beside(name, path)))
        elif kind == "missing":
            yield Mismatch(path, "", None, "missing")
        elif kind == "literal_error":
            choices = tuple(re.findall(r"'([^']*)'", context["expected"]))
            hint = did_you_mean(found, choices) if isinstance(found, str) else ""
            yield Mismatch(path, f"{'one of ' if len(choices) > 1 else ''}{', '.join(choices)}", found, hint=hint)
        else:
            expected = context["what"] if kind == "expected" else _EXPECTED.get(kind, item["msg"]).format(**context)
            yield Mismatch(path, expected, found)


def _keys_beside(name: str, path: Parts) -> tuple[str, ...]:
    """Return the keys that may stand where an unknown one does."""
    around = [name.removeprefix(PREFIX), *(part for part in path[:-1] if isinstance(part, str))]
    model = _MAPPINGS.get(around[-1], DomainEntry)
    return tuple(field.alias or key for key, field in model.model_fields.items())


def _let_templates_in(schema: dict[str, Any]) -> None:
    """Allow text with Jinja in it wherever a value may stand, since Ansible works it out before the schema is asked."""
    template = {"type": "string", "pattern": r"\{[{%]"}
    for part in (schema, *schema.get("$defs", {}).values()):
        for key, value in part.get("properties", {}).items():
            about = {word: value.pop(word) for word in ("default", "description", "title") if word in value}
            part["properties"][key] = {**about, "anyOf": [value, template]}
