"""Joining requires stake: who is let in, who is put out, what a stranger can make the router ask the chain, and what
happens while the chain is silent. The registry is a stand-in; Joins are real ones over TLS."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from dataplane_kit import Peer, eventually, in_event_loop
from gateway_kit import served
from moray import wire
from moray.contracts.standing import Standing
from moray.errors import ClusterError, JoinRefused
from moray.node_report import encode_report, sign_report
from moray.router import stake
from moray.router.assignment import Rules
from moray.router.blame import Failures
from moray.router.http_errors import add_error_handlers
from moray.router.listener import NetworkIdentity
from moray.router.placement import Placement
from moray.router.reports import ReportDoor, report_routes
from moray.router.stake import Requirement, StakeBook, put_out
from report_kit import NETWORK_ID, REPORT, ROUTER, a_report
from tls_kit import KEY, OTHER_KEY, PublicRouter, greeted, open_public_router, signed_join

REQUIREMENT = Requirement(1000, "10 MTC")
ENOUGH = Standing(7, 1000)
REFUSING = [(Standing(), "not_registered"), (Standing(7, 999), "stake_too_low"), (Standing(7, 1000, True), "jailed")]


@dataclass
class Registry:
    """``standings`` by signer; everybody else is unknown."""

    standings: dict[str, Standing] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    is_down: bool = False
    go_on: asyncio.Event | None = None  # no answer before it is set

    async def standing(self, signer: str) -> Standing:
        self.asked.append(signer)
        if self.go_on is not None:
            await self.go_on.wait()
        if self.is_down:
            raise ClusterError("the endpoint does not answer")
        return self.standings.get(signer, Standing())


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def code_of(book: StakeBook, signer: str, max_age_s: float = stake.MAX_AGE_S) -> str:
    """Of the refusal; empty: none."""
    try:
        await book.check(signer, max_age_s)
    except JoinRefused as refused:
        assert str(refused).startswith(f"{refused.reason_code}: ")
        return refused.reason_code
    return ""


@given(node_id=st.integers(0, 3), bonded=st.integers(0, 10), is_jailed=st.booleans(), min_stake=st.integers(0, 10))
def test_a_node_may_join_when_registered_with_enough_bonded_and_not_jailed(
    node_id: int, bonded: int, is_jailed: bool, min_stake: int
) -> None:
    fault = Requirement(min_stake, "some").fault(Standing(node_id, bonded, is_jailed))
    assert (fault is None) == (node_id > 0 and bonded >= min_stake and not is_jailed)


@in_event_loop
async def test_who_was_read_lately_costs_no_call() -> None:
    clock, registry = Clock(), Registry({"a": ENOUGH})
    book = StakeBook(registry, REQUIREMENT, clock)
    for _ in range(3):
        assert await code_of(book, "a") == ""
        clock.now += stake.MAX_AGE_S / 3
    assert registry.asked == ["a"]
    clock.now += 1
    assert await code_of(book, "a") == "" and registry.asked == ["a", "a"]


@pytest.mark.parametrize(("standing", "code"), REFUSING)
@in_event_loop
async def test_who_is_refused_gets_in_soon_after_it_staked(standing: Standing, code: str) -> None:
    clock, registry = Clock(), Registry({"a": standing})
    book = StakeBook(registry, REQUIREMENT, clock)
    assert [await code_of(book, "a") for _ in range(5)] == [code] * 5
    registry.standings["a"] = ENOUGH
    assert await code_of(book, "a") == code and registry.asked == ["a"]  # not read for every attempt
    clock.now += stake.REFUSED_FOR_S + 0.1
    assert await code_of(book, "a") == "" and registry.asked == ["a", "a"]


@in_event_loop
async def test_all_who_wait_for_one_signer_share_one_reading() -> None:
    registry = Registry({"a": ENOUGH}, go_on=asyncio.Event())
    book = StakeBook(registry, REQUIREMENT)
    waiting = [asyncio.create_task(code_of(book, "a")) for _ in range(50)]
    await eventually(lambda: registry.asked == ["a"])
    waiting[0].cancel()  # one hangs up
    assert registry.go_on is not None
    registry.go_on.set()
    assert await asyncio.gather(*waiting[1:]) == [""] * 49 and registry.asked == ["a"]


@in_event_loop
async def test_a_silent_chain_lets_nobody_new_in_and_those_it_knew_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stake, "READ_TIMEOUT_S", 0.05)
    clock, registry = Clock(), Registry({"a": ENOUGH})
    book = StakeBook(registry, REQUIREMENT, clock)
    assert await code_of(book, "a") == ""
    registry.is_down = True
    assert (await code_of(book, "a"), await code_of(book, "b")) == ("", "chain_unreachable")
    registry.is_down, registry.go_on = False, asyncio.Event()  # no answer is as bad as a wrong one
    assert (await code_of(book, "a"), await code_of(book, "b")) == ("", "chain_unreachable")
    clock.now += stake.MAX_AGE_S + 1
    assert await code_of(book, "a") == "chain_unreachable"


@in_event_loop
async def test_strangers_are_looked_up_only_so_often_and_known_nodes_are_not_held_up() -> None:
    clock, registry = Clock(), Registry({"a": ENOUGH})
    book = StakeBook(registry, REQUIREMENT, clock)
    assert await code_of(book, "a") == ""
    codes = [await code_of(book, f"stranger-{number}") for number in range(stake.STRANGER_BURST + 10)]
    assert codes.count("not_registered") == stake.STRANGER_BURST - 1 and set(codes[-10:]) == {"too_many_joins"}
    assert len(registry.asked) == stake.STRANGER_BURST
    assert await code_of(book, "a", max_age_s=-1) == ""  # read again all the same


@in_event_loop
async def test_only_so_many_are_read_at_a_time() -> None:
    registry = Registry(go_on=asyncio.Event())
    book = StakeBook(registry, REQUIREMENT)
    waiting = [asyncio.create_task(code_of(book, f"{number}")) for number in range(stake.MAX_READING)]
    await eventually(lambda: len(registry.asked) == stake.MAX_READING)
    assert await code_of(book, "one more") == "too_many_joins"
    assert registry.go_on is not None
    registry.go_on.set()
    assert set(await asyncio.gather(*waiting)) == {"not_registered"}


@in_event_loop
async def test_a_flood_of_strangers_makes_it_forget_strangers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stake, "MAX_REMEMBERED", 4)
    registry = Registry({"a": ENOUGH})
    book = StakeBook(registry, REQUIREMENT, Clock())
    await code_of(book, "a")
    for number in range(20):
        await code_of(book, f"stranger-{number}")
    assert len(book._refused) == 4 and await code_of(book, "a") == "" and registry.asked.count("a") == 1


# -- at the door


async def answer_to_join(router: PublicRouter, incarnation: int = 1) -> tuple[Peer, wire.Message]:
    peer, hello = await greeted(router.port)
    peer.send(signed_join(router, hello, incarnation=incarnation))
    return peer, await peer.read()


@pytest.mark.parametrize(("standing", "code"), REFUSING)
@in_event_loop
async def test_a_join_without_the_stake_is_refused_with_its_reason(
    standing: Standing, code: str, tmp_path: Path
) -> None:
    registry = Registry({KEY.address: standing})
    async with open_public_router(tmp_path, stakes=StakeBook(registry, REQUIREMENT)) as router:
        peer, answer = await answer_to_join(router)
        assert isinstance(answer, wire.Reject) and answer.code == code
        assert await peer.is_closed() and not router.directory.uplinks


@in_event_loop
async def test_a_join_that_nobody_signed_asks_the_chain_nothing(tmp_path: Path) -> None:
    registry = Registry({OTHER_KEY.address: ENOUGH})
    async with open_public_router(tmp_path, stakes=StakeBook(registry, REQUIREMENT)) as router:
        peer, hello = await greeted(router.port)
        join = signed_join(router, hello)
        peer.send(wire.Join(**{name: getattr(join, name) for name in join.__slots__} | {"signer": OTHER_KEY.address}))
        answer = await peer.read()
        assert isinstance(answer, wire.Reject) and answer.code == "bad_signature" and registry.asked == []


@pytest.mark.parametrize(("standing", "code"), REFUSING)
@in_event_loop
async def test_who_loses_its_stake_is_put_out_with_the_reason_and_nobody_else(
    standing: Standing, code: str, tmp_path: Path
) -> None:
    registry = Registry({KEY.address: ENOUGH, OTHER_KEY.address: ENOUGH})
    book = StakeBook(registry, REQUIREMENT)
    async with open_public_router(tmp_path, stakes=book) as router:
        looking = asyncio.create_task(put_out(router.directory, book, period_s=0.02))
        (peer, _), (other, hello) = await answer_to_join(router), await greeted(router.port)
        other.send(signed_join(router, hello, key=OTHER_KEY))
        assert isinstance(await other.read(), wire.Welcome)
        await eventually(lambda: registry.asked.count(KEY.address) > 2)
        assert len(router.directory.uplinks) == 2
        registry.is_down = True  # no reason to lose anybody
        asked = len(registry.asked)
        await eventually(lambda: len(registry.asked) > asked + 4)
        assert len(router.directory.uplinks) == 2
        registry.is_down, registry.standings[KEY.address] = False, standing
        while not isinstance(answer := await peer.read(), wire.Reject):
            assert isinstance(answer, wire.Ping)
        assert answer.code == code and await peer.is_closed()
        assert [key.signer for key in router.directory.uplinks] == [OTHER_KEY.address]
        looking.cancel()


@pytest.mark.parametrize(("standing", "code"), REFUSING)
def test_a_report_without_the_stake_is_assigned_nothing(standing: Standing, code: str) -> None:
    """So `moray node join` hears of it before it has fetched or started anything."""
    identity = NetworkIdentity(NETWORK_ID, "model-a", "float32", 4, ROUTER, 31337)
    placement, app, registry = Placement(4, Rules(), 0.0), FastAPI(), Registry({KEY.address: standing})
    add_error_handlers(app, 1, Failures())
    door = ReportDoor(
        placement, identity, clock=lambda: float(REPORT["reported_at"]), stakes=StakeBook(registry, REQUIREMENT)
    )
    app.include_router(report_routes(door))
    with served(app) as port:
        reply = httpx2.post(
            f"http://127.0.0.1:{port}/network/assignment", content=encode_report(sign_report(KEY, a_report(), 31337))
        )
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, code)
    assert placement.holdings.nodes == {}
