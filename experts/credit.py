"""A replica's way to the process that keeps account of what routers have paid: the one that signs, over its socket."""

from __future__ import annotations

import logging

from moray import wire
from moray.errors import WireError
from moray.experts.credentials import ask_agent

logger = logging.getLogger(__name__)


class Credit:
    """Of one router. Whatever goes wrong, the router gets nothing for it."""

    def __init__(self, signing_socket: str, router: str) -> None:
        self._signing_socket, self._router = signing_socket, router

    def draw(self, asked: int, returned: int) -> int:
        """Rows that the router may get now: at least ``asked``, or none."""
        return self._ask(wire.Lease(self._router, asked, returned))

    def hand(self, voucher: wire.Voucher) -> None:
        """Whether it is worth anything is found out there, in its own time."""
        self._ask(voucher, wire.Lease(self._router, 0, 0))

    def _ask(self, *messages: wire.Message) -> int:
        try:
            answer = ask_agent(self._signing_socket, b"".join(map(wire.encode, messages)))
            if isinstance(answer, wire.Leased):
                return answer.rows
            raise WireError(f"the signing process answers with {answer.kind}")
        except WireError as problem:
            logger.warning("no rows for %s: %s", self._router, problem)
            return 0
