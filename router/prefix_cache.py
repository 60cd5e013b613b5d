"""KV pages by what they hold: a request takes over the pages that another one wrote for the same tokens.

A full page's address is a hash over its tokens and the address of the page before it, so that it stands for the whole
prefix. The hash is collision-resistant, since a collision would show one tenant's text to another, and its chain begins
with the request's salt: requests of different salts share nothing.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

from moray.router.kv_cache import PagePool

HASH_BYTES = 32


def root_hash(salt: str) -> bytes:
    """The address before the first page."""
    return blake2b(salt.encode(), digest_size=HASH_BYTES, person=b"moray-salt").digest()


def page_hash(parent: bytes, token_ids: Sequence[int]) -> bytes:
    """The address of a full page of ``token_ids`` behind the page of address ``parent`` (BLAKE2b, RFC 7693)."""
    content = parent + array("q", token_ids).tobytes()
    return blake2b(content, digest_size=HASH_BYTES, person=b"moray-page").digest()


class PrefixCache:
    """Every page is free, held by one or more requests, or idle: published, held by nobody, kept until it is needed for
    other tokens. Idle pages go the least recently used first, and of one prefix the last page first."""

    def __init__(self, pool: PagePool) -> None:
        self.pool = pool
        self.num_holders = [0] * pool.num_pages
        self._page_of: dict[bytes, int] = {}
        self._hash_of: dict[int, bytes] = {}  # of the same pages, the published ones
        self._idle: OrderedDict[int, None] = OrderedDict()  # next to go first

    @property
    def num_pages(self) -> int:
        return self.pool.num_pages

    @property
    def num_idle(self) -> int:
        return len(self._idle)

    @property
    def num_available(self) -> int:
        """Pages that can be taken."""
        return self.pool.num_free + len(self._idle)

    def take(self, count: int) -> list[int]:
        """Pages for writing. Raises ValueError when fewer are available: callers look first."""
        if count > self.num_available:
            raise ValueError(f"{count} pages asked for, {self.num_available} available")
        while self.pool.num_free < count:
            self._evict()
        pages = self.pool.take(count)
        for page in pages:
            self.num_holders[page] = 1
        return pages

    def reuse(self, address: bytes) -> int | None:
        """The page published at ``address``, held once more; not to be written."""
        page = self._page_of.get(address)
        if page is not None:
            self.num_holders[page] += 1
            self._idle.pop(page, None)
        return page

    def is_held(self, address: bytes) -> bool:
        """Whether reusing that page would leave as many available as before."""
        page = self._page_of.get(address)
        return page is not None and self.num_holders[page] > 0

    def publish(self, page: int, address: bytes) -> None:
        """``page``, held by its writer, is full and will not be written again. When another page has the address
        already, this one stays its writer's alone."""
        if address not in self._page_of:
            self._page_of[address] = page
            self._hash_of[page] = address

    def release(self, pages: Sequence[int], addresses: Sequence[bytes]) -> None:
        """A request lets go of its page table; ``addresses`` are those of its first pages, as far as they are known.
        What it used counts as used now, also where it has a page of its own beside the published one."""
        freed = []
        for index in reversed(range(len(pages))):  # a page becomes idle before those that lead to it
            page = pages[index]
            self.num_holders[page] -= 1
            if not self.num_holders[page]:
                if page in self._hash_of:
                    self._idle[page] = None
                else:
                    freed.append(page)
            published = self._page_of.get(addresses[index]) if index < len(addresses) else None
            if published is not None and published in self._idle:
                self._idle.move_to_end(published)
        self.pool.give_back(freed[::-1])

    def _evict(self) -> None:
        page, _ = self._idle.popitem(last=False)
        del self._page_of[self._hash_of.pop(page)]
        self.pool.give_back([page])
