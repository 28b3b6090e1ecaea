"""Where the value of an option comes from, and what happens to values that make no sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance import profiles
from conformance.catalogue import checks
from conformance.check import strictest
from conformance.lab.world import World
from conformance.options import OPTIONS, Option, UsageError, duration, settle
from tests.plugin import fleet

pytest_plugins = ("pytester",)

Inside = Callable[..., fleet.Ran]


def at(values: Mapping[str, Any]) -> Callable[[str], Any]:
    def value(key: str) -> Any:
        return values.get(key)

    return value


def texts(option: Option) -> tuple[str, str, str]:
    """Return three different values that an option takes, as they are written outside the command line."""
    if option.flag:
        return "yes", "no", "on"
    if option.choices:
        return option.choices[0], option.choices[-1], option.choices[0]
    if option.number:
        return "3", "4", "5"
    return ("one\n two", "three", "four") if option.many else ("one", "two", "three")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_command_line_environment_ini_default(option: Option) -> None:
    line, variable, ini = texts(option)
    given: dict[str, Any] = {option.dest: option.read(line, "")}
    environ, inis = {option.variable: variable}, {option.ini: ini}

    def settled(given: dict[str, Any], environ: dict[str, str], inis: dict[str, str]) -> tuple[Any, str | None, bool]:
        settings = settle(at(given), at(inis), environ)
        return settings[option.name], settings.where.get(option.name), option.name in settings.given

    assert settled(given, environ, inis) == (given[option.dest], option.switch, True)
    assert settled({}, environ, inis) == (option.read(variable, ""), option.variable, True)
    assert settled({}, {option.variable: ""}, inis) == (option.read(ini, ""), option.ini, False)
    assert settled({}, {}, {}) == ([] if option.many else option.default, None, False)


def test_many_values_stand_on_lines_of_their_own() -> None:
    settings = settle(
        at({}), at({"mailconform_rules": "ptr.*\n  helo.*\n"}), {"MAILCONFORM_RESOLVER": "::1\n127.0.0.1"}
    )
    assert settings["rules"] == ["ptr.*", "helo.*"]
    assert settings["resolver"] == ["::1", "127.0.0.1"]
    assert settle(at({}), at({"mailconform_rules": ["ptr.*", "helo.*"]}), {})["rules"] == ["ptr.*", "helo.*"]


def test_globs_of_rules_may_be_joined_with_commas() -> None:
    given = settle({"mailconform_rules": ["ptr.*, helo.fqdn", "msg.date,"]}.get, lambda _: None, {})
    assert given["rules"] == ["ptr.*", "helo.fqdn", "msg.date"]
    given = settle(lambda _: None, lambda _: None, {"MAILCONFORM_SKIP_RULES": "spf.macro,spf.length"})
    assert given["skip-rules"] == ["spf.macro", "spf.length"]


@pytest.mark.parametrize(("text", "seconds"), [("20m", 1200), ("90s", 90), ("1.5h", 5400), ("7", 7)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("level", "shall"),
        ("probe", "auth"),
        ("gate", "some"),
        ("no-secrets", "perhaps"),
        ("dns-timeout", "soon"),
        ("dns-timeout", "0"),
        ("dns-timeout", "nan"),
        ("dns-retries", "-1"),
        ("dns-retries", "1.5"),
        ("dns-rate", "0"),
        ("smtp-timeout", "inf"),
        ("smtp-sessions", "0"),
    ],
)
def test_a_bad_value_is_refused_where_it_was_written(name: str, value: str) -> None:
    option = next(option for option in OPTIONS if option.name == name)
    with pytest.raises(UsageError, match=option.variable):
        settle(at({}), at({}), {option.variable: value})
    with pytest.raises(UsageError, match=option.ini):
        settle(at({}), at({option.ini: value}), {})
    if option.number and value != "soon":
        with pytest.raises(UsageError, match=option.switch):
            settle(at({option.dest: float(value)}), at({}), {})


@pytest.mark.parametrize(
    ("arguments", "environ", "ini", "said"),
    [
        (["--smtp-sessions=0"], {}, "", ["--smtp-sessions: 0 is not a number of 1 or more"]),
        (["--smtp-sessions=many"], {}, "", ["--smtp-sessions", "many"]),
        ([], {"MAILCONFORM_LEVEL": "shall"}, "", ["MAILCONFORM_LEVEL", "'shall'", "must, should, info"]),
        ([], {}, "mailconform_gate = some", ["mailconform_gate", "'some'", "all, new, none"]),
        (["--profile=rfc,zendeks"], {}, "", ["--profile", "no profile 'zendeks'", "zendesk"]),
        ([], {"MAILCONFORM_PROFILE": "gogle"}, "", ["MAILCONFORM_PROFILE", "no profile 'gogle'"]),
        ([], {}, "mailconform_profile = gogle", ["mailconform_profile", "no profile 'gogle'"]),
        ([], {"MAILCONFORM_RESOLVER": "ns.example"}, "", ["MAILCONFORM_RESOLVER", "ns.example"]),
        (["--resolver=127.0.0.1:99999"], {}, "", ["--resolver", "99999"]),
        (["--rules=ptr.exist"], {}, "", ["--rules", "no rule matches 'ptr.exist'", "did you mean ptr.exists"]),
        ([], {}, "mailconform_skip_rules = ptr.exist", ["mailconform_skip_rules", "did you mean ptr.exists"]),
        (["--ehlo=two words"], {}, "", ["two words"]),
        (["--report-dir=pytest.ini"], {}, "", ["--report-dir", "pytest.ini"]),
        (["--report-dir=pytest.ini/below"], {}, "", ["--report-dir", "pytest.ini/below"]),
        (["--trust-anchor=pytest.ini"], {}, "", ["--trust-anchor: this run does not validate", "--dnssec validate"]),
        ([], {}, "mailconform_trust_anchor = a.key", ["mailconform_trust_anchor: this run does not validate"]),
        (["--dnssec=validate", "--trust-anchor=none"], {}, "", ["--trust-anchor: none: cannot be read: No such file"]),
        (["--dnssec=validate"], {}, "mailconform_trust_anchor = pytest.ini", ["pytest.ini: is no file of DS or DNS"]),
        (["--replay=pytest.ini"], {}, "", ["pytest.ini", "facts.json"]),
        (["--replay=nowhere.json"], {}, "", ["nowhere.json", "No such file"]),
        (["--overlay="], {}, "", ["--overlay: is empty"]),
        (["--waivers=", "--waivers=w.yml"], {}, "", ["--waivers: is empty"]),
    ],
)
def test_a_bad_value_ends_with_4(
    inside: Inside,
    inventories: Path,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environ: dict[str, str],
    ini: str,
    said: list[str],
) -> None:
    pytester.makefile(".ini", pytest=f"[pytest]\n{ini}\n")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ran = inside(inventories / "good.yml", "-p", "no:cacheprovider", "--rules=srv.esmtp-ok", *arguments)
    assert ran.status == 4
    assert "Traceback" not in ran.said
    for text in said:
        assert text in ran.err


def test_everything_that_is_wrong_is_said_at_once(inside: Inside, tmp_path: Path) -> None:
    wrong: dict[str, Any] = {"levels": {"ptr.exist": "off", "none.such": "must"}, "profile": "gogle"}
    path = fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(1, 2, **wrong))
    ran = inside(path, "--skip-rules=x.*")
    assert ran.status == 4
    lines = ran.err.splitlines()
    assert [line for line in lines if "no rule 'ptr.exist'; did you mean ptr.exists" in line]
    assert [line for line in lines if "no rule 'none.such'; see: mailconform list rules" in line]
    assert [line for line in lines if "hosts.yml" in line and "mailconform_profile: no profile 'gogle'" in line]
    assert [line for line in lines if "--skip-rules: no rule matches 'x.*'" in line]
    assert len(lines) == len(set(lines))


def test_the_ini_file_says_what_is_usual(
    inside: Inside, inventories: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makefile(
        ".ini",
        pytest="""
            [pytest]
            mailconform_rules =
                ptr.exists
                ptr.single
            mailconform_level = info
            mailconform_report_dir = told
        """,
    )
    ran = inside(inventories / "good.yml", "-p", "no:cacheprovider", folder="told")
    assert set(ran.weights) == {"ptr.exists", "ptr.single"}
    assert ran.document["run"]["level"] == "info"
    monkeypatch.setenv("MAILCONFORM_RULES", "ptr.syntax")
    monkeypatch.setenv("MAILCONFORM_LEVEL", "should")
    ran = inside(inventories / "good.yml", "-p", "no:cacheprovider", "--level=must", folder="told")
    assert set(ran.weights) == {"ptr.syntax"}
    assert ran.document["run"]["level"] == "must"


def test_what_looks_like_an_option_and_is_none_is_said(
    inside: Inside, inventories: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makefile(".ini", pytest="[pytest]\nmailconform_resolvr = 127.0.0.1")
    monkeypatch.setenv("MAILCONFORM_LEVLE", "info")
    ran = inside(inventories / "good.yml", "-p", "no:cacheprovider", "--rules=ptr.exists")
    assert "mailconform_resolvr is set and is no option; did you mean mailconform_resolver?" in ran.out
    assert "MAILCONFORM_LEVLE is set and is no option; did you mean MAILCONFORM_LEVEL?" in ran.out
    assert "MAILCONFORM_LEVLE is set" in str(ran.document["run"]["notes"])


def test_toml_files_say_what_is_usual_too(inside: Inside, inventories: Path, pytester: pytest.Pytester) -> None:
    options = ["-p", "no:cacheprovider", "--collect-only", "-q"]
    pytester.makefile(".toml", pytest='[pytest]\nmailconform_rules = ["ptr.exists", "ptr.single"]')
    ran = inside(inventories / "good.yml", *options)
    assert "2/" in ran.out.splitlines()[-1]
    pytester.makefile(".toml", pytest="[pytest]\nmailconform_level = 3")
    ran = inside(inventories / "good.yml", *options)
    assert ran.status == 4
    assert "mailconform_level" in ran.err


def profiled(tmp_path: Path) -> Path:
    """Write an inventory of two hosts of which the first names a profile."""
    return fleet.inventory(
        tmp_path / "hosts.yml",
        {"mx1.example.com": fleet.host(1, profile="rfc"), "mx2.example.com": fleet.host(2)},
    )


def levels(ran: fleet.Ran, host: str) -> dict[str, str]:
    return {one["check"]: one["level"] for one in ran.results if one["host"] == host}


def expected(*names: str) -> dict[str, str]:
    """Return the levels of the PTR checks under some profiles."""
    weighed = {name: profiles.level(check, names) for name, check in checks().items() if check.area == "ptr"}
    return {name: level.value for name, level in weighed.items() if level}


def test_profiles_of_options_inventory_and_ini(
    inside: Inside, tmp_path: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = profiled(tmp_path)
    options = ["--rules=ptr.*", "-p", "no:cacheprovider"]
    ran = inside(path, *options)
    assert levels(ran, "mx1.example.com").keys() == expected("rfc").keys()
    assert levels(ran, "mx2.example.com").keys() == expected("common").keys()
    assert ran.document["run"]["profiles"] == ["rfc", "common"]
    pytester.makefile(".ini", pytest="[pytest]\nmailconform_profile = zendesk")
    ran = inside(path, *options)
    assert levels(ran, "mx1.example.com").keys() == expected("rfc").keys()
    assert levels(ran, "mx2.example.com").keys() == expected("zendesk").keys()
    monkeypatch.setenv("MAILCONFORM_PROFILE", "rfc,zendesk")
    ran = inside(path, *options)
    assert ran.weights == expected("rfc", "zendesk")
    assert ran.document["run"]["profiles"] == ["rfc", "zendesk"]
    assert levels(ran, "mx1.example.com").keys() == levels(ran, "mx2.example.com").keys()
    assert inside(path, *options, "--profile=common").weights == expected("common")


def test_of_several_profiles_the_strictest_level_holds() -> None:
    assert len(profiles.names()) > 2
    for check in checks().values():
        each = [level for name in profiles.names() if (level := profiles.load(name).level(check))]
        assert profiles.level(check, profiles.names()) == strictest(each)
    assert expected("rfc").keys() != expected("zendesk").keys()
    assert expected("rfc").keys() | expected("zendesk").keys() == expected("rfc", "zendesk").keys()


def test_levels_of_hosts(inside: Inside, tmp_path: Path) -> None:
    path = fleet.inventory(
        tmp_path / "hosts.yml",
        {
            "mx1.example.com": fleet.host(1, levels={"ptr.exists": "off", "ptr.single": "must"}),
            "mx2.example.com": fleet.host(2, levels={"ptr.exists": "info", "spf.exists": "off"}),
        },
    )
    options = ["--rules=ptr.exists", "--rules=ptr.single", "--rules=spf.exists", "-p", "no:cacheprovider"]
    ran = inside(path, *options, "--profile=common")
    assert levels(ran, "mx1.example.com") == {"ptr.single": "must"}
    assert levels(ran, "mx2.example.com") == {"ptr.exists": "info", "ptr.single": "info"}
    assert ran.outcomes["ptr.exists mx2.example.com/203.0.113.2"] == "advice"
    # A domain of two hosts: off for one of them, so the other's level holds.
    assert ran.weights["spf.exists"] == profiles.level(checks()["spf.exists"], ["common"])
    assert ran.status == 0


def test_probing_is_bounded_by_inventory_and_option(inside: Inside, world: World, tmp_path: Path) -> None:
    options = ["--rules=srv.esmtp-ok", "-p", "no:cacheprovider"]
    path = fleet.inventory(tmp_path / "hosts.yml", fleet.numbered(1, world=world))
    shy = fleet.inventory(tmp_path / "shy.yml", fleet.numbered(1, world=world, probe={"level": "none"}))
    contacts = len(world.contacts())
    for ran in (inside(path, *options, "--probe=none"), inside(shy, *options, "--probe=connect")):
        assert len(world.contacts()) == contacts
        assert ran.status == 5
        (result,) = ran.results
        assert result["outcome"] == "not-applicable"
        assert "none" in result["why"]
    assert inside(path, *options).status == 0
    assert len(world.contacts()) > contacts


def test_a_time_out_given_for_a_run_wins(inside: Inside, tmp_path: Path) -> None:
    with fleet.served(behaviour="silent") as world:
        slow = fleet.numbered(1, world=world, probe={"timeout": 60})
        path = fleet.inventory(tmp_path / "hosts.yml", slow)
        ran = inside(path, "--rules=srv.esmtp-ok", "-p", "no:cacheprovider", "--smtp-timeout=0.2")
    assert ran.status == 6
    assert ran.document["run"]["facts"]["seconds"] < 10
    assert "timeout" in ran.results[0]["cause"]
