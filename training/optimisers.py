"""Muon for the matrices of the layers, AdamW for embedding, head, gates and norms, one schedule for both.

Muon (Jordan 2024) makes a matrix's step orthogonal; "match_rms_adamw" (arXiv 2502.16982) scales it so that both take
one learning rate. The schedule is warm-up, stable, decay (arXiv 2404.06395).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon

from moray.training.config import Optimiser
from moray.training.crew import Crew

MUON_PARTS = 4  # of the matrices, whatever the number of threads: a checkpoint does not know how many there are


class Optimisers:
    """``crew`` takes the steps of Muon's parts side by side: each has its own matrices, so the bits are the same."""

    def __init__(self, model: nn.Module, config: Optimiser, crew: Crew) -> None:
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, weight in model.named_parameters():
            is_inner = ".layers." in name and weight.dim() == 2 and not name.endswith("mlp.gate.weight")
            (matrices if is_inner else others).append(weight)
        self._weights = [*matrices, *others]
        self._clip, self._rate, self._crew = config.clip, config.learning_rate, crew
        self._all: tuple[torch.optim.Optimizer, ...] = (
            *(
                Muon(
                    matrices[part::MUON_PARTS],
                    lr=config.learning_rate,
                    weight_decay=config.weight_decay,
                    momentum=config.momentum,
                    adjust_lr_fn="match_rms_adamw",
                )
                for part in range(MUON_PARTS)
            ),
            AdamW(others, lr=config.learning_rate, betas=config.betas, weight_decay=0.0),
        )

    def step(self, scale: float) -> float:
        """One step with ``scale`` times the learning rate. Returns the gradients' norm before clipping."""
        norm = nn.utils.clip_grad_norm_(self._weights, self._clip)
        self._crew.for_each(self._all, lambda optimiser: self._take_step(optimiser, scale))
        return float(norm)

    def _take_step(self, optimiser: torch.optim.Optimizer, scale: float) -> None:
        for group in optimiser.param_groups:
            group["lr"] = self._rate * scale
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, Any]]:
        return [optimiser.state_dict() for optimiser in self._all]

    def load(self, states: Iterable[Mapping[str, Any]]) -> None:
        for optimiser, state in zip(self._all, states, strict=True):
            optimiser.load_state_dict(dict(state))


def rate_scale(step: int, num_steps: int, config: Optimiser) -> float:
    """What the learning rate of step ``step`` (from 0) is multiplied by: up in a line, level, down in a line."""
    warmup, decay = config.warmup_share * num_steps, config.decay_share * num_steps
    return min(1.0, (step + 1) / warmup if warmup else 1.0, (num_steps - step) / decay)


def balance(bias: Tensor, load: Tensor, amount: float) -> None:
    """Loss-free balancing (arXiv 2408.15664): the bias of an expert that got more than its share goes down by
    ``amount``, of one that got less, up. ``load`` [E]: rows of the step."""
    bias += amount * torch.sign(load.mean() - load)
