"""What a request is, in one hash and one chain."""

from __future__ import annotations

from moray.agents.policy.request import SignRequest, TransactionRequest
from moray.ethereum import encode_typed_data, keccak
from moray.node_key import TypedData


def typed_digest(data: TypedData) -> str:
    """What is signed of typed data (EIP-712), hex. Raises what eth-account does for data that is none."""
    message = encode_typed_data(full_message=data)
    return keccak(b"\x19" + message.version + message.header + message.body).hex()


def digest_of(request: SignRequest) -> str | None:
    """None for typed data that does not fit its own types."""
    if isinstance(request, TransactionRequest):
        return request.digest
    try:
        return typed_digest(request.data)
    except Exception:  # the library raises whatever its many parts do, on data of anybody's
        return None


def chain_of(request: SignRequest) -> int | None:
    """None for typed data that names no chain: it would hold on all of them."""
    if isinstance(request, TransactionRequest):
        return request.chain_id
    domain = request.data.get("domain")
    chain_id = domain.get("chainId") if isinstance(domain, dict) else None
    return chain_id if type(chain_id) is int else None
