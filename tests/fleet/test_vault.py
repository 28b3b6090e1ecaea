"""Encrypted files and values: read with the password, named without it, left out on request, never printed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.fleet.ansible import load
from conformance.fleet.errors import InventoryError
from conformance.fleet.show import describe

Tree = Callable[[dict[str, str]], Path]

SECRET = "hunter2-hunter2"


HOSTS = "mta_out: {hosts: {mx1: {}}}\nrelay: {hosts: {relay1: {}}}\n"
FILE = f"vault_password: {SECRET}\n"

ENCRYPT = """
import json, sys
from ansible.parsing.vault import VaultLib, VaultSecret
vault = VaultLib([("default", VaultSecret(b"right"))])
print(json.dumps({text: vault.encrypt(text).decode() for text in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def encrypted() -> dict[str, str]:
    """What Ansible's vault makes of texts."""
    command = [sys.executable, "-I", "-c", ENCRYPT, SECRET, HOSTS, FILE]
    made = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return dict(json.loads(made.stdout))


def inline(name: str, ciphertext: str) -> str:
    return f"{name}: !vault |\n" + textwrap.indent(ciphertext, "  ")


@pytest.fixture
def locked(tree: Tree, encrypted: dict[str, str]) -> Path:
    """An inventory with a vault file and an inline vault; the passwords are in ``key`` and (wrong) ``other``."""
    here = tree(
        {
            "key": "right\n",
            "other": "wrong\n",
            "inv/hosts.yml": HOSTS,
            "inv/group_vars/all/plain.yml": "mailconform_helo: mx1.example.net\n",
            "inv/group_vars/all/vault.yml": encrypted[FILE],
            "inv/group_vars/mta_out.yml": "mailconform_send_from: [198.51.100.1]\n",
            "inv/group_vars/relay.yml": """\
            mailconform_listen: [{port: 587}]
            mailconform_submission:
              username: probe
              password: "{{ vault_password }}"
            """,
        }
    )
    with (here / "inv/group_vars/relay.yml").open("a") as file:
        file.write(inline("mailconform_tags", encrypted[SECRET]))
    return here


def test_with_the_password_all_is_read_and_no_secret_shown(locked: Path) -> None:
    fleet = load(["inv"], vault_password_file="key")
    assert fleet.by_name["relay1"].tags == (SECRET,)
    assert not fleet.warnings
    assert "password" not in "\n".join(describe(fleet, "mx1"))


@pytest.mark.parametrize("password", [None, "other"])
def test_a_locked_file_is_named_with_the_ways_out(locked: Path, password: str | None) -> None:
    with pytest.raises(InventoryError) as caught:
        load(["inv"], vault_password_file=password)
    assert caught.value.exit_code == 4
    why = "no vault password given opens it" if password else "no vault password is given"
    assert str(caught.value) == (
        f"inv/group_vars/all/vault.yml: encrypted, and {why} "
        "(--vault-password-file FILE, or --no-secrets to read the rest)"
    )


def test_without_secrets_the_rest_is_read(locked: Path) -> None:
    fleet = load(["inv"], secrets=False)
    assert [mta.name for mta in fleet.mtas] == ["mx1", "relay1"]
    assert fleet.by_name["relay1"].tags == ()
    assert sorted(fleet.warnings) == [
        "inv/group_vars/all/vault.yml: skipped, since it is encrypted",
        "inv/group_vars/relay.yml:4: mailconform_submission.password is left out: it needs what is encrypted",
        "inv/group_vars/relay.yml:5: mailconform_tags is left out: it needs what is encrypted",
    ]


def test_inline_vault_alone_is_a_fault_of_its_variable_only(locked: Path) -> None:
    (locked / "inv/group_vars/all/vault.yml").write_text("vault_password: plain\n")
    with pytest.raises(InventoryError) as caught:
        load(["inv"])
    assert str(caught.value) == (
        "inv/group_vars/relay.yml:5: mailconform_tags of relay1 is encrypted, and no vault password opens it "
        "(--vault-password-file FILE, or --no-secrets to leave it out)"
    )
    assert load(["inv"], limit="mx1").mtas[0].name == "mx1"


def test_a_wrong_value_from_the_vault_is_not_printed(locked: Path, encrypted: dict[str, str]) -> None:
    (locked / "inv/host_vars").mkdir()
    (locked / "inv/host_vars/relay1.yml").write_text(
        'middle: "{{ vault_password }}"\nmailconform_role: "{{ middle }}"\n'
        'mailconform_levels: {"ptr.exists": "a {{ middle }}"}\n'
        """mailconform_profile: "{{ lookup('vars', 'vault_password') ~ 'ü' }}"\n"""
        'mailconform_attest: "{{ {}[vault_password] }}"\n' + inline("mailconform_probe", encrypted[SECRET])
    )
    with pytest.raises(InventoryError) as caught:
        load(["inv"], vault_password_file="key")
    text = str(caught.value)
    assert text.count("found a value from the vault") == 4
    assert "mailconform_attest of relay1 cannot be worked out: why could hold a secret" in text
    assert SECRET not in text


def test_a_needed_value_that_was_left_out_is_said_to_be_encrypted(locked: Path, encrypted: dict[str, str]) -> None:
    (locked / "inv/group_vars/mta_out.yml").write_text(inline("mailconform_send_from", encrypted[SECRET]))
    with pytest.raises(InventoryError) as caught:
        load(["inv"], secrets=False)
    assert "mailconform_send_from of mx1 is missing" in str(caught.value)
    assert "it is encrypted: --vault-password-file FILE" in str(caught.value)


def test_an_inventory_that_is_encrypted_itself_is_named(locked: Path, encrypted: dict[str, str]) -> None:
    (locked / "inv/hosts.yml").write_text(encrypted[HOSTS])
    with pytest.raises(InventoryError) as caught:
        load(["inv/hosts.yml"])
    assert str(caught.value).startswith("inv/hosts.yml: encrypted, and no vault password is given")
