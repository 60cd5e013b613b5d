"""A plan carried out: recorded, simulated, sent call by call, waited for until final, and nothing left approved.

::

    planned --simulated, within its bounds--> started --each call is mined before the next is put--> all final
                                                 |                                                      |
                                                 +--a call failed, or the deadline passed--> revoke <---+--> ended

A process may be killed between any two lines: the record says what was begun before anything of it can be signed, and
the outbox makes each call once by its key (the plan's key, "/", the call's place). Who comes back calls ``resume``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter

from moray.agents.execution_record import Record, Recorded
from moray.agents.plan import NATIVE, Allowance, Plan, allowances, plan_fields
from moray.agents.planning.leave import revoke
from moray.agents.simulation import check, logged_changes, outside, simulate
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.intents import IntentState, Mined
from moray.contracts.outbox import as_error
from moray.contracts.sender import Sender
from moray.contracts.writer_lock import writer_lock
from moray.errors import BadSetting, CallFailed, ChainRefused, PlanStale

_TURN_POLL_S = 0.25


class Journal(Protocol):
    """Where everything is written down that was done, and cannot be changed afterwards (agents/journal.py)."""

    def append(self, kind: str, fields: dict[str, Any]) -> object: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction that is mined for good, carried out or not. ``gas_wei``: what its gas cost."""

    name: str  # the call's place in the plan, or "revoke-0"
    summary: str
    tx_hash: str
    block_number: int
    gas_wei: int


