"""One writer at a time for a chain and signer, over all processes, which ends with its process however that ends."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError


class WriterLock(Protocol):
    def acquire(self) -> bool:
        """Whether it is held now. Does not wait; asked again, it says whether the lock is still held."""
        ...

    def release(self) -> None: ...


def writer_lock(engine: Engine, chain_id: int, signer: str) -> WriterLock:
    name = f"{chain_id}-{signer.lower()}"
    if engine.dialect.name == "postgresql":
        return _PostgresLock(engine, name)
    database = Path(str(engine.url.database))
    return _FileLock(database.with_name(f"{database.name}.writer-{name}.lock"))


class _FileLock:
    """The operating system's lock of a file. The file stays: whoever removed it would part those who wait."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        if self._fd is not None:
            return True
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class _PostgresLock:
    """A lock of one session of the database's. It is lost with the session, which the outbox's own constraints make
    harmless; so it is looked at before each round."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._number = int.from_bytes(hashlib.sha256(f"moray writer {name}".encode()).digest()[:8], signed=True)
        self._session: Connection | None = None

    def acquire(self) -> bool:
        if self._session is not None:
            try:
                self._session.execute(text("SELECT 1"))
                return True
            except DBAPIError:
                self.release()
        session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if session.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": self._number}).scalar_one():
            self._session = session
            return True
        session.close()
        return False

    def release(self) -> None:
        if self._session is not None:
            self._session.invalidate()  # closes the session, and with it the lock; back in the pool it would keep it
            self._session.close()
            self._session = None
