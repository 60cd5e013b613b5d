"""The EIP-712 signature in a ``Join``: this node, these experts, to this router, in answer to this challenge.

It covers all that both sides said, the whole Hello and the whole Join, except the Join's ``signature`` and its
``proof``, which is made last and covers the signature (see ``wire.join_proof``). Names of fields are the wire's.
Source: https://eips.ethereum.org/EIPS/eip-712
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Protocol

from moray.node_key import TypedData, recover, typed_data
from moray.wire import Hello, Join

_HELLO = {
    "protocol_min": "uint32",
    "protocol_max": "uint32",
    "network_id": "string",
    "chain_id": "uint64",
    "model_id": "string",
    "router": "string",
    "challenge": "bytes32",
    "features": "string[]",
}
_JOIN = {
    "hello": "Hello",
    "protocol": "uint32",
    "node_id": "string",
    "signer": "string",
    "replica_id": "string",
    "incarnation": "uint64",
    "experts": "uint32[]",
    "shards_digest": "bytes32",
    "model_id": "string",
    "numeric_class": "string",
    "capacity": "uint32",
    "pid": "uint32",
    "router": "string",
    "tls_cert_sha256": "bytes",
    "expires_at": "uint64",
    "features": "string[]",
}
_STRUCTS = {"Hello": _HELLO, "Join": _JOIN}
_UNSIGNED = ("signature", "proof")


class Signer(Protocol):
    """A ``NodeKey``, or a stand-in that asks another process to sign."""

    @property
    def address(self) -> str: ...

    def sign_typed_data(self, data: TypedData) -> bytes: ...


def join_typed_data(hello: Hello, join: Join) -> TypedData:
    """What is signed, as a wallet would show it."""
    said = {name: value for name, value in asdict(join).items() if name not in _UNSIGNED}
    return typed_data(hello.chain_id, "Join", _STRUCTS, {"hello": asdict(hello)} | said)


def sign_join(key: Signer, hello: Hello, join: Join) -> Join:
    """``join`` with ``signer`` and ``signature`` filled in. Its ``proof`` must be made after that.

    Raises ValueError for a Join that names no TLS certificate or never expires: such a one could be passed on.
    """
    if not join.tls_cert_sha256 or not join.expires_at:
        raise ValueError("a signed Join names the router's TLS certificate and the second when it expires")
    named = replace(join, signer=key.address)
    return replace(named, signature=key.sign_typed_data(join_typed_data(hello, named)))


def recover_signer(hello: Hello, join: Join) -> str:
    """The address (EIP-55) that signed ``join``; compare it with ``join.signer``. Raises BadSignature."""
    return recover(join_typed_data(hello, join), join.signature)
