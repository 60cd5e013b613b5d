"""A task that its client has signed and somebody else sends: gasless for the client (EIP-3009).

The authorisation's nonce is the task's id, so the signature pays for exactly these terms in this market on this chain,
once. Whoever holds the file can create the task and nothing else.
"""

from __future__ import annotations

from typing import Annotated, Self

from eth_abi.exceptions import EncodingError
from pydantic import BaseModel, ConfigDict, Field, model_validator

from moray.contracts.tasks import MAX_INLINE_BYTES, Task, task_id
from moray.errors import BadSetting

MAX_SIGNED_TASK_BYTES = 64 << 10
MAX_SIGNATURE_BYTES = 4096  # a contract's may be long

Seconds = Annotated[int, Field(ge=0, lt=1 << 64)]


class SignedTask(BaseModel):
    """As a file it is JSON with bytes in hex digits. The currency refuses the authorisation before and at
    ``valid_after`` and from ``valid_before`` on, Unix seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_bytes="hex", val_json_bytes="hex")

    chain_id: int = Field(ge=1, lt=1 << 64)
    task_market: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    task: Task
    spec: bytes = Field(max_length=MAX_INLINE_BYTES)  # empty where the task names a URL of it
    valid_after: Seconds
    valid_before: Seconds
    signature: bytes = Field(max_length=MAX_SIGNATURE_BYTES)

    @model_validator(mode="after")
    def _has_an_id(self) -> Self:
        try:
            _ = self.id
        except EncodingError as error:
            raise ValueError(f"the task is malformed: {error}") from None
        return self

    @property
    def id(self) -> bytes:
        return task_id(self.task, self.chain_id, self.task_market)

    def encode(self) -> bytes:
        return self.model_dump_json(indent=2).encode() + b"\n"


def parse_signed_task(content: bytes, source: str) -> SignedTask:
    """Raises BadSetting, which names ``source``."""
    try:
        if len(content) > MAX_SIGNED_TASK_BYTES:
            raise ValueError
        return SignedTask.model_validate_json(content)
    except ValueError:
        raise BadSetting(f"{source} is no signed task; make one with `moray task submit --gasless FILE`") from None
