"""Submitted results, brought here from wherever they are, and judged with the model."""

from __future__ import annotations

import asyncio

from moray.contracts.contents import Fetch, content_bytes
from moray.contracts.tasks import Content
from moray.errors import ContentUnavailable
from moray.router.judge import Judge
from moray.router.judging import Judgement
from moray.router.task_log import KnownTask


class Examiner:
    """One result at a time: reading an answer again uses the whole machine."""

    def __init__(self, judge: Judge, fetch: Fetch) -> None:
        self.model_id = bytes.fromhex(judge.model_id)
        self._judge, self._fetch = judge, fetch

    async def examine(self, known: KnownTask, is_last_try: bool) -> Judgement | None:
        """None while something of it cannot be had; in the last try it counts as missing.

        ``known`` has a submission. Raises what the judge's model does."""
        assert known.submitted is not None
        task = known.task
        contents = [
            await self._bytes(content)
            for content in (
                Content(task.spec_hash, known.spec, task.spec_uri),
                known.submitted.result,
                known.submitted.transcript,
            )
        ]
        if None in contents and not is_last_try:
            return None
        return await asyncio.to_thread(self._judge.judge, *contents)

    async def _bytes(self, content: Content) -> bytes | None:
        try:
            return await content_bytes(content, self._fetch)
        except ContentUnavailable:
            return None
