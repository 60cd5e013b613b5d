"""A gateway with its engine and all experts in one process of its own: the product without a network, up in seconds.

``python local_gateway.py MODEL FOLDER`` prints its URL.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from moray.config import Settings
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.router.contents import CONTENT_FOLDER
from moray.router.service import RouterService, RouterSpec
from moray.router.sockets import bind
from moray.types import DataAddress

TOKEN_FILE = "wire_token"


def tiny_model(folder: Path) -> Path:
    """A sharded folder, with a tokenizer."""
    write_random_checkpoint(folder / "whole", TINY_CONFIG, seed=7)
    write_shards(folder / "whole", folder / "tiny")
    return folder / "tiny"


@contextmanager
def local_gateway(model: Path, state_dir: Path) -> Iterator[str]:
    """Its URL; contents are given from ``state_dir``, as by `moray up`."""
    (state_dir / TOKEN_FILE).write_text("00" * 32)
    command = [sys.executable, __file__, str(model), str(state_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "the gateway did not start"
            yield url
        finally:
            process.kill()


def serve(model: str, state_dir: Path) -> None:
    spec = RouterSpec(
        model=model,
        model_name=Path(model).name,
        wire_token_file=str(state_dir / TOKEN_FILE),
        http_host="127.0.0.1",
        http_port=0,
        data_address=DataAddress("127.0.0.1", 0),
        settings=Settings(kv_cache_mb=16, router_threads=1),
        content_dir=str(state_dir / CONTENT_FOLDER),
        local_experts=True,
    )
    with bind("127.0.0.1", 0, "--http-port") as listening:
        app = RouterService(spec).start()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
