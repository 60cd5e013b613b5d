"""A key in somebody else's service: web3signer and its kind, asked by JSON-RPC, believed in nothing.

The policy has decided in our process before; what comes back must be exactly what was asked, signed by the account.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import rlp

from moray.errors import BadSignature, DownloadFailed, SignerUnreachable
from moray.ethereum import Account, to_checksum_address
from moray.guarded_http import Fetcher
from moray.node_key import TypedData, recover

MAX_REPLY_BYTES = 256 << 10
_TYPE_2 = 2
_NUM_FIELDS = 12  # of a signed EIP-1559 transaction, the last three the signature


@dataclass(frozen=True, slots=True)
class RemoteSigner:
    """``address``: EIP-55, the account at the service."""

    url: str
    address: str
    fetcher: Fetcher

    def sign_transaction(self, fields: dict[str, Any]) -> bytes:
        """Raises SignerUnreachable, BadSignature for an answer that is something else."""
        asked = {
            "type": "0x2",
            "from": self.address,
            "chainId": hex(fields["chainId"]),
            "nonce": hex(fields["nonce"]),
            "value": hex(fields["value"]),
            "data": f"0x{fields['data'].hex()}",
            "gas": hex(fields["gas"]),
            "maxFeePerGas": hex(fields["maxFeePerGas"]),
            "maxPriorityFeePerGas": hex(fields["maxPriorityFeePerGas"]),
        }
        if "to" in fields:
            asked["to"] = fields["to"]
        answer = self._ask("eth_signTransaction", [asked])
        raw = _as_bytes(answer.get("raw") if isinstance(answer, dict) else answer)  # geth's kind wraps it
        check_signed(raw, fields, self.address)
        return raw

    def sign_typed_data(self, data: TypedData) -> bytes:
        """Raises as ``sign_transaction``."""
        text = json.dumps(data, default=lambda value: f"0x{bytes(value).hex()}")
        signature = _as_bytes(self._ask("eth_signTypedData", [self.address, json.loads(text)]))
        if recover(data, signature) != self.address:
            raise BadSignature("the remote signer signed something else, or with another key; nothing is given out")
        return signature

    def _ask(self, method: str, params: list[Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        try:
            reply = json.loads(self.fetcher.post_json(self.url, body, MAX_REPLY_BYTES))
        except DownloadFailed:  # whose words name the URL, which may hold a secret
            raise SignerUnreachable("the remote signer does not answer; see whether it runs") from None
        except (ValueError, RecursionError):
            raise SignerUnreachable("the remote signer answered with no JSON; is it one?") from None
        if not isinstance(reply, dict) or "result" not in reply:
            raise SignerUnreachable("the remote signer refused; its log says why")
        return reply["result"]


def check_signed(raw: bytes, fields: dict[str, Any], address: str) -> None:
    """Raises BadSignature unless ``raw`` is the transaction of ``fields``, all of it, signed by ``address``."""
    try:
        parts = rlp.decode(raw[1:]) if raw[:1] == bytes([_TYPE_2]) else []
        sender = str(to_checksum_address(Account.recover_transaction(raw)))
    except Exception:  # of the library, on a stranger's bytes
        raise BadSignature("the remote signer answered with no transaction; nothing is given out") from None
    expected = [
        _number(fields["chainId"]),
        _number(fields["nonce"]),
        _number(fields["maxPriorityFeePerGas"]),
        _number(fields["maxFeePerGas"]),
        _number(fields["gas"]),
        bytes.fromhex(fields["to"][2:]) if "to" in fields else b"",
        _number(fields["value"]),
        bytes(fields["data"]),
        [],
    ]
    if len(parts) != _NUM_FIELDS or list(parts[:9]) != expected or sender != address:
        raise BadSignature("the remote signer signed something else, or with another key; nothing is given out")


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)


def _as_bytes(value: object) -> bytes:
    try:
        return bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError:
        raise BadSignature("the remote signer answered with no bytes; nothing is given out") from None
