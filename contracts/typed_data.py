"""EIP-712 data in a contract's own domain (https://eips.ethereum.org/EIPS/eip-712)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moray.node_key import TypedData


@dataclass(frozen=True, slots=True)
class Domain:
    name: str
    version: str
    chain_id: int
    contract: str


def contract_typed_data(domain: Domain, struct: str, kinds: Mapping[str, str], message: Mapping[str, Any]) -> TypedData:
    """``message`` of ``struct``, whose fields are of ``kinds``; for NodeKey.sign_typed_data or a wallet."""
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            struct: [{"name": name, "type": kind} for name, kind in kinds.items()],
        },
        "primaryType": struct,
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": domain.contract,
        },
        "message": dict(message),
    }
