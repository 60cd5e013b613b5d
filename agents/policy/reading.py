"""A transaction as people have it at hand, JSON or raw bytes, made a request."""

from __future__ import annotations

from typing import Any

import rlp
from rlp.exceptions import RLPException

from moray.agents.policy.decision import Refusal
from moray.agents.policy.request import TransactionRequest, transaction_request
from moray.ethereum import to_checksum_address

MAX_REQUEST_BYTES = 128 * 1024
_NUMBERS = ("chainId", "nonce", "value", "gas", "maxFeePerGas", "maxPriorityFeePerGas", "type")
_UNSIGNED_FIELDS, _SIGNED_FIELDS = 9, 12  # EIP-1559


def request_of_fields(fields: dict[str, Any]) -> TransactionRequest:
    """Of JSON as nodes and wallets write it: numbers may be hex ("0x1"), data is hex ("input" is another word for it),
    ``from`` says nothing. Raises Refusal."""
    plain = {name: value for name, value in fields.items() if name not in ("from", "input")}
    data = fields.get("data", fields.get("input", "0x"))
    if "input" in fields and fields["input"] != data:
        raise Refusal("bad_request", "data and input say two things")
    for name in _NUMBERS:
        if isinstance(plain.get(name), str):
            plain[name] = _number(plain[name], name)
    return transaction_request({**plain, "data": _bytes(data)})


def request_of_raw(text: str) -> TransactionRequest:
    """Of 0x02 and the RLP of an EIP-1559 transaction, signed or not, in hex. Raises Refusal."""
    raw = _bytes(text)
    if raw[:1] != b"\x02":
        raise Refusal("bad_request", "only EIP-1559 transactions are signed: their bytes begin with 02")
    try:
        fields = rlp.decode(raw[1:])
    except (RLPException, RecursionError):
        raise Refusal("bad_request", "the bytes after 02 are no RLP") from None
    if not isinstance(fields, list) or len(fields) not in (_UNSIGNED_FIELDS, _SIGNED_FIELDS):
        raise Refusal("bad_request", f"an EIP-1559 transaction has {_UNSIGNED_FIELDS} fields, signed {_SIGNED_FIELDS}")
    numbers, rest = [*fields[:5], fields[6]], [fields[5], fields[7]]
    if not all(isinstance(each, bytes) for each in (*numbers, *rest)) or len(rest[0]) not in (0, 20):
        raise Refusal("bad_request", "the fields are not those of an EIP-1559 transaction")
    chain_id, tx_nonce, tip, max_fee, gas, value = (int.from_bytes(each) for each in numbers)
    return transaction_request(
        {
            "chainId": chain_id,
            "nonce": tx_nonce,
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": max_fee,
            "gas": gas,
            "to": to_checksum_address(rest[0]) if rest[0] else None,
            "value": value,
            "data": rest[1],
            "accessList": fields[8],
        }
    )


def _number(text: str, name: str) -> int:
    try:
        return int(text, 16) if text.startswith("0x") else int(text)
    except ValueError:
        raise Refusal("bad_request", f"{name} is no number") from None


def _bytes(text: object) -> bytes:
    try:
        return bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError:
        raise Refusal("bad_request", "bytes are written in hex") from None
