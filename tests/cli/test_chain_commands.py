"""`moray chain` as it is typed: a chain that goes on where it was, whatever happened to its processes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from moray.cli.chain import down, status, up
from moray.cli.chain_access import CHAIN_FILE, read_chain
from moray.cli.development_chain import DevelopmentChain
from moray.contracts.addresses import read_addresses
from moray.errors import BadSetting, ClusterError, PortTaken


class Commands:
    """In this process, as importing them anew takes seconds."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory, self._capsys = directory, capsys

    def up(self, port: int = 0) -> dict[str, Any]:
        up(port=port, block_time=1, state_dir=self.directory, as_json=True)
        return self._printed()

    def status(self) -> dict[str, Any]:
        status(state_dir=self.directory, as_json=True)
        return self._printed()

    def down(self, forget: bool = False) -> int:
        down(forget=forget, state_dir=self.directory, as_json=True)
        return int(self._printed()["processes_ended"])

    def _printed(self) -> dict[str, Any]:
        printed: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return printed


@pytest.fixture
def chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    commands = Commands(tmp_path / "state", capsys)
    yield commands
    with suppress(BadSetting):
        commands.down()


def test_a_chain_goes_on_where_it_was_also_after_its_processes_were_killed(chain: Commands) -> None:
    first = chain.up()
    assert first["chain_id"] == 31337 and len(first["accounts"]) == 10
    assert {account["balance"] for account in first["accounts"]} == {"1000000"}
    assert len(set(first["contracts"].values())) == 6
    for again in (chain.up(), chain.status()):  # nothing twice
        assert again | {"chain_block": 0} == first | {"chain_block": 0}
    assert chain.down() == 2  # anvil, and what keeps it
    with pytest.raises(ClusterError, match="moray chain up"):
        chain.status()
    again = chain.up()
    assert (again["contracts"], again["accounts"]) == (first["contracts"], first["accounts"])
    (keeper,) = (one for one in DevelopmentChain(chain.directory)._processes() if "chain_keeper" in str(one.cmdline()))
    keeper.kill()
    until = time.monotonic() + 30
    while DevelopmentChain(chain.directory).url and time.monotonic() < until:  # anvil writes its state and ends
        time.sleep(0.1)
    third = chain.up()
    assert (third["contracts"], third["accounts"]) == (first["contracts"], first["accounts"])


def test_a_chain_whose_state_is_lost_begins_anew(chain: Commands) -> None:
    first = chain.up()
    chain.down()
    (chain.directory / "anvil-state.json").unlink()
    anew = chain.up()
    assert [account["balance"] for account in anew["accounts"]] == ["1000000"] * 10
    assert read_addresses(chain.directory / CHAIN_FILE).rpc_urls == (anew["url"],)
    assert anew["contracts"] == first["contracts"]  # the same account's first transactions
    chain.down(forget=True)
    assert {path.name for path in chain.directory.iterdir()} == {"chain.lock", "anvil.log"}


def test_a_port_that_is_taken_is_refused_and_nothing_is_left(chain: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTaken, match="--port"):
        chain.up(taken.getsockname()[1])
    assert {path.name for path in chain.directory.iterdir()} == {"chain.lock"}


def test_the_file_of_another_chain_is_neither_used_nor_forgotten(chain: Commands) -> None:
    account = "0x" + 40 * "0"
    fields: dict[str, Any] = {"chain_id": 8453, "rpc_urls": ["https://rpc.example"], "deployed_at_block": 1}
    names = ("currency", "node_registry", "model_registry", "task_market", "payment_channels", "resolver")
    chain.directory.mkdir()
    file = chain.directory / CHAIN_FILE
    file.write_text(json.dumps(fields | dict.fromkeys(names, account)))
    before = file.read_bytes()
    for attempt in (chain.up, lambda: chain.down(forget=True)):
        with pytest.raises(BadSetting, match="chain 8453"):
            attempt()
    assert file.read_bytes() == before


def test_without_a_chain_a_command_says_what_to_do(tmp_path: Path) -> None:
    for given in (None, tmp_path / "none.json"):
        with pytest.raises(BadSetting, match="moray chain up"):
            read_chain(given, tmp_path / "state")
