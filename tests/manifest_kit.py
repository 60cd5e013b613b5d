"""Manifests as somebody would make them who wants a certain content to fit: ids worked out by Ethereum's libraries."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from eth_abi.packed import encode_packed
from eth_utils.crypto import keccak

import integer_oracle


def id_of(content: dict[str, Any]) -> str:
    """The model_id of a manifest's content; a ``model_id`` in it is left out. Sizes of more than 32 bits are cut."""
    rest = {key: value for key, value in content.items() if key != "model_id"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    a = content["architecture"]
    first = min(a["num_dense_layers"], a["num_layers"])
    sizes = [a["hidden_size"], a["moe_intermediate_size"], a["num_experts"], a["num_layers"], a["vocab_size"]]
    sizes += [first, a["num_layers"] + a["num_mtp_layers"] - first]
    root = content["weight_root"]
    table = encode_packed(["uint16"] * 4096, [integer_oracle.sigmoid(step) for step in range(-2048, 2048)])
    digests = [
        keccak(text=content["numeric_class"]),
        keccak(table) if root else bytes(32),
        bytes.fromhex(root) if root else bytes(32),
        hashlib.sha256(canonical.encode()).digest(),
    ]
    kinds = ["uint32"] * (1 + len(sizes)) + ["bytes32"] * len(digests)
    return keccak(encode_packed(kinds, [1, *(size % 2**32 for size in sizes), *digests])).hex()


def sealed(content: dict[str, Any]) -> bytes:
    """A manifest whose model_id fits its content, as an attacker would make it."""
    return json.dumps(content | {"model_id": id_of(content)}).encode()
