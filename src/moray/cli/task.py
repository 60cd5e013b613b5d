"""``moray task``: ask the network through the chain, and pay only for an answer that stands."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from moray.cli import task_watch
from moray.cli.accounts import AccountOption, DevAccountOption, open_account
from moray.cli.amounts import parse_amount, parse_duration, show_amount
from moray.cli.chain_access import ChainOption, open_chain, open_sender, read_chain
from moray.cli.ids import checked_address, parse_id, show_id
from moray.cli.network import JsonOption, StateDir
from moray.cli.passwords import PasswordFile
from moray.cli.task_watch import AllowPrivate
from moray.errors import BadSetting

if TYPE_CHECKING:
    from moray.contracts.addresses import Addresses
    from moray.contracts.client import PlannedTask, TaskClient
    from moray.contracts.task_record import TaskRecord
    from moray.node_key import NodeKey
    from moray.task_spec import TaskSpec

app = typer.Typer(name="task", help="Tasks from the chain: ask, pay, read, take back.", no_args_is_help=True)

T = TypeVar("T")
PUBLIC = "The prompt and the answer will be public on the chain for ever. Nothing can take them back."
TaskId = Annotated[str, typer.Argument(metavar="ID", help="0x and 64 hex digits, as `moray task submit` prints it.")]
app.command("watch")(task_watch.watch)
app.command("judge")(task_watch.judge)


@app.command("submit")
def submit(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT")],
    fee: Annotated[str, typer.Option("--fee", metavar="AMOUNT", help="For an answer that stands, in the currency.")],
    bond: Annotated[
        str, typer.Option("--bond", metavar="AMOUNT", help="What the provider loses otherwise; the fee if not given.")
    ] = "",
    model_id: Annotated[str, typer.Option("--model-id", metavar="HEX", help="The model's id on the chain.")] = "",
    model: Annotated[Path | None, typer.Option("--model", metavar="DIR", help="Or its sharded folder.")] = None,
    is_chat: Annotated[bool, typer.Option("--chat", help="The prompt is a user's message to a chat model.")] = False,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1)] = 64,
    temperature: Annotated[str, typer.Option("--temperature", help="A decimal; 0: always the likeliest token.")] = "0",
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    accept_within: Annotated[str, typer.Option("--accept-within", metavar="TIME")] = "10m",
    submit_within: Annotated[str, typer.Option("--submit-within", metavar="TIME")] = "5m",
    challenge_window: Annotated[str, typer.Option("--challenge-window", metavar="TIME")] = "10m",
    resolve_within: Annotated[str, typer.Option("--resolve-within", metavar="TIME")] = "1d",
    provider: Annotated[str, typer.Option("--provider", metavar="ADDRESS", help="Who alone may accept.")] = "",
    resolver: Annotated[
        str, typer.Option("--resolver", metavar="ADDRESS", help="The judge you trust; the chain file's otherwise.")
    ] = "",
    gasless: Annotated[
        Path | None,
        typer.Option("--gasless", metavar="FILE", help="Sign the task into FILE; whoever has it may send it."),
    ] = None,
    valid_for: Annotated[str, typer.Option("--valid-for", metavar="TIME", help="How long, with --gasless.")] = "10m",
    is_waiting: Annotated[bool, typer.Option("--wait", help="Until the task has ended; prints the answer.")] = False,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    allow_private: AllowPrivate = False,
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Ask PROMPT of whoever serves the model, with the fee held by the contract until the answer stands."""
    from moray.contracts.task_terms import TaskTerms
    from moray.contracts.tasks import NOBODY
    from moray.task_spec import encode_spec

    addresses = read_chain(chain, state_dir)
    judge = checked_address(resolver, "--resolver") if resolver else addresses.resolver
    spec = encode_spec(task_spec(prompt, is_chat, max_tokens, temperature, seed))
    asked_model = the_model(model_id, model)
    accepted_by = checked_address(provider, "--provider") if provider else NOBODY
    accept_within_s = parse_duration(accept_within, "--accept-within")
    submit_within_s = parse_duration(submit_within, "--submit-within")
    challenge_window_s = parse_duration(challenge_window, "--challenge-window")
    resolve_within_s = parse_duration(resolve_within, "--resolve-within")
    valid_for_s = parse_duration(valid_for, "--valid-for")
    notes = Console(stderr=True, soft_wrap=True, highlight=False)
    warn(notes, is_sure)
    key = open_account(addresses.chain_id, keystore, password_file, dev_account)

    async def ask(client: TaskClient) -> None:
        decimals = await client.currency.decimals()
        amount = parse_amount(fee, decimals, "--fee")
        terms = TaskTerms(
            model_id=asked_model,
            fee=amount,
            bond=parse_amount(bond, decimals, "--bond") if bond else amount,
            resolver=judge,
            provider=accepted_by,
            accept_within_s=accept_within_s,
            submit_within_s=submit_within_s,
            challenge_window_s=challenge_window_s,
            resolve_within_s=resolve_within_s,
        )
        planned = await client.plan(spec, terms, key.address)
        told = {"id": show_id(planned.id), "client": key.address, "fee": amount, "bond": terms.bond}
        if gasless is not None:
            signed = await client.authorize(planned, key, valid_for_s)
            write_signed(gasless, signed.encode())
            told |= {"file": str(gasless), "valid_before": signed.valid_before}
        else:
            await create(client, planned)
        line = show_id(planned.id)
        if is_waiting:
            record, result = await client.wait(planned.id), text_of(await client.result(planned.id))
            told |= ended(record, decimals) | {"result": result}
            line = shown(result)
        print(json.dumps(told) if as_json else line)

    async def create(client: TaskClient, planned: PlannedTask) -> None:
        notes.print(f"task {show_id(planned.id)}")  # before it is paid for, so that it is known whatever happens then
        await client.create(planned)

    if gasless is not None and is_waiting:
        raise BadSetting("--gasless and --wait exclude each other: the task begins when somebody relays FILE")
    run(addresses, ask, key if gasless is None else None, {judge}, allow_private, state_dir)


