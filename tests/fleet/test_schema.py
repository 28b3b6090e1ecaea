"""What may stand in a variable, without Ansible."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as some

from conformance.fleet import schema
from conformance.fleet.schema import NAMES, Mismatch, check, json_schema

GOOD: list[tuple[str, Any, Any]] = [
    ("role", "relay", ["relay"]),
    ("role", ["mta_out", "webform"], ["mta_out", "webform"]),
    ("helo", "-", "-"),
    ("helo", "x" * 255, "x" * 255),
    ("helo", "[192.0.2.1]", "[192.0.2.1]"),
    ("sends_for", "BÜCHER.example.", ["xn--bcher-kva.example"]),
    ("sends_for", ["*.Example"], ["*.example"]),
    ("levels", {"ptr.own-domain": False, "helo.fqdn": "info"}, {"ptr.own-domain": "off", "helo.fqdn": "info"}),
    ("treat_as_public", ["203.0.113.9/24", "2001:db8::/32"], ["203.0.113.0/24", "2001:db8::/32"]),
    ("dnsbl", "BL.example.", [schema.BlocklistEntry(zone="bl.example")]),
    (
        "dnsbl",
        {"zone": "bl.example", "dynamic": "127.0.0.10"},
        [schema.BlocklistEntry(zone="bl.example", dynamic=["127.0.0.10"])],
    ),
    ("routing", {"zone": "O.test."}, schema.RoutingEntry(zone="o.test")),
    ("routing", {"origins": "AS64500"}, schema.RoutingEntry(origins=[64500])),
    ("routing", {"origins": [64500, "as4294967295", "1"]}, schema.RoutingEntry(origins=[64500, 4294967295, 1])),
    ("enabled", "no", False),
    ("ipv6", "none", "none"),
    ("profile", "zendesk", ["zendesk"]),
]

STREAM = {"from": "news@example.com", "how": "sendmail"}

BAD: list[tuple[str, Any, str]] = [
    ("role", "mta-out", "one of mta_out, relay, forwarder, webform, null_client"),
    ("helo", "", "text of 1 to 255 octets"),
    ("helo", "ü" * 128, "text of 1 to 255 octets"),
    ("helo", 12, "text: put it in quotes"),
    ("helo", "\ud800", "text in valid Unicode"),
    ("send_from", ["fe80::1%eth0"], "an IPv4 or IPv6 address"),
    ("send_from", [3232235777], "an address, or a mapping with one"),
    ("send_from", "192.0.2.1/32", "an IPv4 or IPv6 address"),
    ("send_from", "::ffff:192.0.2.1", "the IPv4 address itself, 192.0.2.1"),
    ("listen", [{"port": True}], "a port from 1 to 65535"),
    ("listen", {"port": 25}, "a list"),
    ("domains", {"1.2.3.4": {}}, "a domain name"),
    ("domains", {"a_b.example": {}}, "a domain name"),
    ("domains", {"x." + "a" * 64: {}}, "a domain name"),
    ("domains", {"example.com": {"envelope": "bounce example.com"}}, "a domain name"),
    ("domains", {"example.com": {"dkim": [{"selector": "a b"}]}}, "a DKIM selector, such as s2026a"),
    ("domains", {"example.com": {"dkim": [{"selector": 2026}]}}, "text: put it in quotes"),
    ("domains", ["example.com"], "a mapping"),
    ("probe", {"timeout": 0}, "a number greater than 0"),
    ("probe", {"level": "dns"}, "one of none, connect, auth, send"),
    ("treat_as_public", ["203.0.113"], "a network, such as 203.0.113.0/24"),
    ("levels", {"MC-PTR-001": "must"}, "the id of a check, such as ptr.exists"),
    ("dnsbl", {"zone": "bl.example", "lists": "urls"}, "one of addresses, names"),
    ("dnsbl", {"zone": "bl.example", "ignore": "127.0.0"}, "an answer of a DNS list, such as 127.0.0.10"),
    ("dnsbl", 7, "a list"),
    ("routing", "o.test", "a mapping"),
    ("routing", {"zones": "o.test"}, ""),
    ("routing", {"origins": 0}, "the number of an autonomous system, such as AS64500"),
    ("routing", {"origins": True}, "the number of an autonomous system, such as AS64500"),
    ("routing", {"origins": ["AS4294967296"]}, "the number of an autonomous system, such as AS64500"),
    ("routing", {"origins": ["64500/24"]}, "the number of an autonomous system, such as AS64500"),
    ("enabled", "perhaps", "true or false"),
    ("ipv6", "no", "none"),
    ("connect_to", "a b", "a word of printable ASCII characters"),
    (
        "waive",
        [{"rule": "ptr.*", "reason": "r", "owner": "o", "expires": "2026-12-01"}],
        "the id of a check, such as ptr.exists",
    ),
    ("waive", [{"rule": "ptr.exists", "reason": "r", "owner": "o", "expires": "soon"}], "a day, such as 2027-01-31"),
    ("waive", "ptr.exists", "a list"),
    ("submission", [], "a mapping"),
    ("streams", {"News": STREAM}, "a name of at most 40 small letters, digits, '-' and '_'"),
    ("streams", {"news": STREAM | {"from": "news"}}, "a mail address, such as news@example.com"),
    ("streams", {"news": STREAM | {"from": "news@a_b.example"}}, "a mail address with a domain name after the @"),
    ("streams", {"news": STREAM | {"how": "smoke"}}, "one of submission, sendmail, command, manual, file"),
]


@pytest.mark.parametrize(("name", "given_value", "read"), GOOD)
def test_what_is_taken(name: str, given_value: Any, read: Any) -> None:
    assert check(f"mailconform_{name}", given_value) == (read, [])


@pytest.mark.parametrize(("name", "given_value", "expected"), BAD)
def test_what_is_refused(name: str, given_value: Any, expected: str) -> None:
    _, mismatches = check(f"mailconform_{name}", given_value)
    assert [mismatch.expected for mismatch in mismatches] == [expected]


def test_all_mismatches_come_at_once_with_hints() -> None:
    _, mismatches = check("mailconform_listen", [{"port": 0, "tsl": "none"}, {"auth": "maybe"}])
    assert mismatches == [
        Mismatch((0, "port"), "a port from 1 to 65535", 0),
        Mismatch((0, "tsl"), "", "none", "unknown", "did you mean tls?"),
        Mismatch((1, "port"), "", None, "missing"),
        Mismatch((1, "auth"), "one of no, allowed, required", "maybe"),
    ]


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)


@given(some.sampled_from(NAMES), json_values)
def test_any_value_is_read_or_refused(name: str, data: Any) -> None:
    read, mismatches = check(name, data)
    assert not mismatches or read is None


@given(some.sampled_from(sorted(name for name, *_ in GOOD)))
def test_every_variable_has_a_default_of_its_own_type(name: str) -> None:
    default = schema.default(f"mailconform_{name}")
    assert default is None or check(f"mailconform_{name}", default) == (default, [])


def test_the_json_schema_says_the_same() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    judge = jsonschema.Draft202012Validator(schema)
    file = {
        "postfix_hostname": "mail.example.com",
        "mailconform_role": "mta_out",
        "mailconform_helo": "{{ postfix_hostname }}",
        "mailconform_send_from": ["198.51.100.1", {"address": "{{ ip }}", "helo": "mx"}],
        "mailconform_listen": [{"port": 25, "tls": "starttls"}, {"port": "{{ submission_port }}"}],
        "mailconform_domains": {"example.com": {"spf": {"all": "-all"}, "dkim": [{"selector": "a"}]}, "b.example": {}},
        "mailconform_probe": {"from": "conform.example.net"},
        "mailconform_enabled": "{{ env == 'production' }}",
    }
    assert list(judge.iter_errors(file)) == []
    for wrong in (
        {"mailconform_rule": "mta_out"},
        {"mailconform_role": "mta-out"},
        {"mailconform_listen": [{"port": 70000}]},
        {"mailconform_listen": [{"prot": 25}]},
        {"mailconform_domains": {"example.com": {"spf": {"all": "-al"}}}},
        {"mailconform_enabled": "perhaps"},
    ):
        assert not judge.is_valid(wrong), wrong
