from __future__ import annotations

import base64
import hashlib
import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from sample_results import answer, dialogue, fleet, result, results, session

from conformance.report.page import render

VOID = {"meta", "input", "br", "hr", "link", "img"}
HOSTILE = (
    "</script></pre></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'\x1b[2J\0\u202e\udc80"
    + "y" * 61_440
)
MX = "mx1.example.net"
TEXTS = ("ink", "calm", "link", "fail", "advice", "undetermined", "waived", "pass")


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order, no id stands twice, every link leads somewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        assert len(given) == len(attrs)
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "a" and (href := given.get("href")):
            self.links.append(href)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def broken_links(self) -> set[str]:
        return {link for link in self.links if link.startswith("#") and link[1:] not in self.ids}


def read(found: dict[str, Any], facts: dict[str, Any] | None = None) -> Page:
    return Page(render(found, facts))


def test_a_fleet_is_well_formed_and_its_links_lead_somewhere() -> None:
    found, facts = fleet(25, broken=0.1)
    found["hosts"] = [host | {"sends_for": ["brand0.example"]} for host in found["hosts"]]
    page = read(found, facts)
    assert len(page.ids) == len(set(page.ids))
    assert page.broken_links() == set()
    for wanted in ("r-ptr-exists", "h-mx1.fra1.example.net", "d-brand0.example", "dns-1"):
        assert wanted in page.ids
    assert page.tags.count("script") == 1


def test_nothing_is_loaded_and_only_our_script_runs() -> None:
    text = render(*fleet(2))
    script = re.search(r"<script>(.*?)</script>", text, re.S)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in text
    page = Page(text)
    assert not {"img", "link", "iframe", "object", "form"} & set(page.tags)
    assert not {name for name in page.attributes if name.startswith("on") or name in ("src", "srcdoc")}
    assert "@import" not in text
    assert "url(" not in text


def test_the_verdict_comes_first() -> None:
    page = read(results(result("ptr.exists", f"{MX}/198.51.100.25", "fail", host=MX)))
    head = page.text.partition("What to do")[0]
    assert "Does not conform" in head
    assert "Exit 1 : a must is broken." in head
    assert "live DNS" in head
    assert "inventories/production" in head


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ({"dns": "replay", "replay": "old/facts.json"}, "replay of old/facts.json: not the network of now"),
        ({"dns": "proposed", "overlays": ["a.zone"]}, "PROPOSED DNS: a change that is not live (a.zone)"),
        ({"complete": False, "exit": 2, "unreached": ["ptr.exists mx9"]}, "Not reached ptr.exists mx9"),
        ({"warnings": ["duplicate key"]}, "duplicate key"),
    ],
)
def test_what_sets_a_run_apart_is_said(run: dict[str, Any], words: str) -> None:
    assert words in read(results(result("ptr.exists", f"{MX}/198.51.100.25"), **run)).text


def test_what_is_proposed_is_said_in_the_title_and_on_every_printed_page() -> None:
    shown = render(results(dns="proposed", overlays=["a.zone"]))
    assert "<title>PROPOSED: " in shown
    assert "<title>PROPOSED" not in render(results())
    # A fixed box is repeated on each page (CSS 2.2 section 9.6.1).
    printed = shown.partition("@media print {")[2].partition("\n}")[0]
    assert re.search(r"\.band\.proposed \{[^}]*position: fixed", printed)


def test_what_to_do_is_worst_first_with_one_fix_for_equal_findings() -> None:
    same = {"fix": "smtpd_tls_security_level = may", "required": "STARTTLS"}
    found = results(
        result("ptr.single", "mx1/198.51.100.1", "advice", level="info"),
        result("helo.fqdn", "mx2/198.51.100.2", "undetermined"),
        *(result("tls.in-offered", f"mx{n}:25", "fail", **same) for n in range(20)),
        result("ptr.exists", "mx1/198.51.100.1", "fail"),
    )
    text = render(found)
    places = [text.index(f'id="{name}"') for name in ("r-tls-in-offered", "r-ptr-exists", "unseen", "r-ptr-single")]
    assert places == sorted(places)
    assert text.count('<pre class="fix">smtpd_tls_security_level = may</pre>') == 1
    assert "and 12 more subjects with the same remedy" in text
    page = Page(text)
    assert "declared at host_vars/mx1.yml:2" in page.text
    assert "https://www.rfc-editor.org/rfc/rfc1912#section-2.1" in page.links


def test_different_fixes_of_one_rule_are_all_there() -> None:
    own = [
        result("ptr.exists", f"mx{n}/198.51.100.{n}", "fail", fix=f"{n}.in-addr.arpa. IN PTR mx{n}.") for n in range(40)
    ]
    text = render(results(*own))
    assert all(f"{n}.in-addr.arpa. IN PTR mx{n}." in text for n in range(40))
    assert "35 more like it" in text


