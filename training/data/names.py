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
_GRADES = (
    "Prime",
    "Core",
    "Frontier",
    "Savings",
    "Balanced",
    "Boosted",
    "Reserve",
    "Growth",
    "USDC",
    "ETH",
    "Blue Chip",
)
PEOPLE = {
    "en": (
        "Alice Bob Carol Dave Erin Frank Grace Heidi Ivan Judy Ken Laura Mike Nina Oscar Peggy Quinn Rachel "
        "Sam Tina Uma Victor Wendy Xavier Yusuf Zoe José Chloé Jürgen mum dad Aaron Abigail Adam Ahmed Aisha "
        "Albert Amara Amelia Ana Andre Anika Arthur Astrid Ben Bianca Boris Bruno Camila Carlos Chen Clara "
        "Cyrus Dana Daniel Deepak Diego Dora Edgar Elena Elias Emma Esther Ethan Fatima Felix Fiona Gabriel "
        "Gina Hannah Harold Hugo Imani Ingrid Isaac Jack Jamal Jia Joanna Jonas Julia Karim Kate Kofi Lars "
        "Leila Leo Lena Lucas Lucia Luis Maja Malik Marcus Maria Mateo Maya Mei Milo Mira Nadia Naomi Nils "
        "Noah Olga Omar Otto Pablo Paul Petra Priya Rafael Ravi Rosa Ruth Sara Selma Simon Sofia Stella Sven "
        "Tariq Theo Tom Vera Viktor Walter Yara Yuki Zainab Zack"
    ).split(),
    "zh": "小王 小李 张三 李四 王五 老陈 小美 阿明 志强 晓红 老妈 老爸 表哥 婷婷 建国 小刘 阿伟 思思".split(),
}
_FIRST_EN = tuple(name for name in PEOPLE["en"] if name[0].isupper())
_FAMILY_EN = (
    "Smith Keller Rossi Novak Tanaka Okafor Silva Meyer Singh Larsen Dubois Costa Weber Ali Kovacs Brandt"
).split()
_FAMILY_ZH = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
_GIVEN_ZH = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红鹏飞雪梅兰龙凤云海波宁宇晨浩然欣怡佳琪子涵"
_SYLLABLES = (
    "ba be bri co da del el fa fio ga ha il ja ka lo lu ma mi na no or pa qui ra ri sa sho ta to u va wen xi ya zo"
).split()
_ENS_WORDS = (
    "moon river stone amber pixel lunar gold frog whale maple comet ninja coral delta echo fern ghost haze iron jade "
    "kite lotus mango neon onyx pearl quartz raven solar tiger ultra velvet wolf zen"
).split()
EVENTS = ("Paused", "Unpaused", "Upgraded", "Transfer", "RoleGranted", "ProposalCreated", "ProposalExecuted", "Harvest")
_TICKER_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_KNOWN = frozenset(asset.upper() for asset in ASSETS)


def address(rng: random.Random) -> str:
    """Twenty random bytes, half of the time with their checksum, else in lower case."""
    number = rng.getrandbits(160)
    return to_checksum_address(f"0x{number:040x}") if rng.random() < 0.5 else f"0x{number:040x}"


def ens_name(rng: random.Random) -> str:
    middle = rng.choice(("", "-", *_ENS_WORDS[:8]))
    last = rng.choice((rng.choice(_ENS_WORDS), rng.randint(1, 999)))
    first = rng.choice(_ENS_WORDS) if rng.random() < 0.7 else _made_up(rng)
    return f"{first}{middle}{last}.eth"


def person(language: str, rng: random.Random) -> str:
    """Half of the time somebody nobody has heard of: a name is to be copied, not recognised."""
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(PEOPLE["en"] if language == "zh" and kind < 0.05 else PEOPLE[language])
    if language == "zh":
        if kind < 0.65:
            return rng.choice("小老阿") + rng.choice(_FAMILY_ZH + _GIVEN_ZH)
        return rng.choice(_FAMILY_ZH) + "".join(rng.choices(_GIVEN_ZH, k=rng.randint(1, 2)))
    first = rng.choice(_FIRST_EN) if kind < 0.65 else _made_up(rng).capitalize()
    return f"{first} {rng.choice(_FAMILY_EN)}" if kind < 0.7 else first


def ticker(rng: random.Random) -> str:
    """A symbol nobody knows: what is copied must be copied letter by letter. Some look like one that is known."""
    kind = rng.random()
    if kind < 0.6:
        return "".join(rng.choices(_TICKER_LETTERS, k=rng.randint(3, 5)))
    known = rng.choice(ASSETS)
    if kind < 0.7:
        symbol = known[: rng.randint(3, max(3, len(known) - 1))]
    elif kind < 0.85:
        symbol = rng.choice("a b c d e k m s w x st v".split()) + known
    else:
        symbol = known + rng.choice((*"XSTO2", "fi"))
    return symbol if symbol.upper() not in _KNOWN else "".join(rng.choices(_TICKER_LETTERS, k=4))


def vault(rng: random.Random) -> str:
    """A vault's name, "Gauntlet Core"."""
    curator = rng.choice(_CURATORS) if rng.random() < 0.7 else brand(rng)
    return f"{curator} {rng.choice(_GRADES)}" if rng.random() < 0.7 else curator


def brand(rng: random.Random) -> str:
    """A protocol that nobody has heard of."""
    return _made_up(rng).capitalize() + rng.choice(("", "", "", "Swap", "Fi", " Finance", "DAO"))


def _made_up(rng: random.Random) -> str:
    return "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 3))) + rng.choice(("", "", "n", "s", "l", "r"))
