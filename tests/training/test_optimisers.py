"""The schedule, the balance of the gates, and a trainer that is a function of its configuration."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from moray.training.config import Optimiser, TrainingConfig
from moray.training.optimisers import balance, rate_scale
from moray.training.trainer import StepReport, Trainer
from training_kit import is_same, tiny, tiny_tokenizer

CPU = torch.device("cpu")


@given(num_steps=st.integers(1, 400), warmup=st.floats(0, 0.99), decay=st.floats(0.01, 1.0))
def test_the_rate_rises_stays_and_falls_and_is_never_nothing(num_steps: int, warmup: float, decay: float) -> None:
    config = Optimiser(learning_rate=1.0, warmup_share=warmup, decay_share=decay)
    scales = [rate_scale(step, num_steps, config) for step in range(num_steps)]
    assert all(0.0 < scale <= 1.0 for scale in scales)
    top = scales.index(max(scales))
    assert scales[: top + 1] == sorted(scales[: top + 1]) and scales[top:] == sorted(scales[top:], reverse=True)


def test_the_rate_is_a_trapezium() -> None:
    config = Optimiser(learning_rate=1.0, warmup_share=0.2, decay_share=0.5)
    scales = [rate_scale(step, 10, config) for step in range(10)]
    assert scales == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


def test_the_bias_of_a_busy_expert_goes_down_and_of_an_idle_one_up() -> None:
    bias = torch.tensor([0.0, 0.5, -0.5, 0.0])
    balance(bias, torch.tensor([4.0, 0.0, 2.0, 2.0]), 0.125)
    assert bias.tolist() == [-0.125, 0.625, -0.5, 0.0]


def trained(config: TrainingConfig) -> tuple[Trainer, list[StepReport]]:
    trainer = Trainer(config, tiny_tokenizer(), CPU)
    return trainer, list(trainer.run())


@pytest.mark.parametrize("num_steps", [10, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_the_same_seed_gives_the_same_bits(num_steps: int) -> None:
    config = tiny(steps=num_steps)
    first, second = trained(config)[0].state(), trained(config)[0].state()
    assert is_same(first, second) and first["step"] == num_steps
    second["model"]["model.norm.weight"][0] += 1e-6
    assert not is_same(first, second)  # the comparison sees one bit


def test_the_loss_falls_and_every_expert_is_used() -> None:
    trainer, reports = trained(tiny())
    assert [report.step for report in reports] == list(range(12))
    assert reports[-1].loss < reports[0].loss - 0.5 and reports[-1].mtp_loss < reports[0].mtp_loss - 0.5
    assert trainer.num_tokens == sum(report.num_tokens for report in reports) > 0
    assert all(1.0 <= report.load <= 4.0 for report in reports)
    biases = [mixture.gate.e_score_correction_bias for mixture in trainer.model.mixtures()]
    assert all(bias.any() for bias in biases)
