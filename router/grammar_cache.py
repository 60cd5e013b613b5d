"""Compiled grammars by the form of an answer: the latest are kept, one at a time is compiled, few wait."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from moray.errors import Overloaded
from moray.router.answer_form import AnswerForm
from moray.router.grammar import GrammarCompiler
from moray.types import Grammar

MAX_KEPT = 32  # tens of megabytes each at worst (``schema_trial.LIMITS``)
MAX_WAITING = 16  # forms; requests for one that is being compiled wait with it


class GrammarCache:
    """Of one event loop."""

    def __init__(self, compiler: GrammarCompiler) -> None:
        self._compiler = compiler
        self._thread = ThreadPoolExecutor(1, "grammars")
        self._kept = OrderedDict[AnswerForm, Grammar]()  # the least recently used first
        self._compiling = dict[AnswerForm, asyncio.Future[Grammar]]()

    async def grammar(self, form: AnswerForm) -> Grammar:
        """To be copied. Raises BadRequest as the compiler, Overloaded when too many forms wait."""
        if form in self._kept:
            self._kept.move_to_end(form)
            return self._kept[form]
        if form not in self._compiling:
            self._compiling[form] = self._start(form)
        return await asyncio.shield(self._compiling[form])  # others may wait for it, and it stays for the next one

    def _start(self, form: AnswerForm) -> asyncio.Future[Grammar]:
        if len(self._compiling) >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} schemas wait to be compiled; try again later")
        compiling = asyncio.get_running_loop().run_in_executor(self._thread, self._compiler.compile, form)
        compiling.add_done_callback(lambda done: self._keep(form, done))
        return compiling

    def _keep(self, form: AnswerForm, done: asyncio.Future[Grammar]) -> None:
        del self._compiling[form]
        if done.cancelled() or done.exception() is not None:
            return
        self._kept[form] = done.result()
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
