"""The task of ``moray demo``: a wallet asks on the chain, the network answers, the provider is paid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moray.cli.amounts import parse_amount, show_amount
from moray.cli.chain_access import open_chain, open_sender
from moray.cli.task_work import serve

if TYPE_CHECKING:
    from moray.contracts.addresses import Addresses
    from moray.contracts.client import TaskClient
    from moray.router.task_worker import Told
    from moray.task_spec import TaskSpec

PROVIDER_ACCOUNT, CLIENT_ACCOUNT = 2, 3  # of the development accounts
FEE, BOND = "2.5", "5"  # of the test currency
CHALLENGE_WINDOW_S = 3  # for a demo; days where there is something to lose
PAID_TIMEOUT_S = 120.0
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class PaidTask:
    """What became of it. Amounts are in units of the currency."""

    task_id: str
    result: bytes
    status: str
    symbol: str
    client: tuple[str, str]  # what it had before and after
    provider: tuple[str, str]

    def fields(self) -> dict[str, Any]:
        return asdict(self) | {"result": self.result.decode(errors="replace")}


async def have_answered(
    addresses: Addresses,
    chain_dir: Path,
    state_dir: Path,
    model: Path,
    url: str,
    spec: TaskSpec,
    report: Callable[[str], None],
) -> PaidTask:
    """Ask in the client's name while a worker serves the network at ``url``, and wait until that one is paid.

    ``model``: the sharded folder that it serves; ``state_dir``: the network's own. Raises what a task can meet on its
    way, TimeoutError when nobody is paid.
    """
    from moray.contracts.client import TaskClient
    from moray.contracts.development_keys import DEVELOPMENT_KEYS
    from moray.contracts.task_terms import TaskTerms
    from moray.guarded_http import Fetcher
    from moray.task_spec import encode_spec

    provider, client_key = DEVELOPMENT_KEYS[PROVIDER_ACCOUNT], DEVELOPMENT_KEYS[CLIENT_ACCOUNT]
    async with open_chain(addresses) as chain, open_sender(chain, client_key, chain_dir) as sender:
        client = TaskClient(chain, addresses, frozenset({addresses.resolver}), Fetcher(allow_private=True).get, sender)
        decimals, symbol = await client.currency.decimals(), await client.currency.symbol()
        terms = TaskTerms(
            model_id=await _register(client, model),
            fee=parse_amount(FEE, decimals, "fee"),
            bond=parse_amount(BOND, decimals, "bond"),
            resolver=addresses.resolver,
            challenge_window_s=CHALLENGE_WINDOW_S,
        )
        accounts = client_key.address, provider.address
        before = [await client.currency.balance(account) for account in accounts]
        async with _working(addresses, state_dir, model, url, report):
            report("a wallet asks and pays")
            task_id = await client.submit(encode_spec(spec), terms)
            record = await client.wait(task_id)
            async with asyncio.timeout(PAID_TIMEOUT_S):
                while await client.currency.balance(provider.address) <= before[1]:  # noqa: ASYNC110 - of the chain
                    await asyncio.sleep(POLL_S)
        after = [await client.currency.balance(account) for account in accounts]
        moved = [
            (show_amount(old, decimals), show_amount(new, decimals)) for old, new in zip(before, after, strict=True)
        ]
        result, status = await client.result(task_id), record.status.name.lower()
        return PaidTask(f"0x{task_id.hex()}", result, status, symbol, *moved)


async def _register(client: TaskClient, model: Path) -> bytes:
    from moray.contracts.models import ModelRecord
    from moray.experts.manifest import identity_of, read_manifest

    record = ModelRecord(*identity_of(read_manifest(model)))
    assert client.sender is not None
    await client.sender.send(f"register model 0x{record.id.hex()}", client.models.register(record))
    return record.id


@asynccontextmanager
async def _working(
    addresses: Addresses, state_dir: Path, model: Path, url: str, report: Callable[[str], None]
) -> AsyncIterator[None]:
    """`moray task work`, in this process. What ends it early is raised at the block's end."""
    from moray.contracts.development_keys import DEVELOPMENT_KEYS
    from moray.router.task_settings import read_task_settings

    settings = read_task_settings(eth_price="1", max_bond=BOND, inclusion_s=5, poll_s=POLL_S)
    key = DEVELOPMENT_KEYS[PROVIDER_ACCOUNT]

    def tell(told: Told) -> None:
        report(f"the provider: {told.step}")

    worker = asyncio.create_task(serve(addresses, key, settings, state_dir, model, url, url, True, tell))
    try:
        yield
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
