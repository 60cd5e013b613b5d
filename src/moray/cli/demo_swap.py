"""The swap of ``moray demo``: a sentence becomes a swap on Uniswap's own contracts. The key is in a signer's process,
which decides by a policy; the agent is ``moray agent ask``, another process."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moray.cli.chain_access import open_chain
from moray.cli.demo_chain import BLOCK_TIME_S
from moray.errors import ClusterError
from moray.files import write_private
from moray.nodes.state import open_state_dir

if TYPE_CHECKING:
    from rich.console import Console

    from moray.contracts.addresses import Addresses
    from moray.contracts.chain import Chain
    from moray.contracts.defi_addresses import DefiAddresses

# web3 takes a second to import, so what needs it is imported where it is used.

DOLLAR = "USDC"  # what the test currency is called here: a name that the house model knows
SENTENCE = f"Swap 0.5 ETH for {DOLLAR}"
FUNDS_WEI = 100 * 10**18
END_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class AgentFiles:
    """One agent's, in a private folder: ``account`` is its signer's."""

    folder: Path
    account: str

    @property
    def chain(self) -> Path:
        return self.folder / "chain.json"

    @property
    def policy(self) -> Path:
        return self.folder / "policy.yaml"

    @property
    def book(self) -> Path:
        return self.folder / "book.yaml"

    @property
    def socket(self) -> Path:
        return self.folder / "signer.socket"

    @property
    def signer_journal(self) -> Path:
        return self.folder / "signer-journal"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    def ask(self, sentence: str, url: str, *options: str) -> subprocess.CompletedProcess[str]:
        """``moray agent ask``, as this agent's user types it, with the model at ``url``."""
        files = ["--chain", self.chain, "--book", self.book, "--signer", self.socket, "--state-dir", self.state_dir]
        arguments = [sentence, "--url", url, *map(str, files), "--json", *options]
        return subprocess.run(_moray("agent", "ask", *arguments), capture_output=True, text=True)  # noqa: S603 - ours


@dataclass(frozen=True, slots=True)
class DoneSwap:
    """``told``: what ``moray agent ask --json`` said; ``error``: its one line where it ended with one. ``journals``:
    entries and head of the agent's and the signer's journal, both verified."""

    told: Mapping[str, Any]
    error: str
    journals: Mapping[str, tuple[int, str]]

    def fields(self) -> dict[str, Any]:
        return {"said": SENTENCE, **self.told, "error": self.error, "journals": dict(self.journals)}


def have_swapped(addresses: Addresses, folder: Path, url: str, report: Callable[[str], None]) -> DoneSwap:
    """Have the model at ``url`` understand the sentence, and what comes of it carried out on the development chain.

    ``folder`` is private and is there. Raises ClusterError where a process does not do what it was told.
    """
    from moray.agents.journal import verify
    from moray.cli.agent_ask import JOURNAL

    report("putting Uniswap on the chain")
    agent = asyncio.run(prepare(addresses, folder))
    report("starting the signer")
    with signing(agent):
        report("the agent works")
        done = agent.ask(SENTENCE, url, "--yes", "--live", str(addresses.chain_id))
    if not done.stdout:
        raise ClusterError(f"the agent ended without an answer: {_last_line(done.stderr)}")
    journals = {"agent": agent.state_dir / JOURNAL, "signer": agent.signer_journal}
    heads = {name: verify(path) for name, path in journals.items() if path.exists()}
    error = _last_line(done.stderr) if done.returncode and done.stderr else ""
    return DoneSwap(json.loads(done.stdout), error, {name: (head.number, head.hash) for name, head in heads.items()})


def show_swap(swap: DoneSwap, console: Console) -> None:
    lines = [f'\nAn agent was told "{SENTENCE}".', json.dumps(swap.told["action"], ensure_ascii=False)]
    lines += [f"  {line}" for name in ("why", "plan") for line in swap.told.get(name, ())]
    lines += [f"  {step['summary']}: {step['tx_hash']}" for step in swap.told.get("steps", ())]
    for done in ("paid", "received"):
        lines += [f"  {done} {amount} {symbol}" for symbol, amount in swap.told.get(done, {}).items()]
    if failure := swap.told.get("failure"):
        lines.append(f"  not done: {failure['reason']}")
    if swap.error:
        lines.append(f"  {swap.error}")
    for name, (number, head) in swap.journals.items():
        lines.append(f"  the {name}'s journal verifies: {number} entries, the last {head[:16]}..")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


async def prepare(addresses: Addresses, folder: Path) -> AgentFiles:
    """Uniswap on the chain, and an agent's files with a new key whose account holds ether."""
    from moray.agents.development_book import development_book
    from moray.agents.development_policy import development_policy
    from moray.agents.names import book_text
    from moray.contracts.deploy import transact
    from moray.contracts.development_keys import DEVELOPMENT_KEYS

    agent = AgentFiles(folder, await asyncio.to_thread(_new_key, folder))
    async with open_chain(addresses) as chain:
        exchanges = await _deploy_quickly(chain)
        await transact(chain, DEVELOPMENT_KEYS[0], "a gift of ether", agent.account, b"", FUNDS_WEI)
        write_private(agent.book, book_text(await development_book(chain, exchanges, DOLLAR)).encode())
        write_private(agent.policy, (await development_policy(chain, agent.account, exchanges)).encode())
    addresses.write(agent.chain)
    open_state_dir(agent.state_dir)
    return agent


@contextmanager
def signing(agent: AgentFiles) -> Iterator[None]:
    """Its signer's process, until the block's end."""
    from moray.contracts.addresses import read_addresses

    files = {
        "keystore": _keystore(agent.folder),
        "password-file": _password(agent.folder),
        "policy": agent.policy,
        "socket": agent.socket,
        "journal": agent.signer_journal,
        "ledger": agent.folder / "ledger.db",
    }
    options = [f"--{name}={path}" for name, path in files.items()]
    chain = read_addresses(agent.chain)
    options += [f"--live={chain.chain_id}", *(f"--rpc={chain.chain_id}={url}" for url in chain.rpc_urls)]
    log = agent.folder / "signer.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own command
            _moray("agent", "signer", "run", *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise ClusterError(f"the signer did not start: {_last_line(log.read_text(errors='replace'))}; see {log}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


async def _deploy_quickly(chain: Chain) -> DefiAddresses:
    """With a chain_block for each transaction; from then on one a second, for a chain without blocks has a clock that
    stands still, and a deadline reckoned by it has passed as soon as the next block comes."""
    from moray.contracts.defi_deploy import deploy_defi
    from moray.contracts.development_keys import DEVELOPMENT_KEYS

    endpoint = chain.endpoints[0]
    await endpoint.request("evm_setAutomine", True)
    exchanges = await deploy_defi(chain, DEVELOPMENT_KEYS[0])
    await endpoint.request("evm_setIntervalMining", BLOCK_TIME_S)
    return exchanges


def _new_key(folder: Path) -> str:
    """Its address."""
    from pydantic import SecretStr

    from moray.key_file import random_key, store_key

    password = secrets.token_hex(16)
    write_private(_password(folder), password.encode())
    return store_key(_keystore(folder), random_key(), SecretStr(password))


def _keystore(folder: Path) -> Path:
    return folder / "key.json"


def _password(folder: Path) -> Path:
    return folder / "password"


def _moray(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "moray.cli", *arguments]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1][:300]
