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
from moray.training.losses import Sums, batch_loss
from moray.training.model import DeepSeekModel
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
    """``tokenizer`` is the model's, of ``config``'s vocabulary."""

    def __init__(self, config: TrainingConfig, tokenizer: Tokenizer, device: torch.device) -> None:
        self.config, self.device, self._tokenizer = config, device, tokenizer
        self.step = 0  # the next one
        self.num_tokens = 0  # read so far
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs 5 %
        self.model = DeepSeekModel(config.architecture(), compute_type(config.precision, device))
        self.model.initialise(torch.Generator().manual_seed(config.seed))  # on the CPU: the same on every device
        self.model.to(device)
        self._optimisers = Optimisers(self.model, config.optimiser)

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
        batches = step_batches(self._tokenizer, config.data, "train", step)
        total = sum(float(batch.weights[:, 1:].sum()) for batch in batches)
        loads = [torch.zeros(config.architecture().num_experts) for _ in self.model.mixtures()]
        sums = Sums()
        for batch in batches:
            batch = batch.to(self.device)
            loss, part = batch_loss(self.model, batch, config.mtp_weight)
            (loss / total).backward()
            sums += part
            self._count(loads, batch)
        scale = rate_scale(step, config.steps, config.optimiser)
        norm = self._optimisers.step(scale)
        for mixture, load in zip(self.model.mixtures(), loads, strict=True):
            balance(mixture.gate.e_score_correction_bias, load.to(self.device), config.balance_step * scale)
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

    def _count(self, loads: list[Tensor], batch: Batch) -> None:
        """Adds the rows that each expert got. The MTP layer sees one position less."""
        for mixture, load in zip(self.model.mixtures(), loads, strict=True):
            expert_ids = mixture.expert_ids
            assert expert_ids is not None  # a forward pass was just made
            is_real = batch.is_real if expert_ids.shape[0] == batch.is_real.numel() else batch.is_real[:, 1:]
            load += torch.bincount(expert_ids[is_real.flatten()].flatten(), minlength=len(load)).cpu()
