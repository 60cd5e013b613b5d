"""Sockets to listen on."""

from __future__ import annotations

import socket

from moray.errors import PortTaken


def bind(host: str, port: int, option: str) -> socket.socket:
    """A bound TCP socket. Raises PortTaken with the address; ``option`` is what names another port."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as exc:
        listening.close()
        raise PortTaken(f"cannot listen on {host}:{port} ({exc.strerror}); give another {option}") from None
    return listening
