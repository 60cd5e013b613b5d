"""An approval as a person should see it: out of the bytes that would be signed for, never out of an agent's words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from moray.agents.signer.approvals import ApprovalFile
from moray.quoting import quoted

_WORD_CHARACTERS = 64


def lines_of(file: ApprovalFile) -> Iterator[str]:
    """Amounts are base units; a call's data is shown as its selector and its words of 32 bytes."""
    approval = file.approval
    until = datetime.fromtimestamp(min(approval.deadline, 253_402_300_799), UTC)
    yield f"account   {approval.account}"
    yield f"chain     {approval.chain_id}"
    yield f"until     {until:%Y-%m-%d %H:%M:%S} UTC"
    yield f"policy    {quoted(approval.policy_version)}"
    for number, (call, data) in enumerate(zip(approval.calls, file.data, strict=True), 1):
        yield f"{number}. {call.kind} {call.to}, value {call.value_wei} wei, gas at most {call.max_cost_wei} wei"
        if call.kind == "typed_data":
            yield f"   {data!a}"  # whole, its control characters escaped
            continue
        digits = data.removeprefix("0x")
        yield f"   selector {digits[:8] or 'none'}"
        words = digits[8:]
        for start in range(0, len(words), _WORD_CHARACTERS):
            yield f"   {words[start : start + _WORD_CHARACTERS]}"
