"""The policy of an agent on a development chain: swaps at what ``deploy_defi`` put there, and nothing else."""

from __future__ import annotations

from typing import Final

from moray.agents.development_book import MIN_DEPTH_USD
from moray.contracts.chain import Chain
from moray.contracts.defi_addresses import DefiAddresses
from moray.contracts.defi_deploy import FEE, PAST_S
from moray.contracts.uniswap_v2 import find_pair
from moray.contracts.uniswap_v3 import find_pool
from moray.ethereum import keccak

ETH_PER_TRANSACTION: Final = "1"
USD_PER_TRANSACTION: Final = "2500"
MAX_SLIPPAGE_BPS: Final = 200  # of the mean price, with the pool's fee of 30 and the swap's own impact
_DEADLINE_S: Final = 120  # as it is planned
_DRIFT_S: Final = 900  # a development chain's clock goes a second for each of its blocks, however fast they come


async def development_policy(chain: Chain, owner: str, at: DefiAddresses) -> str:
    """As YAML (docs/policy.md), for a signer with ``--rpc``. The chain's clock was moved ahead of the signer's for its
    past; so are deadlines. Raises ContractMissing where the markets are not there, and ChainError."""
    deadline_s = PAST_S + _DRIFT_S + _DEADLINE_S
    pool = await find_pool(chain, at.v3, at.weth, at.usd, FEE)
    pair = await find_pair(chain, at.v2, at.weth, at.usd)
    code_hash = keccak(await chain.code_agreed(at.v3_router, await chain.agreed_block())).hex()
    return f"""\
version: 1
owner: "{owner}"
chains:
  development:
    id: {at.chain_id}
    live: true
    gas: {{max_fee_gwei: "100", max_tip_gwei: "3", max_cost: "0.05", max_cost_per_day: "0.5"}}
assets:
  ETH:
    chain: development
    address: native
    decimals: 18
    limits: {{per_transaction: "{ETH_PER_TRANSACTION}", per_day: "5"}}
  WETH:
    chain: development
    address: "{at.weth}"
    decimals: 18
    limits: {{per_transaction: "{ETH_PER_TRANSACTION}", per_day: "5"}}
  USD:
    chain: development
    address: "{at.usd}"
    decimals: 6
    limits: {{per_transaction: "{USD_PER_TRANSACTION}", per_day: "10000"}}
parties:
  router: "{at.v3_router}"
prices:
  - {{pay: WETH, get: USD, at_least: "2000"}}
  - {{pay: USD, get: WETH, at_least: "0.0003"}}
markets:
  - {{asset: WETH, other: USD, pool: "{pool.address}", pair: "{pair.address}", min_depth: "{MIN_DEPTH_USD}"}}
calls:
  - name: let the router take USD
    chain: development
    to: USD
    call: approve(address spender, uint256 amount)
    spenders: [router]
  - name: let the router take WETH
    chain: development
    to: WETH
    call: approve(address spender, uint256 amount)
    spenders: [router]
  - name: wrap a swap in a deadline
    chain: development
    to: router
    call: multicall(uint256 deadline, bytes[] calls)
    payable: true
    max_deadline_s: {deadline_s}
  - name: swap ETH for USD
    chain: development
    to: router
    call: exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))
    where: {{params.tokenIn: WETH, params.tokenOut: USD, params.fee: "{FEE}"}}
    code_hash: "0x{code_hash}"
    max_slippage_bps: {MAX_SLIPPAGE_BPS}
  - name: swap USD for WETH
    chain: development
    to: router
    call: exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))
    where: {{params.tokenIn: USD, params.tokenOut: WETH, params.fee: "{FEE}"}}
    code_hash: "0x{code_hash}"
    max_slippage_bps: {MAX_SLIPPAGE_BPS}
"""
