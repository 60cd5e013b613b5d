"""``moray agent ask``: a sentence, what it is understood as, what it would change, and, where the user says so, done.

Each step can only stop what the one before let through: the user's words, the plan's bounds, the simulation, the user's
yes, the signer's policy.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from moray.cli.chain_access import ChainOption, open_chain, open_sender, read_chain
from moray.cli.network import JsonOption, StateDir
from moray.errors import BadSetting, SignerUnreachable
from moray.nodes.state import open_state_dir

if TYPE_CHECKING:
    from moray.actions import Quote
    from moray.agents.assistant import Proposal, Verdict
    from moray.agents.execution import Result
    from moray.agents.names import AddressBook
    from moray.agents.plan import Plan
    from moray.agents.planning.worth import Worth
    from moray.agents.simulation import Simulation

# openai, pydantic-ai and web3 take seconds to import, so what needs them is imported where it is used.

PLANS, JOURNAL = "plans.db", "agent-journal.jsonl"  # in the state directory
MOVING = frozenset({"swap", "transfer", "deposit", "withdraw", "stake", "unstake", "add_liquidity", "remove_liquidity"})


@dataclass(frozen=True, slots=True)
class _Asked:
    """The command's options."""

    said: tuple[str, ...]
    url: str
    model: str
    check_model: str
    chain: Path | None
    book: Path | None
    signer: Path | None
    owner: str
    request_id: str
    live: tuple[int, ...]
    is_sure: bool
    state_dir: Path | None


def ask(
    sentence: Annotated[list[str], typer.Argument(metavar="SENTENCE", help="What you want; each reply once more.")],
    url: Annotated[str, typer.Option("--url", metavar="URL", help="The model's server.")] = "http://127.0.0.1:8000",
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="Its first one otherwise.")] = "",
    check_model: Annotated[
        str, typer.Option("--check-model", metavar="NAME", help="Let this model of the server judge the action, too.")
    ] = "",
    book: Annotated[
        Path | None, typer.Option("--book", metavar="FILE", help="Your address book (YAML); with it, it is planned.")
    ] = None,
    chain: ChainOption = None,
    signer: Annotated[
        Path | None, typer.Option("--signer", metavar="SOCKET", help="Where `moray agent signer run` listens.")
    ] = None,
    owner: Annotated[str, typer.Option("--owner", metavar="ADDRESS", help="Whose account; the signer's.")] = "",
    request_id: Annotated[
        str,
        typer.Option("--request-id", metavar="TEXT", help="Of an earlier run, to go on with it and not do it twice."),
    ] = "",
    live: Annotated[
        list[int] | None, typer.Option("--live", metavar="CHAIN", help="Really do it on this chain id; repeat it.")
    ] = None,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Understand SENTENCE, check it, plan it, simulate it, show it; with --live, do it once you agree."""
    asked = _Asked(
        said=tuple(sentence),
        url=url,
        model=model,
        check_model=check_model,
        chain=chain,
        book=book,
        signer=signer,
        owner=owner,
        request_id=request_id or secrets.token_hex(8),
        live=tuple(live or ()),
        is_sure=is_sure,
        state_dir=state_dir,
    )
    if asked.live and (book is None or signer is None):
        raise BadSetting("--live needs --book, which says who is who, and --signer, who signs; give both")
    show = _Shown(as_json)
    try:
        is_well = asyncio.run(_run(asked, show))
    finally:
        show.end()
    if not is_well:
        raise typer.Exit(1)


async def _run(asked: _Asked, show: _Shown) -> bool:
    """Whether nothing said no."""
    from moray.agents.assistant import check, propose
    from moray.agents.llm import open_model
    from moray.agents.sdk.client import AsyncMoray

    async with AsyncMoray(asked.url, asked.model) as client:
        proposal = await propose(asked.said, client)
        show.proposal(proposal)
        judge = open_model(asked.url, asked.check_model) if asked.check_model else None
        verdict = await check(asked.said, proposal.action, judge)
    show.verdict(verdict)
    if not verdict.agrees:
        return False
    if proposal.action.do not in MOVING | {"quote"}:
        return True
    if asked.book is None:
        show.note("not planned: give --book FILE and --chain FILE")
        return True
    if proposal.action.do == "quote":
        return await _answer(asked, proposal.action, show)
    return await _plan_and_act(asked, proposal, show)


async def _answer(asked: _Asked, action: Quote, show: _Shown) -> bool:
    from moray.agents.names import read_book
    from moray.agents.planning.read_world import read_world
    from moray.agents.planning.worth import worth

    assert asked.book is not None
    async with open_chain(read_chain(asked.chain, asked.state_dir)) as chain:
        show.worth(worth(action, await read_world(chain, read_book(asked.book), asked.owner, action)))
    return True


async def _plan_and_act(asked: _Asked, proposal: Proposal, show: _Shown) -> bool:
    from moray.agents.execution import Executor
    from moray.agents.execution_record import Record
    from moray.agents.journal import SEEN_HEAD, Journal
    from moray.agents.names import read_book
    from moray.agents.planning.planner import plan
    from moray.agents.planning.read_world import read_world
    from moray.agents.signer.client import SignerClient
    from moray.agents.simulation import check, simulate

    assert asked.book is not None
    addresses, book = read_chain(asked.chain, asked.state_dir), read_book(asked.book)
    signer = SignerClient(asked.signer) if asked.signer is not None else None
    if not (asked.owner or signer):
        raise BadSetting("whose account is it? give --signer SOCKET, or --owner ADDRESS to look only")
    owner = asked.owner or (signer.address if signer else "")
    async with open_chain(addresses) as chain:
        world = await read_world(chain, book, owner, proposal.action)
        planned = plan(proposal.action, world, asked.request_id)
        show.plan(planned, asked.request_id)
        simulation = await simulate(chain, planned)
        check(planned, simulation)
        show.simulation(simulation)
        if signer is None or chain.chain_id not in asked.live:
            show.note(f"a dry run: nothing was sent; add --live {chain.chain_id} to do it")
            return True
        _confirm(asked.is_sure)
        folder = open_state_dir(asked.state_dir)
        record, journal = Record(f"sqlite:///{folder / PLANS}"), Journal(folder / JOURNAL)
        try:
            said = {"said": list(asked.said), "model": proposal.model_id, "prompt": proposal.prompt_digest}
            journal.append("ask", said | {"key": planned.key})
            async with open_sender(chain, signer, asked.state_dir) as sender:
                result = await Executor(chain, sender, record, journal).execute(planned)
            with suppress(SignerUnreachable):  # what was done is done
                facts = await asyncio.to_thread(signer.status)
                journal.append(SEEN_HEAD, {"number": facts["journal_entries"], "hash": facts["journal_head"]})
        finally:
            journal.close()
            record.close()
    show.result(result, book)
    return result.is_done


def _confirm(is_sure: bool) -> None:
    """Raises BadSetting where nobody is there to be asked, and Abort for a no."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise BadSetting("nobody is there to be asked; give --yes if it may be done")
    typer.confirm("Do it?", abort=True, err=True)


