"""The reader of master files against RFC 1035 section 5, RFC 2308 section 4 and BIND's $GENERATE."""

from __future__ import annotations

from contextlib import suppress

import dns.name
import pytest
from dns.rdatatype import RdataType
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading.zone import Kind, Zone, ZoneError
from conformance.reading.zonefile import ZoneFile, first_origin, read_zone_file

ORIGIN = dns.name.from_text("example.com.")
HEAD = "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n"


def read(text: str, **files: str) -> ZoneFile:
    def include(name: str, _file: str) -> tuple[str, str]:
        if name not in files:
            raise FileNotFoundError(2, "No such file or directory")
        return name, files[name]

    return read_zone_file(text, "zone", ORIGIN, include)


def told(content: ZoneFile) -> dict[str, list[str]]:
    return {
        f"{name} {rdtype.name}": [one.place, str(one.ttl), *map(str, one.rdatas)]
        for (name, rdtype), one in content.sets.items()
    }


def problems(text: str, **files: str) -> tuple[str, ...]:
    with pytest.raises(ZoneError) as raised:
        read(text, **files)
    return raised.value.problems


def look(text: str, name: str, rdtype: str) -> tuple[Kind, str]:
    zone = Zone(ORIGIN, read(HEAD + text).sets, "zone:2")
    found = zone.look_up(dns.name.from_text(name, ORIGIN), RdataType[rdtype])
    return found.kind, found.set.place if found.set else ""


def test_every_way_to_write_a_record() -> None:
    text = """; a comment
$TTL 1h
@  IN SOA ns hostmaster ( 1 ; serial
      3600 600
      86400 60 )
   NS  ns
a  60 IN A 192.0.2.1
   IN 70 A 192.0.2.2
b.example.com. AAAA 2001:db8::1
t  TXT "v=spf1 ; ( -all" "two \\" strings" ; and more (
$ORIGIN sub
c  A 192.0.2.3
$ORIGIN .
d.example.com A 192.0.2.4
"""
    assert told(read(text)) == {
        "example.com. SOA": ["zone:3", "3600", "ns.example.com. hostmaster.example.com. 1 3600 600 86400 60"],
        "example.com. NS": ["zone:6", "3600", "ns.example.com."],
        "a.example.com. A": ["zone:7", "60", "192.0.2.1", "192.0.2.2"],
        "b.example.com. AAAA": ["zone:9", "3600", "2001:db8::1"],
        "t.example.com. TXT": ["zone:10", "3600", '"v=spf1 ; ( -all" "two \\" strings"'],
        "c.sub.example.com. A": ["zone:12", "3600", "192.0.2.3"],
        "d.example.com. A": ["zone:14", "3600", "192.0.2.4"],
    }


def test_a_ttl_that_is_not_written_is_the_last_one_or_that_of_the_soa() -> None:
    assert told(read("a 60 A 192.0.2.1\nb A 192.0.2.2\n"))["b.example.com. A"] == ["zone:2", "60", "192.0.2.2"]
    assert (
        told(read("$ORIGIN com.\nexample SOA ns hm 1 2 3 4 5\na.example A 192.0.2.1\n"))["a.example.com. A"][1] == "5"
    )
    assert "no TTL: write one" in problems("a A 192.0.2.1\n")[0]


def test_an_included_file_has_its_own_origin_and_lines() -> None:
    text = "$TTL 60\n$INCLUDE keys sub\na A 192.0.2.1\n"
    assert told(read(text, keys="\ns1._domainkey TXT v=DKIM1\n")) == {
        "s1._domainkey.sub.example.com. TXT": ["keys:2", "60", '"v=DKIM1"'],
        "a.example.com. A": ["zone:3", "60", "192.0.2.1"],
    }


def test_files_that_include_one_another_have_an_end() -> None:
    (problem,) = problems("$INCLUDE a\n", a="$INCLUDE b\n", b="$INCLUDE a\n")
    assert problem.startswith("a:1: ") or problem.startswith("b:1: ")
    assert "8 deep" in problem


