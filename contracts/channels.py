"""Payment channels: a router's operator deposits, its key signs vouchers, a node's operator claims."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.contract import Contract
from moray.contracts.tasks import short
from moray.contracts.typed_data import Domain, contract_typed_data
from moray.node_key import TypedData

_VOUCHER = {"channel": "bytes32", "cumulative": "uint256", "epoch": "uint64", "commitment": "bytes32"}


@dataclass(frozen=True, slots=True)
class Channel:
    payer: str  # the router's operator, whose money it is
    signer: str  # the router's key that signs vouchers
    payee: str  # the node's operator, who is paid

    def as_struct(self) -> tuple[str, str, str]:
        return self.payer, self.signer, self.payee


@dataclass(frozen=True, slots=True)
class Voucher:
    """A promise to pay ``cumulative`` base units in all since the channel exists; the later includes the earlier."""

    channel: bytes
    cumulative: int
    epoch: int
    commitment: bytes  # the node's root over the work that it is paid for

    def as_struct(self) -> tuple[bytes, int, int, bytes]:
        return self.channel, self.cumulative, self.epoch, self.commitment


@dataclass(frozen=True, slots=True)
class ChannelState:
    """Sums since the channel exists. ``closes_at`` 0: open; else the payer can take the rest from that second."""

    deposited: int
    paid: int
    closes_at: int


def headroom(state: ChannelState, cumulative: int) -> int:
    """What the payee can still be promised beyond its last voucher's ``cumulative``; 0 while the channel closes. What
    was paid counts as promised, also where that voucher is lost."""
    if state.closes_at != 0:
        return 0
    return max(0, state.deposited - max(cumulative, state.paid))


def channel_id(channel: Channel, chain_id: int, contract: str) -> bytes:
    return keccak(
        encode(["uint256", "address", "(address,address,address)"], [chain_id, contract, channel.as_struct()])
    )


def news(state: ChannelState, before: int, cumulative: int) -> int:
    """What a voucher of ``cumulative`` adds to those before it, the last of which had ``before``: 0 where that is
    nothing, or more than the channel holds. What was paid on-chain for a voucher that was lost since adds nothing."""
    added = cumulative - max(before, state.paid)
    return added if 0 < added <= headroom(state, before) else 0


def voucher_typed_data(voucher: Voucher, chain_id: int, contract: str) -> TypedData:
    """What the channel's signer signs."""
    return contract_typed_data(
        Domain("Moray PaymentChannels", "1", chain_id, contract), "Voucher", _VOUCHER, asdict(voucher)
    )


class PaymentChannels:
    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self.contract = Contract(chain, "PaymentChannels", address)

    @property
    def address(self) -> str:
        return self.contract.address

    def id_of(self, channel: Channel) -> bytes:
        return channel_id(channel, self.chain.chain_id, self.address)

    async def state(self, id: bytes, *, agreed: bool = False) -> ChannelState:
        return ChannelState(*await self.contract.read("stateOf", id, agreed=agreed))

    def deposit(self, channel: Channel, amount: int) -> Call:
        """By the payer, who has approved ``amount``. Opens the channel, or adds to it."""
        return self._step(channel, f"deposit {amount} into", "deposit", "Deposited", amount)

    def claim(self, channel: Channel, voucher: Voucher, signature: bytes) -> Call:
        """By anyone, with the channel's signer's signature of ``voucher_typed_data``."""
        return self._step(channel, "claim from", "claim", "Claimed", voucher.as_struct(), signature)

    def close(self, channel: Channel) -> Call:
        """By the payer: the payee has 24 h left to claim."""
        return self._step(channel, "close", "close", "Closing")

    def settle(self, channel: Channel) -> Call:
        """By anyone, after that: the rest goes back to the payer."""
        return self._step(channel, "settle", "settle", "Closed")

    def voucher_typed_data(self, voucher: Voucher) -> TypedData:
        return voucher_typed_data(voucher, self.chain.chain_id, self.address)

    def _step(self, channel: Channel, verb: str, function: str, event: str, *args: object) -> Call:
        id = self.id_of(channel)
        return self.contract.call(
            function,
            channel.as_struct(),
            *args,
            summary=f"{verb} payment channel {short(id)}",
            event=event,
            topics=(id,),
        )
