"""A node's stake as its operator sees and changes it: the typed calls behind `moray node stake`, `unbond`, `withdraw`.

What a node registry allows and what its clocks are: contracts/src/NodeRegistry.sol.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from moray.contracts.addresses import Addresses
from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.intents import Mined
from moray.contracts.registry import NodeRecord, NodeRegistry, Stake
from moray.contracts.sender import Sender
from moray.contracts.tasks import NOBODY
from moray.join_signature import Signer

PROOF_LASTS_S = 3600  # chain time in which a registration has to be mined

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StakeView:
    """A snapshot. Amounts are base units; times are Unix seconds of the chain's clock."""

    node: NodeRecord
    stake: Stake  # for the slasher that was asked about
    owed: int  # to the operator, by the registry, for all of its nodes
    now: int

    @property
    def is_released(self) -> bool:
        """Whether what is unbonding can be withdrawn."""
        return self.stake.unbonding > 0 and self.now >= self.stake.unbonds_at


class Staking:
    """One operator's way to one registry. Reading needs no ``sender``."""

    def __init__(self, chain: Chain, addresses: Addresses, sender: Sender | None = None) -> None:
        self.registry = NodeRegistry(chain, addresses.node_registry)
        self.currency = Currency(chain, addresses.currency)
        self._chain, self._sender = chain, sender

    async def view(self, signer: str, slasher: str = NOBODY) -> StakeView | None:
        """None where ``signer`` signs for no node."""
        node_id = await self.registry.node_of(signer)
        node = await self.registry.node(node_id) if node_id else None
        if node is None:
            return None
        stake, owed = await self.registry.stake(node_id, slasher), await self.registry.owed(node.operator)
        return StakeView(node, stake, owed, (await self._chain.head()).timestamp)

    async def register(self, operator: str, signer: Signer) -> int:
        """The id of a new node of ``operator``, the sender's account; ``signer`` is the node's key."""
        deadline = (await self._chain.head()).timestamp + PROOF_LASTS_S
        proof = signer.sign_typed_data(self.registry.signer_typed_data(operator, signer.address, deadline))
        mined = await self._send(self.registry.register(signer.address, deadline, proof))
        return self.registry.node_id_in(mined.logs)

    async def deposit(self, node_id: int, amount: int, slasher: str, report: Report) -> None:
        """Approve exactly ``amount``, deposit it and, for a ``slasher`` other than NOBODY, allot it."""
        report("approving")
        await self._send(self.currency.approve(self.registry.address, amount))
        report("depositing")
        await self._send(self.registry.deposit(node_id, amount))
        if slasher != NOBODY:
            report("allotting")
            await self.allot(node_id, slasher, amount)

    async def allot(self, node_id: int, slasher: str, amount: int) -> None:
        """Let ``slasher`` take that much of the free stake from now on."""
        await self._send(self.registry.allot(node_id, slasher, amount))

    async def unbond(self, node_id: int, slasher: str, amount: int) -> None:
        await self._send(self.registry.unbond(node_id, slasher, amount))

    async def withdraw(self, view: StakeView, slasher: str, report: Report) -> int:
        """Pay out to the operator what has unbonded and what else it is owed; how much that was. By anyone."""
        if view.is_released:
            report("releasing")
            await self._send(self.registry.release(view.node.node_id, slasher))
        amount = await self.registry.owed(view.node.operator)
        if amount:
            report("withdrawing")
            await self._send(self.registry.withdraw(view.node.operator))
        return amount

    async def unjail(self, node_id: int) -> None:
        """After its time in jail; the registry refuses it before."""
        await self._send(self.registry.unjail(node_id))

    async def _send(self, call: Call) -> Mined:
        """Once per command: doing the same again is another promise."""
        assert self._sender is not None, "made for reading only"
        return await self._sender.send(f"{call.summary} #{secrets.token_hex(8)}", call)
