"""The gate's choice of experts and the weighted sum of their rows, compiled. What is computed: ``router.gate``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moray.experts.compiled import Ids, Rows, kernel, part
from moray.experts.product_kernel import F32_BYTES, multiply, padded
from moray.experts.simd import LANES, sigmoid_lanes


@part
def highest(values: Rows, is_candidate: NDArray[np.bool_]) -> int:
    """The lowest index among the highest candidates; any number is higher than NaN."""
    best = -1
    for i in range(values.shape[0]):
        if is_candidate[i] and (best < 0 or values[i] > values[best] or np.isnan(values[best])):
            best = i
    return best


@part
def two_best(values: Rows) -> np.float32:
    """The sum of the two highest."""
    best = second = np.float32(-np.inf)
    for value in values:
        if value > best:
            best, second = value, best
        elif value > second:
            second = value
    return best + second


@kernel("void(f4[:,::1], f4[::1], f4[::1], i8, i8, b1, f8, i8[:,::1], f4[:,::1])")
def sigmoid_gate_kernel(
    x: Rows,  # [T, D]
    panels: Rows,  # of the gate's weight [E, D]
    bias: Rows,  # [E]
    num_groups: int,
    num_chosen_groups: int,
    is_normalised: bool,
    factor: float,
    expert_ids: Ids,  # [T, K], the result, ascending in every row
    weights: Rows,  # [T, K], the result
) -> None:
    """Among equals the lowest index wins, of groups as of experts."""
    num_experts, group_size = bias.shape[0], bias.shape[0] // num_groups
    scores = np.empty((x.shape[0], padded(num_experts)), np.float32)
    multiply(x, panels, x.shape[1], scores[:, :num_experts])
    biased = np.empty(num_experts, np.float32)
    is_open = np.empty(num_experts, np.bool_)  # may be chosen
    is_chosen = np.empty(num_experts, np.bool_)
    group_scores = np.empty(num_groups, np.float32)
    is_group_left = np.empty(num_groups, np.bool_)
    for t in range(x.shape[0]):
        row = scores[t]
        for start in range(0, row.shape[0], LANES):
            place = row.ctypes.data + F32_BYTES * start
            sigmoid_lanes(place, place)
        for e in range(num_experts):
            biased[e] = row[e] + bias[e]
            is_open[e], is_chosen[e] = num_chosen_groups == num_groups, False
        if num_chosen_groups < num_groups:  # only experts of the best groups are open
            for g in range(num_groups):
                group_scores[g] = two_best(biased[g * group_size : (g + 1) * group_size])
                is_group_left[g] = True
            for _ in range(num_chosen_groups):
                g = highest(group_scores, is_group_left)
                is_group_left[g] = False
                for e in range(g * group_size, (g + 1) * group_size):
                    is_open[e] = True
        for _ in range(expert_ids.shape[1]):
            e = highest(biased, is_open)
            is_open[e], is_chosen[e] = False, True
        k, total = 0, np.float32(0.0)
        for e in range(num_experts):
            if is_chosen[e]:
                expert_ids[t, k], weights[t, k] = e, row[e]
                total += row[e]
                k += 1
        for k in range(weights.shape[1]):
            weight = weights[t, k] / (total + np.float32(1e-20)) if is_normalised else weights[t, k]
            weights[t, k] = weight * np.float32(factor)


@kernel("void(f4[:,:,::1], f4[:,::1], f4[:,::1])")
def combine_kernel(outputs: Rows, weights: Rows, total: Rows) -> None:
    """``total += sum over k of weights[t, k] * outputs[t, k]``, the sum first, k ascending."""
    num_rows, per_row, width = outputs.shape
    for t in range(num_rows):
        for i in range(width):
            routed = outputs[t, 0, i] * weights[t, 0]
            for k in range(1, per_row):
                routed += outputs[t, k, i] * weights[t, k]
            total[t, i] += routed
