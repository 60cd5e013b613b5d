"""The vouchers that a node holds: the highest of each channel, on disk before it counts. Whoever loses the file loses
what was not claimed, and would count those vouchers again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moray.contracts.addresses import Address
from moray.contracts.channels import Channel, Voucher
from moray.errors import ClusterError
from moray.files import write_private
from moray.node_key import SIGNATURE_BYTES

VOUCHER_FILE = "vouchers.json"  # in the node's state directory
MAX_CHANNELS = 4096

_Digest = Annotated[bytes, Field(min_length=32, max_length=32)]


class HeldVoucher(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="hex", val_json_bytes="hex")

    payer: Address
    signer: Address
    payee: Address
    channel: _Digest
    cumulative: int = Field(ge=0, lt=1 << 256)
    epoch: int = Field(ge=0, lt=1 << 64)
    commitment: _Digest
    signature: bytes = Field(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)

    @classmethod
    def of(cls, channel: Channel, voucher: Voucher, signature: bytes) -> HeldVoucher:
        return cls(
            payer=channel.payer,
            signer=channel.signer,
            payee=channel.payee,
            channel=voucher.channel,
            cumulative=voucher.cumulative,
            epoch=voucher.epoch,
            commitment=voucher.commitment,
            signature=signature,
        )

    def as_channel(self) -> Channel:
        return Channel(self.payer, self.signer, self.payee)

    def as_voucher(self) -> Voucher:
        return Voucher(self.channel, self.cumulative, self.epoch, self.commitment)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int = Field(default=1, ge=1, le=1)
    vouchers: list[HeldVoucher] = Field(default_factory=list, max_length=MAX_CHANNELS)


class VoucherBook:
    def __init__(self, state_dir: Path) -> None:
        """Raises ClusterError for a damaged file."""
        self._path = state_dir / VOUCHER_FILE
        self._held = {held.channel: held for held in _read(self._path).vouchers}

    def cumulative(self, channel: bytes) -> int:
        held = self._held.get(channel)
        return held.cumulative if held is not None else 0

    def held(self) -> list[HeldVoucher]:
        return list(self._held.values())

    def keep(self, voucher: HeldVoucher) -> None:
        """In the place of its channel's last. On disk when this returns; raises OSError, and then it is not kept."""
        held = self._held | {voucher.channel: voucher}
        if len(held) > MAX_CHANNELS:
            raise OSError(f"{self._path} has {MAX_CHANNELS} channels, which is all it takes")
        write_private(self._path, _File(vouchers=list(held.values())).model_dump_json(indent=1).encode() + b"\n")
        self._held = held


def _read(path: Path) -> _File:
    try:
        return _File.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return _File()
    except (OSError, ValidationError):
        raise ClusterError(
            f"{path} cannot be read: restore it; without it the node would take old vouchers for new ones"
        ) from None
