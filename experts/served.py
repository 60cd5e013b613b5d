"""The experts of a replica as the serving kernel wants them: where their weights lie, and room for rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moray.experts.compiled import Ids
from moray.experts.frame_kernel import RESULT_HEAD_BYTES, Bytes
from moray.experts.integer import IntegerExpert
from moray.experts.integer_torch import TorchIntegerExpert
from moray.experts.serving_kernel import MOST, serve_kernel
from moray.experts.weights import ExpertFunction

ROOM_BYTES = 1 << 20  # of a frame and of rows; what is larger is computed by the Executor


@dataclass(frozen=True, slots=True, eq=False)
class ServedExperts:
    """Shared by all uplinks of a replica; all experts are of one kind and one size."""

    experts: Ids  # [H]
    addresses: Ids  # [H, layers, arrays], 0 where a layer has none
    is_integer: bool
    hidden_size: int
    width: int
    capacity_rows: int
    owners: Mapping[int, Mapping[int, ExpertFunction]]  # of the memory at ``addresses``


def served_experts(weights: Mapping[int, Mapping[int, ExpertFunction]], capacity_rows: int) -> ServedExperts | None:
    """``weights[expert][layer]``, at least one, all of a kind; None where that kind is not of compiled kernels."""
    one = next(iter(next(iter(weights.values())).values()))
    if isinstance(one, TorchIntegerExpert):
        return None
    num_layers = 1 + max(max(layers) for layers in weights.values())
    addresses = np.zeros((len(weights), num_layers, len(one.arrays)), np.int64)
    for place, layers in enumerate(weights.values()):
        for layer, function in layers.items():
            assert not isinstance(function, TorchIntegerExpert)
            addresses[place, layer] = [array.ctypes.data for array in function.arrays]
    experts = np.array(list(weights), np.int64)
    is_integer = isinstance(one, IntegerExpert)
    return ServedExperts(experts, addresses, is_integer, one.hidden_size, one.width, capacity_rows, weights)


class ServingRoom:
    """One uplink's buffers. Reused, so that the kernel's memory stays in the caches."""

    def __init__(self) -> None:
        self.received: Bytes = np.empty(ROOM_BYTES, np.uint8)
        self._rows, self._outputs = np.empty(ROOM_BYTES, np.uint8), np.empty(ROOM_BYTES, np.uint8)
        self._reply: Bytes = np.empty(MOST * RESULT_HEAD_BYTES + ROOM_BYTES, np.uint8)

    def serve(self, fd: int, served: ServedExperts, pulse: NDArray[Any]) -> int:
        """See ``serve_kernel``. Runs without the GIL."""
        count: int = serve_kernel(
            fd,
            self.received,
            served.experts,
            served.addresses,
            served.is_integer,
            served.hidden_size,
            served.width,
            served.capacity_rows,
            self._rows,
            self._outputs,
            self._reply,
            pulse,
        )
        return count
