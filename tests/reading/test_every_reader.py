"""What holds for every function of ``reading`` that takes a text: no exception but its own, and time linear in it.

Functions are found by their annotations, so that a new one is held to it from its first day.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import pkgutil
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conformance import reading

Reader = Callable[[Any], object]

ADDRESS = ip_address("203.0.113.7")
BESIDES: dict[str, tuple[Any, ...]] = {
    "arcchain.validate": ({}, 0.0),
    "dkimsig.canonical_body": ("relaxed",),
    "fields.is_record": ("STSv1",),
    "fields.near_miss": ("STSv1",),
    "mending.spf_replaced": ({1: ["a"]},),
    "mending.spf_instead": (["ip4:203.0.113.7"],),
    "octets.find_octets": (ADDRESS,),
    "orgdomain.is_within": ({"example.com"},),
    "plans.dnscontrol.read_preview": ("a file",),
    "plans.octodns_yaml.read": ("example.com.yaml",),
    "plans.read_plan": ("a file",),
    "postal.lacking": (["Street 1"],),
    "ptrname.embedded": (ADDRESS,),
    "remedy.spf_authorising": (["ip4:203.0.113.7"],),
    "remedy.spf_ending": ("-all",),
    "remedy.spf_with": ("ip4:203.0.113.7",),
    "remedy.spf_without": ([1],),
    "smtpcommand.syntax_fault": ((),),
    "transfer.decode": ("quoted-printable",),
    "transfer.faults": ("base64",),
    "zonefile.read_zone_file": ("a file",),
}
"""What else a reader is given, after the text."""

NO_READERS = {
    "charsets.decoded": "takes a character set that another one has found",
    "dmarc.aligned": "compares names",
    "dmarc.organizational_domain": "compares names",
    "dmarc.policy_source": "compares names",
    "excerpt.did_you_mean": "compares a word with known ones",
    "mending.key_with": "takes a change of a record that was read",
    "numbering.count": "reads what its neighbour wrote",
    "numbering.first": "reads what its neighbour wrote",
    "numbering.numbers": "reads what its neighbour wrote",
    "plans.plan.text_of": "writes",
    "remedy.publish": "writes",
    "remedy.publish_at": "writes",
    "remedy.publish_spf": "writes",
    "waiverfile.added": "edits a file that was read",
    "waiverfile.pruned": "edits a file that was read",
    "zonefile.no_includes": "refuses whatever it is given",
    "zonetext.quoted_string": "writes",
}

REFUSALS: dict[str, type[ValueError]] = {"dmarc.parse": ValueError, "dnsbl.label_of": ValueError}
"""Readers that refuse texts with an error that is not of their own, as they say."""

BEGINNINGS = ("", "v=spf1 ", "v=DKIM1; p=", "v=DMARC1; p=none; rua=", "version: STSv1\n", "a: ", '"')
REPEATED = (
    *("a", "1", "ü", ".", " ", ";", ",", ":", "=", "@", '"', "\\", "(", ")", "()", "<", "<>", "[", "{", "%{", "%{s}"),
    *("a.", "1.", "1-", "a=b;", "a@b.c, ", "ip4:1.2.3.4 ", "include:a.b ", "mx: a.b\n", "=?utf-8?q?a?= ", "\r\n b"),
    *("a: b\r\n", "--b\r\n", "<a href='http://a'>", "<!--", "http://a.b ", "- a: b\n", "a 60 IN A 1.2.3.4\n", "xn--a."),
)
TEXTS = st.one_of(
    st.text(max_size=200),
    st.builds(lambda head, tail: head + tail, st.sampled_from(BEGINNINGS), st.text(max_size=80)),
    st.builds(
        lambda head, parts: head + "".join(parts),
        st.sampled_from(BEGINNINGS),
        st.lists(st.sampled_from(REPEATED), max_size=40),
    ),
)
LENGTH = 2_500
FAST = 0.05
"""Seconds below which a growth tells nothing."""


def found() -> Iterator[tuple[str, Reader, bool]]:
    """Yield each function with a text or octets as its first argument: its name, and whether it takes octets."""
    for module in pkgutil.walk_packages(reading.__path__, f"{reading.__name__}."):
        for name, function in vars(importlib.import_module(module.name)).items():
            if name.startswith("_") or not inspect.isfunction(function) or function.__module__ != module.name:
                continue
            first = next(iter(inspect.signature(function).parameters.values()), None)
            if first is not None and first.annotation in ("str", "bytes"):
                place = module.name.removeprefix(f"{reading.__name__}.")
                yield f"{place}.{name}", function, first.annotation == "bytes"


EVERY = {name: (function, octets) for name, function, octets in found()}
READERS = sorted(EVERY.keys() - NO_READERS.keys())


def read(name: str, text: str) -> None:
    """Have a reader read a text, which it may refuse in its own way."""
    function, octets = EVERY[name]
    given = text.encode("utf-8", "surrogatepass") if octets else text
    try:
        function(given, *BESIDES.get(name, ()))
    except ValueError as error:
        if not type(error).__module__.startswith("conformance.") and type(error) is not REFUSALS.get(name):
            raise


def seconds(name: str, text: str) -> float:
    """Return the processor time that reading takes, without that of collecting garbage."""
    gc.disable()
    try:
        begun = time.process_time()
        read(name, text)
        return time.process_time() - begun
    finally:
        gc.enable()


def test_every_reader_is_known() -> None:
    assert len(READERS) > 80
    assert EVERY.keys() > NO_READERS.keys() | BESIDES.keys()


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example("\ud800")
@given(TEXTS)
def test_no_text_raises_anything_else(name: str, text: str) -> None:
    read(name, text)


@pytest.mark.parametrize("name", READERS)
def test_four_times_the_text_takes_about_four_times_as_long(name: str) -> None:
    for beginning in BEGINNINGS[:4]:
        for part in REPEATED:
            text = part * (LENGTH // len(part))
            long = seconds(name, beginning + text * 4)
            if long < FAST:
                continue
            # What a busy machine adds is gone in the quicker of two looks.
            short = min(seconds(name, beginning + text) for _ in range(2))
            long = min(long, seconds(name, beginning + text * 4))
            assert long < FAST or long < 9 * short, f"{beginning!r} and {part!r}: {short:.3f} s and {long:.3f} s"
