"""Several threads that compute one step's gradients, each with some of its batches.

One thread of torch's own kernels gains little from a second at this size (1.3x, most of a layer's matrices are small);
two threads with a batch each gain nearly double. Every one has gradients of its own, added up in one order, so the
bits depend on how many there are and on nothing else.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from moray.training.batches import Batch
from moray.training.model import DeepSeekModel

T = TypeVar("T")
R = TypeVar("R")


class Crew:
    """``size`` threads. ``torch.set_num_threads`` says how many more each of them uses."""

    def __init__(self, model: DeepSeekModel, size: int) -> None:
        self._models = (model, *(_twin(model) for _ in range(size - 1)))
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="training")

    def for_each(self, things: Iterable[T], work: Callable[[T], R]) -> list[R]:
        return list(self._pool.map(work, things))

    def gradients(self, batches: Sequence[Batch], work: Callable[[DeepSeekModel, Batch], R]) -> list[R]:
        """What ``work`` gives for each batch, in their order. Its backward passes are left in the model's gradients."""
        parts = shares([batch.token_ids.numel() for batch in batches], len(self._models))
        found = self.for_each(
            zip(self._models, parts, strict=True),
            lambda pair: [(index, work(pair[0], batches[index])) for index in pair[1]],
        )
        for twin in self._models[1:]:
            for weight, its in zip(self._models[0].parameters(), twin.parameters(), strict=True):
                if its.grad is not None:
                    weight.grad = its.grad if weight.grad is None else weight.grad.add_(its.grad)
                    its.grad = None
        return [result for _, result in sorted(chain.from_iterable(found), key=lambda pair: pair[0])]


def _twin(model: DeepSeekModel) -> DeepSeekModel:
    """With the same weights in the same memory."""
    twin = copy.deepcopy(model)
    for weight, its in zip((*model.parameters(), *model.buffers()), (*twin.parameters(), *twin.buffers()), strict=True):
        its.data = weight.data
    return twin


def shares(costs: Sequence[int], num: int) -> list[list[int]]:
    """The indices of ``costs`` in ``num`` parts that cost about the same: the dearest first, to who has least."""
    shares: list[list[int]] = [[] for _ in range(num)]
    loads = [0] * num
    for index in sorted(range(len(costs)), key=lambda index: (-costs[index], index)):
        least = loads.index(min(loads))
        shares[least].append(index)
        loads[least] += costs[index]
    return shares
