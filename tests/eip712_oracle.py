"""EIP-712 in plain Python, written from its text: the structs that Moray signs, and nothing else.

Source: https://eips.ethereum.org/EIPS/eip-712
"""

from __future__ import annotations

from Crypto.Hash import keccak as library

from moray.network_manifest import NetworkManifest, RouterEntry
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
ENTRY_TYPE = "RouterEntry(string host,uint16 port,string url,string tls_cert_sha256)"
MANIFEST_TYPE = (
    "NetworkManifest(uint32 format_version,string network_id,uint64 chain_id,uint64 version,string model_id,"
    "string numeric_class,uint64 issued_at,uint64 expires_at,RouterEntry[] routers,string[] mirrors,address owner)"
)
STAKE_TYPE = "StakeTerms(address node_registry,address slasher,uint128 min_stake)"
STAKED_MANIFEST_TYPE = MANIFEST_TYPE[:-1] + ",StakeTerms stake)"
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


def entry_hash(entry: RouterEntry) -> bytes:
    return keccak(
        text(ENTRY_TYPE) + text(entry.host) + word(entry.port) + text(entry.url) + text(entry.tls_cert_sha256)
    )


def manifest_hash(manifest: NetworkManifest) -> bytes:
    stake, kind, stake_hash = manifest.stake, MANIFEST_TYPE + ENTRY_TYPE, b""
    if stake is not None:
        kind = STAKED_MANIFEST_TYPE + ENTRY_TYPE + STAKE_TYPE
        addresses = word(int(stake.node_registry, 16)) + word(int(stake.slasher, 16))
        stake_hash = keccak(text(STAKE_TYPE) + addresses + word(stake.min_stake))
    return keccak(
        text(kind)
        + word(manifest.format_version)
        + text(manifest.network_id)
        + word(manifest.chain_id)
        + word(manifest.version)
        + text(manifest.model_id)
        + text(manifest.numeric_class)
        + word(manifest.issued_at)
        + word(manifest.expires_at)
        + keccak(b"".join(map(entry_hash, manifest.routers)))
        + texts(list(manifest.mirrors))
        + word(int(manifest.owner, 16))
        + stake_hash
    )


def in_domain(chain_id: int, struct_hash: bytes) -> bytes:
    """The 32 bytes that a key signs."""
    domain = keccak(text(DOMAIN_TYPE) + text("Moray") + text("1") + word(chain_id))
    return keccak(b"\x19\x01" + domain + struct_hash)


def signed_digest(hello: Hello, join: Join) -> bytes:
    return in_domain(hello.chain_id, join_hash(hello, join))
