"""A node's private key in memory, what it signs, and who signed.

Signatures are EIP-712's: 65 bytes, r (32), s (32, the lower of the two), v (27 or 28). coincurve is a dependency
because eth-keys computes with it where it is installed: in pure Python one recovery takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from moray.errors import BadKey, BadSignature
from moray.ethereum import SECPK1_N, Account, LocalAccount, RefusedByCurve, ValidationError, encode_typed_data

PRIVATE_KEY_BYTES = 32
SIGNATURE_BYTES = 65
_DOMAIN = {"name": "string", "version": "string", "chainId": "uint256"}

TypedData = dict[str, Any]  # types, primaryType, domain, message, as wallets' eth_signTypedData_v4 takes them


@dataclass(frozen=True, slots=True, eq=False)
class NodeKey:
    """Signs as ``address`` (EIP-55, "0x" and 40 hex digits). Neither printed nor pickled, so that the private key gets
    into no log and not into Ray's object store: pass the keystore's path instead."""

    address: str
    _account: LocalAccount = field(repr=False)

    @classmethod
    def from_bytes(cls, private_key: bytes) -> NodeKey:
        """Raises BadKey for what is no private key of secp256k1."""
        # Checked here because the library's errors quote the value.
        if len(private_key) != PRIVATE_KEY_BYTES or not 0 < int.from_bytes(private_key) < SECPK1_N:
            raise BadKey("this is no private key of Ethereum: it must be 32 bytes, above 0 and below the curve's order")
        account = Account.from_key(private_key)
        return cls(account.address, account)

    def sign_typed_data(self, data: TypedData) -> bytes:
        """The signature's 65 bytes. Raises ValueError for data that does not fit its own types."""
        return bytes(self._account.sign_typed_data(full_message=data).signature)

    def sign_transaction(self, fields: dict[str, Any]) -> bytes:
        """The signed transaction's bytes, as a chain takes them. ``fields`` as in eth-account's ``sign_transaction``.
        Raises TypeError or ValueError for fields that make no transaction."""
        return bytes(self._account.sign_transaction(fields).raw_transaction)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a NodeKey is neither pickled nor copied: pass the path of its keystore")


def typed_data(
    chain_id: int, primary_type: str, structs: Mapping[str, Mapping[str, str]], message: Mapping[str, Any]
) -> TypedData:
    """``message`` of the struct ``primary_type`` in Moray's domain. ``structs``: each one's fields and their kinds."""
    named = {"EIP712Domain": _DOMAIN, **structs}
    return {
        "types": {
            struct: [{"name": name, "type": kind} for name, kind in fields.items()] for struct, fields in named.items()
        },
        "primaryType": primary_type,
        "domain": {"name": "Moray", "version": "1", "chainId": chain_id},
        "message": message,
    }


def recover(data: TypedData, signature: bytes) -> str:
    """The address (EIP-55) that signed ``data``. Any data and 65 bytes have some address, so compare it.

    Raises BadSignature for bytes that are no signature, or one that has a twin: s in the upper half.
    """
    if len(signature) != SIGNATURE_BYTES or signature[64] not in (27, 28):
        raise BadSignature("a signature has 65 bytes, the last of them 27 or 28")
    if int.from_bytes(signature[32:64]) > SECPK1_N // 2:
        raise BadSignature("the signature's s is in the upper half; sign with the lower")
    try:
        return str(Account.recover_message(encode_typed_data(full_message=data), signature=signature))
    except (RefusedByCurve, ValidationError):
        raise BadSignature("no key made this signature") from None
