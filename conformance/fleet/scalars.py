"""Single values in ``mailconform_*`` variables: their types, and what is said where a value is of none."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from conformance.fleet import names
from conformance.fleet.origin import IPAddress


def expected(what: str) -> PydanticCustomError:
    """Return the error that says what was expected."""
    return PydanticCustomError("expected", "{what}", {"what": what})


def text(value: Any) -> str:
    """Take text of 1 to 255 octets."""
    if isinstance(value, (int, float)):
        raise expected("text: put it in quotes")
    try:
        size = len(value.encode()) if isinstance(value, str) else 0
    except UnicodeEncodeError:
        raise expected("text in valid Unicode") from None
    if not 0 < size <= 255:
        raise expected("text of 1 to 255 octets")
    return str(value)


def word(value: Any) -> str:
    """Take a word of printable ASCII characters."""
    taken = text(value)
    if not re.fullmatch(r"[!-~]+", taken):
        raise expected("a word of printable ASCII characters")
    return taken


def _domain(value: Any) -> str:
    if not isinstance(value, str):
        raise expected("a domain name")
    try:
        return names.domain_name(value)
    except ValueError as error:
        raise expected(str(error)) from None


def _selector(value: Any) -> str:
    try:
        return names.selector(text(value))
    except ValueError as error:
        raise expected(str(error)) from None


def _pattern(value: Any) -> str:
    if isinstance(value, str) and re.search(r"[*?[]", value):
        return word(value).lower()
    return _domain(value)


def _address(value: Any) -> IPAddress:
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        address = ipaddress.ip_address(value)
    except ValueError:
        raise expected("an IPv4 or IPv6 address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        raise expected(f"the IPv4 address itself, {address.ipv4_mapped}")
    return address


def _network(value: Any) -> str:
    try:
        if not isinstance(value, str):
            raise ValueError
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise expected("a network, such as 203.0.113.0/24") from None


def _check_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9]*\.[a-z0-9]+(-[a-z0-9]+)*", value):
        raise expected("the id of a check, such as ptr.exists")
    return value


def number(value: Any) -> Any:
    """Take a number, which true and false are not."""
    if isinstance(value, bool):
        raise expected("a number")
    return value


def _port(value: Any) -> int:
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 65535:
        raise expected("a port from 1 to 65535")
    return number


def _structure(value: Any) -> Any:
    if not isinstance(value, (dict, list)):
        raise expected("a mapping or a list")
    return value


def listed(value: Any) -> Any:
    """Take one thing for a list of it."""
    return [value] if isinstance(value, (str, dict)) else value


def addressed(value: Any) -> Any:
    """Take an address for a mapping with one."""
    if not isinstance(value, (str, dict)):
        raise expected("an address, or a mapping with one")
    return {"address": value} if isinstance(value, str) else value


def zoned(value: Any) -> Any:
    """Take the zone of a DNS list for a mapping with it."""
    if not isinstance(value, (str, dict)):
        raise expected("the zone of a DNS list, or a mapping with it")
    return {"zone": value} if isinstance(value, str) else value


def _code(value: Any) -> str:
    try:
        return str(ipaddress.IPv4Address(value if isinstance(value, str) else None))
    except ValueError:
        raise expected("an answer of a DNS list, such as 127.0.0.10") from None


def _network_number(value: Any) -> int:
    named = re.fullmatch(r"(?:[Aa][Ss])?([0-9]{1,10})", value) if isinstance(value, str) else None
    number = int(named[1]) if named else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 4_294_967_295:
        raise expected("the number of an autonomous system, such as AS64500")
    return number


def numbered(value: Any) -> Any:
    """Take one number for a list of it."""
    return [value] if isinstance(value, (str, int)) else value


def off_is_no(value: Any) -> Any:
    """Take false, which YAML makes of no, for the word."""
    return "no" if value is False else value


def _off_is_off(value: Any) -> Any:
    return "off" if value is False else value


def empty_is_mapping(value: Any) -> Any:
    """Take nothing for an empty mapping."""
    return {} if value is None else value


_PortNumber = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, BeforeValidator(text)]
Word = Annotated[str, BeforeValidator(word)]
DomainName = Annotated[str, BeforeValidator(_domain)]
SelectorName = Annotated[str, BeforeValidator(_selector)]
Pattern = Annotated[str, BeforeValidator(_pattern)]
Address = Annotated[IPAddress, BeforeValidator(_address, json_schema_input_type=str)]
Network = Annotated[str, BeforeValidator(_network)]
Code = Annotated[str, BeforeValidator(_code)]
CheckId = Annotated[str, BeforeValidator(_check_id)]
Count = Annotated[int, BeforeValidator(number), Field(ge=1, le=100_000)]
Port = Annotated[int, BeforeValidator(_port, json_schema_input_type=_PortNumber)]
Seconds = Annotated[float, BeforeValidator(number), Field(gt=0, le=3600)]
RoleName = Literal["mta_out", "relay", "forwarder", "webform", "null_client"]
Alignment = Literal["r", "s"]
SpfAll = Literal["-all", "~all", "?all", "+all"]
Policy = Literal["none", "quarantine", "reject"]
Level = Annotated[Literal["must", "should", "info", "off"], BeforeValidator(_off_is_off)]
Roles = Annotated[list[RoleName], BeforeValidator(listed, json_schema_input_type=RoleName | list[RoleName])]
Words = Annotated[list[Word], BeforeValidator(listed, json_schema_input_type=str | list[Word])]
Texts = Annotated[list[Text], BeforeValidator(listed, json_schema_input_type=str | list[Text])]
Patterns = Annotated[list[Pattern], BeforeValidator(listed, json_schema_input_type=str | list[Pattern])]
Networks = Annotated[list[Network], BeforeValidator(listed, json_schema_input_type=str | list[Network])]
Codes = Annotated[list[Code], BeforeValidator(listed, json_schema_input_type=Code | list[Code])]
_NetworkNumber = Annotated[int, BeforeValidator(_network_number, json_schema_input_type=int | str)]
NetworkNumbers = Annotated[
    list[_NetworkNumber], BeforeValidator(numbered, json_schema_input_type=int | str | list[int | str])
]
SpfAlls = Annotated[list[SpfAll], BeforeValidator(listed, json_schema_input_type=SpfAll | list[SpfAll])]
Policies = Annotated[list[Policy], BeforeValidator(listed, json_schema_input_type=Policy | list[Policy])]
Loose = dict[str, Any]
Structure = Annotated[Any, BeforeValidator(_structure, json_schema_input_type=Loose | list[Any])]


class Part(BaseModel):
    """A mapping with known keys only."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
