"""Test vectors of the integer expert, made by the plain-Python oracle: ``python tests/integer_vectors.py`` writes them.

Everything is rows as they travel, in hex: a matrix is its rows one after the other. The weight root is that of a model
which has these weights and no others: expert 0 of layer 0.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import integer_oracle
from commitment_oracle import leaf, root_of
from moray.experts.integer import IntegerWeights
from moray.experts.scaled_rows import ScaledRows
from moray.experts.weight_root import RowPlace, StoredRow
from row_oracle import as_bytes, as_lists

VECTORS_FILE = Path(__file__).parent.parent / "docs" / "integer-expert-vectors.json"

Row = tuple[list[int], tuple[int, int]]  # values and scale


def make_vectors() -> list[dict[str, Any]]:
    ordinary, wild = (30, 41, 2**30, 2**31), (-128, 128, -(2**31), 2**31)  # bounds of shifts and of mantissas
    cases = [
        _case("scales as a quantiser writes them", 12, 8, ordinary, 1),
        _case("odd sizes", 5, 3, ordinary, 2),
        _case("an inner and an output width of 1", 1, 1, ordinary, 3),
        _case("any values and mantissas, shifts in the middle", 4, 17, (20, 60, -(2**31), 2**31), 4),
        _case("any bytes", 7, 5, wild, 39),  # a seed whose results are not all zeros
    ]
    largest = [([-128] * 6, (-(2**31), -128))] * 6
    cases.append(_vector("the largest magnitudes: the shift is held at -128", largest, largest, largest, largest[:1]))
    least = [([1] * 6, (1, 127))] * 6
    cases.append(_vector("too small for a shift: zeros", least, least, least, least[:1]))
    plain = [([64, -128, 127, 0, 1, -1], (2**30, 37))] * 6
    rows = [([0] * 6, (0, 0)), ([0] * 6, (2**30, 30)), ([9] * 6, (0, 5)), ([127] * 6, (2**31 - 1, 30))]
    cases.append(_vector("rows of zeros, a scale of zero", plain, plain, plain, rows))
    return cases


def read_weights(vector: dict[str, Any]) -> IntegerWeights:
    hidden_size, width = vector["hidden_size"], vector["width"]
    depths = {"gate": hidden_size, "up": hidden_size, "down": width}
    matrices = {}
    for name, depth in depths.items():
        rows = as_lists(read_rows(vector[name], depth))
        scales = [scale for _, scale in rows]
        matrices[name] = ScaledRows(
            np.array([values for values, _ in rows], np.int8),
            np.array([mantissa for mantissa, _ in scales], np.int32),
            np.array([shift for _, shift in scales], np.int8),
        )
    return IntegerWeights(**matrices)


def read_rows(text: str, depth: int) -> NDArray[np.int8]:
    return np.frombuffer(bytes.fromhex(text), np.int8).reshape(-1, depth + 5).copy()


def _case(name: str, hidden_size: int, width: int, bounds: tuple[int, int, int, int], seed: int) -> dict[str, Any]:
    rng = random.Random(seed)

    def draw(num_rows: int, depth: int) -> list[Row]:
        return [
            (
                [rng.randrange(-128, 128) for _ in range(depth)],
                (rng.randrange(bounds[2], bounds[3]), rng.randrange(bounds[0], bounds[1])),
            )
            for _ in range(num_rows)
        ]

    gate, up, down = draw(width, hidden_size), draw(width, hidden_size), draw(hidden_size, width)
    return _vector(name, gate, up, down, draw(3, hidden_size))


def _vector(name: str, gate: list[Row], up: list[Row], down: list[Row], rows: list[Row]) -> dict[str, Any]:
    matrices = [([values for values, _ in matrix], [scale for _, scale in matrix]) for matrix in (gate, up, down)]
    results = [integer_oracle.expert(values, scale, *matrices) for values, scale in rows]
    sizes = {"name": name, "hidden_size": len(down), "width": len(gate)}
    parts = {"gate": gate, "up": up, "down": down, "rows": rows, "results": results}
    leaves = [
        leaf(RowPlace(0, 0, matrix, row), StoredRow(8, mantissa, shift, np.array(values, np.int8).tobytes()))
        for matrix, content in enumerate((gate, up, down))
        for row, (values, (mantissa, shift)) in enumerate(content)
    ]
    return sizes | {part: _hex(content) for part, content in parts.items()} | {"weight_root": root_of(leaves).hex()}


def _hex(rows: list[Row]) -> str:
    values = np.array([values for values, _ in rows], np.int8)
    scales = np.array([scale for _, scale in rows])
    return as_bytes(ScaledRows(values, scales[:, 0].astype(np.int32), scales[:, 1].astype(np.int8))).tobytes().hex()


def encode_vectors() -> str:
    return json.dumps({"specification": 1, "vectors": make_vectors()}, indent=1) + "\n"


if __name__ == "__main__":
    VECTORS_FILE.write_text(encode_vectors())
