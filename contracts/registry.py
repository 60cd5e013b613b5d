"""The registry of nodes: who operates them, with which key they sign, what is at stake."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from moray.contracts.calls import Call
from moray.contracts.chain import Chain, ChainBlock
from moray.contracts.contract import Contract, address_topic, number_topic
from moray.contracts.log import Log
from moray.contracts.tasks import NOBODY
from moray.contracts.typed_data import Domain, contract_typed_data
from moray.node_key import TypedData

_SIGNER = {"operator": "address", "signer": "address", "deadline": "uint256"}


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """``bonded`` is for all slashers and for none: to look at. What can be relied on is ``NodeRegistry.stake`` for a
    slasher that one trusts. ``jailed_until`` 0: not jailed; a node whose time is over stays out until unjailed."""

    node_id: int
    operator: str
    signer: str
    bonded: int
    jailed_until: int


@dataclass(frozen=True, slots=True)
class Stake:
    """A node's stake for one slasher, all of it slashable. ``unbonds_at``: the second from which ``unbonding`` can be
    released."""

    bonded: int
    unbonding: int
    unbonds_at: int


class NodeRegistry:
    """Money-authorising reads take ``agreed``, see Chain.read_agreed. Amounts are base units of the currency."""

    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self.contract = Contract(chain, "NodeRegistry", address)

    @property
    def address(self) -> str:
        return self.contract.address

    # -- views --------------------------------------------------------------------------------------------------------

    async def node_of(self, signer: str, *, agreed: bool = False) -> int:
        """The id of the node that ``signer`` signs for now; 0: none."""
        return int(await self.contract.read("nodeOf", signer, agreed=agreed))

    async def node(self, node_id: int, *, agreed: bool = False) -> NodeRecord | None:
        """All of one block. None for an id that no node has."""
        at: ChainBlock = await (self.chain.agreed_block() if agreed else self.chain.head())

        async def read(view: str) -> Any:
            return await self.contract.read(view, node_id, block=at, agreed=agreed)

        operator = await read("operatorOf")
        if operator == NOBODY:
            return None
        return NodeRecord(
            node_id=node_id,
            operator=operator,
            signer=await read("signerOf"),
            bonded=await read("bondedOf"),
            jailed_until=await read("jailedUntil"),
        )

    async def stake(self, node_id: int, slasher: str, *, agreed: bool = False) -> Stake:
        """``slasher`` NOBODY: the free stake, which is allotted to none."""
        return Stake(*await self.contract.read("stakes", node_id, slasher, agreed=agreed))

    async def owed(self, account: str, *, agreed: bool = False) -> int:
        return int(await self.contract.read("owed", account, agreed=agreed))

    async def currency(self) -> str:
        return str(await self.contract.read("currency"))

    async def unbonding_time_s(self) -> int:
        return int(await self.contract.read("unbondingTime"))

    def node_id_in(self, logs: Iterable[Log]) -> int:
        """The id that a mined ``register`` gave. Raises ValueError for logs of anything else."""
        for log in logs:
            event = self.contract.decode_log(log)
            if event is not None and event.name == "NodeRegistered":
                return int(event.args["nodeId"])
        raise ValueError("no node was registered in these logs")

    # -- calls --------------------------------------------------------------------------------------------------------

    def register(self, signer: str, deadline: int, proof: bytes) -> Call:
        """By the operator. ``proof``: ``signer``'s signature of ``signer_typed_data``, good until ``deadline``."""
        return self.contract.call(
            "register",
            signer,
            deadline,
            proof,
            summary=f"register a node that {signer} signs for",
            event="NodeRegistered",
        )

    def change_signer(self, node_id: int, signer: str, deadline: int, proof: bytes) -> Call:
        return self._of(
            node_id, "changeSigner", "SignerChanged", f"change the signer to {signer}", signer, deadline, proof
        )

    def deposit(self, node_id: int, amount: int) -> Call:
        """By anyone, who has approved ``amount``."""
        return self._of(node_id, "deposit", "StakeDeposited", f"deposit {amount}", amount)

    def allot(self, node_id: int, slasher: str, amount: int) -> Call:
        return self._of(node_id, "allot", "StakeAllotted", f"allot {amount} to {slasher}", slasher, amount)

    def unbond(self, node_id: int, slasher: str, amount: int) -> Call:
        return self._of(node_id, "unbond", "UnbondingStarted", f"unbond {amount} from {slasher}", slasher, amount)

    def release(self, node_id: int, slasher: str) -> Call:
        return self._of(node_id, "release", "StakeWithdrawn", f"release what has unbonded from {slasher}", slasher)

    def unjail(self, node_id: int) -> Call:
        return self._of(node_id, "unjail", "Unjailed", "unjail")

    def withdraw(self, account: str) -> Call:
        return self.contract.call(
            "withdraw",
            account,
            summary=f"withdraw what the node registry owes {account}",
            event="Withdrawn",
            topics=(address_topic(account),),
        )

    def signer_typed_data(self, operator: str, signer: str, deadline: int) -> TypedData:
        """What ``signer`` signs to be ``operator``'s."""
        domain = Domain("Moray NodeRegistry", "1", self.chain.chain_id, self.address)
        message = {"operator": operator, "signer": signer, "deadline": deadline}
        return contract_typed_data(domain, "Signer", _SIGNER, message)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _of(self, node_id: int, function: str, event: str, what: str, *args: Any) -> Call:
        return self.contract.call(
            function,
            node_id,
            *args,
            summary=f"{what}: node {node_id}",
            event=event,
            topics=(number_topic(node_id),),
        )
