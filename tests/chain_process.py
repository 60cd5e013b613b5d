"""A development chain as its user starts it, by `moray chain up`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from operators import run


@dataclass(frozen=True)
class Chain:
    folder: Path

    @property
    def file(self) -> str:
        return str(self.folder / "chain.json")

    def wait(self, seconds: int) -> None:
        """On its own clock."""
        (url,) = json.loads(Path(self.file).read_text())["rpc_urls"]
        for method, parameters in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
            reply = httpx2.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
            assert "error" not in reply.json()

    def balance(self, account: str) -> float:
        """Of a development account, by its number."""
        shown = run("chain", "status", "--state-dir", str(self.folder), "--json")
        return float(shown["accounts"][int(account)]["balance"])


@contextmanager
def chain_of(folder: Path) -> Iterator[Chain]:
    run("chain", "up", "--port", "0", "--state-dir", str(folder), "--json")
    try:
        yield Chain(folder)
    finally:
        assert run("chain", "down", "--state-dir", str(folder), "--json")["processes_ended"] == 2
