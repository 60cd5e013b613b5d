"""A person's agreement to exactly these calls, signed with another key than the agent's: EIP-712 in Moray's domain.

It names what is called with which data, what the gas may cost at most, until when, and the policy that was in force; a
salt makes it one of its kind. Each of its calls is used once; a fee bump of a call is no second use.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moray.agents.policy.request import SignRequest, TransactionRequest, TypedDataRequest
from moray.agents.signer.digests import chain_of, typed_digest
from moray.agents.signer.judge import Judge
from moray.errors import ApprovalRefused, BadInput, BadSignature
from moray.ethereum import keccak
from moray.faults import first_fault
from moray.node_key import SIGNATURE_BYTES, TypedData, recover, typed_data

MAX_APPROVAL_BYTES = 256 << 10  # of its file, calls' data included
MAX_CALLS = 16
MAX_LIFETIME_S = 7 * 24 * 3600
NOBODY = "0x" + "00" * 20

_KINDS = {
    "Approval": {
        "account": "address",
        "calls": "ApprovedCall[]",
        "deadline": "uint256",
        "policyVersion": "string",
        "salt": "bytes32",
    },
    "ApprovedCall": {
        "kind": "string",
        "to": "address",
        "value": "uint256",
        "dataHash": "bytes32",
        "maxCost": "uint256",
    },
}

Hex32 = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]
Address = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$")]
Uint = Annotated[int, Field(ge=0, lt=1 << 256)]
Signature = Annotated[str, Field(pattern=f"^0x[0-9a-f]{{{2 * SIGNATURE_BYTES}}}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class ApprovedCall(_Part):
    """``kind`` "creation": ``to`` is nobody. "typed_data": ``data_hash`` is its digest, the rest is empty.
    ``max_cost_wei``: gas times fee, of it and of every bump of it."""

    kind: Literal["call", "creation", "typed_data"]
    to: Address
    value_wei: Uint
    data_hash: Hex32
    max_cost_wei: Uint

    def covers(self, asked: ApprovedCall) -> bool:
        same = self.model_copy(update={"max_cost_wei": asked.max_cost_wei})
        return same == asked and asked.max_cost_wei <= self.max_cost_wei


class Approval(_Part):
    """``deadline``: unix s."""

    chain_id: Uint
    account: Address
    calls: Annotated[tuple[ApprovedCall, ...], Field(min_length=1, max_length=MAX_CALLS, strict=False)]
    deadline: Annotated[int, Field(ge=0, lt=1 << 63)]
    policy_version: Annotated[str, Field(min_length=1, max_length=128)]
    salt: Hex32

    @property
    def typed_data(self) -> TypedData:
        message = {
            "account": self.account,
            "calls": [
                {
                    "kind": call.kind,
                    "to": call.to,
                    "value": call.value_wei,
                    "dataHash": bytes.fromhex(call.data_hash[2:]),
                    "maxCost": call.max_cost_wei,
                }
                for call in self.calls
            ],
            "deadline": self.deadline,
            "policyVersion": self.policy_version,
            "salt": bytes.fromhex(self.salt[2:]),
        }
        return typed_data(self.chain_id, "Approval", _KINDS, message)

    @property
    def digest(self) -> str:
        return typed_digest(self.typed_data)


class ApprovalFile(_Part):
    """What goes from the agent to the approvers and back: the approval, what its hashes stand for, the signatures.

    ``data``: hex of each call's data, or the JSON of typed data."""

    approval: Approval
    data: Annotated[tuple[str, ...], Field(max_length=MAX_CALLS, strict=False)]
    signatures: Annotated[tuple[Signature, ...], Field(max_length=MAX_CALLS, strict=False)] = ()


def as_call(request: SignRequest, bumps: int = 1) -> ApprovedCall:
    """What an approval must say of ``request``, at up to ``bumps`` times the gas it costs as it is."""
    match request:
        case TypedDataRequest(data):
            digest = f"0x{typed_digest(data)}"
            return ApprovedCall(kind="typed_data", to=NOBODY, value_wei=0, data_hash=digest, max_cost_wei=0)
        case TransactionRequest():
            return ApprovedCall(
                kind="creation" if request.to is None else "call",
                to=request.to or NOBODY,
                value_wei=request.value_wei,
                data_hash=f"0x{keccak(request.data).hex()}",
                max_cost_wei=bumps * request.max_cost_wei,
            )


