"""How much a replica computes for one router before that router has paid: no more than the node's operator gives."""

from __future__ import annotations


class Allowance:
    """Of one router; it outlasts connections, and ends with the replica. Owned by the thread of the router's uplink."""

    def __init__(self, max_unpaid_rows: int) -> None:
        self.max_unpaid_rows = max_unpaid_rows
        self._unpaid_rows = 0  # below 0 for a router that has paid ahead
        self.is_spent = False  # since a Dispatch asked for more than was left; smaller ones are refused then too

    def take(self, num_rows: int) -> bool:
        """Whether so many more may be computed; they count from now on."""
        self.is_spent = self.is_spent or self._unpaid_rows + num_rows > self.max_unpaid_rows
        if not self.is_spent:
            self._unpaid_rows += num_rows
        return not self.is_spent

    def give_back(self, num_rows: int) -> None:
        """Rows that were taken and not computed after all."""
        self._unpaid_rows -= num_rows

    def paid(self, num_rows: int) -> None:
        """The router has paid for so many, which is for who takes its vouchers to say."""
        self._unpaid_rows -= num_rows
        self.is_spent = False
