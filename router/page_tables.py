"""The page tables of requests: pages taken over from the prefix cache, taken for writing, published and let go."""

from __future__ import annotations

from moray.router.kv_cache import KV_PAGE_SIZE, pages_needed
from moray.router.prefix_cache import PrefixCache
from moray.router.sequence import Sequence


class PageTables:
    def __init__(self, cache: PrefixCache, is_sharing: bool) -> None:
        """``is_sharing`` false: every request writes all of its pages itself."""
        self._cache, self._is_sharing = cache, is_sharing

    def num_wanted(self, sequence: Sequence) -> int:
        """How many pages fewer would be available if ``sequence``, which has none, got those of all its tokens: pages
        that others hold cost nothing."""
        num_held = 0
        while self._is_sharing and num_held < _num_reusable(sequence):
            if not self._cache.is_held(sequence.hash_of_page(num_held)):
                break
            num_held += 1
        return pages_needed(len(sequence.tokens)) - num_held

    def reuse(self, sequence: Sequence) -> int:
        """Take over published pages from where it stands; the number of tokens that need not be read now. Its last
        token is read in any case, for the logits."""
        first = len(sequence.pages)
        if not self._is_sharing or first * KV_PAGE_SIZE != sequence.num_cached:  # it has begun a page of its own
            return 0
        for index in range(first, _num_reusable(sequence)):
            page = self._cache.reuse(sequence.hash_of_page(index))
            if page is None:
                break
            sequence.pages.append(page)
        num_tokens = (len(sequence.pages) - first) * KV_PAGE_SIZE
        sequence.num_cached += num_tokens
        return num_tokens

    def extend(self, sequence: Sequence, count: int) -> None:
        """Raises ValueError when fewer pages are available."""
        sequence.pages += self._cache.take(count)

    def publish(self, sequence: Sequence, start: int) -> None:
        """The pages that were filled since token ``start`` was the first without an entry."""
        if self._is_sharing:
            for index in range(start // KV_PAGE_SIZE, sequence.num_cached // KV_PAGE_SIZE):
                self._cache.publish(sequence.pages[index], sequence.hash_of_page(index))

    def clear(self, sequence: Sequence) -> None:
        self._cache.release(sequence.pages, sequence.page_hashes)
        sequence.pages, sequence.num_cached = [], 0


def _num_reusable(sequence: Sequence) -> int:
    """Full pages before its last token."""
    return (len(sequence.tokens) - 1) // KV_PAGE_SIZE
