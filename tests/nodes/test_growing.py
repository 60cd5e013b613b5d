"""What is dealt to machines that come later."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moray.nodes.growing import deal_to_newcomers
from moray.nodes.state import NodeRecord

HELD = st.lists(st.sets(st.sampled_from("abcdef")), min_size=1, max_size=8)
SLOTS = st.lists(st.integers(1, 10), max_size=5)


@given(HELD, SLOTS)
def test_every_slot_is_filled_with_sets_of_its_own_and_the_fewest_replicas_grow_first(
    held: list[set[str]], slots: list[int]
) -> None:
    newcomers = [NodeRecord(node_id=f"new-{number}", slots=count) for number, count in enumerate(slots)]
    dealt = deal_to_newcomers(held, newcomers)
    counts = [len(nodes) for nodes in held]
    for node in newcomers:
        taken = dealt[node.node_id]
        assert len(taken) == len(set(taken)) == min(node.slots, len(held))
        left = [counts[number] for number in range(len(held)) if number not in taken]
        assert all(counts[number] <= least for number in taken for least in left)
        for number in taken:
            counts[number] += 1


def test_of_equals_the_lowest_comes_first() -> None:
    newcomers = [NodeRecord(node_id=name, slots=1) for name in ("x", "y")]
    assert deal_to_newcomers([{"a"}, {"a"}, set()], newcomers) == {"x": (2,), "y": (0,)}
