"""The signer's process from its start to its end. ``harden`` comes before the key is read."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from moray.agents.journal import Journal
from moray.agents.signer.book import Book
from moray.agents.signer.desk import Desk
from moray.agents.signer.judge import Judge, check_owner
from moray.agents.signer.keys import KeyHolder
from moray.agents.signer.server import SignerServer, Visitors
from moray.agents.signer.settlement import watch
from moray.agents.signer.sight import Sight
from moray.contracts.chain import Chain
from moray.errors import BadSetting


@dataclass(frozen=True, slots=True)
class Files:
    """``anchor``: where the journal's heads go besides, on another disk."""

    socket: Path
    journal: Path
    ledger: Path
    anchor: Path | None = None

    @property
    def kill_file(self) -> Path:
        return kill_file(self.ledger)


def kill_file(ledger: Path) -> Path:
    """While it is there, nothing is signed: `touch` it in an emergency."""
    return ledger.with_name(f"{ledger.name}.halted")


def check_start(address: str, judge: Judge, live_chains: frozenset[int]) -> None:
    """Raises BadSetting for a policy of another account, or a chain to be live of which it does not say so."""
    check_owner(judge, address)
    for chain_id in sorted(live_chains):
        if not judge.is_live(chain_id):
            raise BadSetting(f"--live {chain_id}: the policy does not say that this chain is live; change one")


async def run(
    key: KeyHolder,
    judge: Judge,
    files: Files,
    visitors: Visitors,
    live_chains: frozenset[int],
    endpoints: Mapping[int, Sequence[str]],
    on_ready: Callable[[], None],
) -> None:
    """Until SIGTERM or SIGINT. ``endpoints``: RPC URLs by chain, through which it looks what became of what it signed,
    and reads the code and the prices that the policy asks for.

    Raises JournalUnusable, BadSetting, ChainUnreachable, WrongChain.
    """
    journal = Journal(files.journal, files.anchor)
    if journal.head.number and not files.ledger.exists():
        raise BadSetting(
            f"{files.ledger} is gone and {files.journal} is not: restore it, or what was signed would not count; "
            "for a new beginning give another --journal too"
        )
    book = Book(files.ledger)
    desk = Desk(key, judge, book, journal, files.kill_file, live_chains, watched_chains=frozenset(endpoints))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        stack.callback(book.close)
        chains = [await _opened(stack, chain_id, urls) for chain_id, urls in endpoints.items()]
        sights = {chain.chain_id: Sight(desk, chain) for chain in chains if desk.questions(chain.chain_id)}
        server = SignerServer(files.socket, desk, visitors, sights)
        listening = await server.listen()
        tasks = [asyncio.create_task(listening.serve_forever())]
        tasks += [asyncio.create_task(watch(desk, chain)) for chain in chains]
        tasks += [asyncio.create_task(sight.watch()) for sight in sights.values()]
        journal.append("started", {"account": desk.address, "policy_version": judge.version})
        on_ready()
        await stop.wait()
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        server.end()


async def _opened(stack: AsyncExitStack, chain_id: int, urls: Sequence[str]) -> Chain:
    chain = await Chain.open(urls, chain_id)
    stack.push_async_callback(chain.close)
    return chain
