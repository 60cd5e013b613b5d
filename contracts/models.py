"""The registry of models: by content, so that an id says all about a model."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from eth_utils.crypto import keccak

from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.contract import Contract

_HASH_BYTES = 32
_SIZE_BYTES = 4


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What decides a model's answers, in the order of its id (docs/integer-expert.md, "Commitments"). Sizes are below
    2**32; hashes have 32 bytes, and those of a model of floats' table and weights are zeros."""

    specification: int
    hidden_size: int
    moe_intermediate_size: int
    num_experts: int
    num_layers: int
    vocab_size: int
    first_moe_layer: int
    num_moe_layers: int
    numeric_class_hash: bytes
    table_digest: bytes
    weight_root: bytes
    manifest_digest: bytes

    def as_struct(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    @property
    def id(self) -> bytes:
        """Equal to ``experts.model_identity.model_id``'s, and to ModelRegistry.modelId."""
        packed = [value if isinstance(value, bytes) else value.to_bytes(_SIZE_BYTES) for value in self.as_struct()]
        return keccak(b"".join(packed))


class ModelRegistry:
    def __init__(self, chain: Chain, address: str) -> None:
        self.contract = Contract(chain, "ModelRegistry", address)

    @property
    def address(self) -> str:
        return self.contract.address

    async def is_registered(self, id: bytes, *, agreed: bool = False) -> bool:
        return bool(await self.contract.read("isRegistered", id, agreed=agreed))

    async def weight_root(self, id: bytes, *, agreed: bool = False) -> bytes:
        """Zeros for a model of floats, and for one that is not registered."""
        return bytes(await self.contract.read("weightRootOf", id, agreed=agreed))

    def register(self, model: ModelRecord) -> Call:
        """By anyone."""
        return self.contract.call(
            "register",
            model.as_struct(),
            summary=f"register model 0x{model.id.hex()}",
            event="ModelRegistered",
            topics=(model.id,),
        )

    def locate(self, id: bytes, uri: str) -> Call:
        """Say where a model's manifest is. By anyone: whoever fetches it checks it against the id."""
        return self.contract.call(
            "locate", id, uri, summary=f"locate model 0x{id.hex()}", event="ModelLocated", topics=(id,)
        )
