"""The paged KV cache: fixed-size pages from one pool, an attention kind's named widths side by side in each slot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moray.experts.simd import whole_lanes

KV_PAGE_SIZE = 32  # token positions per kv_page


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """What an attention kind keeps per token and layer: names and widths in float32 values, in storage order. Each
    is stored in whole lanes, filled up with zeros."""

    widths: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """Values stored per token."""
        return sum(whole_lanes(width) for _, width in self.widths)


class PagePool:
    """Which pages are free. Pages are plain indices, valid in every layer's storage."""

    def __init__(self, num_pages: int) -> None:
        self.num_pages = num_pages
        self._free = list(range(num_pages - 1, -1, -1))  # a stack: recently used pages are warm

    @property
    def num_free(self) -> int:
        return len(self._free)

    def take(self, count: int) -> list[int]:
        """Raises ValueError when fewer are free: callers look at ``num_free`` first."""
        if count > len(self._free):
            raise ValueError(f"{count} pages asked for, {len(self._free)} free")
        return [self._free.pop() for _ in range(count)]

    def give_back(self, pages: list[int]) -> None:
        self._free.extend(reversed(pages))


class LayerCache:
    """One layer's storage: ``slots`` [num_pages * KV_PAGE_SIZE, width]; a page is KV_PAGE_SIZE neighbouring slots."""

    def __init__(self, spec: CacheSpec, num_pages: int) -> None:
        self.slots = np.zeros((num_pages * KV_PAGE_SIZE, spec.total), np.float32)


def pages_needed(num_tokens: int) -> int:
    return -(-num_tokens // KV_PAGE_SIZE)
