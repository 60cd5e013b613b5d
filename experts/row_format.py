"""How rows travel to experts and back, by the experts' numeric class."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from moray.experts.compiled import Array, Rows
from moray.experts.integer import SCALE_BYTES, dequantise, from_bytes, quantise, to_bytes
from moray.types import NumericClass


class RowFormat(Protocol):
    """Row by row, so that what a row becomes never depends on its company."""

    dtype: np.dtype[Any]

    def width(self, hidden_size: int) -> int:
        """Of a row that travels, in values of ``dtype``."""
        ...

    def encode(self, rows: Rows) -> Array: ...

    def decode(self, rows: Array) -> Rows: ...


class Float32Rows:
    dtype: np.dtype[Any] = np.dtype(np.float32)

    def width(self, hidden_size: int) -> int:
        return hidden_size

    def encode(self, rows: Rows) -> Array:
        return rows

    def decode(self, rows: Array) -> Rows:
        return rows


class Int8Rows:
    """A row's bytes and its scale behind them, see ``experts.integer``."""

    dtype: np.dtype[Any] = np.dtype(np.int8)

    def width(self, hidden_size: int) -> int:
        return hidden_size + SCALE_BYTES

    def encode(self, rows: Rows) -> Array:
        return to_bytes(quantise(rows))

    def decode(self, rows: Array) -> Rows:
        return dequantise(from_bytes(rows))


FLOAT32_ROWS: RowFormat = Float32Rows()


def row_format(numeric_class: NumericClass) -> RowFormat:
    return Int8Rows() if numeric_class == "int8" else FLOAT32_ROWS