def test_generated_records() -> None:
    made = told(read("$TTL 60\n$GENERATE 8-10/2 ip-$ A 198.51.100.$\n$GENERATE 1-2 $ PTR mx${0,3,d}.example.net.\n"))
    assert made == {
        "ip-8.example.com. A": ["zone:2", "60", "198.51.100.8"],
        "ip-10.example.com. A": ["zone:2", "60", "198.51.100.10"],
        "1.example.com. PTR": ["zone:3", "60", "mx001.example.net."],
        "2.example.com. PTR": ["zone:3", "60", "mx002.example.net."],
    }


@pytest.mark.parametrize(
    ("line", "name", "data"),
    [
        ('1-1 h-$ MX "0 ."', "h-1 MX", "0 ."),
        (r'1-1 mx$ TXT "\"v=spf1 ip4:192.0.2.$ -all\""', "mx1 TXT", '"v=spf1 ip4:192.0.2.1 -all"'),
        # As BIND has it: the quotes are those of $GENERATE.
        ('1-1 mx$ TXT "v=spf1 -all"', "mx1 TXT", '"v=spf1" "-all"'),
        ("18-18 ${0,3,n} A 192.0.2.1", "2.1 A", "192.0.2.1"),
        ("171-171 ${0,5,N} A 192.0.2.1", "B.A.0 A", "192.0.2.1"),
        ("18-18 a${-2,4,x}-${0,0,o} A 192.0.2.1", "a0010-22 A", "192.0.2.1"),
        ("1-1 a$$-$ 300 IN A 192.0.2.1", r"a\$-1 A", "192.0.2.1"),
        (r"1-1 a\$-$ A 192.0.2.1", r"a\$-1 A", "192.0.2.1"),
    ],
)
def test_what_bind_generates(line: str, name: str, data: str) -> None:
    owner, rdtype = name.split()
    ttl = "300" if " 300 " in line else "60"
    assert told(read(f"$TTL 60\n$GENERATE {line}\n")) == {f"{owner}.example.com. {rdtype}": ["zone:2", ttl, data]}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1-2 a$ A", "$GENERATE takes a range, a name, a type and data"),
        ("1-2 a$ MX 0 .", "unknown record type '0'"),
        ("1-2 a${x} A 192.0.2.1", "has a place for a number that is not ${offset,width,base}"),
        ("1-2 a${-5} A 192.0.2.1", "${-5} makes 1 less than 0"),
        ("1-2 a$ A 192.0.2.x", "Text input is malformed"),
    ],
)
def test_what_bind_would_not_generate(line: str, why: str) -> None:
    (problem,) = problems(f"$TTL 60\n$GENERATE {line}\n")
    assert problem.startswith("zone:2: ")
    assert why in problem


@pytest.mark.parametrize("wrong", ["0-99999999", "9-1", "1-2/0", "x", ""])
def test_ranges_that_are_none(wrong: str) -> None:
    assert "$GENERATE" in problems(f"$TTL 60\n$GENERATE {wrong} ip-$ A 198.51.100.$\n")[0]


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = problems(
        """$TTL 60
a A 192.0.2.256
b BOGUS x
c MX (
  10
  mx.. )
d TXT "no end
$TTL
$WHAT ever
$INCLUDE gone.zone
 A
e CH TXT x
f A 192.0.2.1
"""
    )
    lines = [problem.split(": ")[0] for problem in found]
    assert lines == ["zone:2", "zone:3", "zone:4", "zone:7", "zone:8", "zone:9", "zone:10", "zone:11", "zone:12"]
    assert "gone.zone cannot be read: No such file or directory" in found[6]


def test_a_name_that_is_relative_to_nothing() -> None:
    with pytest.raises(ZoneError, match=r"zone:2: .*begin the file with \$ORIGIN"):
        read_zone_file("$TTL 60\na A 192.0.2.1\n", "zone")


