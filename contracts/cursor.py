"""The events of some contracts, read once each, through restarts and reorganisations.

A cursor keeps the hashes of the newest blocks that it has read. Before it reads on it looks which of them are still on
the chain, and forgets the events of those that are not. Old blocks are read by ranges, as long as the endpoint answers;
the newest SETTLED_DEPTH one by one and by hash, so that no reorganisation can come between a block and its events. Each
poll is one transaction of the database. What a reader makes of the events it makes of ``logs()`` after a restart, and
of each ``Change`` from then on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select

from moray.contracts.chain import Chain, ChainBlock
from moray.contracts.cursor_tables import blocks, cursors, log_columns, log_of, logs, tables
from moray.contracts.database import open_database, reading
from moray.contracts.log import Log
from moray.errors import ChainError, ChainRefused

SETTLED_DEPTH = 64  # chain_blocks below the head from which on ranges are read; deeper reorganisations work, but slower
KEPT_BLOCKS = 1024  # hashes of older ones are forgotten; a reorganisation below them has the cursor begin anew
FIRST_RANGE, MAX_RANGE = 1_000, 10_000  # chain_blocks in one request
_LOGS_A_PAGE = 500

_Known = tuple[int, bytes | None]  # number and hash of a block that was read; no hash where none was yet


@dataclass(frozen=True, slots=True)
class Change:
    """``rolled_back_to``: events above that block are no longer on the chain; None: all that were known still are.
    ``added`` came after that, in the chain's order. ``is_current``: there was nothing more to read."""

    rolled_back_to: int | None
    added: tuple[Log, ...]
    is_current: bool


@dataclass(frozen=True, slots=True)
class _Fetched:
    blocks: tuple[ChainBlock, ...]
    logs: tuple[Log, ...]
    is_current: bool


