"""A network that asks for stake, as its operator and another one run it: a chain, a router, a node that is refused,
stakes, joins, takes its stake back and is put out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chain_process import Chain, chain_of
from cluster import moray
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from operators import OpenNetwork, Operator, joined, new_key, open_network, run

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(600)]

CONFIG = TINY_CONFIG | {"n_routed_experts": 2, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
MINTED = 1_000_000
UNBONDING_S = 14 * 86_400  # that `moray chain up` deploys with
OPERATOR = "1"  # the development account that stakes


@dataclass(frozen=True)
class Staker:
    """What the operator of the node with the key ``node.json`` types."""

    chain: Chain
    folder: Path

    def __call__(self, *arguments: str) -> dict[str, Any]:
        return run("node", *arguments, *self._options())

    def refused(self, *arguments: str) -> str:
        done = moray("node", *arguments, *self._options())
        assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done
        return done.stderr

    def _options(self) -> list[str]:
        paths = {"--node-keystore": "node.json", "--state-dir": "staker"}
        given = [part for option, name in paths.items() for part in (option, str(self.folder / name))]
        return [*given, "--chain", self.chain.file, "--dev-account", OPERATOR, "--json"]


def test_stake_lets_a_node_in_and_its_end_puts_it_out(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "checkpoint", CONFIG, seed=6)
    write_shards(tmp_path / "checkpoint", tmp_path / "shards")
    with chain_of(tmp_path / "chain") as chain:
        asked = ("--chain", chain.file, "--min-stake", "10")
        with open_network(tmp_path / "shards", tmp_path, *asked) as network:
            signer, staker = new_key(tmp_path, "node"), Staker(chain, tmp_path)
            assert network.network.get("/network").json()["stake"]["min_stake"] == 10 * 10**6
            assert "not_registered" in refusal(network)
            password = ("--node-password-file", network.password_file)
            staked = staker("stake", "12", *password)
            assert (staked["bonded"], staked["signer"], staked["symbol"]) == ("12", signer, "mtest")
            with joined(network, "node", "--slots", "2") as node:
                node.serving()
                network.network.wait(lambda page: page["missing_experts"] == [], "both experts")
                assert network.network.complete(prompt=[5, 6, 7], max_tokens=3)["token_ids"]
                status = run_status(node, chain)
                assert (status["stake"]["bonded"], status["stake"]["signer"]) == ("12", signer)
                is_put_out_when_it_takes_its_stake_back(network, node, staker)
            assert "unbonding" in staker.refused("withdraw")
            chain.wait(UNBONDING_S)
            assert staker("withdraw")["unbonding"] == "0" and chain.balance(OPERATOR) == MINTED - 9


def refusal(network: OpenNetwork) -> str:
    """One line with which the node's `join` ends before it has started anything."""
    state_dir = network.folder / "refused"
    done = moray(
        "node", "join", "--network", network.join_string, "--keystore", str(network.folder / "node.json"),
        "--password-file", network.password_file, "--allow-private", "--state-dir", str(state_dir),
    )  # fmt: skip
    assert done.returncode == 1 and done.stdout == "", done
    assert not (state_dir / "state.json").exists()
    return done.stderr.strip().splitlines()[-1]


def run_status(node: Operator, chain: Chain) -> dict[str, Any]:
    return run("node", "status", "--state-dir", str(node.state_dir), "--chain", chain.file, "--json")


def is_put_out_when_it_takes_its_stake_back(network: OpenNetwork, node: Operator, staker: Staker) -> None:
    left = staker("unbond", "3")
    assert (left["bonded"], left["unbonding"]) == ("9", "3")
    page = network.network.wait(lambda page: page["nodes"] == [] and page["refused"] != [], "putting the node out")
    assert {(one["signer"], one["reason"].partition(":")[0]) for one in page["refused"]} == {
        (node.address, "stake_too_low")
    }