@app.command("relay")
def relay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="From `moray task submit --gasless FILE`.")],
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Send a task that its client has signed, and pay the gas; the fee is the client's."""
    from moray.contracts.signed_task import MAX_SIGNED_TASK_BYTES, parse_signed_task

    addresses = read_chain(chain, state_dir)
    try:
        with file.open("rb") as stream:
            signed = parse_signed_task(stream.read(MAX_SIGNED_TASK_BYTES + 1), str(file))
    except OSError as error:
        raise BadSetting(f"cannot read {file}: {error.strerror}; give the file of a signed task") from None
    key = open_account(addresses.chain_id, keystore, password_file, dev_account)

    async def send(client: TaskClient) -> None:
        task_id = show_id(await client.relay(signed))
        print(json.dumps({"id": task_id}) if as_json else task_id)

    run(addresses, send, key, state_dir=state_dir)


@app.command("status")
def status(
    task_id: TaskId,
    chain: ChainOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Where a task stands, and until when."""

    async def show(client: TaskClient) -> None:
        record = await client.record(parse_id(task_id))
        show_record(record, await client.currency.decimals(), await client.currency.symbol(), as_json)

    run(read_chain(chain, state_dir), show)


@app.command("result")
def result(
    task_id: TaskId,
    is_early: Annotated[
        bool, typer.Option("--early", help="Also while it can still be challenged; nobody stands in for it yet.")
    ] = False,
    is_waiting: Annotated[bool, typer.Option("--wait", help="Until the task has ended.")] = False,
    allow_private: AllowPrivate = False,
    chain: ChainOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Print the answer, compared with the hash that the contract keeps."""

    async def read(client: TaskClient) -> None:
        if is_waiting:
            await client.wait(parse_id(task_id))
        text = text_of(await client.result(parse_id(task_id), is_early))
        print(json.dumps({"id": task_id, "result": text}) if as_json else shown(text))

    run(read_chain(chain, state_dir), read, allow_private=allow_private)


@app.command("cancel")
def cancel(
    task_id: TaskId,
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Take back a task that nobody has accepted, and its fee."""
    addresses = read_chain(chain, state_dir)
    key = open_account(addresses.chain_id, keystore, password_file, dev_account)

    async def take_back(client: TaskClient) -> None:
        await tell_paid(client, task_id, await client.cancel(parse_id(task_id)), as_json)

    run(addresses, take_back, key, state_dir=state_dir)


@app.command("refund")
def refund(
    task_id: TaskId,
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Pay the client what it is owed when nobody accepted or delivered in time, or a judge found the answer wrong."""
    addresses = read_chain(chain, state_dir)
    key = open_account(addresses.chain_id, keystore, password_file, dev_account)

    async def pay_back(client: TaskClient) -> None:
        await tell_paid(client, task_id, await client.refund(parse_id(task_id)), as_json)

    run(addresses, pay_back, key, state_dir=state_dir)


def run(
    addresses: Addresses,
    what: Callable[[TaskClient], Awaitable[T]],
    key: NodeKey | None = None,
    resolvers: set[str] | None = None,
    allow_private: bool = False,
    state_dir: Path | None = None,
) -> T:
    """``what`` with a client that sends as ``key``, or only reads without one."""
    from moray.contracts.client import TaskClient
    from moray.guarded_http import Fetcher

    async def inside() -> T:
        async with AsyncExitStack() as stack:
            chain = await stack.enter_async_context(open_chain(addresses))
            sender = await stack.enter_async_context(open_sender(chain, key, state_dir)) if key else None
            fetch = Fetcher(allow_private).get
            return await what(TaskClient(chain, addresses, frozenset(resolvers or ()), fetch, sender))

    return asyncio.run(inside())


def warn(notes: Console, is_sure: bool) -> None:
    """Raises BadSetting where nobody is there to be asked, and Abort for a no."""
    notes.print(PUBLIC, style="yellow")
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise BadSetting("nobody is there to be asked whether the prompt may be public; give --yes if it may")
    typer.confirm("Send it?", abort=True, err=True)


def task_spec(prompt: str, is_chat: bool, max_tokens: int, temperature: str, seed: int) -> TaskSpec:
    """Raises BadSetting."""
    from pydantic import ValidationError

    from moray.faults import first_fault
    from moray.task_spec import SpecMessage, TaskSpec

    try:
        asked = {"messages": (SpecMessage(role="user", content=prompt),)} if is_chat else {"prompt": prompt}
        return TaskSpec(max_tokens=max_tokens, temperature=temperature, seed=seed, **asked)
    except ValidationError as error:
        raise BadSetting(f"the task cannot be asked: {first_fault(error)}; correct it") from None


def the_model(model_id: str, folder: Path | None) -> bytes:
    """Its 32 bytes. Raises BadSetting, BadCheckpoint."""
    from moray.experts.manifest import read_manifest

    if bool(model_id) == (folder is not None):
        raise BadSetting("name the model in one way: --model-id HEX or --model DIR")
    return parse_id(model_id, "--model-id") if folder is None else bytes.fromhex(read_manifest(folder).model_id)


def write_signed(path: Path, content: bytes) -> None:
    from moray.files import write_private

    try:
        write_private(path, content)
    except OSError as error:
        raise BadSetting(f"cannot write {path}: {error.strerror}; give another --gasless") from None


def text_of(result: bytes) -> str:
    return result.decode(errors="replace")


def shown(text: str) -> str:
    """A stranger's text, without what commands a terminal."""
    return "".join(character if character.isprintable() or character in "\n\t" else "?" for character in text)


async def tell_paid(client: TaskClient, task_id: str, paid: int, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"id": task_id, "paid_to_client": paid}))
        return
    amount = f"{show_amount(paid, await client.currency.decimals())} {await client.currency.symbol()}"
    print(f"{amount} paid to the client" if paid else "nothing is owed to the client: it was paid out before")


