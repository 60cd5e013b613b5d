"""The network manifest: what the owner of a network says it is, signed, for everybody who joins.

It pins the model and each router's TLS certificate, so where it was fetched from need not be trusted. Whoever serves
it can still serve an old one: it expires, and its version only rises. The signature is EIP-712's, over every field
but itself; names of fields are those of the JSON. Format 2 is format 1 with the stake that joining requires: software
that does not know of stake refuses it, and networks without stake stay readable for it.
Source: https://eips.ethereum.org/EIPS/eip-712
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from moray.errors import BadSetting, BadSignature, ManifestRefused
from moray.ethereum import is_checksum_address
from moray.faults import first_fault
from moray.join_signature import Signer
from moray.node_key import SIGNATURE_BYTES, TypedData, recover, typed_data
from moray.types import DataAddress, NumericClass
from moray.web_address import plain_host, plain_url
from moray.wire import MAX_U64

MAX_NETWORK_MANIFEST_BYTES = 64 << 10
MAX_ROUTERS = 16
MAX_MIRRORS = 16
MAX_CLOCK_SKEW_S = 300  # by which the owner's clock may be ahead
MAX_LIFETIME_DAYS = 366
DAY_S = 86_400
NO_SLASHER = "0x" + 40 * "0"

_ENTRY = {"host": "string", "port": "uint16", "url": "string", "tls_cert_sha256": "string"}
_MANIFEST = {
    "format_version": "uint32",
    "network_id": "string",
    "chain_id": "uint64",
    "version": "uint64",
    "model_id": "string",
    "numeric_class": "string",
    "issued_at": "uint64",
    "expires_at": "uint64",
    "routers": "RouterEntry[]",
    "mirrors": "string[]",
    "owner": "address",
}
_STAKE = {"node_registry": "address", "slasher": "address", "min_stake": "uint128"}
_STRUCTS = {"RouterEntry": _ENTRY, "NetworkManifest": _MANIFEST}
_STAKED_STRUCTS = {"RouterEntry": _ENTRY, "StakeTerms": _STAKE, "NetworkManifest": _MANIFEST | {"stake": "StakeTerms"}}


def _checksummed(address: str) -> str:
    if not is_checksum_address(address):
        raise ValueError("not an address with its EIP-55 checksum")
    return address


Host = Annotated[str, AfterValidator(plain_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Url = Annotated[str, AfterValidator(plain_url)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
NetworkId = Annotated[str, Field(pattern="^[ -~]{1,128}$")]  # printable, since it is shown
U64 = Annotated[int, Field(ge=0, le=MAX_U64)]
U128 = Annotated[int, Field(ge=0, lt=1 << 128)]
Address = Annotated[str, AfterValidator(_checksummed)]


class _Signed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RouterEntry(_Signed):
    """Where experts dial one router, the URL of its gateway, and the SHA-256 of its TLS certificate (DER)."""

    host: Host
    port: Port
    url: Url
    tls_cert_sha256: Digest

    @property
    def name(self) -> str:
        """What the router's ``Hello`` calls itself: an IPv6 address in brackets."""
        return str(DataAddress(self.host, self.port))


class StakeTerms(_Signed):
    """What a node of another operator needs to join: to be registered with ``node_registry``, there to have at least
    ``min_stake`` bonded (base units of the registry's currency), and not to be jailed. With a ``slasher`` only what is
    allotted to it counts; with NO_SLASHER all does, though an operator can take that out through a slasher of its own
    without waiting."""

    node_registry: Address
    slasher: Address
    min_stake: U128


class NetworkManifest(_Signed):
    """Times are Unix seconds. ``chain_id`` is 0 where no chain is configured. ``mirrors`` are base URLs that serve the
    model's files as a router's gateway does. ``stake`` is None, and not in the JSON, where joining requires none."""

    format_version: Literal[1, 2]
    network_id: NetworkId
    chain_id: U64
    version: Annotated[int, Field(ge=1, le=MAX_U64)]
    model_id: Digest
    numeric_class: NumericClass
    issued_at: U64
    expires_at: U64
    routers: Annotated[tuple[RouterEntry, ...], Field(min_length=1, max_length=MAX_ROUTERS)]
    mirrors: Annotated[tuple[Url, ...], Field(max_length=MAX_MIRRORS)]
    owner: Address
    stake: StakeTerms | None = None
    signature: Annotated[str, Field(pattern=f"^0x[0-9a-f]{{{2 * SIGNATURE_BYTES}}}$")]

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if len({router.name for router in self.routers}) != len(self.routers):
            raise ValueError("a router is named twice")
        if (self.stake is not None) != (self.format_version == 2) or (self.stake is not None and not self.chain_id):
            raise ValueError("a manifest has stake in format 2 and nowhere else, and then a chain_id")
        if not 0 < self.expires_at - self.issued_at <= MAX_LIFETIME_DAYS * DAY_S:
            raise ValueError(f"it must expire after it was issued, at most {MAX_LIFETIME_DAYS} days after")
        return self


