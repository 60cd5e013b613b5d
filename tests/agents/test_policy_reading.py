"""A policy is understood when it is read, or refused with the place of its mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from moray.agents.policy.policy_reading import parse_policy, read_policy
from moray.errors import BadPolicy, UnsafeFile
from policy_kit import EXAMPLE, POLICY, TEXT, USD, USD_ADDRESS, changed, with_rule


def test_amounts_are_exact_base_units_of_their_asset() -> None:
    limits = POLICY.assets[31337, USD_ADDRESS].limits
    assert (limits.per_transaction, limits.per_hour, limits.allowance) == (500 * USD, 800 * USD, 500 * USD)
    assert changed(('per_hour: "800"', 'per_hour: "0.000001"')).assets[31337, USD_ADDRESS].limits.per_hour == 1


def test_the_version_changes_with_what_the_policy_says_and_not_with_its_comments() -> None:
    assert parse_policy(b"# a comment\n" + TEXT.encode()).version == POLICY.version
    assert changed(('per_hour: "800"', 'per_hour: "801"')).version != POLICY.version


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('per_hour: "800"', 'per_hour: "8e2"', "per_hour"),
        ('per_hour: "800"', 'per_hour: "-1"', "per_hour"),
        ('per_hour: "800"', 'per_hour: "0.0000001"', "finer"),
        ("version: 1", "version: 2", "version"),
        ("version: 1", "version: 1\nversion: 1", "twice"),
        ("approvals_needed: 1", "approvals_needed: 2", "more approvals"),
        ("recipients: [alice]\n  - name: pay Alice in ETH", "recipients: [bob]\n  - name: pay Alice in ETH", "bob"),
        ("    to: alice\n", "    to: alice\n    gas_price: 1\n", "gas_price"),
        ("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC", "0x3c44CdDdB6a900fa2b585dd299e03d12FA4293BC", "checksum"),
        ("params.tokenIn: USD", "params.tokenin: USD", "tokenin"),
        ("params.tokenIn: USD", "params.tokenIn: {}", "no bound"),
        ('{at_most: "300 USD"}', '{at_most: "300 EUR"}', "300 EUR"),
        ("call: approve(address spender, uint256 amount)", "call: approve(address amount, uint256 spender)", "another"),
        ("call: approve(address spender, uint256 amount)", "call: approve(address,uint)", "size"),
        ("    receivers: [receiver]", "    receivers: [assets]", "assets"),
        ("    spends: [{asset: USD, amount: assets}] # nobody else knows what this function takes\n", "", "spends"),
        ("name: pay Alice in ETH", "name: pay Alice in USD", "two rules"),
        ('at_least: "0.0003"', 'at_least: "0"', "bounds nothing"),
    ],
)
def test_a_mistake_is_refused_with_its_place(old: str, new: str, says: str) -> None:
    with pytest.raises(BadPolicy, match=says):
        changed((old, new))


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"a: &x 1\nb: *x", b"\xff\xfe", b"x" * 300_000, b"[" * 5000])
def test_what_is_no_policy_is_refused_in_one_line(text: bytes) -> None:
    with pytest.raises(BadPolicy) as refused:
        parse_policy(text)
    assert "\n" not in str(refused.value)


def test_two_rules_may_not_say_two_things_of_one_function() -> None:
    with pytest.raises(BadPolicy, match="two things"):
        with_rule(
            """
- name: deposit for nothing
  chain: development
  to: vault
  call: deposit(uint256 assets, address receiver)
  spends: []
"""
        )


def test_a_file_that_others_could_change_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(TEXT, encoding="utf-8")
    path.chmod(0o644)
    assert read_policy(path) == read_policy(path) and read_policy(path).version == POLICY.version
    path.chmod(0o664)
    with pytest.raises(UnsafeFile, match="chmod"):
        read_policy(path)
    assert EXAMPLE.exists()
