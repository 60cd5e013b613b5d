"""Plans over the test currency, and a journal for them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from moray.actions import Transfer
from moray.agents.names import AddressBook, parse_book
from moray.agents.plan import Plan
from moray.agents.planning.leave import revoke
from moray.contracts.erc20 import approve
from moray.agents.planning.planner import plan
from moray.agents.planning.world import PlanSettings, World
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from sender_kit import SIGNER, payee


class Lines:
    """What the executor tells, a line each."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, kind: str, fields: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps({"kind": kind, **fields}) + "\n")

    def kinds(self) -> list[str]:
        return [json.loads(line)["kind"] for line in self._path.read_text().splitlines()]


def book_of(currency: str) -> AddressBook:
    return parse_book(
        f"""
chain: development
chain_id: 31337
tokens:
  MTEST: {{address: {currency}, decimals: 6}}
  ETH: {{address: native, decimals: 18}}
names:
  Ann: "0x1111111111111111111111111111111111111111"
""".encode()
    )


async def world_of(chain: Chain, currency: str) -> World:
    head = await chain.head()
    held = await Currency(chain, currency).balance(SIGNER.address)
    balances = {currency: held, "native": await chain.balance_wei(SIGNER.address)}
    return World(
        chain.chain_id, SIGNER.address, book_of(currency), head.number, head.timestamp, PlanSettings(), balances
    )


def intent(number: int, asset: str) -> Transfer:
    return Transfer(asset=asset, amount=f"{(number + 1) / 10**6:.6f}".rstrip("0"), to=payee(number))


async def leaving_plan(chain: Chain, currency: str, spender: str, number: int) -> Plan:
    """It lets ``spender`` take more than anybody takes, pays somebody, and leaves the rest to the executor: the
    simulation would refuse it, so the plan says beforehand that it takes it back."""
    paid = await transfer_plan(chain, currency, number)
    calls = (
        approve(currency, SIGNER.address, spender, 1000 + number),
        *paid.calls,
        revoke(currency, SIGNER.address, spender),
    )
    return replace(paid, calls=calls)


async def transfer_plan(chain: Chain, currency: str, number: int, asset: str = "MTEST") -> Plan:
    """Base units: one more than ``number``, to an account of its own."""
    return plan(intent(number, asset), await world_of(chain, currency), f"intent {number}")