def test_the_matrix_shows_the_worst_of_a_host() -> None:
    found = results(
        result("ptr.exists", f"{MX}/198.51.100.25", "pass", host=MX),
        result("ptr.exists", f"{MX}/198.51.100.26", "fail", host=MX),
        result("ptr.ipv6", f"{MX}/198.51.100.25", "not-applicable", host=MX),
        result("ptr.single", f"{MX}/198.51.100.25", "not-applicable", host=MX),
        result("ptr.single", f"{MX}/198.51.100.26", "undetermined", host=MX),
        result("helo.fqdn", f"{MX}/198.51.100.25", "pass", host=MX),
    )
    row = re.search(rf'<tr><th scope="row"><a href="#h-{MX}">{MX}</a></th>(.*?)</tr>', render(found))
    assert row
    assert row[1] == '<td><a class="F" href="#r-ptr-exists">F</a><u>?</u></td><td>.</td>'


def test_domains_and_their_selectors() -> None:
    base = {"host": None, "domain": "example.com"}
    found = results(
        result("spf.exists", "example.com", "fail", kind="domain", **base),
        result("spf.single", "example.com", "pass", kind="domain", **base),
        result("dkim.key-exists", "example.com/s2026a", "pass", kind="selector", **base),
        result("dkim.key-exists", "example.com/s2025", "undetermined", kind="selector", **base),
    )
    page = read(found)
    assert "example.com F 1 failed . s2026a passed ? s2025 1 undetermined" in page.text


def test_evidence_stands_once_and_findings_lead_to_it() -> None:
    facts = {
        "schema": 1,
        "answers": [
            answer("25.100.51.198.in-addr.arpa", "PTR"),
            answer(
                "example.com", "TXT", ["v=spf1 ", "-all"], server="192.0.2.99", transport="tcp", layer="overlay:z:1"
            ),
            answer("example.com", "MX", [10, "mx.example.com"]),
            answer("dead.example", "A", status="undetermined", rcode="TIMEOUT", error="no answer in 2 s", ttl=None),
            answer("never.example", "A", "198.51.100.9"),
        ],
        "sessions": [session(MX, *dialogue(MX))],
    }
    refs = ["dns:1", f"smtp:{MX}:25", "dns:99"]
    found = results(
        result("ptr.exists", f"{MX}/198.51.100.25", "fail", host=MX, evidence=refs),
        result("ptr.single", f"{MX}/198.51.100.25", host=MX, evidence=["dns:1", "dns:4"]),
        result(
            "spf.exists", "example.com", kind="domain", host=None, domain="example.com", evidence=["dns:2", "dns:3"]
        ),
        result(
            "spf.all-inventory", f"{MX}/x", kind="sender", host=MX, domain="example.com", evidence=["dns:1", "dns:2"]
        ),
    )
    page = read(found, facts)
    for part in (
        "25.100.51.198.in-addr.arpa PTR NXDOMAIN ttl 3600, 3.2 ms",
        '"v=spf1 " "-all" ttl 3600, 3.2 ms, from 192.0.2.99, tcp, overlay:z:1',
        "10 mx.example.com",
        "? no answer in 2 s",
        f"0.0 S 220 {MX} ESMTP Postfix",
        "C STARTTLS",
        f"Certificate for {MX} by CN=An Authority R3,O=An Authority, 2026-10-01 to 2026-12-30, verified",
        "DNS answers came from 192.0.2.53, udp, live",
    ):
        assert page.text.count(part) == 1, part
    assert "never.example" not in page.text
    assert {"#dns-1", f"#smtp-{MX}:25"} <= set(page.links)
    assert page.broken_links() == set()


def test_what_was_not_checked_is_said_with_reasons() -> None:
    found = results(
        result("ptr.ipv6", "mx1/198.51.100.1", "not-applicable"),
        result("srv.quit", "fleet", "not-applicable", kind="listener", host=None, why="no listener declared"),
        result("ptr.exists", "mx1/198.51.100.1", "undetermined"),
        result("ptr.single", "mx2/198.51.100.2", "undetermined"),
    )
    text = read(found).text.partition("Not checked, and why")[2]
    assert "192.0.2.53: no answer in 2 s 2 2 ptr.exists , ptr.single mx1/198.51.100.1 , mx2/198.51.100.2" in text
    assert "not an IPv6 address 1 ptr.ipv6" in text
    assert "no listener declared 1 srv.quit" in text
    assert "db1.example.net (no mailconform_role)" in text


def test_waivers_are_shown_with_their_text() -> None:
    stale = result("helo.fqdn", "mx1/198.51.100.1", "pass", waiver={"id": "W-2"})
    text = read(results(result("ptr.exists", "mx1/198.51.100.1", "waived"), stale)).text
    assert "ptr.exists id: W-1; reason: provider changes it; expires: 2027-01-31 mx1/198.51.100.1" in text
    assert "Waived, and not broken helo.fqdn mx1/198.51.100.1 : id: W-2" in text


