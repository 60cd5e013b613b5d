"""A task that is submitted again under its key, also by another process after a crash, is paid for once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from chain_kit import CLIENT, DEPLOYER, FEE, SPEC, Deployed, deployed
from moray.agents.sdk.tasks import TaskBook
from moray.contracts.client import TaskClient
from moray.contracts.models import ModelRecord, ModelRegistry
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from moray.contracts.task_terms import TaskTerms
from moray.errors import BadSetting, OutboxConflict

MODEL = ModelRecord(1, 8, 8, 2, 2, 300, 1, 1, b"\1" * 32, bytes(32), bytes(32), b"\2" * 32)


@asynccontextmanager
async def market(folder: Path) -> AsyncIterator[tuple[Deployed, TaskClient, TaskTerms]]:
    async with deployed() as there:
        registry = ModelRegistry(there.chain, there.addresses.model_registry)
        await there.send(registry.register(MODEL), DEPLOYER.address)
        await there.send(there.currency.mint(CLIENT.address, 10 * FEE), CLIENT.address)
        terms = TaskTerms(MODEL.id, FEE, FEE, there.addresses.resolver)
        outbox = Outbox(f"sqlite:///{folder / 'outbox'}")
        async with Sender(outbox, there.chain, CLIENT, round_s=0.05) as sender:
            trusted = frozenset({there.addresses.resolver})
            yield there, TaskClient(there.chain, there.addresses, trusted, lambda _u, _l: b"", sender), terms
        outbox.close()


def test_the_same_key_is_the_same_task_and_is_paid_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with market(tmp_path) as (there, client, terms):
            before = await there.currency.balance(CLIENT.address)
            first = await TaskBook(tmp_path / "tasks").submit(client, "order 1", SPEC, terms)
            again = await TaskBook(tmp_path / "tasks").submit(client, "order 1", SPEC, terms)
            assert first == again and await there.currency.balance(CLIENT.address) == before - FEE
            other = await TaskBook(tmp_path / "tasks").submit(client, "order 2", SPEC, terms)
            assert other != first and await there.currency.balance(CLIENT.address) == before - 2 * FEE

    asyncio.run(scene())


def test_a_crash_before_the_payment_leaves_a_task_that_is_paid_for_later(tmp_path: Path) -> None:
    async def scene() -> None:
        async with market(tmp_path) as (there, client, terms):
            before = await there.currency.balance(CLIENT.address)
            create, client.create = client.create, _crash  # type: ignore[method-assign,assignment]
            with pytest.raises(InterruptedError):
                await TaskBook(tmp_path / "tasks").submit(client, "order 1", SPEC, terms)
            assert await there.currency.balance(CLIENT.address) == before
            client.create = create  # type: ignore[method-assign]
            task_id = await TaskBook(tmp_path / "tasks").submit(client, "order 1", SPEC, terms)
            assert (await client.record(task_id)).task.client == CLIENT.address
            assert await there.currency.balance(CLIENT.address) == before - FEE

    asyncio.run(scene())


async def _crash(_: object) -> None:
    raise InterruptedError


def test_a_key_that_stands_for_another_task_or_a_spoilt_record_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with market(tmp_path) as (_, client, terms):
            book = TaskBook(tmp_path / "tasks")
            await book.submit(client, "order 1", SPEC, terms)
            with pytest.raises(OutboxConflict, match="another task"):
                await book.submit(client, "order 1", SPEC, replace(terms, fee=FEE + 1, bond=FEE + 1))
            (record,) = (tmp_path / "tasks").iterdir()
            assert record.stat().st_mode & 0o777 == 0o600
            record.write_text("{}")
            with pytest.raises(BadSetting, match="no record"):
                await book.submit(client, "order 1", SPEC, terms)
            client.sender = None
            with pytest.raises(BadSetting, match="sender"):
                await book.submit(client, "order 2", SPEC, terms)

    asyncio.run(scene())
