"""`moray node key` as an operator runs it: at a terminal, in a script, and with everything that can be wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json

from cluster import MORAY, moray
from guides import commands_of, page, section_of
from moray.files import write_private
from terminal import at_terminal

pytestmark = pytest.mark.integration

PASSWORD = "correct horse battery"
PRIVATE_KEY = bytes(range(1, 33))
ADDRESS = str(Account.from_key(PRIVATE_KEY).address)
SECRETS = (PASSWORD, PRIVATE_KEY.hex(), repr(PRIVATE_KEY)[2:-1], str(int.from_bytes(PRIVATE_KEY)))


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    write_private(tmp_path / "password", PASSWORD.encode() + b"\n")
    return str(tmp_path / "password")


def key(*arguments: str, state: Path) -> subprocess.CompletedProcess[str]:
    """`moray --debug node key ...` in no terminal; it must show no secret whatever happens."""
    command = [*MORAY, "--debug", "node", "key", *arguments, "--state-dir", str(state)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, start_new_session=True
    )
    assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]
    return done


def refused(told: str, *arguments: str, state: Path) -> None:
    done = moray("node", "key", *arguments, "--state-dir", str(state))
    assert done.returncode == 2 and done.stdout == "", done.stdout + done.stderr
    assert done.stderr.startswith("moray: ") and done.stderr.count("\n") == 1 and told in done.stderr, done.stderr
    assert not [secret for secret in SECRETS if secret in done.stderr]


def test_a_key_is_made_and_shown(tmp_path: Path, password_file: str) -> None:
    made = key("new", "--password-file", password_file, "--json", state=tmp_path / "state")
    assert made.returncode == 0, made.stderr
    result = json.loads(made.stdout)
    assert Path(result["keystore"]) == tmp_path / "state" / "keys" / "node.json"
    assert (
        Account.from_key(Account.decrypt(Path(result["keystore"]).read_text(), PASSWORD)).address == result["address"]
    )
    shown = key("show", "--json", state=tmp_path / "state")
    assert json.loads(shown.stdout) == result
    assert result["address"] in key("show", state=tmp_path / "state").stdout
    refused("not replaced", "new", "--password-file", password_file, state=tmp_path / "state")


def test_a_raw_key_and_a_keystore_are_imported(tmp_path: Path, password_file: str) -> None:
    write_private(tmp_path / "raw", PRIVATE_KEY.hex().encode())
    raw = key("import", str(tmp_path / "raw"), "--password-file", password_file, "--json", state=tmp_path / "a")
    assert json.loads(raw.stdout)["address"] == ADDRESS
    write_private(tmp_path / "other", b"their password")
    theirs = create_keyfile_json(PRIVATE_KEY, b"their password", kdf="pbkdf2", iterations=1000)
    write_private(tmp_path / "theirs.json", json.dumps(theirs).encode())
    passwords = ("--source-password-file", str(tmp_path / "other"), "--password-file", password_file)
    kept = key("import", str(tmp_path / "theirs.json"), *passwords, "--json", state=tmp_path / "b")
    assert json.loads(kept.stdout)["address"] == ADDRESS
    assert bytes(Account.decrypt(Path(json.loads(kept.stdout)["keystore"]).read_text(), PASSWORD)) == PRIVATE_KEY


def test_whatever_is_wrong_is_one_line_and_leaves_nothing_behind(tmp_path: Path, password_file: str) -> None:
    state, password = tmp_path / "state", ("--password-file", password_file)
    refused("node key new", "show", state=state)
    refused("No such file", "new", "--password-file", str(tmp_path / "none"), state=state)
    write_private(tmp_path / "raw", PRIVATE_KEY.hex().encode()[:-2] + b"zz")
    refused("64 hex digits", "import", str(tmp_path / "raw"), *password, state=state)
    write_private(tmp_path / "raw", b"00" * 32)
    refused("no private key", "import", str(tmp_path / "raw"), *password, state=state)
    write_private(tmp_path / "half.json", b'{"version": 3, "crypto": ')
    refused("half.json", "import", str(tmp_path / "half.json"), *password, state=state)
    Path(password_file).chmod(0o644)
    refused("chmod 600", "new", *password, state=state)
    assert not (state / "keys").exists()


def test_a_traceback_shows_no_secret_either(tmp_path: Path, password_file: str) -> None:
    """``key`` looks for secrets in all that a command prints."""
    theirs = create_keyfile_json(PRIVATE_KEY, b"their password", kdf="pbkdf2", iterations=1000)
    write_private(tmp_path / "theirs.json", json.dumps(theirs).encode())
    write_private(tmp_path / "raw", PRIVATE_KEY.hex().encode() + b"\n" + PASSWORD.encode())
    write_private(tmp_path / "broken", PASSWORD.encode() + b"\xff")
    for told, *arguments in (
        ("WrongPassword", "import", str(tmp_path / "theirs.json"), "--source-password-file", password_file),
        ("BadKey", "import", str(tmp_path / "raw"), "--password-file", password_file),
        ("BadKey", "import", PRIVATE_KEY.hex()),  # by mistake
        ("BadKey", "new", "--password-file", str(tmp_path / "broken")),
        ("UnsafeFile", "new"),  # no terminal to ask at
    ):
        done = key(*arguments, state=tmp_path / "state")
        assert done.returncode == 1 and "Traceback" in done.stderr and told in done.stderr.splitlines()[-1], done.stderr


def test_at_a_terminal_the_password_is_asked_for_twice_and_never_shown(tmp_path: Path) -> None:
    env = os.environ | {"COLUMNS": "200"}
    command = [*MORAY, "node", "key", "new", "--state-dir", str(tmp_path / "state")]
    code, shown = at_terminal(command, [("New password: ", PASSWORD), ("Again: ", PASSWORD + "x")], env)
    assert code == 2 and "the two passwords differ" in shown and PASSWORD not in shown
    code, shown = at_terminal(command, [("New password: ", PASSWORD), ("Again: ", PASSWORD)], env)
    assert code == 0 and PASSWORD not in shown
    address = re.search("0x[0-9a-fA-F]{40}", shown)
    path = tmp_path / "state" / "keys" / "node.json"
    assert address and Account.from_key(Account.decrypt(path.read_text(), PASSWORD)).address == address[0]


def test_at_a_terminal_a_raw_key_is_asked_for_and_never_shown(tmp_path: Path) -> None:
    command = [*MORAY, "node", "key", "import", "--state-dir", str(tmp_path / "state"), "--json"]
    answers = [("Private key", "0x" + PRIVATE_KEY.hex()), ("New password: ", PASSWORD), ("Again: ", PASSWORD)]
    code, shown = at_terminal(command, answers, os.environ)
    assert code == 0 and not [secret for secret in SECRETS if secret in shown]
    assert json.loads(shown[shown.index("{") :])["address"] == ADDRESS


def test_every_command_of_the_key_section_works_as_it_is_written(tmp_path: Path) -> None:
    """In one shell at a terminal, as somebody would who reads the page; the questions are answered in order."""
    commands = commands_of(section_of(page("docs/operate-a-node.md"), "Your key"))
    assert len(commands) > 5
    write_private(tmp_path / "raw.hex", PRIVATE_KEY.hex().encode())
    theirs = create_keyfile_json(PRIVATE_KEY, b"their password", kdf="pbkdf2", iterations=1000)
    write_private(tmp_path / "wallet.json", json.dumps(theirs).encode())
    (tmp_path / "moray").write_text(f'#!/bin/sh\nexec {sys.executable} -m moray.cli "$@"\n')
    (tmp_path / "moray").chmod(0o755)
    script = f"set -e; cd {tmp_path}\n" + "\n".join(commands)
    env = os.environ | {"HOME": str(tmp_path / "home"), "PATH": f"{tmp_path}:{os.environ['PATH']}", "COLUMNS": "200"}
    (tmp_path / "home").mkdir()
    twice = [("New password: ", PASSWORD), ("Again: ", PASSWORD)]
    answers = [
        *twice,
        ("Password of wallet.json: ", "their password"),
        *twice,
        ("Private key", PRIVATE_KEY.hex()),
        *twice,
    ]
    code, shown = at_terminal(["bash", "-c", script], answers, env)
    assert code == 0, shown
    assert shown.count(ADDRESS) == 3
