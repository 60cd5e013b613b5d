"""Dispatch over the network: rows grouped into one frame per uplink, retried on another replica when one fails."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from moray import wire
from moray.router.directory import Directory
from moray.router.listener import Counters
from moray.router.selection import choose
from moray.router.transport import ExpertsMissing, group_by_expert
from moray.router.uplink import DispatchFailed, Uplink

if TYPE_CHECKING:
    import asyncio


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one frame carries: ``places`` [A] are flat places (row * K + k) of its rows, expert by expert."""

    uplink: Uplink
    experts: tuple[int, ...]
    places: Tensor
    counts: tuple[int, ...]  # rows of each expert
    outputs: asyncio.Future[Tensor]


@dataclass(frozen=True, slots=True)
class Work:
    """One layer's dispatch: what is to be done, and who has failed at it."""

    layer: int
    hidden_states: Tensor  # [T, D]
    experts_per_token: int
    failed: dict[int, set[Uplink]]  # by expert


class NetworkExperts:
    """The ExpertTransport over live uplinks."""

    def __init__(self, directory: Directory, counters: Counters, timeout_s: float = 3.0) -> None:
        self.directory, self.counters, self.timeout_s = directory, counters, timeout_s
        self._rng = random.Random()

    def missing(self) -> frozenset[int]:
        return self.directory.missing()

    def dispatch(self, layer: int, hidden_states: Tensor, expert_ids: Tensor) -> Awaitable[Tensor]:
        work = Work(layer, hidden_states, expert_ids.shape[1], {})
        experts, counts, order = group_by_expert(expert_ids)
        try:
            parcels = self._send(work, dict(zip(experts, torch.split(order, counts), strict=True)))
        except ExpertsMissing as missing:
            return _raise(missing)
        return self._collect(work, parcels, expert_ids.numel())

    async def _collect(self, work: Work, parcels: list[Parcel], num_places: int) -> Tensor:
        """Await every parcel, resending what fails. The order of arrival decides nothing but when this returns."""
        width = work.hidden_states.shape[1]
        outputs = work.hidden_states.new_empty(num_places, width)
        queue = list(parcels)
        for parcel in queue:
            try:
                outputs[parcel.places] = await parcel.outputs
            except DispatchFailed:
                self.counters.retries += 1
                for expert in parcel.experts:
                    work.failed.setdefault(expert, set()).add(parcel.uplink)
                split = dict(zip(parcel.experts, torch.split(parcel.places, list(parcel.counts)), strict=True))
                queue.extend(self._send(work, split))
        return outputs.view(-1, work.experts_per_token, width)

    def _send(self, work: Work, places_of: Mapping[int, Tensor]) -> list[Parcel]:
        """One frame to each chosen uplink, more where one would be too large. Raises ExpertsMissing, with nothing
        sent, when an expert has no replica left to try."""
        chosen: dict[Uplink, list[int]] = {}
        missing = []
        for expert, places in places_of.items():
            uplink = self._choose(expert, places.shape[0], work.failed.get(expert))
            if uplink is None:
                missing.append(expert)
            else:
                chosen.setdefault(uplink, []).append(expert)
        if missing:
            rows = torch.cat([places_of[expert] for expert in missing]) // work.experts_per_token
            raise ExpertsMissing(frozenset(missing), frozenset(rows.tolist()))
        return [
            self._send_parcel(work, uplink, load)
            for uplink, experts in chosen.items()
            for load in split_load({expert: places_of[expert] for expert in experts}, _max_rows(work, uplink))
        ]

    def _choose(self, expert: int, num_rows: int, failed: set[Uplink] | None) -> Uplink | None:
        replicas = self.directory.replicas(expert)
        if failed:
            replicas = [uplink for uplink in replicas if uplink not in failed]
        if len(replicas) == 1:  # the usual case, kept cheap
            return replicas[0]
        index = choose([uplink.candidate() for uplink in replicas], num_rows, self._rng)
        return None if index is None else replicas[index]

    def _send_parcel(self, work: Work, uplink: Uplink, load: Mapping[int, Tensor]) -> Parcel:
        experts, parts = list(load), list(load.values())
        places = parts[0] if len(parts) == 1 else torch.cat(parts)
        counts = [part.shape[0] for part in parts]
        rows, row_index = _distinct_rows(places // work.experts_per_token)
        groups = list(zip(experts, counts, strict=True))
        outputs = uplink.dispatch(work.layer, groups, row_index, work.hidden_states[rows], self.timeout_s)
        return Parcel(uplink, tuple(experts), places, tuple(counts), outputs)


async def _raise(missing: ExpertsMissing) -> Tensor:
    raise missing


def _max_rows(work: Work, uplink: Uplink) -> int:
    """Of one Dispatch: what the replica accepts at once, and what its Result's frame holds."""
    assert uplink.join is not None
    row_bytes = work.hidden_states.shape[1] * work.hidden_states.itemsize + 4  # 4: its row_index
    return max(1, min(uplink.join.capacity, (wire.MAX_FRAME_BYTES - wire.MAX_PLAIN_BYTES) // row_bytes))


def split_load(places_of: Mapping[int, Tensor], max_rows: int) -> list[dict[int, Tensor]]:
    """Loads of at most ``max_rows`` places, filled in order."""
    if sum(places.shape[0] for places in places_of.values()) <= max_rows:
        return [dict(places_of)]
    loads, room = list[dict[int, Tensor]](), 0
    for expert, places in places_of.items():
        while places.shape[0]:
            if not room:
                loads.append({})
                room = max_rows
            loads[-1][expert], places = places[:room], places[room:]
            room -= loads[-1][expert].shape[0]
    return loads


def _distinct_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """rows [A] -> distinct rows [R] ascending and, for each of A, its place among them as int32: a token that goes
    to several experts of one uplink travels once."""
    if rows.shape[0] == 1:
        return rows, torch.zeros(1, dtype=torch.int32)
    distinct, index = torch.unique(rows, return_inverse=True)
    return distinct, index.to(torch.int32)
