"""What ``mailconform_streams`` may say: the kinds of mail that a host sends, and how it is made to send some."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from conformance.fleet import names
from conformance.fleet.scalars import (
    Address,
    DomainName,
    Part,
    Port,
    Seconds,
    Text,
    Word,
    Words,
    expected,
    listed,
    off_is_no,
)

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")


def _stream_name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise expected("a name of at most 40 small letters, digits, '-' and '_'")
    return value


def _author(value: Any) -> str:
    local, at, domain = value.rpartition("@") if isinstance(value, str) else ("", "", "")
    if not at or not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}", local):
        raise expected("a mail address, such as news@example.com")
    try:
        return f"{local}@{names.domain_name(domain)}"
    except ValueError as error:
        raise expected(f"a mail address with {error} after the @") from None


StreamName = Annotated[str, BeforeValidator(_stream_name)]
Author = Annotated[str, BeforeValidator(_author)]
Kind = Literal["transactional", "bulk", "list", "auto", "form"]
How = Literal["submission", "sendmail", "command", "manual", "file"]
Addresses = Annotated[list[Address], BeforeValidator(listed, json_schema_input_type=str | list[str])]
Command = Annotated[list[Text], BeforeValidator(listed, json_schema_input_type=str | list[str])]


class StreamEntry(Part):
    """A kind of mail that a host sends."""

    author: Author = Field(alias="from", description="The address in From.")
    how: How = Field(description="How the host is made to send a message of it.")
    kind: Kind = "transactional"
    envelope: DomainName | None = Field(None, description="The MAIL FROM domain; default: that of the catalogue.")
    sender: Author | None = Field(
        None, description="The whole MAIL FROM address; default: its domain with from's name."
    )
    sources: Addresses = Field([], description="The addresses it leaves from; default: any of the host.")
    command: Command = Field([], description="With how: command. {recipient}, {sender}, {source} are filled in.")
    file: Text | None = Field(None, description="With how: file. Deliveries that were captured before.")
    sendmail: Word = Field("sendmail", description="With how: sendmail. The program, such as /usr/bin/msmtp.")
    trials: Words = Field(["*"], description="What may be tried with it: names of trials, or globs. Default: all.")
    postal_address: Text | None = Field(
        None,
        description="The sender's postal address that each message shows; its lines or commas part what is sought.",
    )
    wait: Seconds | None = Field(None, description="Seconds in which its mail is to arrive.")


Streams = dict[StreamName, StreamEntry]


class SubmissionEntry(Part):
    """Where messages are handed over with ``how: submission``, and by whom."""

    server: Word | None = Field(None, description="Where it is; default: the host's own listener with auth.")
    port: Port | None = Field(None, description="Default: the listener's, else 587.")
    tls: Literal["none", "starttls", "implicit"] | None = Field(None, description="Default: starttls; on 465 implicit.")
    verify: bool = Field(True, description="False: take any certificate.")
    server_name: Word | None = Field(None, description="The name in the certificate; default: server or the host's.")
    ca_file: Text | None = Field(None, description="Certificates to trust instead of the system's.")
    auth: Annotated[Literal["no", "required"], BeforeValidator(off_is_no)] = "required"
    username: Text | None = None
    password: Text | None = Field(None, description="From the vault; or password_file, or password_env.")
    password_file: Text | None = Field(None, description="File whose first line is the password.")
    password_env: Word | None = Field(None, description="Environment variable that holds the password.")
