import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.errors import BadSetting
from moray.nodes.placement import expert_sets, slots_for_any_order, slots_per_node


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
def test_round_robin_always_fits_without_siblings(cluster: tuple[int, int, int]) -> None:
    num_sets, replicas, num_nodes = cluster
    slots = slots_per_node(num_sets, replicas, num_nodes)
    nodes: list[list[int]] = [[] for _ in range(num_nodes)]
    for turn, (expert_set, _) in enumerate(itertools.product(range(num_sets), range(replicas))):
        nodes[turn % num_nodes].append(expert_set)
    assert all(len(placed) <= slots and len(placed) == len(set(placed)) for placed in nodes)
    assert slots == 1 or (slots - 1) * num_nodes < num_sets * replicas  # one less would not hold them


@given(_clusters(), st.randoms(use_true_random=False))
def test_a_greedy_scheduler_never_gets_stuck_with_slots_for_any_order(
    cluster: tuple[int, int, int], random: object
) -> None:
    num_sets, replicas, num_nodes = cluster
    slots = slots_for_any_order(num_sets, replicas, num_nodes)
    assert slots >= slots_per_node(num_sets, replicas, num_nodes)
    nodes: list[list[int]] = [[] for _ in range(num_nodes)]
    todo = list(range(num_sets)) * replicas
    random.shuffle(todo)  # type: ignore[attr-defined]
    for expert_set in todo:
        free = [node for node in nodes if len(node) < slots and expert_set not in node]
        assert free
        random.choice(free).append(expert_set)  # type: ignore[attr-defined]


def test_a_greedy_scheduler_can_get_stuck_with_the_fewest_slots() -> None:
    # Three sets, two replicas, three nodes: 2 slots. Sets 0 and 1 fill nodes 0 and 1, and set 2 finds only node 2.
    assert slots_per_node(3, 2, 3) == 2
    nodes = [[0, 1], [0, 1], [2]]
    assert not [node for node in nodes if len(node) < 2 and 2 not in node]
    assert slots_for_any_order(3, 2, 3) == 3


@pytest.mark.parametrize(
    ("num_sets", "replicas", "num_nodes", "told"),
    [(8, 3, 2, "--nodes 3"), (0, 1, 1, "num_sets"), (1, 0, 1, "replicas"), (1, 1, 0, "num_nodes")],
)
def test_impossible_counts_are_refused_with_a_remedy(num_sets: int, replicas: int, num_nodes: int, told: str) -> None:
    for function in (slots_per_node, slots_for_any_order):
        with pytest.raises(BadSetting, match=told) as caught:
            function(num_sets, replicas, num_nodes)
        assert "\n" not in str(caught.value)


def test_empty_sets_are_refused() -> None:
    with pytest.raises(BadSetting, match="experts_per_replica"):
        expert_sets(4, 0)
    with pytest.raises(BadSetting, match="num_experts"):
        expert_sets(0, 1)
