"""The way from a replica to one router: how it is dialled, and what is shown there."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from typing import Protocol

from moray.experts.allowance import Allowance, LeasedAllowance
from moray.experts.connections import Connection, PlainConnection, dial_tls
from moray.experts.credentials import Credentials, SignedCredentials, TokenCredentials
from moray.experts.credit import Credit
from moray.types import DataAddress, PublicAddress

DIAL_TIMEOUT_S = 2.0  # and once more for a TLS handshake


class Route(Protocol):
    @property
    def router(self) -> str:
        """For people."""
        ...

    @property
    def credentials(self) -> Credentials: ...

    @property
    def allowance(self) -> Allowance | None:
        """What this router gets before it pays; None: all it asks for."""
        ...

    @property
    def credit(self) -> Credit | None:
        """Where its vouchers go; None: nobody asks for any."""
        ...

    @property
    def max_backoff_s(self) -> float:
        """Between two dials."""
        ...

    def dial(self) -> Connection:
        """Raises OSError, UnsafeAddress, WireError for somebody else in the router's place."""
        ...

    def ended(self, was_welcomed: bool) -> None:
        """What became of the last connection."""
        ...


class OwnRoute:
    """Inside one operator's trust domain, over the router's Unix socket where that leads to it: on another machine the
    path may lead nowhere, or to the router of another network."""

    max_backoff_s = 2.0
    allowance = credit = None  # nobody pays oneself

    def __init__(self, address: DataAddress, token: bytes) -> None:
        self._address, self.credentials = address, TokenCredentials(token)
        self._was_local = self._shuns_local = False

    @property
    def router(self) -> str:
        return str(self._address)

    def dial(self) -> PlainConnection:
        host, port, path = self._address
        if path and not self._shuns_local:
            with suppress(OSError), ExitStack() as undo:
                connection = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                connection.settimeout(DIAL_TIMEOUT_S)
                connection.connect(path)
                undo.pop_all()
                self._was_local = True
                return PlainConnection(connection)
        self._was_local = False
        return PlainConnection(socket.create_connection((host, port), DIAL_TIMEOUT_S))

    def ended(self, was_welcomed: bool) -> None:
        self._shuns_local = self._was_local and not was_welcomed  # then TCP is tried


class SignedRoute:
    """To a router of another operator."""

    max_backoff_s = 15.0  # a router that comes back hears from thousands

    def __init__(
        self,
        address: PublicAddress,
        signing_socket: str,
        allow_private: bool,
        max_unpaid_rows: int | None = None,
        takes_vouchers: bool = False,
    ) -> None:
        """``max_unpaid_rows``: what the router gets before it pays; None: all it asks for. ``takes_vouchers``: then
        that is what the node's replicas give it together, and who has the signing socket keeps account."""
        self._address, self._allow_private = address, allow_private
        self.credit = Credit(signing_socket, str(address)) if takes_vouchers else None
        self.allowance: Allowance | None = None
        if max_unpaid_rows is not None:
            credit = self.credit
            self.allowance = LeasedAllowance(max_unpaid_rows, credit.draw) if credit else Allowance(max_unpaid_rows)
        self.credentials = SignedCredentials(signing_socket, address.tls_cert_sha256)

    @property
    def router(self) -> str:
        return str(self._address)

    def dial(self) -> Connection:
        return dial_tls(self._address, DIAL_TIMEOUT_S, self._allow_private)

    def ended(self, was_welcomed: bool) -> None:
        pass
