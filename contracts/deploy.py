"""Putting the contracts on a chain, and finding out whether a file of addresses says where they are.

They are unaudited. So any chain but the development chain needs ``unsafe_unaudited=True``, a currency that is there
already, and a key that is not everybody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from moray.contracts.addresses import Addresses
from moray.contracts.artifacts import ContractName, load
from moray.contracts.chain import Chain
from moray.contracts.contract import Contract
from moray.contracts.development_keys import DEVELOPMENT_CHAIN_ID, check_key
from moray.contracts.endpoint import Endpoint
from moray.contracts.interface import encode_values, interface
from moray.contracts.log import as_int
from moray.errors import BadSetting, ChainError, ContractMissing, EmptyWallet
from moray.ethereum import to_checksum_address

CLAIM_WINDOW_S = 7 * 24 * 3600  # within which the slashers of the registry can claim a fault
UNBONDING_TIME_S = 14 * 24 * 3600  # more than the claim window and the 48 h of a dispute
TIP_WEI = 10**9  # per gas; deploying is rare and must not wait
_POLL_S = 0.2
_RECEIPT_TIMEOUT_S = 300.0


class Deployer(Protocol):
    """A ``NodeKey``."""

    @property
    def address(self) -> str: ...

    def sign_transaction(self, fields: dict[str, Any]) -> bytes: ...


async def deploy_all(
    chain: Chain,
    key: Deployer,
    *,
    resolver_members: Sequence[str],
    resolver_threshold: int,
    currency: str | None = None,
    unbonding_time_s: int = UNBONDING_TIME_S,
    claim_window_s: int = CLAIM_WINDOW_S,
    unsafe_unaudited: bool = False,
) -> Addresses:
    """Every contract once, by ``key``, which sends nothing else meanwhile. ``currency`` None: a test currency of its
    own, on the development chain only.

    Raises BadSetting, BadKey, EmptyWallet, Reverted and ChainError.
    """
    is_development = chain.chain_id == DEVELOPMENT_CHAIN_ID
    if not is_development and not unsafe_unaudited:
        raise BadSetting(
            f"nothing is deployed on chain {chain.chain_id}: the contracts are unaudited; "
            "use the development chain, or say unsafe_unaudited=True and risk the money"
        )
    if not is_development and currency is None:
        raise BadSetting(f"chain {chain.chain_id} gets no test currency, which anyone can mint; name a currency")
    check_key(key.address, chain.chain_id)
    first_block = (await chain.head()).number + 1
    if currency is None:
        currency = await _deploy(chain, key, "TestCurrency")
    elif not await chain.has_code(currency):
        raise ContractMissing(f"there is no contract at {currency}; name the currency's address on this chain")
    members = sorted(resolver_members, key=lambda address: int(address, 16))
    return Addresses(
        chain_id=chain.chain_id,
        rpc_urls=tuple(endpoint.url for endpoint in chain.endpoints),
        currency=currency,
        node_registry=await _deploy(chain, key, "NodeRegistry", currency, unbonding_time_s, claim_window_s),
        model_registry=await _deploy(chain, key, "ModelRegistry"),
        task_market=await _deploy(chain, key, "TaskMarket", currency),
        payment_channels=await _deploy(chain, key, "PaymentChannels", currency),
        resolver=await _deploy(chain, key, "Resolver", members, resolver_threshold),
        deployed_at_block=first_block,
    )


async def check_deployed(chain: Chain, addresses: Addresses) -> None:
    """Raises BadSetting for a file of another chain, and ContractMissing unless each address has a contract that
    answers as Moray's does: those that hold money hold it in the file's currency."""
    if chain.chain_id != addresses.chain_id:
        raise BadSetting(
            f"the file of addresses is of chain {addresses.chain_id} and the RPC endpoint of chain {chain.chain_id}; "
            "name the ones that belong together"
        )
    holders: tuple[tuple[ContractName, str], ...] = (
        ("NodeRegistry", addresses.node_registry),
        ("TaskMarket", addresses.task_market),
        ("PaymentChannels", addresses.payment_channels),
    )
    for name, address in holders:
        found = await Contract(chain, name, address).read("currency")
        if found != addresses.currency:
            raise ContractMissing(
                f"the {name} at {address} is for the currency {found}, not {addresses.currency}; "
                "check the file of addresses"
            )
    await Contract(chain, "TestCurrency", addresses.currency).read("totalSupply")
    await Contract(chain, "ModelRegistry", addresses.model_registry).read("MAX_URI_BYTES")
    await Contract(chain, "Resolver", addresses.resolver).read("threshold")


async def _deploy(chain: Chain, key: Deployer, name: ContractName, *arguments: Any) -> str:
    return await create(chain, key, name, load(name).bytecode + encode_values(interface(name).constructor, *arguments))


async def create(chain: Chain, key: Deployer, name: str, data: bytes) -> str:
    """The address of the contract that ``data``, its creation code and arguments, makes."""
    receipt = await transact(chain, key, f"deploying {name}", None, data)
    return to_checksum_address(receipt["contractAddress"])


async def transact(
    chain: Chain, key: Deployer, what: str, to: str | None, data: bytes, value_wei: int = 0
) -> dict[str, Any]:
    """The receipt of one transaction, which is sent once: what must survive a crash goes through an outbox instead.

    Raises EmptyWallet, Reverted and ChainError.
    """
    endpoint = chain.endpoints[0]
    head = await endpoint.request("eth_getBlockByNumber", "latest", False)
    max_fee_wei = 2 * as_int(head["baseFeePerGas"]) + TIP_WEI  # per gas
    target = {} if to is None else {"to": to}
    wanted = {"from": key.address, "data": f"0x{data.hex()}", "value": hex(value_wei), **target}
    needed = await endpoint.number("eth_estimateGas", wanted)
    gas = needed + needed // 10
    if await chain.balance_wei(key.address) < gas * max_fee_wei + value_wei:
        raise EmptyWallet(f"{key.address} cannot pay for {what}; send it some ether")
    fields = {
        "chainId": chain.chain_id,
        "nonce": await endpoint.number("eth_getTransactionCount", key.address, "pending"),
        "data": data,
        "value": value_wei,
        "gas": gas,
        "maxFeePerGas": max_fee_wei,
        "maxPriorityFeePerGas": TIP_WEI,
        **target,
    }
    tx_hash = await endpoint.request("eth_sendRawTransaction", f"0x{key.sign_transaction(fields).hex()}")
    try:
        async with asyncio.timeout(_RECEIPT_TIMEOUT_S):
            receipt = await receipt_of(endpoint, tx_hash)
    except TimeoutError:
        raise ChainError(f"{what} was not mined within {_RECEIPT_TIMEOUT_S:g} s; look for {tx_hash}") from None
    if as_int(receipt["status"]) != 1:
        raise ChainError(f"{what} failed in the transaction {tx_hash}; it ran out of gas or was refused")
    return receipt


async def receipt_of(endpoint: Endpoint, tx_hash: str) -> dict[str, Any]:
    """Waits until there is one."""
    while True:
        receipt: dict[str, Any] | None = await endpoint.request("eth_getTransactionReceipt", tx_hash)
        if receipt is not None:
            return receipt
        await asyncio.sleep(_POLL_S)
