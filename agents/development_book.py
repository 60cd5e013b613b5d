"""The address book of a development chain: what ``deploy_defi`` put there, by the names that a user says."""

from __future__ import annotations

from moray.agents.names import AddressBook, Exchange, Pool, Site, Staking, Token, Vault, Venue
from moray.agents.plan import NATIVE
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.defi_addresses import DefiAddresses
from moray.contracts.defi_deploy import FEE
from moray.contracts.uniswap_v2 import find_pair
from moray.contracts.uniswap_v3 import find_pool

CHAIN_NAME = "development"
MIN_DEPTH_USD = "100000"  # of the two markets, which have millions


async def development_book(chain: Chain, addresses: DefiAddresses, dollar: str = "USD") -> AddressBook:
    """``dollar``: what the user calls the test currency.

    Raises ContractMissing where the markets are not there, and ChainError."""
    pool = await find_pool(chain, addresses.v3, addresses.weth, addresses.usd, FEE)
    pair = await find_pair(chain, addresses.v2, addresses.weth, addresses.usd)
    venues: dict[str, Venue] = {
        "Uniswap": Exchange(
            kind="uniswap_v3",
            router=Site(address=addresses.v3_router),
            quoter=Site(address=addresses.v3_quoter),
            factory=Site(address=addresses.v3_factory),
            positions=Site(address=addresses.v3_position_manager),
            wrapped="WETH",
        )
    }
    for name, address in addresses.vaults.items():
        venues[name] = Vault(kind="vault", site=Site(address=address), asset=dollar)
    for name, address in addresses.stakings.items():
        venues[name] = Staking(kind="staking", site=Site(address=address), asset="WETH")
    return AddressBook(
        chain=CHAIN_NAME,
        chain_id=addresses.chain_id,
        tokens={
            "ETH": Token(address=NATIVE, decimals=18),
            "WETH": Token(address=addresses.weth, decimals=18),
            dollar: Token(
                address=addresses.usd, decimals=await Currency(chain, addresses.usd).decimals(), is_dollar=True
            ),
        },
        venues=venues,
        pools=(
            Pool(
                asset="WETH",
                other=dollar,
                fee=FEE,
                pool=Site(address=pool.address),
                pair=Site(address=pair.address),
                min_depth=MIN_DEPTH_USD,
            ),
        ),
    )
