"""The things that requests are about: assets, chains, protocols, vaults, people. Common knowledge or made up."""

from __future__ import annotations

import random

from moray.ethereum import to_checksum_address

ASSETS = (
    "ETH USDC USDT DAI WBTC WETH stETH wstETH rETH cbETH cbBTC LINK UNI AAVE MKR CRV CVX LDO RPL ARB OP POL BNB AVAX "
    "GNO FRAX sDAI USDe sUSDe ENA PENDLE GMX SNX COMP BAL SUSHI YFI GRT ENS APE SHIB PEPE DOGE FXS LUSD LQTY EURC "
    "PYUSD crvUSD GHO tBTC weETH eETH ezETH mETH AERO VELO MORPHO EIGEN ZRO STRK ZK IMX SAND MANA BLUR DYDX 1INCH SOL "
    "MATIC FTM CELO METIS BTC"
).split()
# Two in three requests speak of a few assets.
COMMON_ASSETS = "ETH USDC USDT DAI WBTC WETH stETH ARB OP LINK UNI BTC".split()
SPOKEN = {
    "en": {"ETH": ("ether", "ethereum"), "BTC": ("bitcoin",), "USDT": ("tether",), "LINK": ("chainlink",)},
    "zh": {"ETH": ("以太坊", "以太", "以太币"), "BTC": ("比特币",), "USDT": ("泰达币",), "DOGE": ("狗狗币",)},
}
CHAINS = {
    "ethereum": ("ethereum", "Ethereum", "mainnet", "eth mainnet"),
    "base": ("base", "Base"),
    "arbitrum": ("arbitrum", "Arbitrum", "arb one"),
    "optimism": ("optimism", "Optimism", "op mainnet"),
    "polygon": ("polygon", "Polygon"),
    "bnb": ("bnb chain", "BNB Chain", "bsc"),
    "avalanche": ("avalanche", "Avalanche"),
    "gnosis": ("gnosis", "Gnosis"),
    "linea": ("linea", "Linea"),
    "scroll": ("scroll", "Scroll"),
    "zksync": ("zksync", "zkSync"),
    "unichain": ("unichain", "Unichain"),
}
EXCHANGES = ("Uniswap", "Curve", "Balancer", "Aerodrome", "SushiSwap", "Camelot", "PancakeSwap", "Velodrome")
STAKING = ("Lido", "Rocket Pool", "EtherFi", "Frax", "StakeWise", "Swell", "Stader", "Mantle")
LENDERS = ("Aave", "Compound", "Morpho", "Spark", "Euler", "Fluid", "Venus", "Moonwell")
_CURATORS = ("Yearn", "Steakhouse", "Gauntlet", "Re7", "MEV Capital", "Beefy", "Sky", "Morpho", "Euler", "Spark")
_GRADES = ("Prime", "Core", "Frontier", "Savings", "Balanced", "Boosted")
PEOPLE = {
    "en": (
        "Alice Bob Carol Dave Erin Frank Grace Heidi Ivan Judy Ken Laura Mike Nina Oscar Peggy Quinn Rachel Sam Tina "
        "Uma Victor Wendy Xavier Yusuf Zoe José Chloé Jürgen mum dad"
    ).split(),
    "zh": "小王 小李 张三 李四 王五 老陈 小美 阿明 志强 晓红 老妈 老爸 表哥 婷婷 建国 小刘 阿伟 思思".split(),
}
_ENS_WORDS = (
    "moon river stone amber pixel lunar gold frog whale maple comet ninja coral delta echo fern ghost haze iron jade "
    "kite lotus mango neon onyx pearl quartz raven solar tiger ultra velvet wolf zen"
).split()
EVENTS = ("Paused", "Unpaused", "Upgraded", "Transfer", "RoleGranted", "ProposalCreated", "ProposalExecuted", "Harvest")
_TICKER_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def address(rng: random.Random) -> str:
    """Twenty random bytes, half of the time with their checksum, else in lower case."""
    number = rng.getrandbits(160)
    return to_checksum_address(f"0x{number:040x}") if rng.random() < 0.5 else f"0x{number:040x}"


def ens_name(rng: random.Random) -> str:
    middle = rng.choice(("", "-", *_ENS_WORDS[:8]))
    last = rng.choice((rng.choice(_ENS_WORDS), rng.randint(1, 999)))
    return f"{rng.choice(_ENS_WORDS)}{middle}{last}.eth"


def ticker(rng: random.Random) -> str:
    """A symbol nobody knows: what is copied must be copied letter by letter."""
    return "".join(rng.choices(_TICKER_LETTERS, k=rng.randint(3, 5)))


def vault(rng: random.Random) -> str:
    """A vault's name, "Gauntlet Core"."""
    return f"{rng.choice(_CURATORS)} {rng.choice(_GRADES)}" if rng.random() < 0.7 else rng.choice(_CURATORS)
