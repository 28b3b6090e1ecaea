"""The DMARC reader, the tree walk and the choice of a record against RFC 9989."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reading import dmarc


def test_a_full_record_is_read():
    record = dmarc.parse(
        "v=DMARC1; p=quarantine; sp=reject; np=none; adkim=s; aspf=s; fo=1:d:s; t=y; psd=n; "
        "rua=mailto:d@Example.ORG!10m, https://r.example.net/x; ruf=mailto:f%2Bx@example.org?subject=x"
    )
    assert (record.p, record.sp, record.np, record.adkim, record.aspf) == ("quarantine", "reject", "none", "s", "s")
    assert (record.fo, record.testing, record.psd) == (("1", "d", "s"), True, "n")
    mail, web = record.rua
    assert (mail.scheme, mail.address, mail.host, mail.size) == ("mailto", "d@Example.ORG", "example.org", "!10m")
    assert (mail.text, record.text[mail.position :][:8]) == ("mailto:d@Example.ORG", "mailto:d")
    assert (web.scheme, web.address, web.host) == ("https", "", "")
    assert record.ruf[0].address == "f+x@example.org"
    assert record.problems == ()
    assert [note.text for note in record.notes] == ["mailto:d@Example.ORG!10m"]


def test_defaults():
    record = dmarc.parse("v=DMARC1; p=none")
    assert (record.adkim, record.aspf, record.fo, record.psd, record.testing) == ("r", "r", ("0",), "u", False)
    assert (record.sp, record.np, record.rua, record.ruf) == (None, None, (), ())
    assert (record.problems, record.notes, record.bad) == ((), (), frozenset())


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC1",
        "v=DMARC1;",
        "v=DMARC1 ;p=none",
        "v = DMARC1; p=none",
        "V=DMARC1; p=none",
        "v=DMARC1 \t",
        "v=DMARC1;junk",
    ],
)
def test_what_is_dmarc(text):
    assert dmarc.is_dmarc(text)
    assert dmarc.near_miss(text) is None
    assert dmarc.parse(text).text == text


@pytest.mark.parametrize(
    "text",
    ["v=dmarc1; p=none", "v=DMARC1 p=none", "v=DMARC1, p=none", " v=DMARC1; p=none", '"v=DMARC1; p=none"',
     "v=DMARC1\\; p=none", "v=DMARC1x; p=none", "v=DMARC2; p=none", "v=DMARC 1; p=none", "v:DMARC1; p=none",
     "p=none; v=DMARC1", "p=reject; sp=none", "\u201cv=DMARC1; p=none\u201d", "\xe2\x80\x9cv=DMARC1; p=none",
     "v=D-MARC1; p=none", "v=DMARC1\xa0; p=none", "\xef\xbb\xbfv=DMARC1; p=none", "v=DMARC1: p=none",
     "v=DMARC; p=none", "v=DMARC1=; p=none"]
)  # fmt: skip
def test_near_misses_are_explained(text):
    assert not dmarc.is_dmarc(text)
    assert dmarc.near_miss(text)
    with pytest.raises(ValueError, match="does not begin"):
        dmarc.parse(text)


@pytest.mark.parametrize(
    "text", ["", "v=spf1 -all", "v=DKIM1; p=", "hello", "k=rsa; p=AAAA", "sp=1", "dmarc", "map=none"]
)
def test_other_texts_are_not_near_misses(text):
    assert dmarc.near_miss(text) is None


@pytest.mark.parametrize(
    ("rest", "at", "bad"),
    [("p=deny", 12, {"p"}), ("p:none", 10, set()), ("p=", 12, {"p"}), ("p=none, sp=none", 12, {"p"}),
     ("sp=x", 13, {"sp"}), ("adkim=relaxed", 16, {"adkim"}), ("fo=0:1", 13, {"fo"}), ("fo=d:d", 13, {"fo"}),
     ("fo=2", 13, {"fo"}), ("t=1", 12, {"t"}), ("psd=x", 14, {"psd"}), ("rua=d@example.org", 14, {"rua"}),
     ("rua=mailto:d", 14, {"rua"}), ("rua=mailto:d@-", 14, {"rua"}), ("rua=", 14, {"rua"}), ("; p=none", 10, set()),
     ("none", 10, set()), ("p=none\x00", 16, {"p"}), ("p_1=x", 10, set()), ("p=\u201dnone", 12, {"p"}),
     ("sp=\xe2", 13, {"sp"}), ("1=2", 10, set())]
)  # fmt: skip
def test_a_bad_tag_is_dropped_and_told_with_its_place(rest, at, bad):
    record = dmarc.parse(f"v=DMARC1; {rest}; x=y")
    assert at in [problem.position for problem in record.problems]
    assert record.bad == bad
    assert [tag.name for tag in record.unknown] == ["x"]
    assert (record.p, record.adkim, record.psd, record.rua) == ("none" if rest == "; p=none" else None, "r", "u", ())


def test_one_bad_uri_does_not_spoil_the_list():
    record = dmarc.parse("v=DMARC1; p=none; rua=mailto:a@example.org,b@example.org, ,mailto:c@example.org")
    assert [uri.address for uri in record.rua] == ["a@example.org", "c@example.org"]
    assert [problem.text for problem in record.problems] == ["b@example.org", ""]
    assert "mailto: is missing" in record.problems[0].why


def test_a_repeated_tag_is_told_and_the_first_kept():
    record = dmarc.parse("v=DMARC1; p=none; P=reject")
    assert record.p == "none"
    assert [problem.why for problem in record.problems] == ["the tag p= is given twice"]


def test_removed_and_unknown_tags_are_kept_apart():
    record = dmarc.parse("v=DMARC1; p=none; pct=50; rf=afrf; ri=3600; pol=x")
    assert [(tag.name, tag.value) for tag in record.removed] == [("pct", "50"), ("rf", "afrf"), ("ri", "3600")]
    assert [tag.name for tag in record.unknown] == ["pol"]
    assert record.problems == ()


def test_what_is_lawful_but_risky_is_noted():
    record = dmarc.parse("V=DMARC1; sp=none; P=Reject; fo=1")
    assert (record.p, record.problems) == ("reject", ())
    assert {note.position for note in record.notes} == {0, 19, 29}


@pytest.mark.parametrize(
    ("rest", "direct", "below", "nonexistent"),
    [("p=reject", "reject", "reject", "reject"), ("p=reject; sp=none", "reject", "none", "none"),
     ("p=reject; sp=quarantine; np=none", "reject", "quarantine", "none"),
     ("p=none; np=reject", "none", "none", "reject"), ("rua=mailto:d@example.org", "none", "none", "none"),
     ("p=x; rua=mailto:d@example.org", "none", "none", "none"),
     ("p=reject; sp=x; rua=mailto:d@example.org", "none", "none", "none"), ("p=reject; np=x", None, None, None),
     ("sp=reject", None, None, None), ("p=bad; rua=d@example.org", None, None, None),
     ("p=reject; sp=\x01; rua=mailto:d@example.org", "none", "none", "none")]
)  # fmt: skip
def test_effective_policy(rest, direct, below, nonexistent):
    record = dmarc.parse(f"v=DMARC1; {rest}")
    assert record.policy() == direct
    assert record.policy(subdomain=True) == below
    assert record.policy(subdomain=True, exists=False) == nonexistent


@pytest.mark.parametrize(("p", "applied"), [("reject", "quarantine"), ("quarantine", "none"), ("none", "none")])
def test_test_mode_lowers_by_one_level(p, applied):
    assert dmarc.parse(f"v=DMARC1; p={p}; t=y").applied() == applied
    assert dmarc.parse(f"v=DMARC1; p={p}; t=n").applied() == p
    assert dmarc.parse("v=DMARC1; t=y").applied() is None


def test_the_walk_asks_each_parent():
    assert dmarc.walk("A.mail.Example.com.") == ("a.mail.example.com", "mail.example.com", "example.com", "com")
    assert dmarc.walk("com") == ("com",)
    assert dmarc.walk("") == dmarc.walk(".") == dmarc.walk("a..b") == ()


def test_the_walk_jumps_to_seven_labels():
    assert dmarc.walk("a.b.c.d.e.f.g.h.i.j.mail.example.com") == (
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    )


@given(st.integers(1, 120))
def test_the_walk_is_bounded(count):
    names = dmarc.walk(".".join("x" * count) + ".org")
    assert len(names) == min(count + 1, 8)
    assert names[-1] == "org"
    assert all(len(name.split(".")) <= 7 for name in names[1:])


def world(name: str, published: dict[str, str]) -> dict[str, dmarc.Record | None]:
    records = {domain: dmarc.parse(f"v=DMARC1; {text}") for domain, text in published.items()}
    return {domain: records.get(domain) for domain in dmarc.walk(name)}


DEEP = "a.b.c.d.e.f.g.h.i.example.com"


@pytest.mark.parametrize(
    ("name", "published", "organization", "source"),
    [
        ("a.mail.example.com", {}, "a.mail.example.com", None),
        ("example.com", {"example.com": "p=none"}, "example.com", ("example.com", "author")),
        # the record with the fewest labels
        ("a.mail.example.com", {"mail.example.com": "p=none", "example.com": "p=reject"}, "example.com",
         ("example.com", "organizational")),
        ("a.mail.example.com", {"a.mail.example.com": "p=none", "example.com": "p=reject"}, "example.com",
         ("a.mail.example.com", "author")),
        # psd=n ends the walk
        ("a.mail.example.com", {"mail.example.com": "p=none; psd=n", "example.com": "p=reject"}, "mail.example.com",
         ("mail.example.com", "organizational")),
        ("a.mail.example.com", {"a.mail.example.com": "p=none; psd=n", "example.com": "p=reject"}, "a.mail.example.com",
         ("a.mail.example.com", "author")),
        # psd=y: one label below, whether that has a record or not
        ("a.mail.example.com", {"com": "p=reject; psd=y"}, "example.com", ("com", "public-suffix")),
        ("a.mail.example.com", {"example.com": "p=reject; psd=y"}, "mail.example.com",
         ("example.com", "public-suffix")),
        ("a.mail.example.com", {"com": "p=none; psd=y", "example.com": "p=reject"}, "example.com",
         ("example.com", "organizational")),
        ("a.mail.example.com", {"com": "p=none; psd=y", "mail.example.com": "p=reject"}, "example.com",
         ("com", "public-suffix")),
        # psd=y where the walk began does not make anything below it
        ("example.com", {"example.com": "p=reject; psd=y", "com": "p=none"}, "example.com", ("example.com", "author")),
        # a top-level domain that publishes a plain record
        ("mail.example.com", {"com": "p=none"}, "com", ("com", "organizational")),
        # names that the walk jumps over are not seen
        (DEEP, {"c.d.e.f.g.h.i.example.com": "p=reject"}, DEEP, None),
        (DEEP, {"e.f.g.h.i.example.com": "p=reject"}, "e.f.g.h.i.example.com",
         ("e.f.g.h.i.example.com", "organizational")),
        (DEEP, {"e.f.g.h.i.example.com": "p=reject; psd=y"}, "d.e.f.g.h.i.example.com",
         ("e.f.g.h.i.example.com", "public-suffix")),
    ],
)  # fmt: skip
def test_organizational_domain_and_source(name, published, organization, source):
    records = world(name, published)
    assert dmarc.organizational_domain(name, records) == organization
    found = dmarc.policy_source(name, records)
    assert (found and (found.domain, found.kind)) == source


def test_two_records_discard_each_other_and_the_walk_goes_on():
    two = dmarc.select(["v=DMARC1; p=reject", "v=DMARC1; p=none", "other"])
    one = dmarc.select(["other", "v=dmarc1; p=reject", "v=DMARC1; p=none"])
    assert two is None
    assert one is not None
    found = dmarc.policy_source("mail.example.com", {"mail.example.com": two, "example.com": one, "com": None})
    assert found is not None
    assert found.domain == "example.com"


def test_what_was_not_asked_is_not_absent():
    with pytest.raises(KeyError):
        dmarc.policy_source("mail.example.com", {"mail.example.com": None, "example.com": None})
    stopped = {"mail.example.com": dmarc.parse("v=DMARC1; p=none; psd=n")}
    assert dmarc.organizational_domain("mail.example.com", stopped) == "mail.example.com"


def test_alignment():
    def organization(name: str) -> str:
        return ".".join(name.split(".")[-2:])

    assert dmarc.aligned("Mail.example.com.", "mail.example.com", "s", organization)
    assert not dmarc.aligned("mail.example.com", "example.com", "s", organization)
    assert dmarc.aligned("mail.example.com", "example.com", "r", organization)
    assert not dmarc.aligned("mail.example.com", "example.org", "r", organization)


ANY_TEXT = st.binary(max_size=300).map(lambda octets: octets.decode("latin-1"))
PIECES = ["v=DMARC1", ";", " ", "p=", "none", "reject", "sp=", "np=", "rua=", "mailto:", "a@example.org", ",", "!10m",
          "fo=", "1:d", "t=y", "psd=y", "=", ":", "\x00", "\xe2", "P", "pct=0", "%", "@", "\t"]  # fmt: skip
DMARC_LIKE = st.lists(st.sampled_from(PIECES), max_size=25).map(lambda pieces: "v=DMARC1;" + "".join(pieces))


@given(ANY_TEXT | DMARC_LIKE)
def test_any_text_gives_a_record_with_placed_problems_or_none(text):
    assert isinstance(dmarc.near_miss(text), str | None)
    if not dmarc.is_dmarc(text):
        assert dmarc.select([text]) is None
        return
    record = dmarc.parse(text)
    assert record.policy() in (None, "none", "quarantine", "reject")
    assert all(0 <= problem.position <= len(text) and problem.why for problem in (*record.problems, *record.notes))
    assert all(uri.scheme and (uri.host or uri.scheme != "mailto") for uri in (*record.rua, *record.ruf))


@given(ANY_TEXT)
def test_any_name_is_walked(name):
    names = dmarc.walk(name)
    assert len(names) <= 8
    assert isinstance(dmarc.organizational_domain(name, dict.fromkeys(names)), str)
    assert dmarc.policy_source(name, dict.fromkeys(names)) is None


@pytest.mark.parametrize(
    "piece",
    ["a", ";", "a=b;", "p=none;", "=", ",", "mailto:a@b.c,", "a.", "a-", "%41", "!1", "fo:", " ", "\x00", "\xe2"],
)
def test_time_is_linear_in_the_text(piece):
    began = time.process_time()
    for start in ("", "v=DMARC1;", "v=DMARC1; rua=", "v=DMARC1; rua=mailto:a@", "v=DMARC1; fo=", "v=DMARC1 "):
        text = (start + piece * 65536)[:65536]
        dmarc.near_miss(text)
        if dmarc.is_dmarc(text):
            assert dmarc.parse(text).text == text
        assert len(dmarc.walk(text)) <= 8
    assert time.process_time() - began < 6
