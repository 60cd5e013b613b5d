"""Real Uniswap on a development chain, with a market that has a past; a vault and a staking contract beside it.

A pool of WETH and the test currency has deep liquidity over the whole range and an oracle that reaches back further
than half an hour, for which the chain's clock is moved: deploy before anything whose deadlines matter. A v2 pair at the
same price is the second source of it.
"""

from __future__ import annotations

import asyncio
from math import isqrt
from pathlib import Path
from typing import Any, Final

from moray.contracts import erc20, uniswap_v2, uniswap_v3
from moray.contracts.artifacts import ContractName, load
from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.defi_addresses import DefiAddresses, read_defi_addresses
from moray.contracts.defi_artifacts import DefiName, creation_code
from moray.contracts.deploy import Deployer, create, transact
from moray.contracts.development_keys import DEVELOPMENT_CHAIN_ID
from moray.contracts.interface import encode_values, interface
from moray.contracts.multicall import MULTICALL3
from moray.contracts.outside import entry, outside_call
from moray.contracts.tasks import NOBODY
from moray.contracts.uniswap_v3 import Pool
from moray.errors import BadSetting, ContractMissing

FEE: Final = 3000  # of the pool, in hundredths of a basis point
USD_PER_ETH: Final = 2500  # at which both markets begin
UNBONDING_TIME_S: Final = 7 * 24 * 3600
VAULT_NAME: Final = "mvault"
STAKING_NAME: Final = "mstake"

_ETHER: Final = 10**18
_USD: Final = 10**6
_V3_DEPTH: Final = 1000  # ether on one side of it
_V2_DEPTH: Final = 200
_STEP_S: Final = 300  # between two of the small swaps that write the pool's past
_NUM_STEPS: Final = 8  # 40 minutes, for a mean over 30
PAST_S: Final = _NUM_STEPS * _STEP_S  # by so much the chain's clock is ahead afterwards
_NUM_OBSERVATIONS: Final = 64  # slots of the oracle; each swap in a chain_block of its own takes one
_SWAP_WEI: Final = _ETHER  # enough to move the tick: a pool remembers nothing else


async def deploy_defi(chain: Chain, key: Deployer, path: Path | None = None) -> DefiAddresses:
    """All of it once, by ``key``, which sends nothing else meanwhile and spends some 1,300 ether. ``path``: a file of
    addresses; what it names is taken if it is there on this chain, else it is written anew.

    Raises BadSetting off the development chain, ClusterError without Uniswap's packages, EmptyWallet, ChainError.
    """
    if chain.chain_id != DEVELOPMENT_CHAIN_ID:
        raise BadSetting(
            f"nothing is deployed on chain {chain.chain_id}: Uniswap is there already, or is not ours to put there; "
            "write a file of its addresses instead"
        )
    if (found := _remembered(path)) is not None and await _is_there(chain, found):
        return found
    addresses = await _deploy(chain, key)
    pool = await _open_v3(chain, key, addresses)
    await _open_v2(chain, key, addresses)
    await _write_past(chain, key, addresses, pool)
    if path is not None:
        addresses.write(path)
    return addresses


async def check_defi(chain: Chain, addresses: DefiAddresses) -> None:
    """Raises BadSetting for a file of another chain, ContractMissing where one of its addresses has no contract."""
    if chain.chain_id != addresses.chain_id:
        raise BadSetting(
            f"the file of exchanges is of chain {addresses.chain_id} and the RPC endpoint of chain {chain.chain_id}; "
            "name the ones that belong together"
        )
    named = addresses.model_dump(exclude={"chain_id", "vaults", "stakings"})
    places = {**named, **addresses.vaults, **addresses.stakings}
    codes = await asyncio.gather(*(chain.has_code(address) for address in places.values()))
    for (name, address), is_there in zip(places.items(), codes, strict=True):
        if not is_there:
            raise ContractMissing(f"there is no contract at {address}, {name}; check the file of exchanges")


def _remembered(path: Path | None) -> DefiAddresses | None:
    return read_defi_addresses(path) if path is not None and path.exists() else None


async def _is_there(chain: Chain, addresses: DefiAddresses) -> bool:
    """A development chain begins anew at each start, and the file of an earlier one is of no use."""
    try:
        await check_defi(chain, addresses)
    except ContractMissing:
        return False
    return True


async def _deploy(chain: Chain, key: Deployer) -> DefiAddresses:
    weth = await _uniswap(chain, key, "WETH9", "()")
    usd = await _own(chain, key, "TestCurrency")
    v3_factory = await _uniswap(chain, key, "UniswapV3Factory", "()")
    v2_factory = await _uniswap(chain, key, "UniswapV2Factory", "(address)", NOBODY)  # nobody turns its own fee on
    # The third argument draws a position's picture, for which nobody asks here.
    manager = await _uniswap(
        chain, key, "NonfungiblePositionManager", "(address,address,address)", v3_factory, weth, NOBODY
    )
    return DefiAddresses(
        chain_id=chain.chain_id,
        weth=weth,
        usd=usd,
        multicall=await _multicall(chain, key),
        v3_factory=v3_factory,
        v3_position_manager=manager,
        v3_quoter=await _uniswap(chain, key, "QuoterV2", "(address,address)", v3_factory, weth),
        v3_router=await _uniswap(
            chain, key, "SwapRouter02", "(address,address,address,address)", v2_factory, v3_factory, manager, weth
        ),
        v2_factory=v2_factory,
        v2_router=await _uniswap(chain, key, "UniswapV2Router02", "(address,address)", v2_factory, weth),
        vaults={VAULT_NAME: await _own(chain, key, "TestVault", usd)},
        stakings={STAKING_NAME: await _own(chain, key, "TestStaking", weth, UNBONDING_TIME_S)},
    )


