"""What somebody asks the signer to sign. There is no third kind: no raw hash, no personal message, no authorisation of
EIP-7702, so nothing can allow one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moray.agents.policy.decision import Refusal
from moray.ethereum import is_checksum_address, keccak
from moray.node_key import TypedData
from moray.quoting import quoted

MAX_DATA_BYTES = 16 * 1024  # of a call; a multicall of ten swaps has under 4 KiB
_WORD = 2**256
_NUMBERS = frozenset({"chainId", "nonce", "value", "gas", "maxFeePerGas", "maxPriorityFeePerGas"})


@dataclass(frozen=True, slots=True)
class TransactionRequest:
    """A transaction of EIP-1559. ``to`` is EIP-55, None where it creates a contract; fees are wei per gas."""

    chain_id: int
    tx_nonce: int
    to: str | None
    value_wei: int
    data: bytes
    gas: int
    max_fee_wei: int
    tip_wei: int

    @property
    def digest(self) -> str:
        """Of what it does, whatever it offers for gas: a fee bump has the same."""
        target = bytes.fromhex(self.to[2:]) if self.to else bytes(20)
        numbers = self.chain_id.to_bytes(32) + self.value_wei.to_bytes(32)
        return keccak(numbers + bytes([self.to is None]) + target + self.data).hex()

    @property
    def max_cost_wei(self) -> int:
        return self.gas * self.max_fee_wei


@dataclass(frozen=True, slots=True)
class TypedDataRequest:
    """EIP-712, as a wallet's eth_signTypedData_v4 takes it."""

    data: TypedData


SignRequest = TransactionRequest | TypedDataRequest


def transaction_request(fields: dict[str, Any]) -> TransactionRequest:
    """Out of eth-account's fields, as contracts/writer.py has them. Raises Refusal for any other kind of transaction
    and for any field that is not looked at: what is signed is what was decided on, all of it."""
    if unknown := sorted(map(str, fields.keys() - {*_NUMBERS, "type", "to", "data", "accessList"})):
        raise Refusal("bad_request", f"{quoted(unknown[0])} is no field of a plain EIP-1559 transaction")
    if fields.get("type", 2) not in (2, "0x2") or fields.get("accessList"):
        raise Refusal("bad_request", "only plain EIP-1559 transactions (type 2, no access list) are signed")
    to = fields.get("to")
    return checked_transaction(
        TransactionRequest(
            chain_id=fields.get("chainId"),  # type: ignore[arg-type] # looked at below
            tx_nonce=fields.get("nonce"),  # type: ignore[arg-type]
            to=None if to in ("", b"") else to,
            value_wei=fields.get("value", 0),
            data=fields.get("data", b""),
            gas=fields.get("gas"),  # type: ignore[arg-type]
            max_fee_wei=fields.get("maxFeePerGas"),  # type: ignore[arg-type]
            tip_wei=fields.get("maxPriorityFeePerGas"),  # type: ignore[arg-type]
        )
    )


def checked_transaction(request: TransactionRequest) -> TransactionRequest:
    """Raises Refusal where a field is not what its type says."""
    for name in ("chain_id", "tx_nonce", "value_wei", "gas", "max_fee_wei", "tip_wei"):
        number = getattr(request, name)
        if type(number) is not int or not 0 <= number < _WORD:
            raise Refusal("bad_request", f"{name} must be an integer from 0 and of at most 256 bits")
    if request.tip_wei > request.max_fee_wei:
        raise Refusal("bad_request", "tip_wei is above max_fee_wei")
    if request.to is not None and not (isinstance(request.to, str) and is_checksum_address(request.to)):
        raise Refusal("bad_request", "to must be an address with its checksum (EIP-55)")
    if type(request.data) is not bytes or len(request.data) > MAX_DATA_BYTES:
        raise Refusal("bad_request", f"data must be bytes, at most {MAX_DATA_BYTES}")
    return request
