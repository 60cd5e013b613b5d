import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.errors import BadSetting
from moray.nodes.placement import deal_replicas, expert_sets, slots_per_node


def test_eight_experts_on_eight_nodes_take_one_slot_each() -> None:
    assert slots_per_node(num_sets=8, replicas=1, num_nodes=8) == 1
    assert slots_per_node(num_sets=8, replicas=2, num_nodes=8) == 2
    assert slots_per_node(num_sets=8, replicas=1, num_nodes=3) == 3


def test_the_last_set_may_be_shorter() -> None:
    assert expert_sets(7, 3) == [(0, 1, 2), (3, 4, 5), (6,)]


@given(num_experts=st.integers(1, 300), experts_per_replica=st.integers(1, 300))
def test_sets_cover_every_expert_once_in_order(num_experts: int, experts_per_replica: int) -> None:
    sets = expert_sets(num_experts, experts_per_replica)
    assert list(itertools.chain(*sets)) == list(range(num_experts))
    assert all(len(experts) == experts_per_replica for experts in sets[:-1])


@st.composite
def _clusters(draw: st.DrawFn) -> tuple[int, int, int]:
    num_nodes = draw(st.integers(1, 12))
    return draw(st.integers(1, 40)), draw(st.integers(1, num_nodes)), num_nodes


@given(_clusters())
def test_dealing_never_puts_siblings_together_nor_fills_a_node_above_its_slots(cluster: tuple[int, int, int]) -> None:
    num_sets, replicas, num_nodes = cluster
    dealt = deal_replicas(num_sets, replicas, num_nodes)
    assert len(dealt) == num_sets
    assert all(len(set(nodes)) == replicas and set(nodes) <= set(range(num_nodes)) for nodes in dealt)
    held = Counter(itertools.chain(*dealt))
    slots = slots_per_node(num_sets, replicas, num_nodes)
    assert max(held.values()) <= slots
    assert slots == 1 or (slots - 1) * num_nodes < num_sets * replicas  # one less would not hold them


@pytest.mark.parametrize(
    ("num_sets", "replicas", "num_nodes", "told"),
    [(8, 3, 2, "--nodes 3"), (0, 1, 1, "num_sets"), (1, 0, 1, "replicas"), (1, 1, 0, "num_nodes")],
)
def test_impossible_counts_are_refused_with_a_remedy(num_sets: int, replicas: int, num_nodes: int, told: str) -> None:
    for function in (slots_per_node, deal_replicas):
        with pytest.raises(BadSetting, match=told) as caught:
            function(num_sets, replicas, num_nodes)
        assert "\n" not in str(caught.value)


def test_empty_sets_are_refused() -> None:
    with pytest.raises(BadSetting, match="experts_per_replica"):
        expert_sets(4, 0)
    with pytest.raises(BadSetting, match="num_experts"):
        expert_sets(0, 1)
