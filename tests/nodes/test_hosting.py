"""Which experts a node starts and which it retires to get from those that it serves to those that it is to serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.errors import ClusterError
from moray.experts.deployment import ExpertSpec
from moray.nodes import hosting
from moray.nodes.hosting import Change, Hosting, next_change
from moray.types import PublicAddress

EXPERTS = st.lists(st.integers(0, 30), max_size=12)


@given(EXPERTS, EXPERTS)
def test_a_change_ends_with_what_is_wanted_and_leaves_the_rest(serving: list[int], wanted: list[int]) -> None:
    change = next_change(serving, wanted)
    with_new = set(serving) | set(change.start)  # what is to start does so before anything is retired
    assert with_new >= set(serving) | set(wanted)
    assert with_new - set(change.retire) == set(wanted)
    assert not set(change.start) & set(serving) and not set(change.retire) & set(wanted)
    assert list(change.start) == sorted(set(change.start)) and list(change.retire) == sorted(set(change.retire))


@given(EXPERTS, EXPERTS)
def test_once_carried_out_there_is_nothing_left_to_change(serving: list[int], wanted: list[int]) -> None:
    change = next_change(serving, wanted)
    then = (set(serving) | set(change.start)) - set(change.retire)
    assert next_change(then, wanted) == Change((), ())


@given(EXPERTS, EXPERTS)
def test_a_change_that_stopped_after_its_start_is_gone_on_with(serving: list[int], wanted: list[int]) -> None:
    change = next_change(serving, wanted)
    assert next_change([*serving, *change.start], wanted) == Change((), change.retire)


# --- when the network's routers change

OLD, NEW = (PublicAddress("203.0.113.5", 7443, "ab" * 32),), (PublicAddress("203.0.113.6", 7443, "cd" * 32),)
SPEC = ExpertSpec(model="m", experts=(), routers=OLD, secret="s", incarnation_dir="i", capacity_rows=8)


class Serve:
    """What runs, by name, and whom it dials; of ``broken`` nothing starts."""

    def __init__(self) -> None:
        self.dialled = dict[str, object]()
        self.history, self.broken = list[str](), set[str]()

    def deploy_together(self, apps: Mapping[str, ExpertSpec]) -> None:
        self.dialled |= {name: spec.routers for name, spec in apps.items()}
        self.history += [f"+{name}" for name in apps]

    def wait_ready(self, names: Sequence[str], timeout_s: float) -> None:
        if self.broken & set(names):
            raise ClusterError("it did not start")

    def remove_apps(self, names: Sequence[str]) -> int:
        self.history += [f"-{name}" for name in names]
        return sum(self.dialled.pop(name, None) is not None for name in names)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    serve = Serve()
    monkeypatch.setattr(hosting, "expert_app", lambda spec, nodes, names: spec)
    for name in ("deploy_together", "wait_ready", "remove_apps"):
        monkeypatch.setattr(hosting, name, getattr(serve, name))
    return serve


def test_experts_that_dial_other_routers_are_started_again_one_after_the_other(serve: Serve) -> None:
    node = Hosting(SPEC, "node")
    node.start([0, 2])
    serve.history.clear()
    node.follow(OLD)
    assert serve.history == []
    node.follow(NEW)
    assert serve.history == ["-expert-0", "+expert-0", "-expert-2", "+expert-2"]
    assert serve.dialled == {"expert-0": NEW, "expert-2": NEW} and list(node.serving) == [0, 2]


def test_a_change_of_routers_that_stopped_in_the_middle_is_not_forgotten(serve: Serve) -> None:
    node = Hosting(SPEC, "node")
    node.start([0, 2])
    serve.broken.add("expert-0")
    with pytest.raises(ClusterError):
        node.follow(NEW)
    assert list(node.serving) == [2] and serve.dialled == {"expert-2": OLD}
    serve.broken.clear()
    node.start(next_change(node.serving, [0, 2]).start)  # as its assignment says
    node.follow(NEW)
    assert list(node.serving) == [0, 2] and serve.dialled == {"expert-0": NEW, "expert-2": NEW}
