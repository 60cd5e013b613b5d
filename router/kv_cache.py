"""The paged KV cache: fixed-size pages from one pool, an attention kind's named widths side by side in each slot."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

KV_PAGE_SIZE = 32  # token positions per kv_page


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """What an attention kind keeps per token and layer: names and widths in float32 values, in storage order."""

    widths: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        return sum(width for _, width in self.widths)

    def columns(self, *names: str) -> slice:
        """The contiguous columns of ``names``, which must be neighbours in storage order."""
        ends = list(accumulate(width for _, width in self.widths))
        places = [index for index, (name, _) in enumerate(self.widths) if name in names]
        if len(places) != len(names) or places != list(range(places[0], places[0] + len(places))):
            raise KeyError(f"{names} are not neighbours in {self.widths}")
        return slice(ends[places[0]] - self.widths[places[0]][1], ends[places[-1]])


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
    """One layer's storage ``[num_pages, KV_PAGE_SIZE, width]``.

    Every stored value is finite, so that a masked key times a zero weight adds exactly zero and one request's
    overflow cannot reach another's rows.
    """

    def __init__(self, spec: CacheSpec, num_pages: int) -> None:
        self.spec = spec
        self.pages = torch.zeros(num_pages, KV_PAGE_SIZE, spec.total)
        self._slots = self.pages.view(-1, spec.total)

    def write(self, slots: Tensor, entries: Tensor) -> None:
        """Store entries [T, width] at slots [T] (page * KV_PAGE_SIZE + offset)."""
        self._slots.index_copy_(0, slots, torch.nan_to_num(entries))

    def read(self, pages: Tensor | slice) -> Tensor:
        """Keys of pages [P] in page order -> [P * KV_PAGE_SIZE, width]; of a slice a view, not to be changed."""
        found = self.pages[pages] if isinstance(pages, slice) else self.pages.index_select(0, pages)
        return found.view(-1, self.spec.total)


def pages_needed(num_tokens: int) -> int:
    return -(-num_tokens // KV_PAGE_SIZE)
