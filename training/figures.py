"""What a run has cost and come to: the content of training.json."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from moray.architecture import Architecture
from moray.experts.tensors import expected_tensors, expert_of, layer_of

LAST_STEPS = 50  # that the final losses are averaged over


@dataclass(frozen=True, slots=True)
class Spent:
    """By all the processes of a run, up to the last checkpoint of each."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of all threads

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.cpu_seconds + other.cpu_seconds)

    def energy_wh(self, watts_per_core: float) -> float:
        """An estimate: what busy cores draw is stated, not measured."""
        return self.cpu_seconds * watts_per_core / 3600


@dataclass(frozen=True, slots=True)
class Figures:
    """Losses are nats per token that counts, means of the last ``LAST_STEPS`` steps; ``num_threads`` and ``torch`` are
    those of the last process."""

    name: str
    num_steps: int
    num_tokens: int
    seconds: float
    cpu_seconds: float
    tokens_per_s: float
    watts_per_core: float  # as stated
    energy_wh: float | None  # estimated; None where a GPU computed, which this does not count
    device: str
    torch: str
    num_threads: int
    num_parameters: int
    num_active_parameters: int
    loss: float
    mtp_loss: float
    mtp_acceptance: float


def count_parameters(architecture: Architecture) -> tuple[int, int]:
    """How many there are in all, and how many of them a served token passes: not the experts that its gates leave out,
    nor the MTP layers. An MTP layer's embedding and head are the model's own and are not counted again."""
    total = active = routed = 0
    for name, shape in expected_tensors(architecture).items():
        size = math.prod(shape)
        layer = layer_of(name)
        is_mtp = layer is not None and layer >= architecture.num_layers
        if is_mtp and name.endswith(("embed_tokens.weight", "shared_head.head.weight")):
            continue
        total += size
        if is_mtp:
            continue
        if expert_of(name) is None:
            active += size
        else:
            routed += size
    return total, active + routed // architecture.num_experts * architecture.experts_per_token


def mean_of_last(log: Path, names: tuple[str, ...]) -> dict[str, float]:
    """Means of the fields ``names`` over the last steps of the log."""
    lines = log.read_text(encoding="utf-8").splitlines()[-LAST_STEPS:]
    reports = [json.loads(line) for line in lines]
    return {name: fmean(report[name] for report in reports) for name in names}