def draft(
    requests: Sequence[SignRequest], account: str, policy_version: str, deadline: int, salt: bytes, bumps: int = 3
) -> ApprovalFile:
    """What an agent asks approvers for: these requests, of one chain, each at up to ``bumps`` times the gas it offers
    now. ``deadline``: unix s; ``salt``: 32 random bytes. Raises BadInput for none, or for several chains."""
    chains = {chain_of(request) for request in requests}
    chain_id = chains.pop() if len(chains) == 1 else None
    if chain_id is None:
        raise BadInput("an approval is for the requests of one chain; ask for one per chain")
    return ApprovalFile(
        approval=Approval(
            chain_id=chain_id,
            account=account,
            calls=tuple(as_call(request, bumps) for request in requests),
            deadline=deadline,
            policy_version=policy_version,
            salt=f"0x{salt.hex()}",
        ),
        data=tuple(
            json.dumps(request.data) if isinstance(request, TypedDataRequest) else f"0x{request.data.hex()}"
            for request in requests
        ),
    )


def parse_approval(text: bytes) -> ApprovalFile:
    """Raises BadInput, also where the data is not what the hashes stand for."""
    if len(text) > MAX_APPROVAL_BYTES:
        raise BadInput(f"an approval of {len(text)} bytes; the limit is {MAX_APPROVAL_BYTES}")
    try:
        file = ApprovalFile.model_validate_json(text)
    except ValidationError as error:
        raise BadInput(f"not an approval: {first_fault(error, 'the file')}") from None
    if len(file.data) != len(file.approval.calls):
        raise BadInput("not an approval: data of each call is needed, to show what it does")
    for call, shown in zip(file.approval.calls, file.data, strict=True):
        if call.data_hash != (_typed_hash(shown) if call.kind == "typed_data" else f"0x{keccak(_bytes(shown)).hex()}"):
            raise BadInput("not an approval: the data shown is not what would be agreed to; do not sign it")
    return file


def check_approval(
    approval: Approval, signatures: Sequence[str], account: str, judge: Judge, now: float
) -> frozenset[str]:
    """Who agreed. Raises ApprovalRefused unless enough approvers of the policy in force did, and in time."""
    if approval.account != account:
        raise ApprovalRefused(f"the approval is for {approval.account}, this signer is {account}; ask for another")
    if approval.policy_version != judge.version:
        raise ApprovalRefused("the policy changed since it was agreed to; ask for the approval again")
    if approval.deadline <= now:
        raise ApprovalRefused("the approval's deadline is over; ask for it again")
    if approval.deadline > now + MAX_LIFETIME_S:
        raise ApprovalRefused(f"an approval lasts {MAX_LIFETIME_S} s at most; give it an earlier deadline")
    # Whoever asks for a signature does not agree to it, whatever the policy names.
    entitled = judge.approvers - {account}
    try:
        agreed = {recover(approval.typed_data, bytes.fromhex(each[2:])) for each in signatures} & entitled
    except BadSignature as error:
        raise ApprovalRefused(f"a signature of the approval is none: {error}") from None
    if len(agreed) < max(judge.approvals_needed, 1):
        raise ApprovalRefused(
            f"{len(agreed)} of {max(judge.approvals_needed, 1)} approvers that the policy names agreed; ask the others"
        )
    return frozenset(agreed)


def is_for(approval: Approval, request: SignRequest) -> list[int]:
    """The places of the calls of ``approval`` that cover ``request``."""
    if chain_of(request) != approval.chain_id:
        return []
    asked = as_call(request)
    return [index for index, call in enumerate(approval.calls) if call.covers(asked)]


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise BadInput("not an approval: a call's data is no hexadecimal number") from None


def _typed_hash(text: str) -> str:
    try:
        return f"0x{typed_digest(json.loads(text))}"
    except Exception:  # see digests.digest_of
        raise BadInput("not an approval: its typed data is none") from None
