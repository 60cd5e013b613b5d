"""Where a step's time goes, summed since the start. Seconds of wall time in the engine's thread."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Timings:
    num_steps: int = 0
    num_mixtures: int = 0  # MoE layers passed
    attention_s: float = 0.0  # norms included
    gate_s: float = 0.0
    dispatch_s: float = 0.0  # grouping rows, encoding, writing to sockets
    shared_s: float = 0.0  # shared experts, while the rows travel
    wait_s: float = 0.0  # what is left to wait for results after that
    combine_s: float = 0.0
    head_s: float = 0.0
    sample_s: float = 0.0

    def snapshot(self) -> dict[str, float]:
        return asdict(self)
