"""Creation bytecode of Uniswap, read from the npm packages that `make init` installs beside the product.

For development chains only, and never copied: the licences of some of it (v3-core's was BUSL-1.1) are not Moray's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

from moray.errors import ClusterError

DefiName = Literal[
    "WETH9",
    "UniswapV2Factory",
    "UniswapV2Router02",
    "UniswapV3Factory",
    "NonfungiblePositionManager",
    "QuoterV2",
    "SwapRouter02",
]

_FILES: Final[dict[DefiName, str]] = {
    "WETH9": "v2-periphery/build/WETH9.json",
    "UniswapV2Factory": "v2-core/build/UniswapV2Factory.json",
    "UniswapV2Router02": "v2-periphery/build/UniswapV2Router02.json",
    "UniswapV3Factory": "v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json",
    "NonfungiblePositionManager": (
        "v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json"
    ),
    "QuoterV2": "swap-router-contracts/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json",
    "SwapRouter02": "swap-router-contracts/artifacts/contracts/SwapRouter02.sol/SwapRouter02.json",
}
_FOLDER = Path(__file__).resolve().parent.parent / "node_modules" / "@uniswap"


def creation_code(name: DefiName) -> bytes:
    """Before its constructor's arguments. Raises ClusterError where the packages are not installed."""
    try:
        stored = json.loads((_FOLDER / _FILES[name]).read_text(encoding="utf-8"))
    except OSError:
        raise ClusterError(f"{name} of Uniswap is not installed; run `make init` in Moray's source folder") from None
    return bytes.fromhex(stored["bytecode"].removeprefix("0x"))
