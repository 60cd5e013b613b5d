"""EIP-712 in plain Python, written from its text: the structs of a signed ``Join``, and nothing else.

Source: https://eips.ethereum.org/EIPS/eip-712
"""

from __future__ import annotations

from Crypto.Hash import keccak as library

from moray.wire import Hello, Join

HELLO_TYPE = (
    "Hello(uint32 protocol_min,uint32 protocol_max,string network_id,uint64 chain_id,string model_id,string router,"
    "bytes32 challenge,string[] features)"
)
JOIN_TYPE = (
    "Join(Hello hello,uint32 protocol,string node_id,string signer,string replica_id,uint64 incarnation,"
    "uint32[] experts,bytes32 shards_digest,string model_id,string numeric_class,uint32 capacity,uint32 pid,"
    "string router,bytes tls_cert_sha256,uint64 expires_at,string[] features)"
)
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId)"


def keccak(data: bytes) -> bytes:
    return library.new(digest_bits=256, data=data).digest()


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def text(value: str) -> bytes:
    return keccak(value.encode())


def texts(values: list[str]) -> bytes:
    return keccak(b"".join(map(text, values)))


def hello_hash(hello: Hello) -> bytes:
    return keccak(
        text(HELLO_TYPE)
        + word(hello.protocol_min)
        + word(hello.protocol_max)
        + text(hello.network_id)
        + word(hello.chain_id)
        + text(hello.model_id)
        + text(hello.router)
        + hello.challenge
        + texts(hello.features)
    )


def join_hash(hello: Hello, join: Join) -> bytes:
    return keccak(
        text(JOIN_TYPE + HELLO_TYPE)
        + hello_hash(hello)
        + word(join.protocol)
        + text(join.node_id)
        + text(join.signer)
        + text(join.replica_id)
        + word(join.incarnation)
        + keccak(b"".join(map(word, join.experts)))
        + join.shards_digest
        + text(join.model_id)
        + text(join.numeric_class)
        + word(join.capacity)
        + word(join.pid)
        + text(join.router)
        + keccak(join.tls_cert_sha256)
        + word(join.expires_at)
        + texts(join.features)
    )


def in_domain(chain_id: int, struct_hash: bytes) -> bytes:
    """The 32 bytes that a key signs."""
    domain = keccak(text(DOMAIN_TYPE) + text("Moray") + text("1") + word(chain_id))
    return keccak(b"\x19\x01" + domain + struct_hash)


def signed_digest(hello: Hello, join: Join) -> bytes:
    return in_domain(hello.chain_id, join_hash(hello, join))
