"""The expert's work: rows in, rows out. Dispatches that arrive together are computed together, expert by expert.

Batching is free of consequence: the product is batch-invariant, so a row's output never depends on its company.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from moray import wire
from moray.experts.ffn import feed_forward
from moray.experts.weights import ExpertWeights

MAX_ROWS_PER_PRODUCT = 128

Answer = wire.Result | wire.Busy | wire.Failure


@dataclass(frozen=True, slots=True)
class _Segment:
    """Rows of one dispatch for one expert, to ``start...`` of its outputs."""

    dispatch: int  # place in the list being executed
    rows: list[int]  # of its hidden states
    start: int


class Executor:
    def __init__(
        self, weights: Mapping[int, Mapping[int, ExpertWeights]], hidden_size: int, capacity_rows: int
    ) -> None:
        """``weights[expert][layer]``; ``capacity_rows`` is how many rows one call of ``execute`` accepts."""
        self._weights, self._hidden_size, self.capacity_rows = weights, hidden_size, capacity_rows
        self.rows_done = 0

    def execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        """One answer per dispatch, in order. A dispatch that asks for what this replica does not have gets a
        Failure, and rows beyond the capacity get Busy."""
        answers: list[Answer | None] = []
        room = self.capacity_rows
        for dispatch in dispatches:
            problem = self._problem(dispatch)
            if problem is not None:
                answers.append(wire.Failure(dispatch.seq, "bad_dispatch", problem))
            elif dispatch.row_index.shape[0] > room:
                answers.append(wire.Busy(dispatch.seq))
            else:
                answers.append(None)
                room -= dispatch.row_index.shape[0]
        accepted = [index for index, answer in enumerate(answers) if answer is None]
        for index, outputs in zip(accepted, self._compute([dispatches[i] for i in accepted]), strict=True):
            answers[index] = wire.Result(dispatches[index].seq, outputs)
        return [answer for answer in answers if answer is not None]

    def _problem(self, dispatch: wire.Dispatch) -> str | None:
        hidden, index = dispatch.hidden_states, dispatch.row_index
        if hidden.ndim != 2 or hidden.shape[1] != self._hidden_size or hidden.dtype != torch.float32:
            return f"hidden_states must be float32 [rows, {self._hidden_size}]"
        if index.ndim != 1 or index.dtype != torch.int32 or index.shape[0] != sum(n for _, n in dispatch.groups):
            return "row_index must be int32 with as many entries as the groups count"
        rows = index.tolist()
        if not rows or min(rows) < 0 or max(rows) >= hidden.shape[0]:
            return "row_index names a row that is not there"
        for expert, _ in dispatch.groups:
            if expert not in self._weights or dispatch.layer not in self._weights[expert]:
                return f"this replica has no expert {expert} of layer {dispatch.layer}"
        return None

    def _compute(self, dispatches: Sequence[wire.Dispatch]) -> list[Tensor]:
        by_expert = _by_expert(dispatches)
        if len(by_expert) == len(dispatches) == 1:  # one frame for one expert: nothing to put together
            [((layer, expert), [segment])] = by_expert.items()
            return [self._feed_forward(layer, expert, _rows_of(dispatches[0], segment))]
        outputs = [torch.empty(d.row_index.shape[0], self._hidden_size) for d in dispatches]
        for (layer, expert), segments in by_expert.items():
            rows = torch.cat([_rows_of(dispatches[segment.dispatch], segment) for segment in segments])
            computed = self._feed_forward(layer, expert, rows)
            start = 0
            for segment in segments:
                count = len(segment.rows)
                outputs[segment.dispatch][segment.start : segment.start + count] = computed[start : start + count]
                start += count
        return outputs

    def _feed_forward(self, layer: int, expert: int, rows: Tensor) -> Tensor:
        weights = self._weights[expert][layer]
        self.rows_done += rows.shape[0]
        if rows.shape[0] <= MAX_ROWS_PER_PRODUCT:
            return feed_forward(rows, weights.gate_up, weights.down)
        parts = torch.split(rows, MAX_ROWS_PER_PRODUCT)
        return torch.cat([feed_forward(part, weights.gate_up, weights.down) for part in parts])


def _rows_of(dispatch: wire.Dispatch, segment: _Segment) -> Tensor:
    is_whole = segment.rows == list(range(dispatch.hidden_states.shape[0]))
    return dispatch.hidden_states if is_whole else dispatch.hidden_states[segment.rows]


def _by_expert(dispatches: Sequence[wire.Dispatch]) -> dict[tuple[int, int], list[_Segment]]:
    """Segments by (layer, expert), in order of arrival."""
    segments: dict[tuple[int, int], list[_Segment]] = {}
    for place, dispatch in enumerate(dispatches):
        rows, start = dispatch.row_index.tolist(), 0
        for expert, count in dispatch.groups:
            segment = _Segment(place, rows[start : start + count], start)
            segments.setdefault((dispatch.layer, expert), []).append(segment)
            start += count
    return segments