class EventCursor:
    """``name`` is the cursor's in the database. ``topics``: the events (first topics) that are wanted; none: all.
    With another filter, or another ``from_block``, a cursor of the same name begins anew."""

    def __init__(
        self,
        chain: Chain,
        database_url: str,
        name: str,
        addresses: Sequence[str],
        topics: Sequence[bytes] = (),
        from_block: int = 0,
    ) -> None:
        self._chain = chain
        self._engine = open_database(database_url, tables)
        self._name = name
        self._addresses = frozenset(addresses)
        self._from_block = from_block
        self._range = FIRST_RANGE
        self._read_to: _Known | Literal["unread"] | None = "unread"  # what this process was told last; None: of nothing
        self._filter: dict[str, Any] = {"address": sorted(addresses)}
        if topics:
            self._filter["topics"] = [[f"0x{topic.hex()}" for topic in sorted(topics)]]
        with self._engine.begin() as connection:
            self._begin_anew_if_changed(connection)

    def logs(self) -> Iterator[Log]:
        """All that are on the chain as far as the cursor has read it, in the chain's order."""
        query = select(logs).where(logs.c.cursor == self._name).order_by(logs.c.block_number, logs.c.log_index)
        with reading(self._engine).begin() as connection:
            self._read_to = self._newest(connection)
            for row in connection.execution_options(yield_per=_LOGS_A_PAGE).execute(query).mappings():
                yield log_of(row)

    async def poll(self) -> Change:
        """Read on: up to the head, or one range of old blocks. Raises ChainUnreachable and ChainRefused; then nothing
        has changed, and the next poll tries again. ChainError where another process has read on with this cursor: what
        it was told is not told here."""
        known = await asyncio.to_thread(self._known_blocks)
        tip = known[0] if known else None
        if self._read_to not in ("unread", tip):
            raise self._shared()
        kept = await self._newest_on_chain(known)
        fetched = await self._fetch(kept)
        self._read_to = await asyncio.to_thread(self._store, tip, kept[0], fetched)
        is_rolled_back = tip is not None and kept[0] < tip[0]
        return Change(kept[0] if is_rolled_back else None, fetched.logs, fetched.is_current)

    def close(self) -> None:
        self._engine.dispose()

    # -- reading the chain --------------------------------------------------------------------------------------------

    async def _newest_on_chain(self, known: Sequence[_Known]) -> _Known:
        """The newest known block (number, hash) that is still there; the one before the first where none is."""
        for each in known:
            if await self._is_on_chain(each):
                return each
        return self._from_block - 1, None

    async def _is_on_chain(self, known: _Known) -> bool:
        """Also where nothing is known yet."""
        number, block_hash = known
        if block_hash is None:
            return True
        block = await self._chain.block(number)
        return block is not None and block.hash == block_hash

    async def _fetch(self, kept: _Known) -> _Fetched:
        head = await self._chain.head()
        if kept[0] < head.number - SETTLED_DEPTH:
            return await self._fetch_range(kept, head.number - SETTLED_DEPTH)
        return await self._fetch_newest(kept, head.number)

    async def _fetch_range(self, kept: _Known, settled: int) -> _Fetched:
        """What follows ``kept``, as far as one answer goes."""
        first = kept[0] + 1
        while True:
            last = min(settled, first + self._range - 1)
            before = await self._chain.block(last)
            try:
                found = await self._logs({"fromBlock": hex(first), "toBlock": hex(last)})
            except ChainRefused:
                if last == first:
                    raise
                self._range = max(1, (last - first + 1) // 2)
                continue
            is_same = before is not None and before == await self._chain.block(last)
            if before is None or not is_same or not await self._is_on_chain(kept):
                return _Fetched((), (), is_current=False)  # reorganised in between: look again
            self._range = min(MAX_RANGE, 2 * self._range)
            self._check(found, first, last)
            return _Fetched((before,), found, is_current=False)

    async def _fetch_newest(self, kept: _Known, head: int) -> _Fetched:
        """Each block after ``kept``, as long as it follows from the one before."""
        last, parent = kept
        read: list[ChainBlock] = []
        found: list[Log] = []
        for number in range(last + 1, head + 1):
            block = await self._chain.block(number)
            if block is None or (parent is not None and block.parent != parent):
                return _Fetched(tuple(read), tuple(found), is_current=False)
            try:
                of_block = await self._logs({"blockHash": f"0x{block.hash.hex()}"})
            except ChainRefused:
                if block == await self._chain.block(number):
                    raise
                return _Fetched(tuple(read), tuple(found), is_current=False)
            self._check(of_block, number, number, block.hash)
            read.append(block)
            found += of_block
            parent = block.hash
        return _Fetched(tuple(read), tuple(found), is_current=True)

    async def _logs(self, where: dict[str, str]) -> tuple[Log, ...]:
        found = await self._chain.logs(self._filter | where)
        once = {(log.block_number, log.log_index): log for log in found}
        return tuple(log for _, log in sorted(once.items()))

    def _check(self, found: Sequence[Log], first: int, last: int, block_hash: bytes | None = None) -> None:
        for log in found:
            is_asked_for = log.address in self._addresses and first <= log.block_number <= last
            if not is_asked_for or block_hash not in (None, log.block_hash):
                raise ChainError("the RPC endpoint answered with events that were not asked for; use another one")

    # -- the database -------------------------------------------------------------------------------------------------

    def _begin_anew_if_changed(self, connection: Connection) -> None:
        wanted = json.dumps({"chain_id": self._chain.chain_id, "from_block": self._from_block, **self._filter})
        mine = select(cursors.c.filter).where(cursors.c.name == self._name)
        if connection.execute(mine).scalar_one_or_none() == wanted:
            return
        connection.execute(delete(cursors).where(cursors.c.name == self._name))
        self._forget_after(connection, -1)
        connection.execute(insert(cursors).values(name=self._name, filter=wanted))

    def _known_blocks(self) -> list[_Known]:
        """Newest first."""
        with reading(self._engine).begin() as connection:
            return self._blocks(connection)

    def _blocks(self, connection: Connection, limit: int | None = None) -> list[_Known]:
        query = select(blocks.c.number, blocks.c.hash).where(blocks.c.cursor == self._name)
        rows = connection.execute(query.order_by(blocks.c.number.desc()).limit(limit))
        return [(row.number, row.hash) for row in rows]

    def _newest(self, connection: Connection) -> _Known | None:
        return next(iter(self._blocks(connection, 1)), None)

    def _shared(self) -> ChainError:
        return ChainError(
            f"another process reads with the event cursor {self._name!r}; end one, or give each its own --state-dir"
        )

    def _store(self, tip: _Known | None, kept: int, fetched: _Fetched) -> _Known | None:
        """What is the newest then."""
        with self._engine.begin() as connection:
            if self._newest(connection) != tip:
                raise self._shared()
            if tip is not None and kept < tip[0]:
                self._forget_after(connection, kept)
            if fetched.logs:
                connection.execute(insert(logs), [log_columns(self._name, log) for log in fetched.logs])
            if fetched.blocks:
                rows = [{"cursor": self._name, "number": block.number, "hash": block.hash} for block in fetched.blocks]
                connection.execute(insert(blocks), rows)
                old = blocks.c.number <= fetched.blocks[-1].number - KEPT_BLOCKS
                connection.execute(delete(blocks).where(blocks.c.cursor == self._name, old))
            return self._newest(connection)

    def _forget_after(self, connection: Connection, number: int) -> None:
        connection.execute(delete(logs).where(logs.c.cursor == self._name, logs.c.block_number > number))
        connection.execute(delete(blocks).where(blocks.c.cursor == self._name, blocks.c.number > number))