def show_record(record: TaskRecord, decimals: int, symbol: str, as_json: bool) -> None:
    from moray.contracts.task_ends import show_status, what_runs

    told = ended(record, decimals)
    if as_json:
        print(json.dumps(told))
        return
    console = Console(soft_wrap=True, highlight=False, markup=False)
    status = f"ended: {show_status(record.status)}" if record.status.is_final else what_runs(record.state)
    console.print(f"task     {told['id']}\nstate    {status}")
    console.print(f"client   {record.task.client}\nprovider {told['provider'] or 'nobody yet'}")
    console.print(f"fee      {told['fee']} {symbol}\nbond     {told['bond']} {symbol}")


def ended(record: TaskRecord, decimals: int) -> dict[str, Any]:
    """A task in JSON; money as decimal text of the currency."""
    from moray.contracts.task_ends import show_status
    from moray.contracts.tasks import NOBODY

    task, state = record.task, record.state
    return {
        "id": show_id(record.id),
        "status": show_status(state.status),
        "until": state.until,
        "client": task.client,
        "provider": "" if state.provider == NOBODY else state.provider,
        "resolver": task.resolver,
        "model_id": task.model_id.hex(),
        "fee": show_amount(task.fee, decimals),
        "bond": show_amount(task.bond, decimals),
    }
