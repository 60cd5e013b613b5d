"""Verdicts of a resolver's members, each signed for itself, and gathered until there are enough of the same.

Members share a folder, however they bring it to each other's machines: a file in it is believed for its signature only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moray.contracts.tasks import Outcome
from moray.errors import BadSetting, BadSignature
from moray.node_key import SIGNATURE_BYTES, TypedData, recover

MAX_VERDICT_BYTES = 4096
MAX_FILES = 256  # that are read for one task: a resolver has 32 members at most


class SignedVerdict(BaseModel):
    """As a file it is JSON with bytes in hex digits."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_bytes="hex", val_json_bytes="hex")

    task_id: bytes = Field(min_length=32, max_length=32)
    result_hash: bytes = Field(min_length=32, max_length=32)
    transcript_hash: bytes = Field(min_length=32, max_length=32)
    outcome: Outcome
    member: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    signature: bytes = Field(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)

    @property
    def said(self) -> tuple[bytes, bytes, bytes, Outcome]:
        return self.task_id, self.result_hash, self.transcript_hash, self.outcome


class VerdictFolder:
    def __init__(self, path: Path) -> None:
        """Raises BadSetting."""
        if not path.is_dir():
            raise BadSetting(f"--verdicts {path} is no folder; make it, or name the one that the members share")
        self._path = path

    def put(self, verdict: SignedVerdict) -> None:
        """Replaces the member's earlier verdict on the task. Raises BadSetting."""
        target = self._path / f"{verdict.task_id.hex()}-{verdict.member.lower()}.json"
        fresh = target.with_suffix(f".{os.getpid()}.tmp")
        try:
            fresh.write_bytes(verdict.model_dump_json().encode() + b"\n")
            fresh.replace(target)
        except OSError as error:
            raise BadSetting(f"cannot write {target}: {error.strerror}; name another --verdicts") from None

    def of(self, task_id: bytes) -> list[SignedVerdict]:
        """Every verdict on the task, whoever wrote it; what is none is left out."""
        found = sorted(self._path.glob(f"{task_id.hex()}-*.json"))[:MAX_FILES]
        return [verdict for path in found if (verdict := _read(path)) is not None]


def signatures_of(
    own: SignedVerdict, found: Iterable[SignedVerdict], members: Iterable[str], signed_data: TypedData
) -> dict[str, bytes]:
    """Those of ``members`` who say what ``own`` says, and their signatures of it (``signed_data``)."""
    allowed = frozenset(members)
    agreeing = [verdict for verdict in (own, *found) if verdict.said == own.said and verdict.member in allowed]
    return {verdict.member: verdict.signature for verdict in agreeing if _is_by(verdict, signed_data)}


def _is_by(verdict: SignedVerdict, data: TypedData) -> bool:
    try:
        return recover(data, verdict.signature) == verdict.member
    except BadSignature:
        return False


def _read(path: Path) -> SignedVerdict | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_VERDICT_BYTES + 1)
        return SignedVerdict.model_validate_json(content) if len(content) <= MAX_VERDICT_BYTES else None
    except (OSError, ValidationError):
        return None