def manifest_typed_data(manifest: NetworkManifest) -> TypedData:
    """What is signed, as a wallet would show it."""
    message = manifest.model_dump(mode="json", exclude={"signature"}, exclude_none=True)  # lists, not tuples
    structs = _STRUCTS if manifest.stake is None else _STAKED_STRUCTS
    return typed_data(manifest.chain_id, "NetworkManifest", structs, message)


def sign_manifest(
    key: Signer,
    *,
    network_id: str,
    chain_id: int,
    version: int,
    model_id: str,
    numeric_class: NumericClass,
    issued_at: int,
    expires_at: int,
    routers: tuple[RouterEntry, ...],
    mirrors: tuple[str, ...] = (),
    stake: StakeTerms | None = None,
) -> NetworkManifest:
    """The manifest with ``key`` as its owner. Raises BadSetting for what nobody would accept."""
    try:
        unsigned = NetworkManifest(
            format_version=1 if stake is None else 2,
            network_id=network_id,
            chain_id=chain_id,
            version=version,
            model_id=model_id,
            numeric_class=numeric_class,
            issued_at=issued_at,
            expires_at=expires_at,
            routers=routers,
            mirrors=mirrors,
            owner=key.address,
            stake=stake,
            signature="0x" + "00" * SIGNATURE_BYTES,
        )
    except ValidationError as error:
        raise BadSetting(f"no network manifest can say this: {first_fault(error)}; correct it") from None
    signature = key.sign_typed_data(manifest_typed_data(unsigned))
    return unsigned.model_copy(update={"signature": f"0x{signature.hex()}"})


def encode_manifest(manifest: NetworkManifest) -> bytes:
    """JSON, indented for people, the same for the same manifest."""
    return (json.dumps(manifest.model_dump(mode="json", exclude_none=True), indent=1) + "\n").encode()


def read_signed(content: bytes, owner: str) -> NetworkManifest:
    """The manifest in ``content`` if ``owner`` (EIP-55) signed it, whatever its version and even if it has expired.

    Raises ManifestRefused: malformed, wrong_owner, bad_signature.
    """
    if len(content) > MAX_NETWORK_MANIFEST_BYTES:
        raise ManifestRefused("malformed", f"a network manifest has at most {MAX_NETWORK_MANIFEST_BYTES} bytes")
    try:
        manifest = NetworkManifest.model_validate_json(content)
    except ValidationError as error:
        raise ManifestRefused("malformed", f"{first_fault(error)}; ask the owner for another") from None
    if manifest.owner != owner:
        raise ManifestRefused("wrong_owner", f"it is of {manifest.owner}, not of {owner}; check the join string")
    try:
        signer = recover(manifest_typed_data(manifest), bytes.fromhex(manifest.signature[2:]))
    except BadSignature as error:
        raise ManifestRefused("bad_signature", str(error)) from None
    if signer != owner:
        raise ManifestRefused("bad_signature", "its owner did not sign what it says; fetch it from another router")
    return manifest


def parse_manifest(content: bytes, owner: str, now_s: float, min_version: int = 1) -> NetworkManifest:
    """The manifest in ``content`` if ``owner`` (EIP-55) signed it and it holds at ``now_s`` (Unix).

    ``min_version`` is the highest version seen so far. Raises ManifestRefused: malformed, wrong_owner, bad_signature,
    not_yet_valid, expired, rolled_back.
    """
    manifest = read_signed(content, owner)
    if manifest.issued_at > now_s + MAX_CLOCK_SKEW_S:
        ahead_s = manifest.issued_at - now_s
        raise ManifestRefused("not_yet_valid", f"it was issued {ahead_s:.0f} s from now; set this machine's clock")
    if manifest.expires_at <= now_s:
        ago_s = now_s - manifest.expires_at
        raise ManifestRefused("expired", f"it expired {ago_s:.0f} s ago; ask the owner to sign another")
    if manifest.version < min_version:
        raise ManifestRefused(
            "rolled_back", f"version {manifest.version} is older than {min_version}, seen before; ask another router"
        )
    return manifest
