"""Pages by what they hold: who may take over which, who is told so, and what goes first when pages run short."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_engine import FakeEngine, answer, request
from moray.router.kv_cache import KV_PAGE_SIZE, PagePool
from moray.router.prefix_cache import PrefixCache, page_hash, root_hash
from moray.router.scheduler import SchedulerLimits

PAGE = st.lists(st.integers(0, 2**40), min_size=KV_PAGE_SIZE, max_size=KV_PAGE_SIZE)
STEPS = 500  # more than any test here needs


def addresses(name: str, count: int) -> list[bytes]:
    """Of the first pages of a prefix."""
    chain = [root_hash(name)]
    for place in range(count):
        chain.append(page_hash(chain[-1], [place] * KV_PAGE_SIZE))
    return chain[1:]


def written(cache: PrefixCache, chain: list[bytes]) -> list[int]:
    """Pages that a request wrote and published, still held."""
    pages = cache.take(len(chain))
    for page, address in zip(pages, chain, strict=True):
        cache.publish(page, address)
    return pages


@settings(max_examples=30)
@given(PAGE, st.integers(0, KV_PAGE_SIZE - 1), st.text(max_size=20), st.text(max_size=20))
def test_an_address_depends_on_every_token_on_what_comes_before_and_on_the_salt(
    tokens: list[int], place: int, salt: str, other_salt: str
) -> None:
    root = root_hash(salt)
    address = page_hash(root, tokens)
    assert address == page_hash(root_hash(salt), list(tokens)) and len(address) == 32
    changed = [*tokens[:place], tokens[place] + 1, *tokens[place + 1 :]]
    assert page_hash(root, changed) != address
    assert page_hash(address, tokens) != address
    assert (page_hash(root_hash(other_salt), tokens) == address) == (salt == other_salt)


def test_a_page_that_nobody_holds_is_kept_and_free_ones_are_taken_first() -> None:
    cache, chain = PrefixCache(PagePool(4)), addresses("a", 2)
    pages = written(cache, chain)
    cache.release(pages, chain)
    assert (cache.num_idle, cache.num_available) == (2, 4)
    taken = cache.take(2)
    assert not set(taken) & set(pages)
    assert [cache.reuse(address) for address in chain] == pages
    assert cache.num_available == 0
    with pytest.raises(ValueError, match="available"):
        cache.take(1)


def test_the_least_recently_used_prefix_goes_first_and_its_last_page_before_its_first() -> None:
    cache = PrefixCache(PagePool(6))
    chains = {name: addresses(name, 2) for name in "abc"}
    pages = {name: written(cache, chain) for name, chain in chains.items()}
    for name, chain in chains.items():
        cache.release(pages[name], chain)
    again = [cache.reuse(address) for address in chains["a"]]
    assert again == pages["a"]
    cache.release(pages["a"], chains["a"])  # the latest now
    assert [cache.take(1) for _ in range(6)] == [[page] for name in "bca" for page in reversed(pages[name])]
    assert all(cache.reuse(address) is None for chain in chains.values() for address in chain)


def test_who_wrote_what_another_had_published_keeps_its_own_page_to_itself() -> None:
    cache, chain = PrefixCache(PagePool(5)), addresses("a", 2)
    first, second = written(cache, chain[:1]), written(cache, chain)
    cache.release(first, chain[:1])
    cache.release(second, chain)
    assert cache.num_idle == 2  # the second's own first page is free again
    assert [cache.take(1) for _ in range(5)][3:] == [[second[1]], [first[0]]]


@dataclass(frozen=True, slots=True)
class Running:
    end: int
    pages: list[int]
    chain: list[bytes]
    num_reused: int
    num_published: int


PATHS = st.lists(st.integers(0, 1), min_size=1, max_size=4)  # prefixes as paths in a tree


@given(
    num_pages=st.integers(4, 12),
    moves=st.lists(st.tuples(PATHS, st.integers(0, 4), st.integers(0, 5)), max_size=40),
)
def test_pages_are_counted_and_no_prefix_loses_a_page_while_a_longer_one_lies_idle(
    num_pages: int, moves: list[tuple[list[int], int, int]]
) -> None:
    """Each move is a request: its prefix, how many pages of it are published, after how many others it ends."""
    cache = PrefixCache(PagePool(num_pages))
    running: list[Running] = []
    parents: dict[bytes, bytes] = {}
    for now, (path, num_published, duration) in enumerate(moves):
        for one in [one for one in running if one.end <= now]:
            for place in range(one.num_reused, min(one.num_published, len(one.pages))):
                cache.publish(one.pages[place], one.chain[place])  # perhaps another one has done so meanwhile
            cache.release(one.pages, one.chain)
            running.remove(one)
        chain = [root_hash("")]
        for turn in path:
            chain.append(page_hash(chain[-1], [turn]))
            parents[chain[-1]] = chain[-2]
        chain = chain[1:]
        pages = []
        for address in chain:
            page = cache.reuse(address)
            if page is None:
                break
            pages.append(page)
        num_reused, before = len(pages), dict(cache._page_of)
        if len(chain) - num_reused <= cache.num_available:
            pages += cache.take(len(chain) - num_reused)
        evicted = before.keys() - cache._page_of.keys()
        assert not {parents[address] for address in cache._page_of if cache._page_of[address] in cache._idle} & evicted
        running.append(Running(now + duration, pages, chain, num_reused, num_published))
        counts = [sum(page in one.pages for one in running) for page in range(num_pages)]
        assert cache.num_holders == counts
        assert cache.num_available == counts.count(0)
        assert not any(counts[page] for page in cache._idle)


def test_a_shared_prompt_is_read_once_and_the_client_is_told_how_much_was_there() -> None:
    engine = FakeEngine(num_pages=20)
    head = [1] * (2 * KV_PAGE_SIZE)
    first = engine.submit(request([*head, 2]))
    engine.finish(STEPS)
    second = engine.submit(request([*head, 0, 1]))
    engine.finish(STEPS)
    assert [token.num_prefix_tokens for token in first.tokens] == [0, 0, 0, 0]
    assert [token.num_prefix_tokens for token in second.tokens] == [2 * KV_PAGE_SIZE, 0, 0, 0]
    counters = engine.scheduler.counters
    assert counters.num_prefix_tokens == 2 * KV_PAGE_SIZE
    assert counters.num_prompt_tokens_read == 2 * KV_PAGE_SIZE + 1 + 2
    assert second.said == answer(second.sequence.request)


def test_the_last_token_of_a_prompt_is_always_read() -> None:
    engine = FakeEngine(num_pages=20)
    for _ in range(2):
        asked = engine.submit(request([1] * (2 * KV_PAGE_SIZE)))
        engine.finish(STEPS)
    assert asked.tokens[0].num_prefix_tokens == KV_PAGE_SIZE


def test_the_next_turn_of_a_chat_finds_the_answer_of_the_last_one() -> None:
    engine = FakeEngine(num_pages=20)
    first = engine.submit(request([1] * 20, 2 * KV_PAGE_SIZE))
    engine.finish(STEPS)
    turn = engine.submit(request([1] * 20 + first.said + [2]))
    engine.finish(STEPS)
    assert turn.tokens[0].num_prefix_tokens == 2 * KV_PAGE_SIZE


def test_salts_share_nothing_with_each_other() -> None:
    engine = FakeEngine(num_pages=20)
    prompt = [1] * (KV_PAGE_SIZE + 1)
    found = []
    for salt in ("", "mine", "yours", "mine"):
        asked = engine.submit(request(prompt, salt=salt))
        engine.finish(STEPS)
        found.append(asked.tokens[0].num_prefix_tokens)
    assert found == [0, 0, 0, KV_PAGE_SIZE]


def test_without_the_cache_every_prompt_is_read() -> None:
    engine = FakeEngine(20, SchedulerLimits(prefix_cache=False))
    for _ in range(2):
        engine.submit(request([1] * (KV_PAGE_SIZE + 1)))
        engine.finish(STEPS)
    assert engine.scheduler.counters.num_prompt_tokens_read == 2 * (KV_PAGE_SIZE + 1)
    assert engine.scheduler.pages.num_idle == 0


def test_a_request_that_is_still_in_line_takes_what_an_earlier_one_wrote_meanwhile() -> None:
    engine = FakeEngine(20, SchedulerLimits(max_running=8, max_step_tokens=KV_PAGE_SIZE))
    asked = [engine.submit(request([1] * (3 * KV_PAGE_SIZE) + [place])) for place in range(2)]
    engine.finish(STEPS)
    assert asked[1].tokens[0].num_prefix_tokens == 3 * KV_PAGE_SIZE


def test_a_page_is_there_for_others_once_all_of_it_is_written() -> None:
    engine = FakeEngine(20, SchedulerLimits(max_running=2, max_step_tokens=2 * KV_PAGE_SIZE - 1))
    prompt = [1] * (4 * KV_PAGE_SIZE)
    engine.submit(request(prompt, user="a"))
    engine.step()  # one token short of two pages
    second = engine.submit(request(prompt, user="b"))
    engine.step()
    assert second.sequence.num_prefix_tokens == KV_PAGE_SIZE


def test_a_request_that_has_begun_a_page_goes_on_with_it_whatever_others_have_written_meanwhile() -> None:
    engine = FakeEngine(20, SchedulerLimits(max_running=2, max_step_tokens=40))
    prompt = [1] * (4 * KV_PAGE_SIZE)
    held = engine.submit(request([*prompt, 0]))
    engine.step()
    engine.step(frozenset({0}))  # it stops within its second page
    other = engine.submit(request([*prompt, 2]))
    while not other.is_finished:
        engine.step(frozenset({0}))
    assert held.sequence.num_cached % KV_PAGE_SIZE > 0
    engine.finish(STEPS)
    assert held.said == answer(held.sequence.request) and held.tokens[0].num_prefix_tokens == 0


@pytest.mark.parametrize(("is_broken", "is_unsound"), [(True, False), (False, True)])
def test_pages_of_a_step_that_went_wrong_are_nobodys(is_broken: bool, is_unsound: bool) -> None:
    engine = FakeEngine(20)
    prompt = [1] * (KV_PAGE_SIZE + 1)
    failed = engine.submit(request(prompt))
    engine.step(is_broken=is_broken, is_unsound=is_unsound)
    assert failed.has_failed and engine.scheduler.pages.num_idle == 0
    asked = engine.submit(request(prompt))
    engine.finish(STEPS)
    assert asked.tokens[0].num_prefix_tokens == 0 and asked.said == answer(asked.sequence.request)


def test_a_preempted_request_finds_its_own_pages_again_but_does_not_call_them_cached() -> None:
    engine = FakeEngine(num_pages=5)
    engine.submit(request([0] * (KV_PAGE_SIZE - 2), 2 * KV_PAGE_SIZE))
    last = engine.submit(request([1] * (KV_PAGE_SIZE - 2), 2 * KV_PAGE_SIZE))
    engine.finish(STEPS)
    assert engine.scheduler.counters.num_preemptions == 1
    assert engine.scheduler.counters.num_prefix_tokens == 2 * KV_PAGE_SIZE  # it had filled two when it lost them
    assert last.tokens[0].num_prefix_tokens == 0


def test_a_prefix_that_is_in_use_lets_a_request_in_that_would_not_fit_with_pages_of_its_own() -> None:
    engine = FakeEngine(num_pages=6)
    head = [1] * (3 * KV_PAGE_SIZE)
    engine.submit(request([*head, 0], 20))
    engine.step()
    engine.submit(request([*head, 1], 20))
    engine.step()
    assert len(engine.scheduler.running) == 2 and engine.scheduler.pages.num_available == 1
