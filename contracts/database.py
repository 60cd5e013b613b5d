"""The one way to a database of the product: SQLite by default, Postgres by URL."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from moray.errors import BadSetting

BUSY_TIMEOUT_S = 30.0  # how long one process waits for another's SQLite transaction
_TABLES_LOCK = 0x6D6F726179  # "moray": the Postgres lock under which tables are made


def open_database(database_url: str, tables: MetaData) -> Engine:
    """The engine, with ``tables`` made where they are missing; an ``engine.begin()`` is done whole or not at all.

    Raises BadSetting for a URL that is neither ``sqlite:///PATH`` nor ``postgresql://...``. The message does not quote
    it, for it may hold a password.
    """
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise BadSetting(
            "a database's URL looks like sqlite:///PATH or postgresql://USER@HOST/NAME; correct it"
        ) from None
    if url.get_backend_name() == "postgresql":
        try:
            engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
        except ModuleNotFoundError:
            raise BadSetting("Postgres needs psycopg: pip install 'moray[postgres]'") from None
    elif url.get_backend_name() == "sqlite":
        engine = _sqlite(sqlite_path(database_url))
    else:
        raise BadSetting(f"{url.get_backend_name()} is no database for this; use SQLite or Postgres")
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # two processes cannot make one table at the same time
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _TABLES_LOCK})
        tables.create_all(connection)
    return engine


def sqlite_path(database_url: str) -> Path:
    """The file of an SQLite URL. Raises BadSetting if there can be none."""
    database = make_url(database_url).database
    if not database or database == ":memory:":
        raise BadSetting("a database in memory does not survive its process; use sqlite:///PATH")
    path = Path(database)
    if not path.parent.is_dir():
        raise BadSetting(f"there is no folder {path.parent} for the database; make it, or name another file")
    return path


def _sqlite(path: Path) -> Engine:
    # Its owner's alone, and so the files that SQLite puts beside it. Never one that is there: closing it would drop the
    # locks that this process has on it. What else goes wrong SQLite says itself.
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S})
    # The driver would begin a transaction at the first write only, so that two processes could read the same row first.
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: object, _: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")  # readers do not wait for the writer
    cursor.execute("PRAGMA synchronous=FULL")  # a committed transaction survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    is_reader = connection.get_execution_options().get("is_reader", False)
    connection.exec_driver_sql("BEGIN" if is_reader else "BEGIN IMMEDIATE")


def reading(engine: Engine) -> Engine:
    """The same database for reading: its transactions do not wait for writers."""
    return engine.execution_options(is_reader=True)
