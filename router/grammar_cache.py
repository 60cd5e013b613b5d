"""Compiled grammars by their schema: the latest are kept, one at a time is compiled, few wait."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from moray.errors import Overloaded
from moray.router.grammar import GrammarCompiler
from moray.types import Grammar

MAX_KEPT = 32  # tens of megabytes each at worst (``schema_trial.LIMITS``)
MAX_WAITING = 16  # schemas; requests for a schema that is being compiled wait with it


class GrammarCache:
    """Of one event loop."""

    def __init__(self, compiler: GrammarCompiler) -> None:
        self._compiler = compiler
        self._thread = ThreadPoolExecutor(1, "grammars")
        self._kept = OrderedDict[bytes, Grammar]()  # by the schema's hash, the least recently used first
        self._compiling = dict[bytes, asyncio.Future[Grammar]]()

    async def grammar(self, schema: str) -> Grammar:
        """To be copied. Raises BadRequest as the compiler, Overloaded when too many schemas wait."""
        key = sha256(schema.encode()).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._compiling:
            self._compiling[key] = self._start(key, schema)
        return await asyncio.shield(self._compiling[key])  # others may wait for it, and it stays for the next one

    def _start(self, key: bytes, schema: str) -> asyncio.Future[Grammar]:
        if len(self._compiling) >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} schemas wait to be compiled; try again later")
        compiling = asyncio.get_running_loop().run_in_executor(self._thread, self._compiler.compile, schema)
        compiling.add_done_callback(lambda done: self._keep(key, done))
        return compiling

    def _keep(self, key: bytes, done: asyncio.Future[Grammar]) -> None:
        del self._compiling[key]
        if done.cancelled() or done.exception() is not None:
            return
        self._kept[key] = done.result()
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