async def _multicall(chain: Chain, key: Deployer) -> str:
    """At the address that it has on other chains, so that nobody needs another one here."""
    code = await chain.endpoints[0].request("eth_getCode", await _own(chain, key, "TestMulticall"), "latest")
    await chain.endpoints[0].request("anvil_setCode", MULTICALL3, code)
    return MULTICALL3


async def _uniswap(chain: Chain, key: Deployer, name: DefiName, kinds: str, *arguments: Any) -> str:
    return await create(chain, key, name, creation_code(name) + entry(kinds).encode(*arguments)[4:])


async def _own(chain: Chain, key: Deployer, name: ContractName, *arguments: Any) -> str:
    return await create(chain, key, name, load(name).bytecode + encode_values(interface(name).constructor, *arguments))


async def _open_v3(chain: Chain, key: Deployer, addresses: DefiAddresses) -> Pool:
    token0, token1 = uniswap_v3.sort_tokens(addresses.weth, addresses.usd)
    amounts = {addresses.weth: _V3_DEPTH * _ETHER, addresses.usd: _V3_DEPTH * USD_PER_ETH * _USD}
    amount0, amount1 = amounts[token0], amounts[token1]
    sqrt_price_x96 = isqrt((amount1 << 192) // amount0)
    make = outside_call(
        addresses.v3_position_manager,
        "createAndInitializePoolIfNecessary(address,address,uint24,uint160)",
        token0,
        token1,
        FEE,
        sqrt_price_x96,
        summary="make the pool",
        proof=None,
    )
    await _send(chain, key, make)
    pool = await uniswap_v3.find_pool(chain, addresses.v3, token0, token1, FEE)
    grow = "increaseObservationCardinalityNext(uint16)"
    await _send(chain, key, outside_call(pool.address, grow, _NUM_OBSERVATIONS, summary="let it remember", proof=None))
    await _fund(chain, key, addresses, _V3_DEPTH, addresses.v3_position_manager)
    deadline = await _deadline(chain)
    await _send(
        chain,
        key,
        uniswap_v3.mint_position(
            addresses.v3, pool, pool.full_range, (amount0, amount1), (0, 0), key.address, deadline
        ),
    )
    return pool


async def _open_v2(chain: Chain, key: Deployer, addresses: DefiAddresses) -> None:
    await _fund(chain, key, addresses, _V2_DEPTH, addresses.v2_router)
    add = outside_call(
        addresses.v2_router,
        "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)",
        addresses.weth,
        addresses.usd,
        _V2_DEPTH * _ETHER,
        _V2_DEPTH * USD_PER_ETH * _USD,
        0,
        0,
        key.address,
        await _deadline(chain),
        summary="make the pair",
        proof=None,
    )
    await _send(chain, key, add)
    await uniswap_v2.find_pair(chain, addresses.v2, addresses.weth, addresses.usd)


async def _write_past(chain: Chain, key: Deployer, addresses: DefiAddresses, pool: Pool) -> None:
    """A swap to and a swap back, again and again, with the clock moved in between."""
    await _fund(chain, key, addresses, _NUM_STEPS // 2, addresses.v3_router)
    amounts = {addresses.weth: _SWAP_WEI, addresses.usd: _SWAP_WEI * USD_PER_ETH * _USD // _ETHER}
    for step in range(_NUM_STEPS):
        await chain.endpoints[0].request("evm_increaseTime", _STEP_S)
        await chain.endpoints[0].request("evm_mine")
        token_in = (addresses.weth, addresses.usd)[step % 2]
        deadline = await _deadline(chain)
        await _send(
            chain,
            key,
            uniswap_v3.swap_exact_input(addresses.v3, pool, token_in, amounts[token_in], 0, key.address, deadline),
        )
    for token in (addresses.weth, addresses.usd):
        await _send(chain, key, erc20.approve(token, key.address, addresses.v3_router, 0))


async def _fund(chain: Chain, key: Deployer, addresses: DefiAddresses, num_ether: int, spender: str) -> None:
    """So many WETH and their worth in the currency for ``key``, and leave for ``spender`` to take them."""
    amount_wei, amount_usd = num_ether * _ETHER, num_ether * USD_PER_ETH * _USD
    await _send(chain, key, erc20.wrap(addresses.weth, key.address, amount_wei))
    await _send(chain, key, Currency(chain, addresses.usd).mint(key.address, amount_usd))
    await _send(chain, key, erc20.approve(addresses.weth, key.address, spender, amount_wei))
    await _send(chain, key, erc20.approve(addresses.usd, key.address, spender, amount_usd))


async def _deadline(chain: Chain) -> int:
    return (await chain.head()).timestamp + 3600


async def _send(chain: Chain, key: Deployer, call: Call) -> None:
    await transact(chain, key, call.summary, call.to, call.data, call.value_wei)
