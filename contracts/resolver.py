"""A committee that judges challenged tasks: what its members sign, and how their signatures reach the market."""

from __future__ import annotations

from collections.abc import Mapping

from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.contract import Contract, address_topic
from moray.contracts.market import TaskMarket
from moray.contracts.tasks import Outcome, Task, short
from moray.contracts.typed_data import Domain, contract_typed_data
from moray.node_key import TypedData

_VERDICT = {
    "market": "address",
    "taskId": "bytes32",
    "resultHash": "bytes32",
    "transcriptHash": "bytes32",
    "outcome": "uint8",
}


class Resolver:
    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self.contract = Contract(chain, "Resolver", address)

    @property
    def address(self) -> str:
        return self.contract.address

    async def members(self) -> tuple[str, ...]:
        return tuple(await self.contract.read("members"))

    async def threshold(self) -> int:
        return int(await self.contract.read("threshold"))

    def verdict_typed_data(
        self, market: str, task_id: bytes, result_hash: bytes, transcript_hash: bytes, outcome: Outcome
    ) -> TypedData:
        """What a member signs, of a whole result."""
        domain = Domain("Moray Resolver", "1", self.chain.chain_id, self.address)
        message = {
            "market": market,
            "taskId": task_id,
            "resultHash": result_hash,
            "transcriptHash": transcript_hash,
            "outcome": int(outcome),
        }
        return contract_typed_data(domain, "Verdict", _VERDICT, message)

    def resolve(
        self,
        task: Task,
        market: TaskMarket,
        result_hash: bytes,
        transcript_hash: bytes,
        outcome: Outcome,
        signatures: Mapping[str, bytes],
    ) -> Call:
        """By anyone. ``signatures``: by member."""
        id = market.id_of(task)
        signers = sorted(signatures, key=lambda signer: int(signer, 16))  # the contract's order
        return self.contract.call(
            "resolve",
            task.as_struct(),
            (market.address, result_hash, transcript_hash, int(outcome)),
            signers,
            [signatures[signer] for signer in signers],
            summary=f"judge task {short(id)} {outcome.name.lower()}",
            event="Resolved",
            topics=(address_topic(market.address), id),
        )
