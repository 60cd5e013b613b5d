"""Vouchers for tests: who pays whom, and a credit that keeps account of it on a disk."""

from __future__ import annotations

from pathlib import Path

from moray import wire
from moray.contracts.channels import Channel, ChannelState, Voucher, channel_id, voucher_typed_data
from moray.node_key import NodeKey
from moray.nodes.credit import NodeCredit, PayRules
from moray.nodes.voucher_book import VoucherBook
from moray.pay_terms import PayTerms

PAYER, SIGNER, STRANGER = (NodeKey.from_bytes(bytes([number]) * 32) for number in (11, 12, 13))
PAYEE = NodeKey.from_bytes(b"\x15" * 32).address
CHAIN_ID, CONTRACT = 31337, NodeKey.from_bytes(b"\x16" * 32).address
CHANNEL = Channel(PAYER.address, SIGNER.address, PAYEE)
PRICE = 500  # base units for 1,000 rows: two rows for one


def rules_of(max_unpaid_rows: int, row_price: int = PRICE) -> PayRules:
    return PayRules(PayTerms(PAYEE, max_unpaid_rows), (PAYER.address,), row_price, CHAIN_ID, CONTRACT)


def credit_in(folder: Path, max_unpaid_rows: int = 100, row_price: int = PRICE) -> NodeCredit:
    return NodeCredit(rules_of(max_unpaid_rows, row_price), VoucherBook(folder))


def id_of(channel: Channel = CHANNEL) -> bytes:
    return channel_id(channel, CHAIN_ID, CONTRACT)


def voucher(
    cumulative: int, channel: Channel = CHANNEL, key: NodeKey = SIGNER, contract: str = CONTRACT
) -> wire.Voucher:
    said = Voucher(channel_id(channel, CHAIN_ID, CONTRACT), cumulative, 1, bytes(32))
    signature = key.sign_typed_data(voucher_typed_data(said, CHAIN_ID, contract))
    return wire.Voucher(said.channel, cumulative.to_bytes(32), 1, bytes(32), signature)


def holding(deposited: int, paid: int = 0, closes_at: int = 0) -> dict[bytes, ChannelState]:
    return {id_of(): ChannelState(deposited, paid, closes_at)}
