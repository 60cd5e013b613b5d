"""The training run: read, compute, step, tell; a pure function of its configuration on one machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from moray.training.batches import Batch, step_batches
from moray.training.config import TrainingConfig, compute_type
from moray.training.crew import Crew
from moray.training.losses import Sums, batch_loss
from moray.training.model import DeepSeekModel, Mixture
from moray.training.optimisers import Optimisers, balance, rate_scale


@dataclass(frozen=True, slots=True)
class StepReport:
    """``loss`` and ``mtp_loss`` are nats per token that counts, ``num_tokens`` all that were read; ``load`` is the
    busiest expert's share of its layer's rows as a multiple of the mean, in the worst layer."""

    step: int
    loss: float
    mtp_loss: float
    mtp_acceptance: float
    gradient_norm: float
    load: float
    num_tokens: int
    duration_s: float


class Trainer:
    """``tokenizer`` is the model's, of ``config``'s vocabulary; ``num_threads`` compute batches side by side."""

    def __init__(
        self, config: TrainingConfig, tokenizer: Tokenizer, device: torch.device, num_threads: int = 1
    ) -> None:
        self.config, self.device, self.num_threads, self._tokenizer = config, device, num_threads, tokenizer
        self.step = 0  # the next one
        self.num_tokens = 0  # read so far
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs 5 %
        self.model = DeepSeekModel(config.architecture(), compute_type(config.precision, device))
        self.model.initialise(torch.Generator().manual_seed(config.seed))  # on the CPU: the same on every device
        self.model.to(device)
        self._crew = Crew(self.model, num_threads)
        self._optimisers = Optimisers(self.model, config.optimiser, self._crew)

    def run(self) -> Iterator[StepReport]:
        """The steps that are left; each has been taken when its report comes."""
        while self.step < self.config.steps:
            yield self._take_step()

    def state(self) -> dict[str, Any]:
        """All that decides how the run goes on, for ``load``."""
        return {
            "step": self.step,
            "num_tokens": self.num_tokens,
            "model": self.model.state_dict(),
            "optimisers": self._optimisers.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.step, self.num_tokens = state["step"], state["num_tokens"]
        self.model.load_state_dict(state["model"])
        self._optimisers.load(state["optimisers"])

    def _take_step(self) -> StepReport:
        started = time.perf_counter()
        config, step = self.config, self.step
        batches = [batch.to(self.device) for batch in step_batches(self._tokenizer, config.data, "train", step)]
        total = sum(float(batch.weights[:, 1:].sum()) for batch in batches)
        parts = self._crew.gradients(batches, lambda model, batch: self._compute(model, batch, total))
        sums = sum((part.sums for part in parts), Sums())
        loads = [torch.stack(of_layer).sum(0) for of_layer in zip(*(part.loads for part in parts), strict=True)]
        scale = rate_scale(step, config.steps, config.optimiser)
        norm = self._optimisers.step(scale)
        for mixture, load in zip(self.model.mixtures(), loads, strict=True):
            balance(mixture.gate.e_score_correction_bias, load, config.balance_step * scale)
        num_tokens = sum(int(batch.is_real.sum()) for batch in batches)
        self.step, self.num_tokens = step + 1, self.num_tokens + num_tokens
        return StepReport(
            step=step,
            loss=sums.loss / total,
            mtp_loss=sums.mtp_loss / max(1, sums.num_guessed),
            mtp_acceptance=sums.num_accepted / max(1, sums.num_guessed),
            gradient_norm=norm,
            load=max((float(load.max() / load.mean()) for load in loads), default=1.0),
            num_tokens=num_tokens,
            duration_s=time.perf_counter() - started,
        )

    def _compute(self, model: DeepSeekModel, batch: Batch, total: float) -> _Part:
        loss, sums = batch_loss(model, batch, self.config.mtp_weight)
        (loss / total).backward()
        return _Part(sums, [_load(mixture, batch.is_real) for mixture in model.mixtures()])


@dataclass(frozen=True, slots=True)
class _Part:
    """Of one batch. ``loads``: the rows [E] that each expert got, by layer."""

    sums: Sums
    loads: list[Tensor]


def _load(mixture: Mixture, is_real: Tensor) -> Tensor:
    """The MTP layer sees one position less."""
    expert_ids = mixture.expert_ids
    assert expert_ids is not None  # a forward pass was just made
    rows = is_real if expert_ids.shape[0] == is_real.numel() else is_real[:, 1:]
    return torch.bincount(expert_ids[rows.flatten()].flatten(), minlength=len(mixture.experts)).float()
