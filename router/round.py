"""One layer's rows on their way: to the experts' uplinks, and their results back in place.

The usual round, one frame to each uplink, is compiled (``router.round_kernel``), from the rows to the sockets and back.
Whatever is not usual, from a frame that is too large to a replica that fails, goes through the event loop, message by
message. Results are put in place as they arrive, so that their order decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from moray import wire
from moray.experts.compiled import Array, Ids, Rows
from moray.router import round_kernel as kernel
from moray.router.transport import ExpertsMissing, group_by_expert
from moray.router.uplink import Answer, DispatchFailed, Uplink

if TYPE_CHECKING:
    from moray.router.network_experts import NetworkExperts

ROOM_BYTES = 4 << 20  # for all frames of a compiled round, and for one result
WAIT_MS = 5  # in one go for results, while the event loop stands still
TURN_S = 0.02  # after which the event loop has its turn again, results or not, and however much a peer has to say


class Room:
    """What compiled rounds work in, one after the other; reused, so that it stays in the caches."""

    def __init__(self) -> None:
        self.frames, self.result = np.empty(ROOM_BYTES, np.uint8), np.empty(ROOM_BYTES, np.uint8)
        self.given_back = np.empty(2, np.int64)
        self.turned_at = monotonic()


class _Frame:
    """One of a compiled round, as long as it has no answer."""

    __slots__ = ("count", "first", "index", "round", "seq", "uplink")

    def __init__(self, round_: Round, index: int, uplink: Uplink, seq: int, first: int, count: int) -> None:
        self.round, self.index, self.uplink, self.seq = round_, index, uplink, seq
        self.first, self.count = first, count  # its places among the round's

    def take(self, answer: Answer) -> None:
        """It came through the event loop."""
        self.round._take(self, answer)


class Round:
    """Awaiting it gives the outputs [T, K, D], or raises ExpertsMissing."""

    def __init__(self, experts: NetworkExperts, room: Room, layer: int, hidden_states: Rows, expert_ids: Ids) -> None:
        self._experts, self._room, self._layer, self._expert_ids = experts, room, layer, expert_ids
        self._rows = experts.row_format.encode(hidden_states)
        self._answered = np.empty((expert_ids.size, self._rows.shape[1]), self._rows.dtype)
        self._num_pending = len(self._answered)  # places without an output
        self._failed: dict[int, set[Uplink]] = {}  # by expert
        self._plan: Ids | None = None  # of a compiled round
        self._waiting: dict[int, _Frame] = {}  # its frames without an answer, by their place in the plan
        self._is_over = not self._num_pending
        self._problem: ExpertsMissing | None = None
        self._waiter: asyncio.Future[None] | None = None
        if self._num_pending and not self._send_compiled():
            self._send(group_by_expert(expert_ids))

    def __await__(self) -> Generator[Any, None, Rows]:
        if self._plan is not None:
            self._collect_compiled(self._plan)
        if monotonic() - self._room.turned_at > TURN_S:
            self._room.turned_at = monotonic()
            yield  # one turn of the loop
        if not self._is_over:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                yield from self._waiter
            finally:  # also when cancelled: what comes now is not wanted
                self._is_over = True
        if self._problem is not None:
            raise self._problem
        outputs = self._experts.row_format.decode(self._answered)
        return outputs.reshape(*self._expert_ids.shape, outputs.shape[1])

    # -- the usual round

    def _send_compiled(self) -> bool:
        """False, and nothing is sent, when this is not a usual round."""
        lanes = self._experts.choose_all(self._expert_ids)
        if lanes is None or not self._rows.flags.carray or not self._expert_ids.flags.carray:
            return False
        lanes.look(self._expert_ids)
        width, dtype, timeout_s = self._rows.shape[1], self._rows.dtype, self._experts.timeout_s
        self._places = np.empty(len(self._answered), np.int64)
        plan = np.empty((len(lanes.uplinks), kernel.NUM_PLANNED), np.int64)
        num_frames = kernel.send_round_kernel(
            _as_bytes(self._rows),
            self._expert_ids,
            lanes.uplink_of,
            lanes.numbers,
            self._layer,
            int(timeout_s * 1000),
            wire.DTYPE_CODES[dtype],
            width,
            self._room.frames,
            self._places,
            plan,
        )
        if num_frames == kernel.NOT_SENT:
            return False
        self._plan = plan[:num_frames]
        for index, (place, _, seq, first, count, start, end, sent, _) in enumerate(self._plan.tolist()):
            frame = self._waiting[index] = _Frame(self, index, lanes.uplinks[place], seq, first, count)
            unsent = b"" if start + sent == end else self._room.frames[start + sent : end].tobytes()
            frame.uplink.sent_bare(unsent, (count, width), dtype, timeout_s, frame.take)
            if unsent:  # the event loop has to send that first
                self._plan[index, kernel.STATE] = kernel.LEFT
        return True

    def _collect_compiled(self, plan: Ids) -> None:
        """Read results past the event loop, as long as they come at once."""
        room, ending, until = self._room, kernel.GIVEN_BACK, monotonic() + TURN_S
        while ending == kernel.GIVEN_BACK and self._waiting and (left_s := until - monotonic()) > 0:
            for index, frame in self._waiting.items():
                if not frame.uplink.is_readable:
                    plan[index, kernel.STATE] = kernel.LEFT
            ending = kernel.collect_round_kernel(
                plan,
                self._places,
                _as_bytes(self._answered),
                wire.DTYPE_CODES[self._rows.dtype],
                self._rows.shape[1],
                room.result,
                WAIT_MS,
                int(left_s * 1000),
                room.given_back,
            )
            now, states = monotonic(), plan[:, kernel.STATE].tolist()
            for index in [index for index in self._waiting if states[index] == kernel.ANSWERED]:
                frame = self._waiting.pop(index)
                frame.uplink.answered_bare(frame.seq, now)
                self._count_answered(frame.count)
            if ending == kernel.GIVEN_BACK:
                index, count = room.given_back.tolist()
                self._waiting[index].uplink.data_received(room.result[:count].tobytes())

    def _take(self, frame: _Frame, answer: Answer) -> None:
        assert self._plan is not None
        self._plan[frame.index, kernel.STATE] = kernel.ANSWERED
        del self._waiting[frame.index]
        self._put(frame.uplink, self._places[frame.first : frame.first + frame.count].tolist(), answer)

    # -- message by message

    def _send(self, places_of: Mapping[int, list[int]]) -> None:
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
            rows = {place // self._expert_ids.shape[1] for expert in missing for place in places_of[expert]}
            self._problem = ExpertsMissing(frozenset(missing), frozenset(rows))
            self._end()
            return
        for uplink, whole in chosen.items():
            self._send_loads(uplink, split_load(whole, self._max_rows(uplink)))

    def _send_loads(self, uplink: Uplink, loads: Sequence[Mapping[int, list[int]]]) -> None:
        """The first of them, and the others when it is answered: together they are more than the replica accepts."""
        load, *others = loads
        places = [place for part in load.values() for place in part]
        rows = [place // self._expert_ids.shape[1] for place in places]
        hidden_states, row_index = distinct_rows(self._rows, rows)
        groups = [(expert, len(part)) for expert, part in load.items()]

        def on_answer(answer: Answer) -> None:
            if others and not isinstance(answer, DispatchFailed) and not self._is_over:
                self._send_loads(uplink, others)
            unsent = [place for load in others for part in load.values() for place in part]
            self._put(uplink, places, answer, unsent)

        uplink.dispatch(self._layer, groups, row_index, hidden_states, self._experts.timeout_s, on_answer)

    def _put(self, uplink: Uplink, places: list[int], answer: Answer, unsent: Sequence[int] = ()) -> None:
        """Outputs to their places; with a failure, these and what was to follow go to another replica."""
        if self._is_over:  # cancelled, or over for want of another expert
            return
        if isinstance(answer, DispatchFailed):
            self._experts.counters.retries += 1
            undone: dict[int, list[int]] = {}
            for place in (*places, *unsent):
                undone.setdefault(int(self._expert_ids.flat[place]), []).append(place)
            for expert in undone:
                self._failed.setdefault(expert, set()).add(uplink)
            self._send(undone)
            return
        self._answered[places] = answer
        self._count_answered(len(places))

    def _count_answered(self, num_places: int) -> None:
        self._num_pending -= num_places
        if not self._num_pending:
            self._end()

    def _end(self) -> None:
        self._is_over = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _max_rows(self, uplink: Uplink) -> int:
        """Of one Dispatch: what the replica accepts at once, and what its own and its Result's frame hold."""
        row_bytes: int = self._rows.shape[1] * self._rows.itemsize
        frame_rows = (wire.MAX_FRAME_BYTES - wire.MAX_PLAIN_BYTES) // row_bytes
        return max(1, min(uplink.max_rows, frame_rows))


def _as_bytes(rows: Array) -> Array:
    return rows.view(np.uint8).reshape(len(rows), -1)


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
