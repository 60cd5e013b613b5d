"""``moray agent policy`` says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_account import Account
from typer.testing import CliRunner

from moray.cli import app
from policy_kit import ALICE, EXAMPLE, MALLORY, NOW, POLICY, USD, USD_ADDRESS, authorization, call


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    shutil.copyfile(EXAMPLE, path)
    path.chmod(0o600)
    return str(path)


def check(policy: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["agent", "policy", "check", policy, *arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


FIELDS = {"chainId": 31337, "nonce": "0x0", "gas": 60_000, "maxFeePerGas": 10**9, "maxPriorityFeePerGas": 1}


def transfer(to: str, amount: int) -> dict[str, Any]:
    return {**FIELDS, "to": USD_ADDRESS, "data": "0x" + call("transfer(address,uint256)", to, amount).hex()}


def test_an_allowed_transaction_names_its_rule_and_what_the_limits_leave(policy: str) -> None:
    code, said = check(policy, "--transaction", json.dumps(transfer(ALICE, 50 * USD)))
    assert (code, said["is_allowed"], said["rule"]) == (0, True, "pay Alice in USD")
    assert {"limit": "USD in an hour", "left": "800 USD", "of": "800 USD"} in said["limits"]
    assert said["version"] == POLICY.version


def test_a_refused_one_says_why_and_exits_with_1(policy: str) -> None:
    code, said = check(policy, "--transaction", json.dumps(transfer(MALLORY, USD)))
    assert (code, said["is_allowed"], said["code"]) == (1, False, "recipient_refused")
    assert MALLORY in said["reason"]


def test_raw_bytes_say_the_same_as_fields_signed_or_not(policy: str) -> None:
    fields = {**transfer(ALICE, 51 * USD), "nonce": 0, "value": 0, "type": 2}
    data = bytes.fromhex(fields["data"][2:])
    unsigned = rlp.encode([31337, 0, 1, 10**9, 60_000, bytes.fromhex(USD_ADDRESS[2:]), 0, data, []])
    signed = Account.from_key(b"\x01" * 32).sign_transaction(fields).raw_transaction
    expected = check(policy, "--transaction", json.dumps(fields))
    assert expected[1]["code"] == "approval_needed", "Alice was never paid"
    assert check(policy, "--transaction", "0x" + signed.hex().removeprefix("0x")) == expected
    assert check(policy, "--transaction", "0x02" + unsigned.hex()) == expected


def test_typed_data_is_read_from_a_file_and_an_old_one_is_refused(policy: str, tmp_path: Path) -> None:
    path = tmp_path / "typed.json"
    path.write_text(json.dumps(authorization(validBefore=int(NOW) - 10**9)), encoding="utf-8")
    code, said = check(policy, "--typed-data", str(path))
    assert (code, said["code"], said["rule"]) == (1, "deadline_refused", "pay Alice by EIP-3009")


@pytest.mark.parametrize("text", ["0x01c0", "0x02ff", "zz", json.dumps({**FIELDS, "gasPrice": 1})])
def test_another_kind_of_transaction_is_refused(policy: str, text: str) -> None:
    code, said = check(policy, "--transaction", text)
    assert (code, said["code"]) == (1, "bad_request")


def test_show_lists_every_rule(policy: str) -> None:
    result = CliRunner().invoke(app, ["agent", "policy", "show", policy, "--json"])
    said = json.loads(result.stdout)
    names = [row[0] for row in said["rules"]]
    assert names == [rule.terms.name for rule in POLICY.calls] + [rule.terms.name for rule in POLICY.typed_data]
    assert (said["version"], said["owner"]) == (POLICY.version, POLICY.owner)
