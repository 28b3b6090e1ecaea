"""What ``mailconform_waive`` may say: waivers in the variables of the host that they excuse."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from conformance.fleet.scalars import CheckId, Part, Text, Word, listed
from conformance.reading.waivers import day

Day = Annotated[date, BeforeValidator(day, json_schema_input_type=str)]
Rules = Annotated[list[CheckId], BeforeValidator(listed, json_schema_input_type=str | list[str])]


class WaiveEntry(Part):
    """A waiver for the host in whose variables it stands."""

    rules: Rules = Field(alias="rule", min_length=1, description="Ids of the rules that may be broken.")
    reason: Text = Field(description="Why this is accepted for now.")
    owner: Text = Field(description="Who answers for it.")
    expires: Day = Field(description="The last day it holds, until 24:00 UTC.")
    issued: Day | None = Field(None, description="The day it was written.")
    ticket: Text = ""
    approved_by: Text = ""
    observed: Text = Field("", description="Waives only this: words of what reports say was seen, or all of them.")
    aspect: Word = ""
    id: Word = Field("", description="What reports call it; default: where it is written.")


def _entries(value: Any) -> Any:
    return [value] if isinstance(value, dict) and value else value or []


Waive = Annotated[list[WaiveEntry], BeforeValidator(_entries)]
