"""Several configurations and node counts through real Serve experts: the tokens of transformers, the same bits on 1, 2,
4 and 8 nodes. Minutes long, so behind `make test-long`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cluster import PROMPT, network_of
from engines import Recorder, greedy_request, load
from oracle import greedy, save_served

pytestmark = [pytest.mark.integration, pytest.mark.long]

NUM_TOKENS = 128


@pytest.mark.parametrize("seed", [1, 7, 10, 12, 15])
def test_tokens_and_bits_do_not_depend_on_the_number_of_nodes(seed: int, tmp_path: Path) -> None:
    model = tmp_path / "model"
    oracle = save_served(model, seed)
    expected, logits = greedy(oracle, PROMPT, NUM_TOKENS)
    best_two = logits.topk(2).values
    unclear = (best_two[:, 0] - best_two[:, 1] < 1e-4).nonzero()
    num_comparable = NUM_TOKENS if len(unclear) == 0 else int(unclear[0])
    assert num_comparable > NUM_TOKENS // 2

    recorder = Recorder(*load(model))
    recorder.submit(greedy_request("a", PROMPT, NUM_TOKENS))
    asyncio.run(recorder.finish())
    in_process = recorder.tokens("a")
    assert [token.token_id for token in in_process[:num_comparable]] == expected[:num_comparable]

    for nodes in (1, 2, 4, 8):
        state = tmp_path / f"state-{nodes}"
        state.mkdir()
        with network_of(model, state, "--nodes", str(nodes)) as network:
            choice = network.complete(max_tokens=NUM_TOKENS, logprobs=3)
        assert choice["token_ids"] == [token.token_id for token in in_process]
        assert choice["logprobs"]["token_logprobs"] == [token.logprob for token in in_process]