def test_what_a_patch_takes_away() -> None:
    content = read("$TTL 60\n$DELETE s1._domainkey TXT CNAME\n$DELETE old\nnew A 192.0.2.1\n")
    assert [str(name) for name in content.gone] == ["old.example.com."]
    assert [one.deleted for one in content.sets.values()] == [True, True, False]
    assert "is deleted at zone:2" in problems("$TTL 60\n$DELETE a A\na A 192.0.2.1\n")[0]
    assert "is set at zone:2 already" in problems("$TTL 60\na A 192.0.2.1\n$DELETE a A\n")[0]


def test_the_first_origin() -> None:
    assert first_origin("; x\n$TTL 60\n$ORIGIN example.org.\na A 192.0.2.1") == dns.name.from_text("example.org.")
    for text in ("a A 192.0.2.1\n$ORIGIN example.org.\n", "$ORIGIN relative\n", "$ORIGIN\n", "$ORIGIN ..\n", ""):
        assert first_origin(text) is None


@pytest.mark.parametrize(
    ("name", "rdtype", "kind", "place"),
    [
        ("a", "A", Kind.FOUND, "zone:4"),
        ("a", "AAAA", Kind.NODATA, "zone:2"),
        ("b.c", "A", Kind.FOUND, "zone:5"),
        ("c", "A", Kind.NODATA, "zone:2"),
        ("x", "MX", Kind.FOUND, "zone:6"),
        ("x", "A", Kind.NODATA, "zone:2"),
        ("x.y", "MX", Kind.FOUND, "zone:6"),
        ("x.c", "MX", Kind.NXDOMAIN, "zone:2"),
        ("x.a", "MX", Kind.NXDOMAIN, "zone:2"),
        ("sub", "A", Kind.CUT, "zone:7"),
        ("deep.sub", "A", Kind.CUT, "zone:7"),
        ("sub", "NS", Kind.FOUND, "zone:7"),
        ("@", "NS", Kind.FOUND, "zone:3"),
        ("alias", "A", Kind.ALIAS, "zone:9"),
        ("alias", "CNAME", Kind.FOUND, "zone:9"),
        ("x.moved", "A", Kind.ALIAS, "zone:10"),
        ("moved", "A", Kind.NODATA, "zone:2"),
    ],
)
def test_what_a_zone_answers(name: str, rdtype: str, kind: Kind, place: str) -> None:
    text = (
        "a A 192.0.2.1\nb.c A 192.0.2.2\n* MX 10 a\nsub NS ns.sub\nns.sub A 192.0.2.3\n"
        "alias CNAME a\nmoved DNAME example.net.\n"
    )
    assert look(text, name, rdtype) == (kind, place)


def test_a_dname_leads_on() -> None:
    zone = Zone(ORIGIN, read(HEAD + "moved DNAME example.net.\n").sets, "zone:2")
    found = zone.look_up(dns.name.from_text("a.b.moved.example.com."), RdataType.A)
    assert found.target == dns.name.from_text("a.b.example.net.")
    long = dns.name.from_text(".".join(["a" * 60] * 3) + ".moved.example.com.")
    target = ".".join(["b" * 60] * 3)
    zone = Zone(ORIGIN, read(HEAD + f"moved DNAME {target}.example.net.\n").sets, "zone:2")
    assert zone.look_up(long, RdataType.A).target is None


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=300)
    | st.from_regex(
        r"(\$(TTL|ORIGIN|DELETE|GENERATE|INCLUDE) )?[@a-z.\\ ()\";$0-9-]{0,60}(A|TXT|MX|CNAME)? [^\0]{0,40}\n",
        fullmatch=True,
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ZoneError):
        assert isinstance(read_zone_file(text, "zone", ORIGIN), ZoneFile)
    first_origin(text)
