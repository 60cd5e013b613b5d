"""One layer's rows on their way: to the experts' uplinks, and their results back in place.

The usual round, one frame to each uplink, is compiled (``router.round_kernel``), from the rows to the sockets and back.
Whatever is not usual, from a frame that is too large to a replica that fails, goes through the event loop, message by
message. Results are put in place as they arrive, so that their order decides nothing. What is late beyond what its
replicas usually need is sent to another one too, and the first answer counts: both have the same bits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moray import wire
from moray.experts.compiled import Array, Ids, Rows
from moray.router import round_kernel as kernel
from moray.router.hedging import MIN_DELAY_S
from moray.router.transport import ExpertsMissing, group_by_expert
from moray.router.uplink import Answer, DispatchFailed, Uplink

if TYPE_CHECKING:
    from moray.router.network_experts import NetworkExperts

Load = Mapping[int, list[int]]  # what one frame takes: for each expert its places
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
    """Rows on their way to one uplink, as long as they have no answer."""

    __slots__ = ("hedge_at", "index", "places", "round", "seq", "unsent", "uplink")

    def __init__(self, round_: Round, uplink: Uplink, places: Ids, index: int = -1, seq: int = -1) -> None:
        self.round, self.uplink, self.places = round_, uplink, places
        self.index, self.seq = index, seq  # in a compiled round: its place in the plan, and its number
        self.unsent: Sequence[Load] = ()  # what follows when it is answered: more than the replica accepts at once
        self.hedge_at: float | None = None  # inf: it has been, or cannot be

    def take(self, answer: Answer) -> None:
        """It came through the event loop."""
        self.round._take(self, answer)

    def places_with_unsent(self) -> list[int]:
        unsent = (place for load in self.unsent for part in load.values() for place in part)
        return [*self.places.tolist(), *unsent]


class Round:
    """Awaiting it gives the outputs [T, K, D], or raises ExpertsMissing."""

    _problem: ExpertsMissing | None = None
    _waiter: asyncio.Future[None] | None = None
    _timer: asyncio.TimerHandle | None = None  # for what will be late next
    _is_open: NDArray[np.bool_] | None = None  # [T * K] without an output, once some are asked for twice

    def __init__(self, experts: NetworkExperts, room: Room, layer: int, hidden_states: Rows, expert_ids: Ids) -> None:
        self._experts, self._room, self._layer, self._expert_ids = experts, room, layer, expert_ids
        self._rows = experts.row_format.encode(hidden_states)
        self._answered = np.empty((expert_ids.size, self._rows.shape[1]), self._rows.dtype)
        self._num_pending = len(self._answered)  # places without an output
        self._failed: dict[int, set[Uplink]] = {}  # by expert
        self._plan: Ids | None = None  # of a compiled round
        self._waiting: dict[int, _Frame] = {}  # its frames without an answer, by their place in the plan
        self._singly: dict[_Frame, None] = {}  # those that went message by message, in their order
        self._is_over = not self._num_pending
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
            self._watch_for_late()
            try:
                yield from self._waiter
            finally:  # also when cancelled: what comes now is not wanted
                self._is_over = True
                if self._timer is not None:
                    self._timer.cancel()
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
            places = self._places[first : first + count]
            frame = self._waiting[index] = _Frame(self, lanes.uplinks[place], places, index, seq)
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
            for index, frame in tuple(self._waiting.items()):
                if states[index] == kernel.ANSWERED:
                    del self._waiting[index]
                    frame.uplink.answered_bare(frame.seq, now)
                    self._count_answered(len(frame.places))
            if ending == kernel.GIVEN_BACK:
                index, count = room.given_back.tolist()
                self._waiting[index].uplink.data_received(room.result[:count].tobytes())

    # -- message by message

    def _send(self, places_of: Mapping[int, list[int]]) -> None:
        """One frame to each chosen uplink, more where one would be too large. With ExpertsMissing, and nothing sent,
        the round is over when an expert has no replica left to try."""
        chosen: dict[Uplink, dict[int, list[int]]] = {}
        missing = []
        for expert, places in places_of.items():
            uplink = self._experts.choose(expert, len(places), self._failed.get(expert, ()))
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
        self._watch_for_late()

    def _send_loads(self, uplink: Uplink, loads: Sequence[Load], is_hedge: bool = False) -> None:
        """The first of them, and the others when it is answered: together they are more than the replica accepts."""
        load, *unsent = loads
        places = [place for part in load.values() for place in part]
        rows = [place // self._expert_ids.shape[1] for place in places]
        hidden_states, row_index = distinct_rows(self._rows, rows)
        groups = [(expert, len(part)) for expert, part in load.items()]
        frame = _Frame(self, uplink, np.array(places))
        frame.unsent, frame.hedge_at = unsent, inf if is_hedge else None
        self._singly[frame] = None
        uplink.dispatch(self._layer, groups, row_index, hidden_states, self._experts.timeout_s, frame.take)

    def _take(self, frame: _Frame, answer: Answer) -> None:
        """Outputs to their places; with a failure, these and what was to follow go to another replica."""
        if self._plan is not None and frame.index >= 0:
            self._plan[frame.index, kernel.STATE] = kernel.ANSWERED
            del self._waiting[frame.index]
        else:
            del self._singly[frame]
        if self._is_over:  # cancelled, over for want of another expert, or another replica was quicker
            return
        if isinstance(answer, DispatchFailed):
            self._retry(frame)
            return
        if frame.unsent:
            self._send_loads(frame.uplink, frame.unsent)
            self._watch_for_late()
        places = frame.places
        if self._is_open is not None:
            is_first = self._is_open[places]
            places, answer = places[is_first], answer[is_first]
            self._is_open[places] = False
        self._answered[places] = answer
        self._count_answered(len(places))

    def _retry(self, frame: _Frame) -> None:
        """What a failed frame leaves undone goes to another replica, but for what one has been asked for already."""
        asked = set[int]()
        for other in self._frames() if self._is_open is not None else ():
            places = set(other.places_with_unsent())
            asked |= places
            if not places.isdisjoint(frame.places.tolist()):
                other.hedge_at = None  # a third replica may take what this one has not done
        undone: dict[int, list[int]] = {}
        for place in self._unanswered(frame):
            expert = int(self._expert_ids.flat[place])
            self._failed.setdefault(expert, set()).add(frame.uplink)
            if place not in asked:
                undone.setdefault(expert, []).append(place)
        if undone:
            self._experts.counters.retries += 1
            self._send(undone)
        else:
            self._watch_for_late()

    def _frames(self) -> list[_Frame]:
        """All without an answer."""
        return [*self._waiting.values(), *self._singly]

    def _unanswered(self, frame: _Frame) -> list[int]:
        is_open = self._is_open
        return [place for place in frame.places_with_unsent() if is_open is None or is_open[place]]

    # -- what is late

    def _watch_for_late(self) -> None:
        """Come back when the next frame is late. Before the round is awaited nobody waits for it."""
        if self._waiter is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        late_at = min((self._hedge_at(frame) for frame in self._frames()), default=inf)
        if late_at < inf:
            delay_s = max(0.0, late_at - monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._hedge_late)

    def _hedge_at(self, frame: _Frame) -> float:
        if frame.hedge_at is None:
            experts = set(self._expert_ids.ravel()[frame.places].tolist())
            delay_s = self._experts.hedge_delay_s(experts, len(frame.places))
            # The last frame of its uplink may be a later one: then it is given a little longer.
            frame.hedge_at = inf if delay_s is None else frame.uplink.sent_at + delay_s
        return frame.hedge_at

    def _hedge_late(self) -> None:
        now = monotonic()
        for frame in self._frames():
            if not self._is_over and self._hedge_at(frame) <= now:
                self._hedge(frame, now)
        if not self._is_over:
            self._watch_for_late()

    def _hedge(self, frame: _Frame, now: float) -> None:
        """Send its rows to other replicas too, as far as there are any. What has not been sent yet goes only there."""
        seconds: dict[Uplink, dict[int, list[int]]] = {}
        places_of: dict[int, list[int]] = {}
        for place in self._unanswered(frame):
            places_of.setdefault(int(self._expert_ids.flat[place]), []).append(place)
        for expert, places in places_of.items():
            asked = {frame.uplink, *self._failed.get(expert, ())}
            uplink = self._experts.choose_second(expert, len(places), asked)
            if uplink is not None:
                seconds.setdefault(uplink, {})[expert] = places
        if not seconds:
            frame.hedge_at = inf
            return
        if not self._experts.may_hedge():
            frame.hedge_at = now + MIN_DELAY_S  # there may be room then
            return
        frame.hedge_at = inf
        if self._is_open is None:
            self._is_open = np.zeros(len(self._answered), np.bool_)
            for other in self._frames():
                self._is_open[other.places_with_unsent()] = True
        moved = {expert for whole in seconds.values() for expert in whole}
        left = [{expert: part for expert, part in load.items() if expert not in moved} for load in frame.unsent]
        frame.unsent = [load for load in left if load]
        for uplink, whole in seconds.items():
            self._send_loads(uplink, split_load(whole, self._max_rows(uplink)), is_hedge=True)

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


def split_load(places_of: Load, max_rows: int) -> list[Load]:
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
