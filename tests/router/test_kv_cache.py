"""The paged cache: the size of a slot, what storage holds at first, what a pool hands out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.router.attention_kernel import SCORE_KEYS
from moray.router.kv_cache import KV_PAGE_SIZE, CacheSpec, LayerCache, PagePool, pages_needed


@pytest.mark.parametrize(
    ("widths", "total"), [((16,), 16), ((1,), 16), ((17,), 32), ((512, 64), 576), ((20, 4), 48), ((3, 5, 1), 48)]
)
def test_each_value_takes_whole_lanes_of_its_own(widths: tuple[int, ...], total: int) -> None:
    assert CacheSpec(tuple((f"value {i}", width) for i, width in enumerate(widths))).total == total


def test_a_fresh_cache_holds_zeros_which_attention_relies_on_between_values() -> None:
    slots = LayerCache(CacheSpec((("latent", 20), ("rope_key", 4))), 3).slots
    assert slots.shape == (3 * KV_PAGE_SIZE, 48) and slots.dtype == np.float32
    assert slots.flags.c_contiguous and not slots.any()


def test_layers_do_not_share_their_storage() -> None:
    spec = CacheSpec((("latent", 16),))
    one, other = LayerCache(spec, 1), LayerCache(spec, 1)
    one.slots[:] = 1
    assert not other.slots.any()


def test_a_page_holds_whole_tiles_of_keys() -> None:
    """Attention scores a tile of keys at a time and may not read beyond the last page."""
    assert KV_PAGE_SIZE % SCORE_KEYS == 0


@given(st.lists(st.integers(0, 12), max_size=30))
def test_a_pool_never_gives_a_page_twice_and_gets_all_back(counts: list[int]) -> None:
    pool, held = PagePool(64), list[list[int]]()
    for count in counts:
        if count > pool.num_free:
            with pytest.raises(ValueError, match="free"):
                pool.take(count)
            for pages in held:
                pool.give_back(pages)
            held.clear()
            assert pool.num_free == 64
        held.append(pool.take(count))
        flat = [page for pages in held for page in pages]
        assert len(set(flat)) == len(flat)
        assert pool.num_free == 64 - len(flat)


def test_a_fresh_pool_gives_neighbours() -> None:
    pool = PagePool(10)
    assert pool.take(4) == [0, 1, 2, 3]
    first = pool.take(3)
    pool.give_back(first)
    assert pool.take(3) == first == [4, 5, 6]


@pytest.mark.parametrize(("tokens", "pages"), [(0, 0), (1, 1), (KV_PAGE_SIZE, 1), (KV_PAGE_SIZE + 1, 2)])
def test_pages_needed(tokens: int, pages: int) -> None:
    assert pages_needed(tokens) == pages
