"""Rows shared out among threads. Kernels hold no lock of Python's and a row's bits depend on nothing else, so neither
does the answer on how many threads there are."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

MIN_ROWS = 16  # of one thread: a decode step of a few rows is done before another thread has woken


class RowThreads:
    """One process's threads for rows; more than one only where a machine has cores to spare."""

    def __init__(self) -> None:
        self.num_threads = 1
        self._pool: ThreadPoolExecutor | None = None

    def resize(self, num_threads: int) -> None:
        if num_threads != self.num_threads:
            self.num_threads = num_threads
            self._pool = ThreadPoolExecutor(num_threads - 1, "rows") if num_threads > 1 else None

    def share(self, num_rows: int, work: Callable[[slice], None]) -> None:
        """Call ``work`` with slices that make up all rows, and return when all are done. Raises what it raises."""
        pool, count = self._pool, min(self.num_threads, num_rows // MIN_ROWS)
        if pool is None or count < 2:
            work(slice(0, num_rows))
            return
        bounds = [num_rows * i // count for i in range(count + 1)]
        first, *others = [slice(start, end) for start, end in pairwise(bounds)]
        pending = [pool.submit(work, rows) for rows in others]
        work(first)
        for future in pending:
            future.result()


row_threads = RowThreads()
