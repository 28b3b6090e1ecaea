"""Real inventories, read by the real Ansible."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from conformance.fleet.ansible import load
from conformance.fleet.errors import InventoryError
from conformance.fleet.origin import Origin
from conformance.fleet.sending import Probing
from conformance.fleet.show import describe

Tree = Callable[[dict[str, str]], Path]

CATALOGUE = """\
    mailconform_profile: [rfc, zendesk]
    mailconform_domains:
      Example.com:
        envelope: bounce.example.com
        dkim:
          - {selector: S2026a, min_bits: 2048}
          - {selector: s2025, state: retired}
        spf: {all: ["-all", "~all"]}
        dmarc: {p: [quarantine, reject], adkim: r, rua: required}
      bücher.example:
        dkim: [{selector: mail, domain: example.com}]
      parked.example: {no_mail: true}
    mailconform_probe: {level: connect, timeout: 7, from: conform.example.net}
    """

DOCUMENTED = {
    "inv/hosts.yml": """\
    all:
      children:
        mta_out:
          hosts:
            mx1.example.net: {postfix_hostname: mail.example.com, ansible_host: 10.0.0.25}
        relay: {hosts: {relay1.example.net: {}}}
        webform: {hosts: {web1.example.net: {}}}
        databases: {hosts: {db1.example.net: {}}}
    """,
    "inv/group_vars/all/mailconform.yml": CATALOGUE,
    "inv/group_vars/mta_out.yml": """\
    mailconform_role: mta_out
    mailconform_sends_for: [example.com]
    mailconform_group_sends_for: ["*.EXAMPLE"]
    mailconform_listen:
      - {port: 25}
      - {port: 465, auth: required}
    mailconform_helo: "{{ postfix_hostname }}"
    """,
    "inv/group_vars/relay.yml": """\
    mailconform_role: relay
    mailconform_listen: [{port: 587, tls: starttls, auth: no}]
    mailconform_submission: {username: probe@example.com, password: "{{ vault_password }}"}
    vault_password: hidden
    """,
    "inv/group_vars/webform.yml": """\
    mailconform_attest:
      MC-FORM-001: {claim: "CAPTCHA on every form", date: 2026-09-01, expires: 2027-03-01}
    """,
    "inv/host_vars/mx1.example.net.yml": """\
    mailconform_send_from:
      - 198.51.100.25
      - {address: "2001:db8:25::25", helo: mx1-v6.example.net}
    mailconform_tags: [eu, tier1]
    mailconform_levels: {ptr.single: off}
    """,
}


def test_the_documented_layout_is_read_whole(tree: Tree) -> None:
    tree(DOCUMENTED)
    fleet = load(["inv"])
    assert [mta.name for mta in fleet.mtas] == ["mx1.example.net", "relay1.example.net", "web1.example.net"]
    assert fleet.ignored == ("db1.example.net",)
    mx1, relay, web = fleet.mtas
    assert (mx1.roles, relay.roles, web.roles) == (("mta_out",), ("relay",), ("webform",))
    assert [(address.ip, address.helo) for address in mx1.addresses] == [
        (ip_address("198.51.100.25"), "mail.example.com"),
        (ip_address("2001:db8:25::25"), "mx1-v6.example.net"),
    ]
    assert [(one.port, one.tls, one.auth, one.connect_to, one.timeout) for one in mx1.listeners] == [
        (25, "starttls", "no", "10.0.0.25", 7.0),
        (465, "implicit", "required", "10.0.0.25", 7.0),
    ]
    assert relay.listeners[0].auth == "no"
    assert relay.connect_to == "relay1.example.net"
    assert mx1.sends_for == ("example.com", "xn--bcher-kva.example")
    assert (mx1.tags, mx1.levels) == (("eu", "tier1"), {"ptr.single": "off"})
    assert mx1.profiles == ("rfc", "zendesk")
    assert mx1.probe == Probing(level="connect", timeout=7.0, sender="conform.example.net")
    assert not fleet.warnings
    assert fleet.extra["ansible-core"].startswith("2.")
    assert pickle.loads(pickle.dumps(fleet)) == fleet


def test_domains_and_where_everything_was_written(tree: Tree) -> None:
    tree(DOCUMENTED)
    fleet = load(["inv"])
    com, books, parked = (fleet.catalogue[name] for name in ("example.com", "xn--bcher-kva.example", "parked.example"))
    assert (com.mail_from, com.spf_all, com.spf_max_lookups) == ("bounce.example.com", ("-all", "~all"), 10)
    assert (com.dmarc_p, com.dmarc_adkim, com.dmarc_rua) == (("quarantine", "reject"), "r", "required")
    assert [(key.name, key.state, key.signing_domain, key.min_bits) for key in (*com.selectors, *books.selectors)] == [
        ("s2026a", "signing", "example.com", 2048),
        ("s2025", "retired", "example.com", None),
        ("mail", "signing", "example.com", None),
    ]
    assert (com.hosts, parked.hosts, parked.no_mail) == (("mx1.example.net",), (), True)
    catalogue = "inv/group_vars/all/mailconform.yml"
    assert str(com.origin) == f"{catalogue}:3"
    assert str(com.selectors[1].origin) == f"{catalogue}:7"
    mx1 = fleet.by_name["mx1.example.net"]
    assert str(mx1.origin) == "inv/hosts.yml:5"
    assert [str(one.origin) for one in mx1.addresses] == [
        f"inv/host_vars/mx1.example.net.yml:{line}" for line in (2, 3)
    ]
    assert [str(one.helo_origin) for one in mx1.addresses] == [
        "inv/group_vars/mta_out.yml:7",
        "inv/host_vars/mx1.example.net.yml:3",
    ]
    assert str(mx1.listeners[1].origin) == "inv/group_vars/mta_out.yml:6"
    shown = "\n".join(describe(fleet, "relay1.example.net"))
    assert "submission: relay1.example.net port 587, tls starttls, as probe@example.com" in shown
    assert "hidden" not in shown
    assert "inv/group_vars/relay.yml:3" in shown


def test_ini_several_sources_and_values_between_variables(tree: Tree) -> None:
    tree(
        {
            "a/hosts.ini": """\
            [smtp_edge]
            mx1 ansible_host=192.0.2.1 mailconform_send_from=198.51.100.1
            mx2 mailconform_send_from='["198.51.100.2", "2001:db8::2"]' mailconform_enabled=False
            [smtp_edge:vars]
            base=example.net
            greeting="{{ inventory_hostname }}.{{ base }}"
            mailconform_helo="{{ greeting }}"
            mailconform_sends_for=example.org
            mailconform_role_groups={"mta_out": ["smtp_edge"]}
            [all:vars]
            mailconform_domains={"example.org": {"dmarc": {"p": "{{ policies[0] }}"}}}
            policies=["reject"]
            """,
            "b/hosts.yml": """\
            smtp_edge:
              hosts:
                mx3:
                  mailconform_send_from: ["{{ hostvars['mx1'].mailconform_send_from | replace('100.1', '100.3') }}"]
                  mailconform_connect_to: "{{ absent | default(omit) }}"
            """,
        }
    )
    fleet = load(["a/hosts.ini", "b"])
    assert [(mta.name, mta.roles, mta.helo) for mta in fleet.mtas] == [
        ("mx1", ("mta_out",), "mx1.example.net"),
        ("mx3", ("mta_out",), "mx3.example.net"),
    ]
    assert [str(address.ip) for address in fleet.addresses] == ["198.51.100.1", "198.51.100.3"]
    assert fleet.out_of_scope == ("mx2",)
    assert fleet.domains[0].dmarc_p == ("reject",)
    assert fleet.domains[0].hosts == ("mx1", "mx3")
    assert fleet.addresses[0].origin == Origin("a/hosts.ini", 2)
    assert fleet.mtas[0].connect_to == "192.0.2.1"
    assert fleet.mtas[1].connect_to == "mx3"


def test_a_template_is_worked_out_anew_where_what_it_uses_differs(tree: Tree) -> None:
    tree(
        {
            "hosts.yml": """\
            mta_out:
              vars:
                mailconform_helo: "{{ prefix }}.{{ site.zone }}"
                mailconform_send_from: ["198.51.100.{{ number }}"]
                prefix: "{{ short | lower }}"
                site: {zone: example.net}
              hosts:
                a: {short: A, number: 1}
                b: {short: B, number: 2}
                c: {short: B, number: 3, site: {zone: example.org}}
            """
        }
    )
    fleet = load(["hosts.yml"])
    assert [(str(one.ip), one.helo) for one in fleet.addresses] == [
        ("198.51.100.1", "a.example.net"),
        ("198.51.100.2", "b.example.net"),
        ("198.51.100.3", "b.example.org"),
    ]


@pytest.mark.parametrize("plugin", ["constructed", "ansible.builtin.constructed"])
def test_a_script_and_a_plugin_of_ansible(tree: Tree, plugin: str) -> None:
    tree(
        {
            "inv/10-script": """\
            #!/usr/bin/env python3
            import json, os, sys
            os.write(2, b"noise")
            variables = {"mailconform_send_from": ["198.51.100.1"], "mailconform_helo": "mx1.example.net", "edge": True}
            print(json.dumps({"all": {"hosts": ["mx1"]}, "_meta": {"hostvars": {"mx1": variables}}}))
            """,
            "inv/20-constructed.yml": f"""\
            plugin: {plugin}
            strict: true
            groups: {{mta_out: edge}}
            """,
        }
    )
    (mta,) = load(["inv"]).mtas
    assert (mta.name, mta.roles, mta.helo) == ("mx1", ("mta_out",), "mx1.example.net")
    assert mta.addresses[0].origin == Origin("inv/10-script")


def test_a_plugin_of_a_collection_and_a_lookup_by_full_name(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tree(
        {
            "coll/ansible_collections/acme/inv/plugins/inventory/nb.py": """\
            from ansible.plugins.inventory import BaseInventoryPlugin

            DOCUMENTATION = "name: nb\\nshort_description: hosts\\noptions: {plugin: {description: this}}"


            class InventoryModule(BaseInventoryPlugin):
                NAME = "acme.inv.nb"

                def parse(self, inventory, loader, path, cache=True):
                    super().parse(inventory, loader, path, cache)
                    inventory.add_group("mta_out")
                    inventory.add_host("mx1", group="mta_out")
                    inventory.set_variable("mx1", "mailconform_send_from", ["198.51.100.1"])
            """,
            "inv/nb.yml": "plugin: acme.inv.nb\n",
            "inv/group_vars/all.yml": """\
            mailconform_helo: "{{ lookup('ansible.builtin.env', 'HELO') | ansible.builtin.mandatory }}"
            """,
        }
    )
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(here / "coll"))
    monkeypatch.setenv("ANSIBLE_INVENTORY_ENABLED", "auto,yaml")
    monkeypatch.setenv("HELO", "mx1.example.net")
    (mta,) = load(["inv"]).mtas
    assert (mta.name, mta.helo) == ("mx1", "mx1.example.net")


def test_facts_come_from_a_warm_cache(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(
        {
            "hosts.ini": """\
            [mta_out]
            mx1 mailconform_send_from=198.51.100.1 mailconform_helo="{{ ansible_fqdn }}"
            mx2 mailconform_send_from=198.51.100.2 mailconform_helo="{{ ansible_facts['fqdn'] }}"
            mx3 mailconform_send_from=198.51.100.3 mailconform_helo="{{ postfix_hostname }}"
            """,
            "cache/mx1": '{"ansible_fqdn": "mx1.example.net"}',
            "cache/s1_mx1": '{"__payload__": "{\\"ansible_fqdn\\": \\"mx1.example.net\\"}"}',
        }
    )
    with pytest.raises(InventoryError) as caught:
        load(["hosts.ini"])
    assert str(caught.value).splitlines() == [
        "hosts.ini:2: mailconform_helo of mx1 needs the fact ansible_fqdn "
        "(gather facts into a cache or write the value down)",
        "hosts.ini:3: mailconform_helo of mx2 needs the fact ansible_facts.fqdn "
        "(gather facts into a cache or write the value down)",
        "hosts.ini:4: mailconform_helo of mx3 needs the variable postfix_hostname, which is not set "
        "(an inventory has no defaults and vars of roles: set it in group_vars or host_vars)",
    ]
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN", "jsonfile")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", "cache")
    assert load(["hosts.ini"], limit="mx1").mtas[0].helo == "mx1.example.net"


PATTERNS = {
    "edge:&eu": ["mx1"],
    "edge:!eu": ["mx2", "mx20"],
    "~mx2.*": ["mx2", "mx20"],
    "edge[0]": ["mx1"],
    "mx2*": ["mx2", "mx20"],
    "@some.txt": ["mx20"],
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_limits_are_those_of_ansible(tree: Tree, pattern: str) -> None:
    tree(
        {
            "hosts.ini": """\
            [edge]
            mx1
            mx2
            mx20
            [eu]
            mx1
            [edge:vars]
            mailconform_helo=mx.example.net
            """,
            "some.txt": "mx20\n",
        }
    )
    assert [mta.name for mta in load(["hosts.ini"], limit=pattern).mtas] == PATTERNS[pattern]


def test_odd_surroundings_do_not_matter(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree({"hosts.ini": "mx1 mailconform_helo=mx1.example.net\n", "ansible.py": "raise SystemExit(9)\n"})
    for name, value in {
        "LC_ALL": "POSIX",
        "HOME": "/dev/null/nobody",
        "PYTHONPATH": str(Path.cwd()),
        "PYTHONHOME": "/nowhere",
        "ANSIBLE_FORCE_COLOR": "1",
        "ANSIBLE_VERBOSITY": "4",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "0",
    }.items():
        monkeypatch.setenv(name, value)
    assert load(["hosts.ini"]).mtas[0].helo == "mx1.example.net"


def test_what_ansible_warns_of_is_kept(tree: Tree) -> None:
    twice = "      mailconform_helo: a.example\n      mailconform_helo: b.example\n"
    tree({"hosts.yml": f"all:\n  hosts:\n    mx1:\n{twice}"})
    fleet = load(["hosts.yml"])
    assert fleet.mtas[0].helo == "b.example"
    assert any("duplicate" in warning and "mailconform_helo" in warning for warning in fleet.warnings)


def test_a_file_named_alone_has_the_group_vars_beside_it(tree: Tree) -> None:
    tree(
        {
            "hosts.ini": """\
                [mta_out]
                mx1.example.com mailconform_send_from='["203.0.113.1"]'
                """,
            "group_vars/all.yml": """\
                mailconform_helo: mx1.example.com
                mailconform_domains: {example.com: {}}
                mailconform_sends_for: [example.com]
                """,
        }
    )
    fleet = load(["hosts.ini"])
    assert fleet.addresses[0].helo == "mx1.example.com"
    assert str(fleet.addresses[0].origin) == "hosts.ini:2"
