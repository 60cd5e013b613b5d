"""The paged cache: layout of a slot, what a pool hands out, what is stored."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moray.router.kv_cache import KV_PAGE_SIZE, CacheSpec, LayerCache, PagePool, pages_needed

SPEC = CacheSpec((("rope_key", 3), ("latent", 5), ("one", 1)))


def test_columns_of_neighbours() -> None:
    assert SPEC.total == 9
    assert SPEC.columns("latent") == slice(3, 8)
    assert SPEC.columns("latent", "one") == slice(3, 9)


@pytest.mark.parametrize("names", [("rope_key", "one"), ("nothing",)])
def test_columns_that_are_no_neighbours_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises((KeyError, IndexError)):
        SPEC.columns(*names)


def test_what_is_written_is_read_in_page_order() -> None:
    cache = LayerCache(SPEC, 4)
    entries = torch.randn(40, SPEC.total)
    order = [3, 1]  # the sequence's pages
    slots = torch.tensor([order[p // KV_PAGE_SIZE] * KV_PAGE_SIZE + p % KV_PAGE_SIZE for p in range(40)])
    cache.write(slots, entries)
    assert torch.equal(cache.read(torch.tensor(order))[:40], entries)


def test_a_slice_of_pages_is_a_view_with_the_same_values() -> None:
    cache = LayerCache(SPEC, 6)
    cache.pages.normal_()
    view = cache.read(slice(2, 5))
    assert torch.equal(view, cache.read(torch.tensor([2, 3, 4])))
    assert view.data_ptr() == cache.pages[2].data_ptr()


def test_only_finite_values_are_stored() -> None:
    """An overflow of one request must not turn 0 * inf into NaN for a neighbour."""
    cache = LayerCache(SPEC, 1)
    cache.write(torch.tensor([0, 1]), torch.tensor([[float("inf")] * 9, [float("nan")] * 9]))
    assert torch.isfinite(cache.pages).all()


@settings(deadline=None)
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
