"""The expert's work: rows in, rows out. Dispatches that arrive together are computed together, expert by expert.

Batching is free of consequence: the product is batch-invariant, so a row's output never depends on its company.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moray import wire
from moray.experts.compiled import Array
from moray.experts.row_format import FLOAT32_ROWS, RowFormat
from moray.experts.weights import ExpertFunction

Answer = wire.Result | wire.Busy | wire.Failure


@dataclass(frozen=True, slots=True)
class _Segment:
    """Rows of one dispatch for one expert, to ``start...`` of its outputs."""

    dispatch: int  # place in the list being executed
    rows: list[int]  # of its hidden states
    start: int


class Executor:
    def __init__(
        self,
        weights: Mapping[int, Mapping[int, ExpertFunction]],
        hidden_size: int,
        capacity_rows: int,
        row_format: RowFormat = FLOAT32_ROWS,
    ) -> None:
        """``weights[expert][layer]``; ``capacity_rows`` is how many rows one call of ``execute`` accepts."""
        self._weights, self.capacity_rows = weights, capacity_rows
        self._width, self._dtype = row_format.width(hidden_size), row_format.dtype
        self.rows_done = 0

    def execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        """One answer per dispatch, in order. A dispatch that asks for what this replica does not have gets a
        Failure, and rows beyond the capacity get Busy."""
        answers: list[Answer] = []
        accepted: dict[int, wire.Dispatch] = {}  # by place among the answers
        room = self.capacity_rows
        for dispatch in dispatches:
            problem = self._problem(dispatch)
            if problem is not None:
                answers.append(wire.Failure(dispatch.seq, "bad_dispatch", problem))
                continue
            if len(dispatch.row_index) <= room:
                room -= len(dispatch.row_index)
                accepted[len(answers)] = dispatch
            answers.append(wire.Busy(dispatch.seq))
        for place, outputs in zip(accepted, self._compute(list(accepted.values())), strict=True):
            answers[place] = wire.Result(accepted[place].seq, outputs)
        return answers

    def _problem(self, dispatch: wire.Dispatch) -> str | None:
        hidden, index = dispatch.hidden_states, dispatch.row_index
        if hidden.ndim != 2 or hidden.shape[1] != self._width or hidden.dtype != self._dtype:
            return f"hidden_states must be {self._dtype} [rows, {self._width}]"
        if len(index) * self._width * self._dtype.itemsize > wire.MAX_FRAME_BYTES - wire.MAX_PLAIN_BYTES:
            return f"{len(index)} rows make a result that no frame holds"
        if len(index) != sum(n for _, n in dispatch.groups):
            return "row_index must have as many entries as the groups count"
        if max(index) >= len(hidden):
            return "row_index names a row that is not there"
        for expert, _ in dispatch.groups:
            if expert not in self._weights or dispatch.layer not in self._weights[expert]:
                return f"this replica has no expert {expert} of layer {dispatch.layer}"
        return None

    def _compute(self, dispatches: Sequence[wire.Dispatch]) -> list[Array]:
        if len(dispatches) == 1 and _is_simple(dispatches[0]):
            [dispatch] = dispatches
            [(expert, count)] = dispatch.groups
            self.rows_done += count
            return [self._weights[expert][dispatch.layer](np.array(dispatch.hidden_states))]
        outputs = [np.empty((len(d.row_index), self._width), self._dtype) for d in dispatches]
        for (layer, expert), segments in _by_expert(dispatches).items():
            rows = np.concatenate([dispatches[segment.dispatch].hidden_states[segment.rows] for segment in segments])
            computed = self._weights[expert][layer](rows)
            self.rows_done += len(rows)
            start = 0
            for segment in segments:
                end = start + len(segment.rows)
                outputs[segment.dispatch][segment.start : segment.start + len(segment.rows)] = computed[start:end]
                start = end
        return outputs


def _is_simple(dispatch: wire.Dispatch) -> bool:
    """All rows, in order, for one expert: while decoding nearly every frame."""
    return len(dispatch.groups) == 1 and dispatch.row_index == list(range(len(dispatch.hidden_states)))


def _by_expert(dispatches: Sequence[wire.Dispatch]) -> dict[tuple[int, int], list[_Segment]]:
    """Segments by (layer, expert), in order of arrival."""
    segments: dict[tuple[int, int], list[_Segment]] = {}
    for place, dispatch in enumerate(dispatches):
        rows, start = dispatch.row_index, 0
        for expert, count in dispatch.groups:
            segment = _Segment(place, rows[start : start + count], start)
            segments.setdefault((dispatch.layer, expert), []).append(segment)
            start += count
    return segments
