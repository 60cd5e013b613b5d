"""What `moray up` asks of nodes that join: read from its options and looked up on the chain before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moray.errors import BadSetting

if TYPE_CHECKING:
    from moray.router.stake_thread import StakeSpec


@dataclass(frozen=True, slots=True)
class StakeOptions:
    chain_file: Path
    min_stake: str  # in units of the registry's currency
    slasher: str  # an address; empty: stake for any slasher counts, and for none


async def look_up(options: StakeOptions) -> StakeSpec:
    """Raises BadSetting, ChainUnreachable, WrongChain, ContractMissing."""
    from moray.cli.amounts import parse_amount, show_amount
    from moray.cli.chain_access import chain_file, open_chain
    from moray.contracts.addresses import read_addresses
    from moray.contracts.currency import Currency
    from moray.contracts.deploy import check_deployed
    from moray.ethereum import is_checksum_address
    from moray.network_manifest import NO_SLASHER, StakeTerms
    from moray.router.stake_thread import StakeSpec

    file = chain_file(options.chain_file, None)
    addresses = read_addresses(file)
    slasher = options.slasher or NO_SLASHER
    if not is_checksum_address(slasher):
        raise BadSetting(f"--slasher {slasher!r} is no address with its EIP-55 checksum; correct it")
    async with open_chain(addresses) as chain:
        await check_deployed(chain, addresses)
        if options.slasher and not await chain.has_code(slasher):
            raise BadSetting(f"--slasher {slasher} is no contract on chain {chain.chain_id}; correct it")
        currency = Currency(chain, addresses.currency)
        decimals, symbol = await currency.decimals(), await currency.symbol()
    min_stake = parse_amount(options.min_stake, decimals, "--min-stake")
    if min_stake >= 1 << 128:
        raise BadSetting(f"--min-stake {options.min_stake} is more than the registry can hold; give less")
    return StakeSpec(
        chain_file=str(file),
        chain_id=addresses.chain_id,
        terms=StakeTerms(node_registry=addresses.node_registry, slasher=slasher, min_stake=min_stake),
        shown=f"{show_amount(min_stake, decimals)} {symbol}",
    )
