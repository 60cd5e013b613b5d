"""A model's id: one Keccak-256 over what decides its answers (``docs/integer-expert.md``, "Commitments").

Every field has a fixed width and is big-endian, so that a contract can make it with ``abi.encodePacked``.
"""

from __future__ import annotations

from typing import NamedTuple

from moray.architecture import Architecture
from moray.errors import UnsupportedArchitecture
from moray.experts.integer import sigmoid_table
from moray.experts.keccak import keccak
from moray.experts.weight_root import tree_shape
from moray.types import ModelId, NumericClass

SPECIFICATION = 1  # version of the integer expert's
NO_DIGEST = bytes(32)  # of a float32 model's weights and table


class ModelIdentity(NamedTuple):
    """What the id is made of, in its order (the fields of ModelRegistry's ``Model``)."""

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

    @property
    def id(self) -> ModelId:
        """64 hex digits."""
        parts = (part.to_bytes(4, "big") if isinstance(part, int) else part for part in self)
        return ModelId(keccak(b"".join(parts)).hex())


def model_identity(
    architecture: Architecture, numeric_class: NumericClass, weight_root: bytes | None, manifest_digest: bytes
) -> ModelIdentity:
    """Raises UnsupportedArchitecture when a size has more than 32 bits."""
    a, shape = architecture, tree_shape(architecture)
    sizes = {
        "hidden_size": a.hidden_size,
        "moe_intermediate_size": a.moe_intermediate_size,
        "num_experts": a.num_experts,
        "num_layers": a.num_layers,
        "vocab_size": a.vocab_size,
        "first_moe_layer": shape.first_layer,
        "num_moe_layers": shape.num_layers,
    }
    for name, size in sizes.items():
        if size >= 1 << 32:
            raise UnsupportedArchitecture(f"{name} {size} is too large; check the config")
    table, root = (NO_DIGEST, NO_DIGEST) if weight_root is None else (table_digest(), weight_root)
    return ModelIdentity(
        SPECIFICATION,
        **sizes,
        numeric_class_hash=keccak(numeric_class.encode()),
        table_digest=table,
        weight_root=root,
        manifest_digest=manifest_digest,
    )


def table_digest() -> bytes:
    return keccak(sigmoid_table().astype(">u2").tobytes())