class _Shown:
    """What the user sees: lines as they come, or one JSON object at the end."""

    def __init__(self, as_json: bool) -> None:
        self._told: dict[str, Any] | None = {} if as_json else None
        self._console = Console(soft_wrap=True, highlight=False, markup=False, quiet=as_json)

    def proposal(self, proposal: Proposal) -> None:
        from moray.actions import canonical

        self._tell("action", json.loads(canonical(proposal.action)), canonical(proposal.action))
        if proposal.sentence:
            self._tell("sentence", proposal.sentence, f"it says: {proposal.sentence}")
        self._tell("model", proposal.model_id)

    def verdict(self, verdict: Verdict) -> None:
        self._tell("agrees", verdict.agrees, "this is what you said" if verdict.agrees else "this is not what you said")
        self._tell("why", list(verdict.why), *(f"  {line}" for line in verdict.why))

    def plan(self, planned: Plan, request_id: str) -> None:
        self._tell("request_id", request_id, f"request {request_id}")
        self._tell("plan", list(planned.summary), *(f"  {line}" for line in planned.summary))

    def worth(self, worth: Worth) -> None:
        self._tell("worth", asdict(worth), *(f"  {line}" for line in worth.lines))

    def simulation(self, simulation: Simulation) -> None:
        lines = (f"  {asset} {change:+d} base units" for asset, change in simulation.changes.items() if change)
        self._tell("changes", dict(simulation.changes), "simulated:", *lines)

    def result(self, result: Result, book: AddressBook) -> None:
        steps = [{"summary": step.summary, "tx_hash": step.tx_hash} for step in result.steps]
        self._tell("steps", steps, *(f"  {step.summary}: {step.tx_hash}" for step in result.steps))
        for name, sign in (("paid", -1), ("received", 1)):
            moved = book.amounts({asset: sign * change for asset, change in result.changes.items()})
            self._tell(name, moved, *(f"  {name} {amount} {symbol}" for symbol, amount in moved.items()))
        failure = result.failure
        self._tell(
            "failure", asdict(failure) if failure else None, f"not done: {failure.reason}" if failure else "done"
        )
        if result.doubt:
            self._tell("doubt", result.doubt, f"but {result.doubt}")

    def note(self, text: str) -> None:
        self._tell("note", text, text)

    def end(self) -> None:
        if self._told:
            print(json.dumps(self._told, ensure_ascii=False))

    def _tell(self, name: str, value: Any, *lines: str) -> None:
        if self._told is not None:
            self._told[name] = value
        for line in lines:
            self._console.print(line)
