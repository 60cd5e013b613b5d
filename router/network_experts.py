"""Dispatch over the network: rows grouped into one frame per uplink, retried on another replica when one fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Mapping, Sequence

import numpy as np

from moray import wire
from moray.experts.compiled import Array, Ids, Rows
from moray.experts.row_format import FLOAT32_ROWS, RowFormat
from moray.router.directory import Directory
from moray.router.listener import Counters
from moray.router.selection import choose
from moray.router.transport import ExpertsMissing, group_by_expert
from moray.router.uplink import Answer, DispatchFailed, Uplink


class NetworkExperts:
    """The ExpertTransport over live uplinks."""

    def __init__(
        self,
        directory: Directory,
        counters: Counters,
        timeout_s: float = 3.0,
        row_format: RowFormat = FLOAT32_ROWS,
    ) -> None:
        self.directory, self.counters, self.timeout_s, self.row_format = directory, counters, timeout_s, row_format
        self._rng = random.Random()

    def missing(self) -> frozenset[int]:
        return self.directory.missing()

    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        work = _Round(self, layer, self.row_format.encode(hidden_states), expert_ids.shape)
        if len(expert_ids):
            work.send(group_by_expert(expert_ids))
        else:
            work.outputs.set_result(np.empty((*expert_ids.shape, hidden_states.shape[1]), np.float32))
        return work.outputs

    def choose(self, expert: int, num_rows: int, failed: set[Uplink] | None) -> Uplink | None:
        """A replica to try, None when there is none left."""
        replicas = self.directory.replicas(expert)
        if failed:
            replicas = [uplink for uplink in replicas if uplink not in failed]
        if len(replicas) == 1:  # the usual case, kept cheap
            return replicas[0]
        index = choose([uplink.candidate() for uplink in replicas], num_rows, self._rng)
        return None if index is None else replicas[index]


class _Round:
    """One layer's rows on their way. Results are put in place as they arrive, so that their order decides nothing; what
    fails is sent again to another replica."""

    def __init__(self, experts: NetworkExperts, layer: int, hidden_states: Array, shape: tuple[int, int]) -> None:
        """hidden_states: as they travel. ``shape`` (T, K): rows and experts of each."""
        self._experts, self._layer, self._hidden_states = experts, layer, hidden_states
        self._shape, self._experts_per_token = shape, shape[1]
        self._answered = np.empty((shape[0] * shape[1], hidden_states.shape[1]), hidden_states.dtype)
        self._num_pending = len(self._answered)  # places without an output
        self._failed: dict[int, set[Uplink]] = {}  # by expert
        self.outputs: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()  # [T, K, D]

    def send(self, places_of: Mapping[int, list[int]]) -> None:
        """One frame to each chosen uplink, more where one would be too large. With ExpertsMissing, and nothing sent,
        the round is over when an expert has no replica left to try."""
        chosen: dict[Uplink, dict[int, list[int]]] = {}
        missing = []
        for expert, places in places_of.items():
            uplink = self._experts.choose(expert, len(places), self._failed.get(expert))
            if uplink is None:
                missing.append(expert)
            else:
                chosen.setdefault(uplink, {})[expert] = places
        if missing:
            rows = {place // self._experts_per_token for expert in missing for place in places_of[expert]}
            self.outputs.set_exception(ExpertsMissing(frozenset(missing), frozenset(rows)))
            self.outputs.exception()  # a round that was abandoned for another reason leaves no complaint
            return
        for uplink, whole in chosen.items():
            self._send_loads(uplink, [whole] if self._shape[0] == 1 else split_load(whole, self._max_rows(uplink)))

    def _send_loads(self, uplink: Uplink, loads: Sequence[Mapping[int, list[int]]]) -> None:
        """The first of them, and the others when it is answered: together they are more than the replica accepts."""
        load, *others = loads
        places = [place for part in load.values() for place in part]
        rows = [place // self._experts_per_token for place in places]
        hidden_states, row_index = distinct_rows(self._hidden_states, rows)
        groups = [(expert, len(part)) for expert, part in load.items()]

        def on_answer(answer: Answer) -> None:
            if self.outputs.done():  # cancelled, or over for want of another expert
                return
            if isinstance(answer, DispatchFailed):
                self._experts.counters.retries += 1
                undone: dict[int, list[int]] = {}
                for part in loads:
                    for expert, its_places in part.items():
                        undone.setdefault(expert, []).extend(its_places)
                for expert in undone:
                    self._failed.setdefault(expert, set()).add(uplink)
                self.send(undone)
                return
            self._num_pending -= len(places)
            if len(places) == 1:
                self._answered[places[0]] = answer[0]
            else:
                self._answered[places] = answer
            if others:
                self._send_loads(uplink, others)
            elif not self._num_pending:
                outputs = self._experts.row_format.decode(self._answered)
                self.outputs.set_result(outputs.reshape(*self._shape, -1))

        uplink.dispatch(self._layer, groups, row_index, hidden_states, self._experts.timeout_s, on_answer)

    def _max_rows(self, uplink: Uplink) -> int:
        """Of one Dispatch: what the replica accepts at once, and what its own and its Result's frame hold."""
        assert uplink.join is not None
        row_bytes: int = self._hidden_states.shape[1] * self._hidden_states.itemsize
        frame_rows = (wire.MAX_FRAME_BYTES - wire.MAX_PLAIN_BYTES) // row_bytes
        return max(1, min(uplink.join.capacity, frame_rows, wire.MAX_ROWS))


def split_load(places_of: Mapping[int, list[int]], max_rows: int) -> list[Mapping[int, list[int]]]:
    """Loads of at most ``max_rows`` places, filled in order."""
    if sum(map(len, places_of.values())) <= max_rows:
        return [places_of]
    loads, room = list[dict[int, list[int]]](), 0
    for expert, places in places_of.items():
        while places:
            if not room:
                loads.append({})
                room = max_rows
            loads[-1][expert], places = places[:room], places[room:]
            room -= len(loads[-1][expert])
    return list(loads)


def distinct_rows(hidden_states: Array, rows: list[int]) -> tuple[Array, list[int]]:
    """hidden_states [T, D] and the rows [A] wanted of it -> the distinct ones [R, D] ascending and, for each of A,
    its place among them: a token that goes to several experts of one uplink travels once."""
    if len(hidden_states) == 1:
        return hidden_states, rows
    distinct = sorted(set(rows))
    wanted = hidden_states if len(distinct) == len(hidden_states) else hidden_states[distinct]
    place_of = {row: place for place, row in enumerate(distinct)}
    return wanted, [place_of[row] for row in rows]
