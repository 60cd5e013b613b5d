"""Dispatch over the network: rows grouped into one frame per uplink, retried on another replica when one fails."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from moray import wire
from moray.experts.compiled import Ids, Rows
from moray.router.directory import Directory
from moray.router.listener import Counters
from moray.router.selection import choose
from moray.router.transport import ExpertsMissing, group_by_expert
from moray.router.uplink import DispatchFailed, Uplink

if TYPE_CHECKING:
    import asyncio


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one frame carries: for each expert its flat places (row * K + k)."""

    uplink: Uplink
    load: Mapping[int, list[int]]
    outputs: asyncio.Future[wire.Tensor]  # [A, D], the load's places in order


@dataclass(frozen=True, slots=True)
class Work:
    """One layer's dispatch: what is to be done, and who has failed at it."""

    layer: int
    hidden_states: Rows  # [T, D]
    experts_per_token: int
    failed: dict[int, set[Uplink]]  # by expert


class NetworkExperts:
    """The ExpertTransport over live uplinks."""

    def __init__(self, directory: Directory, counters: Counters, timeout_s: float = 3.0) -> None:
        self.directory, self.counters, self.timeout_s = directory, counters, timeout_s
        self._rng = random.Random()

    def missing(self) -> frozenset[int]:
        return self.directory.missing()

    def dispatch(self, layer: int, hidden_states: Rows, expert_ids: Ids) -> Awaitable[Rows]:
        work = Work(layer, hidden_states, expert_ids.shape[1], {})
        try:
            parcels = self._send(work, group_by_expert(expert_ids))
        except ExpertsMissing as missing:
            return _raise(missing)
        return self._collect(work, parcels)

    async def _collect(self, work: Work, parcels: list[Parcel]) -> Rows:
        """Await every parcel, resending what fails. The order of arrival decides nothing but when this returns."""
        results, places = list[wire.Tensor](), list[int]()
        queue = list(parcels)
        for parcel in queue:
            try:
                results.append(await parcel.outputs)
            except DispatchFailed:
                self.counters.retries += 1
                for expert in parcel.load:
                    work.failed.setdefault(expert, set()).add(parcel.uplink)
                queue.extend(self._send(work, parcel.load))
            else:
                for part in parcel.load.values():
                    places.extend(part)
        outputs = np.empty((len(places), work.hidden_states.shape[1]), np.float32)
        outputs[places] = results[0] if len(results) == 1 else np.concatenate(results)
        return outputs.reshape(-1, work.experts_per_token, outputs.shape[1])

    def _send(self, work: Work, places_of: Mapping[int, list[int]]) -> list[Parcel]:
        """One frame to each chosen uplink, more where one would be too large. Raises ExpertsMissing, with nothing
        sent, when an expert has no replica left to try."""
        chosen: dict[Uplink, dict[int, list[int]]] = {}
        missing = []
        for expert, places in places_of.items():
            uplink = self._choose(expert, len(places), work.failed.get(expert))
            if uplink is None:
                missing.append(expert)
            else:
                chosen.setdefault(uplink, {})[expert] = places
        if missing:
            rows = {place // work.experts_per_token for expert in missing for place in places_of[expert]}
            raise ExpertsMissing(frozenset(missing), frozenset(rows))
        return [
            self._send_parcel(work, uplink, load)
            for uplink, whole in chosen.items()
            for load in split_load(whole, _max_rows(work, uplink))
        ]

    def _choose(self, expert: int, num_rows: int, failed: set[Uplink] | None) -> Uplink | None:
        replicas = self.directory.replicas(expert)
        if failed:
            replicas = [uplink for uplink in replicas if uplink not in failed]
        if len(replicas) == 1:  # the usual case, kept cheap
            return replicas[0]
        index = choose([uplink.candidate() for uplink in replicas], num_rows, self._rng)
        return None if index is None else replicas[index]

    def _send_parcel(self, work: Work, uplink: Uplink, load: Mapping[int, list[int]]) -> Parcel:
        rows = [place // work.experts_per_token for places in load.values() for place in places]
        hidden_states, row_index = distinct_rows(work.hidden_states, rows)
        groups = [(expert, len(places)) for expert, places in load.items()]
        return Parcel(uplink, load, uplink.dispatch(work.layer, groups, row_index, hidden_states, self.timeout_s))


async def _raise(missing: ExpertsMissing) -> Rows:
    raise missing


def _max_rows(work: Work, uplink: Uplink) -> int:
    """Of one Dispatch: what the replica accepts at once, and what its Result's frame holds."""
    assert uplink.join is not None
    row_bytes = work.hidden_states.shape[1] * work.hidden_states.itemsize + 4  # 4: its row_index
    return max(1, min(uplink.join.capacity, (wire.MAX_FRAME_BYTES - wire.MAX_PLAIN_BYTES) // row_bytes))


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


def distinct_rows(hidden_states: Rows, rows: list[int]) -> tuple[Rows, list[int]]:
    """hidden_states [T, D] and the rows [A] wanted of it -> the distinct ones [R, D] ascending and, for each of A,
    its place among them: a token that goes to several experts of one uplink travels once."""
    distinct = sorted(set(rows))
    if len(distinct) == 1:
        wanted = hidden_states[distinct[0] : distinct[0] + 1]
    else:
        wanted = hidden_states if len(distinct) == hidden_states.shape[0] else hidden_states[distinct]
    place_of = {row: place for place, row in enumerate(distinct)}
    return wanted, [place_of[row] for row in rows]
