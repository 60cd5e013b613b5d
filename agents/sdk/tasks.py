"""A task of the chain that is paid for once, however often it is submitted under one key.

The market tells two equal tasks apart by a salt, so a caller that asks again after a crash would pay again. Here the
planned task, salt and all, is on disk under the caller's key before anything is paid; whoever comes with the key again
gets the same task, and the sender sends each of its calls once.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from moray.canonical_json import canonical_json
from moray.contracts.client import PlannedTask, TaskClient
from moray.contracts.task_terms import TaskTerms
from moray.contracts.tasks import Task
from moray.errors import BadSetting, OutboxConflict
from moray.files import create_private, read_private

MAX_RECORD_BYTES = 64 << 10


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_bytes="hex", val_json_bytes="hex")

    asked: str  # what the key stands for
    id: bytes
    task: Task
    spec: bytes


class TaskBook:
    """``folder`` is its owner's alone; one file for each key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def submit(self, client: TaskClient, key: str, spec: bytes, terms: TaskTerms, spec_uri: str = "") -> bytes:
        """The id of the one task of ``key``, paid for.

        Raises OutboxConflict for a key that stands for another task, and what ``TaskClient.submit`` raises.
        """
        if client.sender is None:
            raise BadSetting("a task costs its fee and gas, and no account is given; open the client with a sender")
        owner = client.sender.address
        asked = _digest(client, owner, spec, terms, spec_uri)
        path = self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
        if not path.exists():
            planned = await client.plan(spec, terms, owner, spec_uri)
            record = _Record(asked=asked, id=planned.id, task=planned.task, spec=planned.spec)
            with suppress(FileExistsError):  # another process of this owner was faster: its task is the one
                create_private(path, record.model_dump_json().encode())
        record = _read(path)
        if record.asked != asked:
            raise OutboxConflict(f"key {key!r} stands for another task of {owner}; give a new key for a new task")
        await client.create(PlannedTask(record.id, record.task, record.spec))
        return record.id


def _read(path: Path) -> _Record:
    try:
        return _Record.model_validate_json(read_private(path, MAX_RECORD_BYTES))
    except ValidationError:
        raise BadSetting(f"{path} is no record of a task; move it away only if its task was never paid for") from None


def _digest(client: TaskClient, owner: str, spec: bytes, terms: TaskTerms, spec_uri: str) -> str:
    named = asdict(terms) | {"model_id": terms.model_id.hex()}
    where = [client.chain.chain_id, client.market.address, owner]
    return hashlib.sha256(canonical_json([where, spec.hex(), spec_uri, named])).hexdigest()
