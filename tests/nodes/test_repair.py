"""A dead node is started again, one that cannot live ever more rarely, and one that lives never."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from moray.nodes.repair import FIRST_PAUSE_S, LASTED_S, LOOKS, MAX_PAUSE_S, Repairs

NODES = ["node-0", "node-1", "node-2"]


def test_a_node_is_started_after_looks_in_a_row_without_it() -> None:
    repairs = Repairs()
    assert repairs.due(NODES, NODES, 0) == []
    for look in range(LOOKS - 1):
        assert repairs.due(NODES, ["node-0", "node-2"], look + 1) == []
    assert repairs.due(NODES, ["node-0", "node-2"], LOOKS) == ["node-1"]


def test_one_look_without_it_is_no_death() -> None:
    repairs = Repairs()
    for look in range(0, 20, 2):
        assert repairs.due(NODES, [], look) == [] or LOOKS == 1
        assert repairs.due(NODES, NODES, look + 1) == []


def starts_of(repairs: Repairs, first: int, last: int) -> list[int]:
    """Seconds at which a node that never lives is started, looked at once a second."""
    return [now for now in range(first, last) if repairs.due(["node-0"], [], float(now))]


def test_pauses_between_starts_double_up_to_a_limit() -> None:
    starts = starts_of(Repairs(), 0, 3000)
    pauses = [after - before for before, after in pairwise(starts)]
    assert pauses[0] >= FIRST_PAUSE_S and pauses == sorted(pauses) and max(pauses) == MAX_PAUSE_S
    assert all(after == 2 * before for before, after in pairwise(pauses) if after < MAX_PAUSE_S)


def test_a_node_that_lasted_is_started_at_once_the_next_time() -> None:
    repairs = Repairs()
    last = starts_of(repairs, 0, 600)[-1]
    again = last + 1
    while again - last <= LASTED_S:
        assert repairs.due(["node-0"], ["node-0"], again) == []
        again += 1
    assert starts_of(repairs, again, again + 10)[0] == again + LOOKS - 1


@given(st.lists(st.tuples(st.sets(st.sampled_from(NODES)), st.floats(0.1, 200)), max_size=60))
def test_only_the_dead_are_started_and_never_twice_within_their_pause(looks: list[tuple[set[str], float]]) -> None:
    repairs, now, started = Repairs(), 0.0, dict[str, float]()
    for alive, passed in looks:
        now += passed
        for node_id in repairs.due(NODES, alive, now):
            assert node_id not in alive
            assert now - started.get(node_id, float("-inf")) >= FIRST_PAUSE_S
            started[node_id] = now
