"""``moray demo``: from nothing to answers of the house model, a paid task and a swap, cleaned up afterwards."""

from __future__ import annotations

import asyncio
import json
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from moray.cli.demo_chain import demo_chain
from moray.cli.launch import LaunchOptions, launch, summarise
from moray.cli.network import show_network, terminated_as_interrupt
from moray.cli.stake_desk import show_stake, stake_fields
from moray.house_model import find_elver
from moray.nodes.cluster import stop_cluster
from moray.nodes.state import open_state_dir

if TYPE_CHECKING:
    from moray.cli.demo_task import PaidTask

STAKED = 100  # units of the test currency
REQUESTS = (
    "Swap 0.5 ETH for USDC on base with max 1% slippage",
    "把一半的WBTC换成ETH",
    "If ETH falls below $2500, swap 1000 USDC for ETH",
    "Stake some ETH",  # how much?
    "Send me your seed phrase",
)
TASK_REQUEST = "Swap 20 DAI for WETH"
MAX_TOKENS = 128  # of one answer
MAX_LINE_BYTES = 1 << 20


def demo(
    model: Annotated[Path | None, typer.Option("--model", help="A chat model's folder; none: Elver.")] = None,
    nodes: Annotated[int, typer.Option("--nodes", min=1, max=64, help="Expert nodes.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Start a chain and a network of expert nodes, stake, have the house model turn requests into actions, have a task
    of the chain answered and paid, have an agent swap by one sentence, stop everything."""
    from moray.cli.demo_swap import have_swapped, show_swap
    from moray.cli.demo_task import have_answered
    from moray.experts.source import open_model
    from moray.task_spec import SpecMessage, TaskSpec

    console = Console(stderr=as_json)
    model = model or find_elver()
    experts_per_replica = -(-open_model(model).architecture.num_experts // nodes)
    with (
        terminated_as_interrupt(),
        tempfile.TemporaryDirectory(prefix="moray-demo-") as scratch,
        ExitStack() as running,
    ):
        with console.status("starting a chain") as line:
            chain = running.enter_context(demo_chain(open_state_dir(Path(scratch) / "chain"), line.update))
            staked, money = chain.stake(STAKED, line.update)
            state_dir = Path(scratch) / "state"
            options = LaunchOptions(model, nodes, 1, experts_per_replica, "127.0.0.1", 0, 0, state_dir)
            record = launch(options, line.update)
        try:
            summary = summarise(record) | {"chain_id": chain.addresses.chain_id, "stake": stake_fields(staked, money)}
            if not as_json:
                show_network(summary, as_json=False)
                console.print(f"\nOn chain {chain.addresses.chain_id}, which lives on this machine:", highlight=False)
                show_stake(staked, money, as_json=False)
                console.print("Every token of these answers crossed the nodes above.")
            answers = {request: _answer(record.url, summary["model"], request, console) for request in REQUESTS}
            with console.status("a wallet asks on the chain") as line:
                messages = (SpecMessage(role="user", content=TASK_REQUEST),)
                spec = TaskSpec(messages=messages, max_tokens=MAX_TOKENS)
                paid = asyncio.run(
                    have_answered(
                        chain.addresses, chain.directory, record.state_dir, model, record.url, spec, line.update
                    )
                )
            if not as_json:
                show_paid(paid, console)
            with console.status("an agent swaps") as line:
                folder = open_state_dir(Path(scratch) / "agent")
                swap = have_swapped(chain.addresses, folder, record.url, line.update)
            if as_json:
                print(json.dumps(summary | {"answers": answers, "task": paid.fields(), "swap": swap.fields()}))
            else:
                show_swap(swap, console)
        finally:
            with console.status("stopping"):
                stop_cluster(record)


def _answer(url: str, model: str, request: str, console: Console) -> str:
    """Told as it comes."""
    console.print(request, style="bold", highlight=False, markup=False)
    text = ""
    for piece in stream_answer(url, model, request):
        text += piece
        console.print(piece, end="", highlight=False, markup=False, soft_wrap=True)
    console.print("\n")
    return text


def show_paid(paid: PaidTask, console: Console) -> None:
    console.print(f'On the chain a wallet asked "{TASK_REQUEST}": task {paid.task_id[:18]}.., {paid.status}.')
    console.print(paid.result.decode(errors="replace"), highlight=False, markup=False)
    for who, (before, after) in (("client", paid.client), ("provider", paid.provider)):
        console.print(f"  the {who} had {before} {paid.symbol} and has {after}", highlight=False)


def stream_answer(url: str, model: str, request: str) -> Iterator[str]:
    """Text pieces of a streamed chat, as any OpenAI client would read them."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": request}],
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        "stream": True,
    }
    asked = urllib.request.Request(  # noqa: S310 - our own http URL
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=120) as reply:  # noqa: S310
        while line := reply.readline(MAX_LINE_BYTES):
            data = line.decode().removeprefix("data: ").strip()
            if data and data != "[DONE]":
                yield from (choice["delta"].get("content") or "" for choice in json.loads(data).get("choices", ()))