@pytest.mark.parametrize("facts", [None, {"schema": 1, "answers": [], "sessions": []}])
def test_a_page_of_nothing(facts: dict[str, Any] | None) -> None:
    found = results(hosts=(), exit=5, exit_text="nothing was checked") | {"domains": []}
    page = read(found, facts)
    assert "Nothing was judged" in page.text
    assert "No hosts." in page.text
    assert "No domains." in page.text


def test_hostile_text_is_inert_wherever_it_stands() -> None:
    places = ("seen", "required", "fix", "declared_at", "aspect", "host", "domain", "cause", "why")
    own = [
        result(check, HOSTILE, outcome, **dict.fromkeys(places, HOSTILE), evidence=["dns:1", f"smtp:{HOSTILE}:25"])
        for check, outcome in (("ptr.exists", "fail"), ("ptr.single", "undetermined"), ("ptr.ipv6", "not-applicable"))
    ]
    own.append(result("ptr.not-ip", HOSTILE, "waived", waiver={HOSTILE: HOSTILE}))
    lists = ("inventory", "profiles", "resolvers", "out_of_scope", "warnings", "notes", "unreached")
    found = results(*own, hosts=(HOSTILE,), **{name: [HOSTILE] for name in lists}, exit_text=HOSTILE, limit=HOSTILE)
    found["checks"]["ptr.exists"] |= {"title": HOSTILE, "reason": HOSTILE}
    found["checks"]["ptr.exists"]["sources"][0] |= {"cite": HOSTILE, "address": f"javascript:{HOSTILE}"}
    found["domains"][0] |= {"name": HOSTILE, "selectors": [HOSTILE]}
    facts = {
        "answers": [answer(HOSTILE, "TXT", [HOSTILE, HOSTILE], aliases=[HOSTILE], server=HOSTILE)],
        "sessions": [session(HOSTILE, f"S {HOSTILE}", error=HOSTILE, target=HOSTILE)],
    }
    text = render(found, facts)
    assert not set(text) & {"\x1b", "\0", "\u202e", "\udc80"}
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert not {name for name in page.attributes if name.startswith("on")}
    assert not [link for link in page.links if not link.startswith(("#", "https://"))]
    assert len(text) < 3_000_000


def test_what_failed_and_what_is_advised_of_one_rule_have_places_of_their_own() -> None:
    found = results(
        result("ptr.exists", "mx1/198.51.100.25", "fail"),
        result("ptr.exists", "mx2/198.51.100.26", "advice", level="info"),
        result("ptr.exists", "mx3/198.51.100.27", "advice", level="should"),
    )
    page = read(found)
    of_it = sorted(name for name in page.ids if name.startswith("r-ptr"))
    assert of_it == ["r-ptr-exists", "r-ptr-exists.info", "r-ptr-exists.should"]
    assert len(page.ids) == len(set(page.ids))


def test_a_transcript_is_bounded() -> None:
    facts = {"answers": [], "sessions": [session(MX, *[f"S 250-line {n}" for n in range(1000)], truncated=True)]}
    found = results(result("srv.quit", f"{MX}:25", "fail", host=MX, evidence=[f"smtp:{MX}:25"]))
    text = read(found, facts).text
    assert "line 79" in text
    assert "line 80" not in text
    assert "920 more lines in facts.json" in text


@pytest.mark.parametrize("broken", [0.02, 0.1])
def test_a_thousand_hosts_stay_small_and_quick(broken: float) -> None:
    found, facts = fleet(1000, broken)
    assert len(found["results"]) > 85_000
    began = time.process_time()
    text = render(found, facts)
    assert time.process_time() - began < 10
    assert len(text.encode()) < 3_000_000
    assert text.count("<script") == 1
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert page.broken_links() == {"#d-example.com"}


def test_sections_without_room_name_the_rules_and_say_where_the_rest_is() -> None:
    found, facts = fleet(1000, broken=0.3)
    assert "what was seen is in results.json" in Page(render(found, facts)).text
    found, facts = fleet(20, broken=0.3)
    assert "what was seen is in results.json" not in Page(render(found, facts)).text


def test_a_silent_resolver_does_not_make_a_huge_page() -> None:
    found, facts = fleet(200, broken=0.0)
    for one in found["results"]:
        one |= {"outcome": "undetermined", "cause": "192.0.2.53: no answer in 2 s", "why": ""}
    found["counts"] = dict.fromkeys(found["counts"], 0) | {"undetermined": len(found["results"])}
    text = render(found, facts | {"answers": []})
    assert len(text) < 1_500_000
    assert text.count("Could not be looked at") == 1


def _luminance(color: str) -> float:
    parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_has_contrast_in_both_themes(theme: int) -> None:
    style = render(results()).partition("<style>")[2].partition("</style>")[0]
    rules = re.findall(r":root \{(.*?)\}", style, re.S)
    colors = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", rules[theme]))
    pairs = [(text, ground) for text in TEXTS for ground in ("page", "card", "soft")] + [("on-fail", "fail")]
    for text, ground in pairs:
        darker, lighter = sorted((_luminance(colors[text]), _luminance(colors[ground])))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)
