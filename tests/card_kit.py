"""A server that shows a router's card, and nothing else of a router."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def card(**changes: Any) -> dict[str, Any]:
    """As ``/network`` shows it, with some of the much else that is there."""
    shown = {
        "network_id": "eels",
        "chain_id": 0,
        "model": {"name": "elver", "id": "cd" * 32, "numeric_class": "int8"},
        "public_address": {"host": "127.0.0.1", "port": 7000, "tls_cert_sha256": "ab" * 32},
        "num_experts": 8,
        "nodes": [],
    }
    return shown | changes


@contextmanager
def router(shown: object = None, is_sharded: bool = True) -> Iterator[str]:
    """The URL of a router whose ``/network`` is ``shown``: bytes as they are, None for ``card()``."""
    content = shown if isinstance(shown, bytes) else json.dumps(card() if shown is None else shown).encode()
    pages = {"/network": content} | ({"/model/manifest.json": b"{}"} if is_sharded else {})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