@dataclass(frozen=True, slots=True)
class Failed:
    """``code`` is of an error of moray.errors, ``reason`` its line; ``name``: the signer's code where it did not sign,
    the contract's error where that refused."""

    code: str
    reason: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a plan, by the receipts of final blocks. ``changes``: of the owner's balances by asset, without
    gas; the chain's own currency by its balances around each block, so whatever else moved it there counts too.
    ``left``: allowances that could not be taken back. ``doubt``: why the changes are not what the plan says."""

    key: str
    is_done: bool
    failure: Failed | None
    steps: tuple[Step, ...]
    changes: dict[str, int]
    gas_wei: int
    left: tuple[Allowance, ...]
    doubt: str | None


_RESULT: TypeAdapter[Result] = TypeAdapter(Result)


class Executor:
    """Of one account on one chain. ``sender`` signs through whoever holds the key; nothing here can."""

    def __init__(self, chain: Chain, sender: Sender, record: Record, journal: Journal) -> None:
        self._chain = chain
        self._sender = sender
        self._record = record
        self._journal = journal
        self._lock = writer_lock(record.engine, chain.chain_id, f"plans-{sender.address}")
        self._turn = asyncio.Lock()

    async def execute(self, plan: Plan) -> Result:
        """``plan``, once, whatever happens to this process: the same again goes on where it was, or says how it ended.
        What was begun earlier ends first, for two plans must not use one allowance.

        Raises SimulationDisagrees and PlanStale before anything is sent, PlanConflict, and ChainError.
        """
        if (plan.chain_id, plan.owner) != (self._chain.chain_id, self._sender.address):
            raise BadSetting(f"the plan is of {plan.owner} on chain {plan.chain_id}; open that account's executor")
        async with self._one_at_a_time():
            await self._finish_begun()
            recorded = await asyncio.to_thread(self._record.put, plan, await self._signed_test(plan.key))
            if recorded.result is not None:
                return _RESULT.validate_json(recorded.result)
            return await self._carry_out(await self._begin(recorded))

    async def resume(self) -> list[Result]:
        """The ends of all plans that were begun and not ended, of this process or one before it."""
        async with self._one_at_a_time():
            return await self._finish_begun()

    async def result(self, key: str) -> Result | None:
        """Of a plan that ended."""
        found = await asyncio.to_thread(self._record.find, key)
        return None if found is None or found.result is None else _RESULT.validate_json(found.result)

    # -- before the first signature -----------------------------------------------------------------------------------

    async def _begin(self, recorded: Recorded) -> Recorded:
        plan = recorded.plan
        await self._note("plan", plan_fields(plan))
        if await self._is_stale(plan):
            raise _stale()
        simulation = await simulate(self._chain, plan)
        seen = {"key": plan.key, "block_number": simulation.block_number, "gas": simulation.gas}
        await self._note("simulation", seen | {"changes": dict(simulation.changes), "refused": simulation.refused})
        check(plan, simulation)
        await self._note("start", {"key": plan.key})
        return await asyncio.to_thread(self._record.start, recorded)

    async def _signed_test(self, key: str) -> Callable[[Recorded], bool]:
        """Whether an ended plan of ``key`` never got a signature, asked of the outbox beforehand."""
        old = await asyncio.to_thread(self._record.find, key)
        names = [] if old is None else _step_names(old.plan)
        states = [await self._sender.state(old.outbox_key(name)) for name in names] if old is not None else []
        is_unsigned = not any(state is not None and state.tx_hashes for state in states)
        return lambda recorded: recorded == old and is_unsigned

    # -- from there on ------------------------------------------------------------------------------------------------

    async def _finish_begun(self) -> list[Result]:
        begun = await asyncio.to_thread(self._record.begun, self._sender.address, self._chain.chain_id)
        return [await self._carry_out(recorded) for recorded in begun]

    async def _carry_out(self, recorded: Recorded) -> Result:
        plan, failure = recorded.plan, None
        try:
            for place in range(len(plan.calls)):
                await self._put(recorded, place)
                await self._sender.wait(recorded.outbox_key(str(place)), is_final=False)
        except (CallFailed, PlanStale) as error:
            failure = Failed(error.code, str(error), getattr(error, "name", ""))
        names = [str(place) for place in range(len(plan.calls))]
        ended = {name: state for name in names if (state := await self._end_of(recorded, name)) is not None}
        opened = allowances(tuple(plan.calls[int(name)] for name, state in ended.items() if state.failure is None))
        left = []
        for number, allowance in enumerate(allowances(plan.calls)):
            if allowance in opened and (state := await self._take_back(recorded, f"revoke-{number}", allowance)):
                ended[f"revoke-{number}"] = state
                left += [allowance] if state.failure is not None else []
        result = await self._result(plan, ended, failure, tuple(left))
        await self._note("end", _RESULT.dump_python(result, mode="json"))
        await asyncio.to_thread(self._record.end, recorded, _RESULT.dump_json(result).decode())
        return result

    async def _put(self, recorded: Recorded, place: int) -> None:
        """Raises PlanStale, and the CallFailed of a call that was put before: it is not tried again."""
        key, call = recorded.outbox_key(str(place)), recorded.plan.calls[place]
        state = await self._sender.state(key)
        if state is None:
            if await self._is_stale(recorded.plan):
                raise _stale()
            await self._note("call", {"key": key, "summary": call.summary})
            await self._sender.put(key, call)
        elif state.failure is not None:
            raise as_error(state.failure)

    async def _end_of(self, recorded: Recorded, name: str) -> IntentState | None:
        """Of a call that was put, as soon as it is final or failed; None if it never was."""
        key = recorded.outbox_key(name)
        if await self._sender.state(key) is None:
            return None
        with suppress(CallFailed):
            await self._sender.wait(key)
        return await self._sender.state(key)

    async def _take_back(self, recorded: Recorded, name: str, allowance: Allowance) -> IntentState | None:
        """The end of the call that makes ``allowance`` nothing; None where nothing is left of it."""
        plan, key = recorded.plan, recorded.outbox_key(name)
        if await self._sender.state(key) is None:
            if not await Currency(self._chain, allowance.token).allowance(plan.owner, allowance.spender):
                return None
            await self._note("revoke", {"key": key, "token": allowance.token, "spender": allowance.spender})
            await self._sender.put(key, revoke(allowance.token, plan.owner, allowance.spender))
        return await self._end_of(recorded, name)

    async def _result(
        self, plan: Plan, ended: dict[str, IntentState], failure: Failed | None, left: tuple[Allowance, ...]
    ) -> Result:
        mined = {name: state.mined for name, state in ended.items() if state.mined is not None}
        changes = logged_changes((log for each in mined.values() for log in each.logs), plan.owner)
        if any(bound.asset == NATIVE for bound in plan.bounds):
            changes |= await self._native_change(plan.owner, list(mined.values()))
        late = next((state.failure for state in ended.values() if state.failure is not None), None)
        if failure is None and late is not None:
            failure = Failed(late.code, late.message, late.name)
        return Result(
            key=plan.key,
            is_done=failure is None,
            failure=failure,
            steps=tuple(_step(name, plan, each) for name, each in mined.items()),
            changes=changes,
            gas_wei=sum(_gas_wei(each) for each in mined.values()),
            left=left,
            doubt=outside(plan, changes) if failure is None else None,
        )

    async def _native_change(self, owner: str, mined: list[Mined]) -> dict[str, int]:
        """Empty where the endpoint has forgotten the balances of so old a block."""
        change = sum(_gas_wei(each) for each in mined)
        try:
            for number in {each.block_number for each in mined}:
                change += await self._chain.balance_wei(owner, number)
                change -= await self._chain.balance_wei(owner, number - 1)
        except ChainRefused:
            return {}
        return {NATIVE: change}

    # -- both ---------------------------------------------------------------------------------------------------------

    async def _is_stale(self, plan: Plan) -> bool:
        return (await self._chain.head()).timestamp > plan.deadline

    async def _note(self, kind: str, fields: dict[str, Any]) -> None:
        """Before what it tells of: after a crash the same may be told twice, but nothing is done untold."""
        await asyncio.to_thread(self._journal.append, kind, fields)

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncIterator[None]:
        """Of all executors of the account, in all processes that share the record."""
        async with self._turn:
            try:
                while True:
                    if await asyncio.to_thread(self._lock.acquire):
                        break
                    await asyncio.sleep(_TURN_POLL_S)
                yield
            finally:
                self._lock.release()


def _step_names(plan: Plan) -> list[str]:
    revokes = [f"revoke-{number}" for number in range(len(allowances(plan.calls)))]
    return [str(place) for place in range(len(plan.calls))] + revokes


def _step(name: str, plan: Plan, mined: Mined) -> Step:
    summary = plan.calls[int(name)].summary if name.isdecimal() else "take back what was approved"
    return Step(name, summary, f"0x{mined.tx_hash.hex()}", mined.block_number, _gas_wei(mined))


def _gas_wei(mined: Mined) -> int:
    return mined.gas_used * mined.effective_gas_price


def _stale() -> PlanStale:
    return PlanStale("the plan's deadline has passed, so nothing more of it is sent; plan again")
