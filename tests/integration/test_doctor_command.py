"""`moray node doctor` as an operator or a script runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from cluster import moray
from doctor_kit import free_port
from moray.key_file import KEYSTORE, random_key, store_key

pytestmark = pytest.mark.integration

OWNER = "0x52908400098527886E0F7030069857D2E4169EE7"


def test_a_machine_with_a_key_is_fit_and_one_without_is_told_how_to_get_one(tmp_path: Path) -> None:
    state = ("--state-dir", str(tmp_path / "state"))
    without = moray("node", "doctor", "--json", *state)
    told = json.loads(without.stdout)
    assert without.returncode == 1 and not told["is_fit"]
    problems = [finding for finding in told["findings"] if finding["state"] == "problem"]
    assert [finding["check"] for finding in problems] == ["key"]
    assert "moray node key new" in problems[0]["remedy"]
    store_key(tmp_path / "state" / KEYSTORE, random_key(), SecretStr("correct horse"))
    shown = moray("node", "doctor", *state)
    assert shown.returncode == 0, shown.stdout
    assert "kernel" in shown.stdout and "give --network JOIN_STRING" in shown.stdout


def test_a_network_that_nobody_answers_for_is_a_problem(tmp_path: Path) -> None:
    join_string = f"http://127.0.0.1:{free_port()}#{OWNER}"
    done = moray("node", "doctor", "--json", "--network", join_string, "--state-dir", str(tmp_path), "--allow-private")
    found = {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1 and found["manifest"]["state"] == "problem"
    assert found["clock"]["state"] == "unknown"


def test_what_is_no_join_string_is_one_line(tmp_path: Path) -> None:
    done = moray("node", "doctor", "--network", "nonsense", "--state-dir", str(tmp_path))
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("moray: no join string")
