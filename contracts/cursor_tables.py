"""Where event cursors keep what they have read: the newest chain_blocks, and all logs since their beginning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table

from moray.contracts.log import Log

_TOPIC_BYTES = 32

tables = MetaData()

cursors = Table(
    "event_cursors",
    tables,
    Column("name", String(200), primary_key=True),
    Column("filter", String, nullable=False),  # with another one a cursor begins anew
)
blocks = Table(
    "event_cursor_blocks",
    tables,
    Column("cursor", String(200), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)
logs = Table(
    "event_cursor_logs",
    tables,
    Column("cursor", String(200), primary_key=True),
    Column("block_number", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("block_hash", LargeBinary, nullable=False),
    Column("tx_hash", LargeBinary, nullable=False),
    Column("address", String(42), nullable=False),
    Column("topics", LargeBinary, nullable=False),  # one after the other
    Column("data", LargeBinary, nullable=False),
)


def log_columns(cursor: str, log: Log) -> dict[str, Any]:
    return {
        "cursor": cursor,
        "block_number": log.block_number,
        "log_index": log.log_index,
        "block_hash": log.block_hash,
        "tx_hash": log.tx_hash,
        "address": log.address,
        "topics": b"".join(log.topics),
        "data": log.data,
    }


def log_of(row: Mapping[Any, Any]) -> Log:
    topics = row["topics"]
    return Log(
        address=row["address"],
        topics=tuple(topics[start : start + _TOPIC_BYTES] for start in range(0, len(topics), _TOPIC_BYTES)),
        data=row["data"],
        block_number=row["block_number"],
        block_hash=row["block_hash"],
        tx_hash=row["tx_hash"],
        log_index=row["log_index"],
    )
