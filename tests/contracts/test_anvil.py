"""The development chain starts, remembers, and dies with whoever started it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil, find_anvil
from moray.contracts.chain import Chain
from moray.contracts.development_keys import check_key
from moray.errors import BadKey, ClusterError

PARENT = """
import time
from moray.contracts.anvil import Anvil
with Anvil() as anvil:
    print(anvil.pid, flush=True)
    time.sleep(600)
"""


async def mined(url: str, num_blocks: int = 0) -> int:
    chain = await Chain.open([url])
    try:
        if num_blocks:
            await chain.endpoints[0].request("anvil_mine", hex(num_blocks))
        return (await chain.head()).number
    finally:
        await chain.close()


def test_two_have_ports_of_their_own_and_end_with_their_blocks() -> None:
    with Anvil() as one, Anvil() as two:
        pids = {one.pid, two.pid}
        assert len(pids) == 2 and one.url != two.url and one.url.startswith("http://127.0.0.1:")
        assert asyncio.run(mined(one.url, 3)) == 3
        assert asyncio.run(mined(two.url)) == 0
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(ClusterError, match="not running"):
        one.pid  # noqa: B018


def test_a_state_file_carries_the_chain_over(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with Anvil(state_file=state) as first:
        assert asyncio.run(mined(first.url, 4)) == 4
    with Anvil(state_file=state) as second:
        assert asyncio.run(mined(second.url, 1)) == 5


def test_it_does_not_outlive_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    parent.wait()
    child.wait(timeout=60)
    assert not child.is_running()


def test_it_says_why_it_does_not_start() -> None:
    with Anvil() as running:
        port = int(running.url.rpartition(":")[2])
        with pytest.raises(ClusterError) as caught, Anvil(port=port):
            pass
    assert str(caught.value).isprintable() and "did not start" in str(caught.value)


def test_without_anvil_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("moray.contracts.anvil.__file__", str(tmp_path / "contracts" / "anvil.py"))
    with pytest.raises(ClusterError, match="make init"):
        find_anvil()


def test_npms_script_leads_to_the_executable_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "node_modules" / "@foundry-rs"
    for name in ("anvil/bin.mjs", "anvil-some-machine/bin/anvil", "../.bin/.keep"):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).touch(mode=0o700)
    link = tmp_path / "node_modules" / ".bin" / "anvil"
    link.symlink_to("../@foundry-rs/anvil/bin.mjs")
    monkeypatch.setenv("PATH", str(link.parent))
    assert find_anvil() == packages / "anvil-some-machine" / "bin" / "anvil"


def test_the_development_accounts_are_those_that_it_funds() -> None:
    async def accounts(url: str) -> list[str]:
        chain = await Chain.open([url])
        try:
            found = await chain.endpoints[0].request("eth_accounts")
            for address in found:
                assert await chain.balance_wei(DEVELOPMENT_KEYS[found.index(address)].address) == 10_000 * 10**18
            return [str(address) for address in found]
        finally:
            await chain.close()

    with Anvil() as running:
        found = asyncio.run(accounts(running.url))
    assert found == [key.address.lower() for key in DEVELOPMENT_KEYS]


def test_development_keys_are_refused_elsewhere() -> None:
    key = DEVELOPMENT_KEYS[3].address
    check_key(key, 31337)
    check_key("0x" + "11" * 20, 1)
    with pytest.raises(BadKey, match="everybody knows"):
        check_key(key, 1)
