"""Whatever happens in whatever order, a call takes effect once or its failure is told, and never both or twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fake_account import ADDRESS, FakeAccount, JsonSigner
from moray.contracts.calls import Call
from moray.contracts.fees import FeePolicy
from moray.contracts.intents import IntentStatus
from moray.contracts.outbox import Outbox
from moray.contracts.outbox_journal import Journal
from moray.contracts.writer import Writer
from moray.errors import ChainError

CHAIN_ID, CONFIRMATIONS = 31337, 3
POLICY = FeePolicy(ceiling_wei=10_000, bump_after_blocks=2)
_IN_MEMORY = Path("/dev/shm")  # a disk would be waited for ten thousand times
BASE_FEES = st.sampled_from([10, 10, 10, 10, 5, 30, 100, 1000])
TROUBLES = st.sampled_from(["none", "none", "none", "dead", "behind", "behind"])


class Killed(BaseException):
    """The process is gone: nothing catches this."""


class Fuse:
    """Ends the process before or after the n-th thing that it does to the outside."""

    def __init__(self, steps: int | None, is_after: bool) -> None:
        self.left, self.is_after = steps, is_after

    def guard(self, thing: Any) -> Any:
        return _Guarded(thing, self)

    def burn(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        return self.left < 0


class _Guarded:
    def __init__(self, thing: Any, fuse: Fuse) -> None:
        self._thing, self._fuse = thing, fuse
        self.address = ADDRESS

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._thing, name)

        async def later(*arguments: Any) -> Any:
            return self._call(await self._before(method, arguments))

        def now(*arguments: Any) -> Any:
            is_last = self._fuse.burn()
            if is_last and not self._fuse.is_after:
                raise Killed
            result = method(*arguments)
            if is_last:
                raise Killed
            return result

        return later if asyncio.iscoroutinefunction(method) else now

    async def _before(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
        is_last = self._fuse.burn()
        if is_last and not self._fuse.is_after:
            raise Killed
        return is_last, await method(*arguments)

    def _call(self, outcome: tuple[bool, Any]) -> Any:
        is_last, result = outcome
        if is_last:
            raise Killed
        return result


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None)
        self.loop = asyncio.Runner()
        self.outbox = Outbox(f"sqlite:///{Path(self.folder.name) / 'outbox'}")
        self.account = FakeAccount(CONFIRMATIONS)
        self.calls: dict[str, Call] = {}
        self.writer = self.new_writer(None)

    def new_writer(self, steps: int | None, is_after: bool = False) -> Writer:
        fuse = Fuse(steps, is_after)
        journal = Journal(self.outbox.engine, CHAIN_ID, ADDRESS)
        guarded = fuse.guard(journal), fuse.guard(self.account), fuse.guard(JsonSigner())
        return Writer(*guarded, CHAIN_ID, POLICY)

    def round(self) -> None:
        with suppress(ChainError):
            self.loop.run(self.writer.round())

    @rule()
    def put(self) -> None:
        key = f"call {len(self.calls)}"
        self.calls[key] = Call("0x" + "22" * 20, key.encode(), None, key)
        self.outbox.put(key, CHAIN_ID, ADDRESS, self.calls[key])

    @rule(data=st.data())
    def put_again(self, data: st.DataObject) -> None:
        if self.calls:
            key = data.draw(st.sampled_from(sorted(self.calls)))
            self.outbox.put(key, CHAIN_ID, ADDRESS, self.calls[key])

    @rule(base_fees=st.lists(BASE_FEES, min_size=1, max_size=6), most=st.sampled_from([4, 4, 1]), trouble=TROUBLES)
    def time_passes(self, base_fees: list[int], most: int, trouble: str) -> None:
        self.account.is_dead, self.account.is_behind = trouble == "dead", trouble == "behind"
        for base_fee in base_fees:
            self.round()
            self.account.mine(base_fee, most)
        self.round()
        self.account.is_dead = self.account.is_behind = False

    @rule(steps=st.integers(0, 25), is_after=st.booleans())
    def crash(self, steps: int, is_after: bool) -> None:
        self.writer = self.new_writer(steps, is_after)
        with suppress(Killed):
            self.round()
        self.writer = self.new_writer(None)

    @rule(depth=st.integers(1, CONFIRMATIONS), is_forgotten=st.booleans())
    def reorganise(self, depth: int, is_forgotten: bool) -> None:
        self.account.take_back(depth, is_forgotten)

    @rule()
    def forget(self) -> None:
        self.account.forget()

    @rule(which=st.integers(0, 20), blocks=st.integers(0, 2))
    def remember(self, which: int, blocks: int) -> None:
        self.account.remember(which)
        for _ in range(blocks):
            self.account.mine(5)

    @rule()
    def stranger(self) -> None:
        self.account.use_key()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def change_of_mind(self, data: st.DataObject) -> None:
        """The contract refuses what it took before, or the other way round."""
        self.account.refused ^= {data.draw(st.sampled_from(sorted(self.calls))).encode()}

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert all(self.account.times_done(call.data) <= 1 for call in self.calls.values())

    @invariant()
    def what_is_told_is_so(self) -> None:
        for key, call in self.calls.items():
            state = self.outbox.state(key)
            assert state is not None
            if state.status is IntentStatus.FINAL:
                assert self.account.times_done(call.data) == 1
            if state.status is IntentStatus.FAILED:
                assert self.account.times_done(call.data) == 0

    def teardown(self) -> None:
        """When the faults are over, everything comes to its end."""
        try:
            self.account.refused.clear()
            for _ in range(25 + 10 * len(self.calls)):
                if all((state := self.outbox.state(key)) and state.has_ended for key in self.calls):
                    break
                self.round()
                self.account.mine(10)
            else:
                raise AssertionError([self.outbox.state(key) for key in self.calls])
            self.nothing_is_done_twice()
            self.what_is_told_is_so()
        finally:
            self.loop.close()
            self.outbox.close()
            self.folder.cleanup()


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestMachine = Machine.TestCase


def test_a_strangers_block_that_may_still_be_taken_back_frees_no_tx_nonce() -> None:
    machine = Machine()
    machine.put()
    machine.round()
    machine.account.use_key()
    machine.time_passes([10] * CONFIRMATIONS, 4, "none")  # the stranger's is in the first of them
    machine.account.take_back(CONFIRMATIONS, is_forgotten=True)
    machine.account.remember(0)
    machine.time_passes([10] * 6, 4, "none")
    state = machine.outbox.state("call 0")
    assert state is not None and (state.status, state.tx_nonce) == (IntentStatus.FINAL, 0)
    machine.teardown()


def test_bytes_that_a_crash_left_with_a_node_only_do_not_exist() -> None:
    """Killed after each of the first steps in turn: whatever a node has seen, the database has too."""
    for steps in range(12):
        for is_after in (False, True):
            machine = Machine()
            machine.put()
            machine.crash(steps, is_after)
            state = machine.outbox.state("call 0")
            assert state is not None
            assert {each.tx_hash for each in machine.account.ever_sent} <= set(state.tx_hashes)
            machine.teardown()
