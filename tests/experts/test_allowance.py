"""What a node gives a router without pay: a cap that outlasts connections, over real TLS; its standing stays."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane_kit import eventually, in_event_loop, random_rows, reference
from moray import wire
from moray.experts.allowance import Allowance
from moray.experts.deployment import ExpertSpec, route_to
from moray.experts.executor import Executor
from moray.router.blame import Blame
from moray.router.transport import ExpertsMissing
from moray.router.uplink import Answer, DispatchFailed, Uplink
from moray.types import DataAddress, PublicAddress
from tls_kit import (
    PublicRouter,
    every_expert,
    membership,
    open_public_router,
    open_signed_replica,
    open_signing,
)
from wire_kit import bits


@given(st.integers(0, 50), st.lists(st.integers(1, 20)))
def test_no_more_than_the_cap_is_ever_given_and_nothing_after_the_first_refusal(cap: int, asked: list[int]) -> None:
    allowance, given_rows, was_refused = Allowance(cap), 0, False
    for num_rows in asked:
        fits = given_rows + num_rows <= cap
        may = allowance.take(num_rows)
        assert may == (fits and not was_refused) and allowance.is_spent == (was_refused or not fits)
        given_rows, was_refused = given_rows + num_rows * may, was_refused or not may
    assert given_rows <= cap


def test_rows_that_were_not_computed_do_not_count_and_nobody_pays_for_this_allowance() -> None:
    allowance = Allowance(10)
    assert allowance.take(10)
    allowance.give_back(4)
    assert allowance.take(4) and not allowance.take(1)
    assert not allowance.is_renewed(1e9) and allowance.is_spent


def test_only_a_route_to_somebody_elses_router_has_an_allowance(tmp_path: Path) -> None:
    (secret := tmp_path / "secret").write_text("ab" * 32)
    somebody, own = PublicAddress("203.0.113.5", 7443, "ab" * 32), DataAddress("127.0.0.1", 1)
    spec = ExpertSpec("model", (0,), (somebody,), str(secret), "incarnations", 1, max_unpaid_rows=7)
    allowance = route_to(somebody, spec).allowance
    assert allowance is not None and allowance.max_unpaid_rows == 7
    assert route_to(somebody, replace(spec, max_unpaid_rows=None)).allowance is None
    assert route_to(own, spec).allowance is None


class Asked:
    """Dispatches to one uplink, past the choice of replicas: a router that asks on."""

    def __init__(self, uplink: Uplink) -> None:
        self.uplink, self.answers = uplink, list[Answer]()

    async def __call__(self, num_rows: int) -> Answer:
        before = len(self.answers)
        self.uplink.dispatch(
            1, [(0, num_rows)], list(range(num_rows)), random_rows(num_rows), 20.0, self.answers.append
        )
        await eventually(lambda: len(self.answers) > before)
        return self.answers[-1]


def only_uplink(router: PublicRouter) -> Uplink:
    (uplink,) = router.directory.uplinks.values()
    return uplink


def refused(answer: Answer) -> bool:
    """Rather than computed; for nothing but the pay."""
    if not isinstance(answer, DispatchFailed):
        return False
    assert "unpaid" in str(answer) and answer.blame is Blame.GATEWAY
    return True


@pytest.fixture
def rows_computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """By each call of an executor, whosever it is."""
    computed, execute = list[int](), Executor.execute

    def counted(self: Executor, dispatches: list[wire.Dispatch]) -> object:
        before = self.rows_done
        answers = execute(self, dispatches)
        computed.append(self.rows_done - before)
        return answers

    monkeypatch.setattr(Executor, "execute", counted)
    return computed


@in_event_loop
async def test_a_router_that_does_not_pay_is_refused_at_the_cap_and_told_once(
    tmp_path: Path, rows_computed: list[int]
) -> None:
    async with open_public_router(tmp_path) as router:
        with open_signing(tmp_path, membership(router.address)) as signing:
            async with open_signed_replica(router.address, signing, max_unpaid_rows=10):
                await router.joined(1)
                uplink = only_uplink(router)
                ask = Asked(uplink)
                assert [refused(await ask(num_rows)) for num_rows in (4, 6, 1, 1, 1)] == [
                    False,
                    False,
                    True,
                    True,
                    True,
                ]
                await eventually(lambda: uplink.is_draining)
                state, reason, _ = uplink.condition(0.0)
                assert state == "draining" and reason.startswith("unpaid: ")
                assert refused(await ask(1))  # it is still there, and answers
                assert sum(rows_computed) == 10
                counters = router.acceptor.counters
                assert counters.protocol_errors == 0 and not uplink.is_closed  # a second Drain would have closed it
                assert not router.directory._faults and uplink.failures == {Blame.GATEWAY: 4}


@in_event_loop
async def test_what_was_refused_for_another_reason_is_not_counted(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        with open_signing(tmp_path, membership(router.address)) as signing:
            async with open_signed_replica(router.address, signing, experts=[0], max_unpaid_rows=10):
                await router.joined(1)
                uplink, answers = only_uplink(router), list[Answer]()
                uplink.dispatch(1, [(5, 8)], list(range(8)), random_rows(8), 20.0, answers.append)  # it has no expert 5
                await eventually(lambda: answers)
                assert isinstance(answers[0], DispatchFailed) and "bad_dispatch" in str(answers[0])
                ask = Asked(uplink)
                assert [refused(await ask(10)), refused(await ask(1))] == [False, True]


@in_event_loop
async def test_a_spent_allowance_outlasts_the_connection(tmp_path: Path, rows_computed: list[int]) -> None:
    async with open_public_router(tmp_path) as router:
        with open_signing(tmp_path, membership(router.address)) as signing:
            async with open_signed_replica(router.address, signing, max_unpaid_rows=10):
                await router.joined(1)
                first = only_uplink(router)
                assert not refused(await Asked(first)(9))
                first.close("the test cuts it off")
                await eventually(lambda: any(uplink is not first for uplink in router.directory.uplinks.values()))
                second = only_uplink(router)
                assert refused(await Asked(second)(2))
                second.close("the test cuts it off")
                await eventually(lambda: any(uplink is not second for uplink in router.directory.uplinks.values()))
                third = only_uplink(router)
                await eventually(lambda: third.is_draining)  # before it was asked for anything
                assert refused(await Asked(third)(1)) and sum(rows_computed) == 9
                assert router.acceptor.counters.protocol_errors == 0


@in_event_loop
async def test_each_router_has_its_own_allowance(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b", "signing")]
    for folder in folders:
        folder.mkdir()
    async with AsyncExitStack() as stack:
        routers = [await stack.enter_async_context(open_public_router(folder)) for folder in folders[:2]]
        signing = stack.enter_context(open_signing(folders[2], membership(*(router.address for router in routers))))
        for router in routers:
            await stack.enter_async_context(open_signed_replica(router.address, signing, max_unpaid_rows=10))
            await router.joined(1)
        ask, ask_other = (Asked(only_uplink(router)) for router in routers)
        assert not refused(await ask(10)) and refused(await ask(1))
        assert not refused(await ask_other(10))


@in_event_loop
async def test_streams_go_on_at_other_replicas_when_one_gives_no_more(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router, AsyncExitStack() as stack:
        signing = stack.enter_context(open_signing(tmp_path, membership(router.address)))
        for name, cap in (("capped", 40), ("free", None)):
            opened = open_signed_replica(router.address, signing, name=name, max_unpaid_rows=cap)
            await stack.enter_async_context(opened)
        await router.joined(2)
        capped = next(uplink for key, uplink in router.directory.uplinks.items() if key.replica_id == "capped")
        num_after = 0
        while num_after < 40:  # a replica that was slow for a moment is chosen less, so how many it takes is not known
            num_after += capped.is_draining
            rows, ids = random_rows(2), every_expert(2)
            assert bits(await router.experts.dispatch(1, rows, ids)) == bits(reference(1, rows, ids))
        assert router.experts.missing() == frozenset() and not router.directory._faults
        assert capped.failures.keys() == {Blame.GATEWAY}


@in_event_loop
async def test_experts_that_nobody_computes_without_pay_are_missing(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        with open_signing(tmp_path, membership(router.address)) as signing:
            async with open_signed_replica(router.address, signing, max_unpaid_rows=16):
                await router.joined(1)
                rows, ids = random_rows(3), every_expert(3)
                with pytest.raises(ExpertsMissing):
                    await router.experts.dispatch(1, rows, ids)
                await eventually(router.experts.missing)
