"""How rows travel to experts and back, by the experts' numeric class."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from moray.experts.compiled import Array, Rows
from moray.experts.row_kernel import SCALE_BYTES
from moray.experts.scaled_rows import decode, encode
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
    """A row's bytes and its scale behind them, see ``experts.row_kernel``."""

    dtype: np.dtype[Any] = np.dtype(np.int8)

    def width(self, hidden_size: int) -> int:
        return hidden_size + SCALE_BYTES

    def encode(self, rows: Rows) -> Array:
        return encode(rows)

    def decode(self, rows: Array) -> Rows:
        return decode(rows)


FLOAT32_ROWS: RowFormat = Float32Rows()


def row_format(numeric_class: NumericClass) -> RowFormat:
    return FLOAT32_ROWS if numeric_class == "float32" else Int8Rows()
