from __future__ import annotations

from ipaddress import ip_address

import pytest

from conformance.fleet.errors import InventoryError
from conformance.fleet.model import Address, Domain, Fleet, Listener, Mta, Selector
from conformance.fleet.origin import Origin
from conformance.fleet.sending import Stream, Submission
from conformance.fleet.show import describe

AT = Origin("host_vars/mx1.yml", 2)
MX1 = Mta(
    name="mx1",
    helo="mx1.example.net",
    addresses=(
        Address("mx1", ip_address("198.51.100.1"), "mx1.example.net", AT),
        Address("mx1", ip_address("2001:db8::1"), "six.example.net", AT, Origin("host_vars/mx1.yml", 3)),
    ),
    listeners=(Listener("mx1", 25, "starttls", "no", "mx1"),),
    sends_for=("example.com",),
    connect_to="mx1",
    streams=(
        Stream("mx1", "news", "news@example.com", "example.com", "b.example.com", sender="n@b.example.com", origin=AT),
    ),
    submission=Submission("submit.example.net", 587, verify=False, username="probe", password="s3cr3t-word"),
    declared={"mailconform_helo": Origin("group_vars/all.yml", 7), "mailconform_submission": None},
)
FLEET = Fleet(
    mtas=(MX1,),
    domains=(Domain("example.com", selectors=(Selector("example.com", "s1", "example.net"),), dmarc_p=("reject",)),),
    out_of_scope=("mx2",),
    ignored=("db1",),
    warnings=("odd \x1b[31m",),
)


def test_a_host_is_shown_with_the_places_of_its_values() -> None:
    lines = [" ".join(line.split()) for line in describe(FLEET, "mx1")]
    for line in (
        "helo: mx1.example.net group_vars/all.yml:7",
        "send_from: 198.51.100.1 host_vars/mx1.yml:2",
        "helo: six.example.net host_vars/mx1.yml:3",
        "listen: 25, tls starttls, auth no",
        "connect_to: mx1 the host's name",
        "dkim: s1, signing, d=example.net",
        "dmarc p: reject",
        "stream: news, transactional, how sendmail host_vars/mx1.yml:2",
        "from: news@example.com",
        "envelope: n@b.example.com",
        "leaves from: not declared",
        "submission: submit.example.net port 587, tls starttls, any certificate, as probe",
    ):
        assert line in lines
    assert "s3cr3t-word" not in "".join(lines) + repr(MX1)


def test_the_whole_fleet_names_what_is_not_judged() -> None:
    lines = describe(FLEET)
    assert lines[-3:] == ["out of scope: mx2", "no mail hosts: db1", "warning: odd \\x1b[31m"]


def test_an_unknown_host_is_an_error_with_a_hint() -> None:
    with pytest.raises(InventoryError, match="did you mean mx1"):
        describe(FLEET, "mx11")


@pytest.mark.parametrize(("name", "said"), [("mx2", "'mx2' is out of scope"), ("db1", "'db1' has no role in mail")])
def test_a_host_that_is_not_judged_is_told_from_one_that_is_not_there(name: str, said: str) -> None:
    with pytest.raises(InventoryError, match=said):
        describe(FLEET, name)


def test_a_domain_is_shown_in_both_forms() -> None:
    name = "xn--bcher-kva.example"
    mta = Mta(name="mx1", helo="mx1.example.net", sends_for=(name,))
    lines = [" ".join(line.split()) for line in describe(Fleet((mta,), (Domain(name),)), "mx1")]
    assert f"{name} (bücher.example): envelope {name}" in lines
