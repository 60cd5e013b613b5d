"""Batches computed side by side: every one once, the same gradients, the same bits each time."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from moray.training.batches import Batch, step_batches
from moray.training.crew import Crew, shares
from moray.training.losses import batch_loss
from moray.training.model import DeepSeekModel
from moray.training.trainer import Trainer
from training_kit import is_same, tiny, tiny_tokenizer

CPU = torch.device("cpu")


@given(costs=st.lists(st.integers(1, 5000), max_size=20), num=st.integers(1, 6))
def test_every_batch_goes_to_one_thread_and_none_has_much_more_than_another(costs: list[int], num: int) -> None:
    found = shares(costs, num)
    assert len(found) == num and sorted(index for share in found for index in share) == list(range(len(costs)))
    loads = [sum(costs[index] for index in share) for share in found]
    assert max(loads) - min(loads) <= max(costs, default=0)


@pytest.mark.parametrize("size", [2, 3])
def test_a_crew_finds_the_gradients_that_one_thread_finds(size: int) -> None:
    config, tokenizer = tiny(), tiny_tokenizer()
    batches = step_batches(tokenizer, config.data, "train", 0)
    assert len(batches) > 1

    def found(size: int) -> tuple[list[torch.Tensor | None], list[float]]:
        model = DeepSeekModel(config.architecture())
        model.initialise(torch.Generator().manual_seed(1))

        def work(its: DeepSeekModel, batch: Batch) -> float:
            loss, sums = batch_loss(its, batch, 0.3)
            loss.backward()
            return sums.loss

        losses = Crew(model, size).gradients(batches, work)
        return [weight.grad for weight in model.parameters()], losses

    (alone, losses), (together, its_losses) = found(1), found(size)
    assert its_losses == losses  # each batch's own, in their order
    for one, other in zip(alone, together, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def test_two_threads_give_the_same_bits_each_time() -> None:
    def state() -> object:
        trainer = Trainer(tiny(), tiny_tokenizer(), CPU, num_threads=2)
        list(trainer.run())
        return trainer.state()

    assert is_same(state(), state())
