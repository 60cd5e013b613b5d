"""Names that stand in a text, letter by letter, and what common assets and chains are called besides.

A symbol's other names are a closed list: what is not on it must be written as its symbol, or it counts as unsaid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

ASSETS: Mapping[str, tuple[str, ...]] = {
    "ETH": ("ether", "ethereum", "以太坊", "以太币", "以太"),
    "BTC": ("bitcoin", "比特币"),
    "USDT": ("tether", "泰达币"),
    "LINK": ("chainlink",),
    "DOGE": ("dogecoin", "狗狗币"),
    "SOL": ("solana",),
}
CHAINS: Mapping[str, tuple[str, ...]] = {
    "ethereum": ("mainnet", "eth mainnet", "以太坊主网", "主网"),
    "arbitrum": ("arb one", "arbitrum one"),
    "optimism": ("op mainnet",),
    "bnb": ("bnb chain", "bsc"),
    "polygon": ("polygon pos",),
}
OTHER_CHAINS = ("base", "linea", "scroll", "zksync", "unichain", "gnosis", "avalanche")  # nobody calls them otherwise
ALL = re.compile(
    r"(?<![a-z])(?:all|everything|entire|complete|whole|max|maximum|remaining|the (?:lot|rest)|(?:the|my) full"
    r"|full (?:stack|amount|balance)|every (?:last|bit|single|penny|cent|drop)"
    r"|whatever (?:i (?:have|hold|own)|there is))(?![a-z])"
    "|全部|所有|全都|全额|一切|统统",
    re.IGNORECASE,
)


def has_name(text: str, name: str) -> bool:
    """Whether ``name`` stands in ``text`` as it is, in whatever case, and not as a part of a longer one: "bob" is not
    said by "bob.eth". Between Chinese characters nothing marks where a name ends."""
    words = r"\s+".join(map(re.escape, name.split()))
    before = r"(?<![0-9A-Za-z_À-ɏ])(?<![0-9A-Za-z][.-])" if name[:1] < "一" else ""
    after = r"(?![0-9A-Za-z_À-ɏ]|\.[0-9A-Za-z])" if name[-1:] < "一" else ""
    return re.search(f"{before}{words}{after}", text, re.IGNORECASE) is not None


def has_asset(text: str, symbol: str) -> bool:
    """Both of a pair's ("ETH-USDC", "ETH/USDC") are there, and one with its amount before it ("5usdc")."""
    apart = re.sub(r"(?<=[0-9A-Za-z])[-/](?=[0-9A-Za-z])", " ", text)
    apart = re.sub(r"(?<![0-9A-Za-z])([0-9][0-9.,]*)(?=[A-Za-z]{2})", r"\1 ", apart)
    names = (symbol, *ASSETS.get(symbol, ()))
    return any(has_name(words, name) for words in (text, apart) for name in names)


def has_chain(text: str, chain: str) -> bool:
    return any(has_name(text, name) for name in (chain, *CHAINS.get(chain, ())))
