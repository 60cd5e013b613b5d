"""The development chain of a state directory: a process that outlives the command, and contracts, deployed once."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from moray.cli.chain_access import CHAIN_FILE, OUTBOX, open_chain, open_sender
from moray.cli.chain_keeper import STATE_FILE, URL_FILE
from moray.contracts.addresses import Addresses, read_addresses
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.deploy import check_deployed, deploy_all
from moray.contracts.development_keys import DEVELOPMENT_CHAIN_ID, DEVELOPMENT_KEYS
from moray.errors import BadSetting, ClusterError, ContractMissing
from moray.files import write_private
from moray.nodes.processes import MARKER_VARIABLE, end_marked, marked_processes
from moray.router.sockets import bind

MARKER_FILE = "anvil.marker"  # by which its processes are known, as those of a Ray cluster are
LOG_FILE = "anvil.log"
START_TIMEOUT_S = 90.0
END_WAIT_S = 20.0  # for anvil to write its state
POLL_S = 0.1
MINTED = 1_000_000  # units of the test currency, for each development account
DEPLOYER = DEVELOPMENT_KEYS[0]
RESOLVERS = DEVELOPMENT_KEYS[7:]  # of whom two judge
THRESHOLD = 2


@dataclass(frozen=True, slots=True)
class DevelopmentChain:
    """Of one state directory. The caller holds its lock."""

    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / CHAIN_FILE

    @property
    def url(self) -> str:
        """Where it listens, empty while it does not run."""
        return _read(self.directory / URL_FILE) if self._processes() else ""

    def start(self, port: int, block_time_s: int) -> str:
        """Its URL. One that runs stays as it is. Raises PortTaken, BadSetting, ClusterError."""
        self._refuse_another()
        if url := self.url:
            return url
        with bind("127.0.0.1", port, "--port"):
            pass
        (self.directory / URL_FILE).unlink(missing_ok=True)
        marker, log = secrets.token_hex(16), self.directory / LOG_FILE
        write_private(self.directory / MARKER_FILE, marker.encode())
        command = [sys.executable, "-m", "moray.cli.chain_keeper", str(self.directory), str(port), str(block_time_s)]
        with log.open("wb") as output:
            # A session of its own: Ctrl-C is for the command, not for the chain.
            keeper = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {MARKER_VARIABLE: marker},
                start_new_session=True,
            )
        until = time.monotonic() + START_TIMEOUT_S
        while not (url := _read(self.directory / URL_FILE)):
            if keeper.poll() is not None or time.monotonic() > until:
                self.end()
                said = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
                raise ClusterError(f"the chain did not start: {said[:300]}; see {log}")
            time.sleep(POLL_S)
        return url

    async def equip(self, url: str, report: Callable[[str], None]) -> Addresses:
        """The contracts behind ``url``: those of the chain's file where they are there, otherwise new ones, and test
        currency for the development accounts."""
        self._refuse_another()
        if self.file.exists():
            addresses = read_addresses(self.file).model_copy(update={"rpc_urls": (url,)})
            async with open_chain(addresses) as chain:
                with suppress(ContractMissing):  # a chain whose state is lost begins anew
                    await check_deployed(chain, addresses)
                    addresses.write(self.file)
                    return addresses
        chain = await Chain.open([url], DEVELOPMENT_CHAIN_ID)
        try:
            report("deploying the contracts")
            for path in self.directory.glob(f"{OUTBOX}*"):  # promises made on a chain that is gone
                path.unlink()
            members = [key.address for key in RESOLVERS]
            addresses = await deploy_all(chain, DEPLOYER, resolver_members=members, resolver_threshold=THRESHOLD)
            report("minting test currency")
            await self._mint(chain, addresses)
        finally:
            await chain.close()
        addresses.write(self.file)
        return addresses

    def end(self) -> int:
        """How many processes there were."""
        marker = _read(self.directory / MARKER_FILE)
        count = end_marked(marker, term_wait_s=END_WAIT_S) if marker else 0
        for name in (URL_FILE, MARKER_FILE):
            (self.directory / name).unlink(missing_ok=True)
        return count

    def forget(self) -> None:
        """Its past; a chain that ended. Raises BadSetting for a chain that is not ours to forget."""
        self._refuse_another()
        for path in (self.file, self.directory / STATE_FILE, *self.directory.glob(f"{OUTBOX}*")):
            path.unlink(missing_ok=True)

    async def _mint(self, chain: Chain, addresses: Addresses) -> None:
        currency = Currency(chain, addresses.currency)
        amount = MINTED * 10 ** await currency.decimals()
        async with open_sender(chain, DEPLOYER, self.directory) as sender:
            minting = (
                sender.send(f"mint for {key.address}", currency.mint(key.address, amount)) for key in DEVELOPMENT_KEYS
            )
            await asyncio.gather(*minting)

    def _processes(self) -> list[psutil.Process]:
        marker = _read(self.directory / MARKER_FILE)
        return marked_processes(marker) if marker else []

    def _refuse_another(self) -> None:
        if self.file.exists() and (chain_id := read_addresses(self.file).chain_id) != DEVELOPMENT_CHAIN_ID:
            raise BadSetting(f"{self.file} is of chain {chain_id} and stays as it is; give another --state-dir")


def _read(path: Path) -> str:
    """Empty where there is no such file."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
