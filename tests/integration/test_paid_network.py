"""A network whose router pays nodes of others, as its operator and another one run it: a chain, a router, a node that
serves up to its cap, is paid, serves on, claims its money, and sends the router away that pays no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from chain_process import Chain, chain_of
from moray.contracts.development_keys import DEVELOPMENT_KEYS
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.router.payment_door import door_secret
from operators import OpenNetwork, Operator, joined, open_network, run
from paying_process import paying

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(600)]

CONFIG = TINY_CONFIG | {"n_routed_experts": 2, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
PAYER, PAYEE, CLAIMER = "2", "5", "6"  # development accounts
MINTED = 1_000_000
UNIT = 10**6  # base units of the test currency
PRICE = 500_000  # base units for 1,000 rows
CAP = 400


def owed(network: OpenNetwork) -> dict[str, Any]:
    """The account of the only node."""
    token = bytes.fromhex((network.network.state_dir / "wire_token").read_text().strip())
    secret = {"Authorization": f"Bearer {door_secret(token)}"}
    (node,) = httpx2.get(f"{network.network.url}/payments", headers=secret).json()["nodes"]
    result: dict[str, Any] = node
    return result


def ask_until_cut_off(network: OpenNetwork) -> None:
    for _ in range(100):
        try:
            network.network.complete(prompt=[5, 6, 7, 8], max_tokens=4)
        except httpx2.HTTPStatusError as refused:
            assert refused.response.status_code == 503, refused.response.text
            return
    raise AssertionError("it was never cut off")


def test_a_node_is_paid_for_rows_and_serves_no_more_than_its_cap_without_pay(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "checkpoint", CONFIG, seed=6)
    write_shards(tmp_path / "checkpoint", tmp_path / "shards")
    patience = {"MORAY_EXPERT_WAIT_S": "1"}
    with (
        chain_of(tmp_path / "chain") as chain,
        open_network(tmp_path / "shards", tmp_path, "--row-price", str(PRICE), env=patience) as network,
    ):
        payer, payee = (DEVELOPMENT_KEYS[int(number)].address for number in (PAYER, PAYEE))
        pay = ["--payee", payee, "--accept-payer", payer, "--row-price", str(PRICE), "--chain", chain.file]
        with joined(network, "node", "--slots", "2", "--max-unpaid-rows", str(CAP), *pay) as node:
            node.serving()
            network.network.wait(lambda page: page["missing_experts"] == [], "both experts")
            assert httpx2.get(f"{network.network.url}/payments").status_code == 403
            ask_until_cut_off(network)
            unpaid = owed(network)
            assert unpaid["payee"] == payee and unpaid["is_refusing"] and CAP / 2 < unpaid["rows"] <= CAP
            promised = is_paid_and_serves_on(network, chain)
            claims_its_money(node, chain, promised)
            ask_until_cut_off(network)
            assert owed(network)["rows"] <= promised * 1000 / PRICE + CAP


def is_paid_and_serves_on(network: OpenNetwork, chain: Chain) -> int:
    """The base units that it was promised in the end."""
    with paying(network, chain, "--dev-account", PAYER) as next_step:
        steps = [next_step(), next_step()]
        assert [step["step"] for step in steps] == ["deposited", "promised"] and steps[0]["amount"] == 5 * UNIT
        network.network.wait(lambda page: page["missing_experts"] == [], "serving on")
        while (now := owed(network))["rows"] <= 2 * CAP:
            assert network.network.complete(prompt=[5, 6, 7, 8], max_tokens=4)["token_ids"]
        assert now["cumulative"] > steps[1]["amount"]
    promised = int(owed(network)["cumulative"])
    return promised


def claims_its_money(node: Operator, chain: Chain, promised: int) -> None:
    options = "--chain", chain.file, "--dev-account", CLAIMER, "--state-dir", str(node.state_dir), "--json"
    claimed = run("node", "claim", *options)
    assert (float(claimed["claimed"]), claimed["symbol"], claimed["channels"]) == (promised / UNIT, "mtest", 1)
    assert chain.balance(PAYEE) == MINTED + promised / UNIT and chain.balance(PAYER) == MINTED - 5
    assert run("node", "claim", *options)["channels"] == 0
