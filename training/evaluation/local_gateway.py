"""A gateway with all experts in this process: no network, for models to compare with, also those without experts."""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from moray.config import read_settings
from moray.errors import EngineStopped
from moray.router.service import RouterService, RouterSpec
from moray.router.sockets import bind
from moray.types import DataAddress

START_TIMEOUT_S = 60.0
POLL_S = 0.05


@contextmanager
def local_gateway(folder: Path) -> Iterator[str]:
    """Its URL. Raises BadCheckpoint as loading the model does."""
    with tempfile.TemporaryDirectory(prefix="moray-eval-") as scratch, bind("127.0.0.1", 0, "--url") as listening:
        token = Path(scratch) / "wire_token"  # a router has one, though no replica will show it
        token.write_text(secrets.token_hex(32))
        service = RouterService(
            RouterSpec(
                model=str(folder.absolute()),
                model_name=folder.absolute().name,
                wire_token_file=str(token),
                http_host="127.0.0.1",
                http_port=0,
                data_address=DataAddress("127.0.0.1", 0),
                settings=read_settings(),
                local_experts=True,
            )
        )
        server = uvicorn.Server(uvicorn.Config(service.start(), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listening],), name="local-gateway")
        thread.start()
        try:
            _wait(server, thread)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            service.stop()


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise EngineStopped("the gateway in this process did not start; try again")
        time.sleep(POLL_S)
