"""How much a replica computes for one router before that router has paid: no more than the node's operator gives."""

from __future__ import annotations

from collections.abc import Callable

RENEWAL_PERIOD_S = 1.0  # between two questions whether a router has paid
MIN_RENEWED_ROWS = 16  # with fewer a replica would not pass the test at its next join


class Allowance:
    """Of one router; it outlasts connections, and ends with the replica. Owned by the thread of the router's uplink."""

    def __init__(self, max_unpaid_rows: int) -> None:
        self.max_unpaid_rows = max_unpaid_rows
        self._rows_left = max_unpaid_rows
        self.is_spent = False  # since a Dispatch asked for more than was left; smaller ones are refused then too

    def take(self, num_rows: int) -> bool:
        """Whether so many more may be computed; they count from now on."""
        self.is_spent = self.is_spent or not self._has(num_rows)
        if not self.is_spent:
            self._rows_left -= num_rows
        return not self.is_spent

    def give_back(self, num_rows: int) -> None:
        """Rows that were taken and not computed after all."""
        self._rows_left += num_rows

    def is_renewed(self, now_s: float) -> bool:
        """Whether it was spent and is not any more: nobody pays for this one."""
        return False

    def end(self) -> None:
        """The replica ends."""

    def _has(self, num_rows: int) -> bool:
        return num_rows <= self._rows_left


class LeasedAllowance(Allowance):
    """The part of a node's credit that this replica holds: rows are drawn as they are needed, and what is left is given
    back. What a replica holds that is killed is lost to the router until its node is started again."""

    def __init__(self, max_unpaid_rows: int, draw: Callable[[int, int], int]) -> None:
        """``draw(asked, returned)``: gives ``returned`` rows back and returns at least ``asked``, or none.
        ``max_unpaid_rows``: the node's, for people."""
        super().__init__(max_unpaid_rows)
        self._rows_left, self._draw = 0, draw
        self._refused_rows, self._ask_at = 0, 0.0

    def is_renewed(self, now_s: float) -> bool:
        """Asks at most every RENEWAL_PERIOD_S."""
        if not self.is_spent or now_s < self._ask_at:
            return False
        self._ask_at = now_s + RENEWAL_PERIOD_S
        self._rows_left += self._draw(max(self._refused_rows, MIN_RENEWED_ROWS), 0)
        self.is_spent = self._rows_left < self._refused_rows
        return not self.is_spent

    def end(self) -> None:
        self._return()

    def _has(self, num_rows: int) -> bool:
        if num_rows > self._rows_left:
            self._rows_left += self._draw(num_rows - self._rows_left, 0)
        if num_rows <= self._rows_left:
            return True
        self._refused_rows = num_rows
        self._return()  # another replica may have use for them
        return False

    def _return(self) -> None:
        if self._rows_left:
            self._draw(0, self._rows_left)
        self._rows_left = 0
