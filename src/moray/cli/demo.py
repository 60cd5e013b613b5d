"""``moray demo``: from nothing to streamed tokens and a paid task, on this machine, cleaned up afterwards."""

from __future__ import annotations

import asyncio
import json
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from moray.cli.demo_chain import demo_chain
from moray.cli.launch import LaunchOptions, launch, summarise
from moray.cli.network import show_network, terminated_as_interrupt
from moray.cli.stake_desk import show_stake, stake_fields
from moray.nodes.cluster import stop_cluster
from moray.nodes.state import open_state_dir

if TYPE_CHECKING:
    from moray.cli.demo_task import PaidTask

STAKED = 100  # units of the test currency
PROMPT = "A moray waits in the reef"
TASK_TOKENS = 16
MAX_LINE_BYTES = 1 << 20


def demo(
    nodes: Annotated[int, typer.Option("--nodes", min=1, max=64, help="Expert nodes.")] = 8,
    tokens: Annotated[int, typer.Option("--tokens", min=1, max=1024, help="Tokens to stream.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Make a small random model, start a chain and a network of expert nodes, stake, stream tokens, have a task of the
    chain answered and paid, stop everything."""
    from moray.cli.demo_task import have_answered
    from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint
    from moray.experts.sharding import write_shards
    from moray.task_spec import TaskSpec

    console = Console(stderr=as_json)
    with (
        terminated_as_interrupt(),
        tempfile.TemporaryDirectory(prefix="moray-demo-") as scratch,
        ExitStack() as running,
    ):
        model = Path(scratch) / "demo-model"
        with console.status("making a small model of the DeepSeek-V3 architecture") as line:
            write_random_checkpoint(Path(scratch) / "checkpoint", DEMO_CONFIG, seed=0)
            write_shards(Path(scratch) / "checkpoint", model)
            chain = running.enter_context(demo_chain(open_state_dir(Path(scratch) / "chain"), line.update))
            staked, money = chain.stake(STAKED, line.update)
            options = LaunchOptions(model, nodes, 1, 1, "127.0.0.1", 0, 0, Path(scratch) / "state")
            record = launch(options, line.update)
        try:
            summary = summarise(record) | {"chain_id": chain.addresses.chain_id, "stake": stake_fields(staked, money)}
            if not as_json:
                show_network(summary, as_json=False)
                console.print(f"\nOn chain {chain.addresses.chain_id}, which lives on this machine:", highlight=False)
                show_stake(staked, money, as_json=False)
                console.print("The weights are random, so the text means nothing; every token crossed the nodes above.")
                console.print(PROMPT, style="bold", end="", highlight=False, markup=False)
            text = ""
            for piece in stream_completion(summary["url"], summary["model"], tokens):
                text += piece
                if not as_json:
                    console.print(piece, end="", highlight=False, markup=False, soft_wrap=True)
            if not as_json:
                console.print("\n")
            with console.status("a wallet asks on the chain") as line:
                spec = TaskSpec(prompt=PROMPT, max_tokens=TASK_TOKENS)
                paid = asyncio.run(
                    have_answered(
                        chain.addresses, chain.directory, record.state_dir, model, record.url, spec, line.update
                    )
                )
            if as_json:
                print(json.dumps(summary | {"prompt": PROMPT, "text": text, "task": paid.fields()}))
            else:
                show_paid(paid, console)
        finally:
            with console.status("stopping"):
                stop_cluster(record)


def show_paid(paid: PaidTask, console: Console) -> None:
    console.print(
        f"On the chain a wallet asked for {TASK_TOKENS} tokens more: task {paid.task_id[:18]}.., {paid.status}."
    )
    for who, (before, after) in (("client", paid.client), ("provider", paid.provider)):
        console.print(f"  the {who} had {before} {paid.symbol} and has {after}", highlight=False)


def stream_completion(url: str, model: str, num_tokens: int) -> Iterator[str]:
    """Text pieces of a streamed completion, as any OpenAI client would read them."""
    body: dict[str, Any] = {
        "model": model,
        "prompt": PROMPT,
        "max_tokens": num_tokens,
        "temperature": 0,
        "stream": True,
    }
    body["ignore_eos"] = True
    request = urllib.request.Request(  # noqa: S310 - our own http URL
        f"{url}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as reply:  # noqa: S310
        while line := reply.readline(MAX_LINE_BYTES):
            data = line.decode().removeprefix("data: ").strip()
            if data and data != "[DONE]":
                yield from (choice["text"] for choice in json.loads(data).get("choices", ()))
