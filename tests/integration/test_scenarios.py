"""Two replicas of each expert over a wide-area network: whatever befalls one of them, no stream notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.router.network_experts import NetworkExperts
from rig import Plan, Rig, running
from scenarios import (
    USUAL,
    Scenario,
    disturbed,
    flapping,
    frozen,
    killed,
    lying,
    one_after_another,
    partitioned,
    restarted,
    slowed,
    stalling,
    wan_of,
)

pytestmark = pytest.mark.integration

LOWER, UPPER = range(4), range(4, 8)
PROMPTS = [[5 + stream, 6, 7, 250 - stream, 41] for stream in range(6)]
NUM_TOKENS, MANY_TOKENS = 200, 2000


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    model = tmp_path_factory.mktemp("model")
    write_random_checkpoint(model, TINY_CONFIG, seed=4)
    context = MANY_TOKENS + 48
    plan = Plan(model, [LOWER, UPPER, LOWER, UPPER], context, len(PROMPTS), over_wan=True, timeout_s=0.5)
    with running(plan) as rig:
        wan_of(rig).set(USUAL)
        yield rig


def num_asked_again(rig: Rig) -> int:
    assert isinstance(rig.engine.experts, NetworkExperts)
    counters = rig.engine.experts.counters
    return counters.retries + counters.hedges


@pytest.mark.parametrize(
    ("scenario", "costs_answers"),
    [
        pytest.param(killed, False, id="killed"),
        pytest.param(frozen, True, id="frozen"),
        pytest.param(slowed(10), False, id="slowed to a tenth"),
        pytest.param(partitioned("none"), True, id="partitioned"),
        pytest.param(partitioned("up"), True, id="does not hear the router"),
        pytest.param(partitioned("down"), True, id="is not heard by the router"),
        pytest.param(stalling, True, id="stalling"),
        pytest.param(flapping, False, id="flapping"),
        pytest.param(lying, False, id="lying"),
    ],
)
def test_streams_have_the_tokens_of_an_undisturbed_run_when_a_replica_is(
    rig: Rig, scenario: Scenario, costs_answers: bool
) -> None:
    expected, asked_again = rig.complete(PROMPTS, NUM_TOKENS), num_asked_again(rig)
    outcome = disturbed(rig, PROMPTS, NUM_TOKENS, scenario)
    assert outcome.streams == expected
    assert 0 < outcome.num_before < len(PROMPTS) * NUM_TOKENS
    if costs_answers:  # those that were on their way, at the least
        assert num_asked_again(rig) > asked_again


def test_streams_that_a_router_restart_ends_go_on_to_the_same_tokens(rig: Rig) -> None:
    expected = rig.complete(PROMPTS, NUM_TOKENS)
    outcome = disturbed(rig, PROMPTS, NUM_TOKENS, restarted)
    assert all(0 < len(tokens) < NUM_TOKENS for tokens in outcome.streams)
    for prompt, tokens, whole in zip(PROMPTS, outcome.streams, expected, strict=True):
        (rest,) = rig.complete([prompt + tokens], NUM_TOKENS - len(tokens))
        assert tokens + rest == whole


@pytest.mark.long
def test_long_streams_have_the_tokens_of_an_undisturbed_run_when_one_disaster_follows_another(rig: Rig) -> None:
    expected, asked_again = rig.complete(PROMPTS, MANY_TOKENS), num_asked_again(rig)
    disasters = [killed, frozen, slowed(10), partitioned("none"), partitioned("down"), stalling, flapping]
    outcome = disturbed(rig, PROMPTS, MANY_TOKENS, one_after_another(disasters, each_s=1.5))
    assert outcome.streams == expected
    assert num_asked_again(rig) > asked_again
