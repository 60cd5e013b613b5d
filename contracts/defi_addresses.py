"""The file that says where a chain's exchanges, vaults and wrapped ether are: what agents may look at and plan with."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from moray.contracts.addresses import Address, read_model
from moray.contracts.uniswap_v2 import UniswapV2
from moray.contracts.uniswap_v3 import UniswapV3
from moray.files import write_private


class DefiAddresses(BaseModel):
    """``usd`` is the currency that stands for the US dollar, ``multicall`` a Multicall3. ``vaults`` and ``stakings``
    (contracts/unbonding_stake.py) have the names that a user calls them by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chain_id: int = Field(ge=1)
    weth: Address
    usd: Address
    multicall: Address
    v3_factory: Address
    v3_position_manager: Address
    v3_quoter: Address
    v3_router: Address
    v2_factory: Address
    v2_router: Address
    vaults: dict[str, Address] = Field(default_factory=dict, max_length=50)
    stakings: dict[str, Address] = Field(default_factory=dict, max_length=50)

    @property
    def v3(self) -> UniswapV3:
        return UniswapV3(self.v3_factory, self.v3_position_manager, self.v3_quoter, self.v3_router)

    @property
    def v2(self) -> UniswapV2:
        return UniswapV2(self.v2_factory, self.v2_router)

    def write(self, path: Path) -> None:
        """Mode 0600, atomic."""
        write_private(path, self.model_dump_json(indent=2).encode() + b"\n")


def read_defi_addresses(path: Path) -> DefiAddresses:
    """Raises BadSetting."""
    return read_model(path, DefiAddresses)
