"""Vouchers between a real router and real replicas over TLS, and the process of the node that keeps its credit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dataplane_kit import IDENTITY, eventually, in_event_loop, make_join, random_rows
from moray import wire
from moray.errors import JoinRefused
from moray.experts.credentials import SignedCredentials
from moray.experts.credit import Credit
from moray.join_signature import recover_signer
from moray.nodes.credit import NodeCredit
from moray.pay_terms import ROWS_PER_PRICE, PayTerms, read_terms
from moray.router.payments import NodeAccount, PaidNode, PaymentBook
from moray.router.uplink import Answer, DispatchFailed, Uplink
from moray.types import PublicAddress
from pay_kit import PAYEE, PRICE, credit_in, holding, voucher
from tls_kit import (
    KEY,
    NETWORK,
    PublicRouter,
    greeted,
    membership,
    open_public_router,
    open_signed_replica,
    open_signing,
    signed_join,
)

CAP = 40
NODE = PaidNode(KEY.address, "node")


@dataclass(frozen=True)
class Paid:
    """A router that pays, and a node with some replicas."""

    router: PublicRouter
    book: PaymentBook
    credit: NodeCredit

    @property
    def account(self) -> NodeAccount:
        return self.book.accounts[NODE]

    def uplinks(self) -> list[Uplink]:
        return list(self.router.directory.uplinks.values())

    async def pay(self, cumulative: int, deposited: int = 10**6) -> None:
        self.book.promise(NODE, voucher(cumulative))
        await eventually(self.credit.unsettled)
        self.credit.settle(holding(deposited))


@asynccontextmanager
async def paid_node(
    folder: Path, names: Sequence[str] = ("replica",), examiner: Examiner | None = None
) -> AsyncIterator[Paid]:
    book, credit = PaymentBook(PRICE), credit_in(folder, CAP)
    async with AsyncExitStack() as stack:
        router = await stack.enter_async_context(open_public_router(folder, payments=book, examiner=examiner))
        signing = stack.enter_context(open_signing(folder, membership(router.address), credit=credit))
        for name in names:
            await stack.enter_async_context(
                open_signed_replica(router.address, signing, name=name, max_unpaid_rows=CAP, takes_vouchers=True)
            )
        await router.joined(len(names))
        yield Paid(router, book, credit)


async def ask(uplink: Uplink, num_rows: int) -> Answer:
    answers = list[Answer]()
    uplink.dispatch(1, [(0, num_rows)], list(range(num_rows)), random_rows(num_rows), 20.0, answers.append)
    await eventually(lambda: answers)
    return answers[0]


async def is_computed(uplink: Uplink, num_rows: int) -> bool:
    answer = await ask(uplink, num_rows)
    assert not isinstance(answer, DispatchFailed) or "unpaid" in str(answer)
    return not isinstance(answer, DispatchFailed)


@in_event_loop
async def test_a_node_serves_up_to_its_cap_and_on_when_it_is_paid(tmp_path: Path) -> None:
    async with paid_node(tmp_path) as paid:
        (first,) = paid.uplinks()
        assert [await is_computed(first, rows) for rows in (30, 10, 1)] == [True, True, False]
        assert paid.account.rows == 40 and paid.account.is_refusing
        await paid.pay(10)  # 20 rows
        await eventually(lambda: paid.uplinks() not in ([], [first]))
        (second,) = paid.uplinks()
        assert not paid.book.accounts[NODE].is_refusing
        assert [await is_computed(second, rows) for rows in (20, 1)] == [True, False]
        assert paid.account.rows == 60 and paid.router.acceptor.counters.protocol_errors == 0


@in_event_loop
async def test_a_router_that_pays_in_time_is_never_sent_away(tmp_path: Path) -> None:
    async with paid_node(tmp_path) as paid:
        (uplink,) = paid.uplinks()
        for turn in range(1, 6):
            assert await is_computed(uplink, CAP // 2)
            await paid.pay(turn * CAP // 4)
        assert paid.uplinks() == [uplink] and uplink.is_usable and paid.account.rows == 5 * CAP // 2


@in_event_loop
async def test_all_replicas_of_a_node_share_one_cap(tmp_path: Path) -> None:
    async with paid_node(tmp_path, ("a", "b")) as paid:
        one, other = paid.uplinks()
        assert await is_computed(one, 25) and await is_computed(other, 15)
        assert not await is_computed(one, 1) and not await is_computed(other, 1)
        assert paid.account.rows == CAP


@in_event_loop
async def test_a_voucher_that_is_not_covered_buys_nothing(tmp_path: Path) -> None:
    async with paid_node(tmp_path) as paid:
        (uplink,) = paid.uplinks()
        assert await is_computed(uplink, CAP) and not await is_computed(uplink, 1)
        await paid.pay(50, deposited=49)
        assert paid.credit.draw(str(paid.router.address), 1, 0) == 0
        assert not await is_computed(uplink, 1) and paid.account.rows == CAP


@in_event_loop
async def test_what_a_replica_holds_comes_back_when_it_ends(tmp_path: Path) -> None:
    credit, book = credit_in(tmp_path, 64 * 100), PaymentBook(PRICE)
    async with open_public_router(tmp_path, payments=book) as router:
        with open_signing(tmp_path, membership(router.address), credit=credit) as signing:
            async with open_signed_replica(router.address, signing, max_unpaid_rows=1, takes_vouchers=True):
                await router.joined(1)
                (uplink,) = router.directory.uplinks.values()
                assert await is_computed(uplink, 7)
                assert credit.draw(str(router.address), 6301, 0) == 0
            assert credit.draw(str(router.address), 6394, 0) == 0
            assert credit.draw(str(router.address), 6393, 0) == 6393


class Examiner:
    """A test at the join that is passed with four rows."""

    async def examine(self, uplink: Uplink) -> None:
        if isinstance(await ask(uplink, 4), DispatchFailed):
            raise JoinRefused("no_answer", "it does not answer")


@in_event_loop
async def test_a_node_that_fails_the_test_for_want_of_pay_is_shown_its_voucher_before(tmp_path: Path) -> None:
    async with paid_node(tmp_path, examiner=Examiner()) as paid:
        (uplink,) = paid.uplinks()
        assert await is_computed(uplink, CAP - 4) and not await is_computed(uplink, 1)
        uplink.close("the test cuts it off")
        await eventually(lambda: paid.router.directory.refusals.snapshot(0.0))
        assert not paid.uplinks()
        paid.book.promise(NODE, voucher(20))  # to nobody, unless it dials just now
        await eventually(paid.credit.unsettled)
        paid.credit.settle(holding(1000))
        await paid.router.joined(1)
        (again,) = paid.uplinks()
        assert await is_computed(again, 36) and not await is_computed(again, 1)


@in_event_loop
async def test_the_price_stands_in_the_welcome_and_vouchers_go_only_to_who_asks(tmp_path: Path) -> None:
    book = PaymentBook(PRICE)
    async with open_public_router(tmp_path, payments=book) as router:
        peer, hello = await greeted(router.port)
        peer.send(signed_join(router, hello))
        welcome = await peer.read()
        assert isinstance(welcome, wire.Welcome)
        assert (welcome.epoch_rows, welcome.prices) == (ROWS_PER_PRICE, [PRICE])
        await router.joined(1)
        assert book.accounts == {}
        book.promise(NODE, voucher(10))
        assert isinstance(await peer.read(), wire.Ping)


@in_event_loop
async def test_a_router_that_nobody_asked_for_vouchers_is_cut_off(tmp_path: Path) -> None:
    async with open_public_router(tmp_path) as router:
        with open_signing(tmp_path, membership(router.address)) as signing:
            async with open_signed_replica(router.address, signing, max_unpaid_rows=CAP):
                await router.joined(1)
                (uplink,) = router.directory.uplinks.values()
                assert uplink.join is not None and uplink.join.features == []
                uplink.promise(voucher(10))
                await eventually(lambda: uplink.is_closed)


@in_event_loop
async def test_a_router_that_sends_nothing_but_vouchers_is_cut_off(tmp_path: Path) -> None:
    async with paid_node(tmp_path) as paid:
        (uplink,) = paid.uplinks()
        for cumulative in range(1, 40):
            uplink.promise(voucher(cumulative))
        await eventually(lambda: uplink.is_closed)


@pytest.mark.parametrize("router", ["10.9.9.9:1", ""])
def test_nothing_is_leased_for_a_router_of_no_manifest(router: str, tmp_path: Path) -> None:
    known = PublicAddress("10.1.2.3", 7443, "ab" * 32)
    with open_signing(tmp_path, membership(known), credit=credit_in(tmp_path, CAP)) as signing:
        assert Credit(signing, router).draw(1, 0) == 0
        assert Credit(signing, str(known)).draw(1, 0) >= 1
    assert Credit(signing, str(known)).draw(1, 0) == 0  # nobody is there


def test_a_node_without_credit_leases_nothing(tmp_path: Path) -> None:
    known = PublicAddress("10.1.2.3", 7443, "ab" * 32)
    with open_signing(tmp_path, membership(known)) as signing:
        assert Credit(signing, str(known)).draw(1, 0) == 0


def test_the_node_says_whom_to_pay_whatever_the_replica_says(tmp_path: Path) -> None:
    known = PublicAddress("10.1.2.3", 7443, "ab" * 32)
    hello = wire.Hello(2, 2, NETWORK, 0, IDENTITY.model_id, str(known), b"c" * 32, [])
    join = replace(make_join(hello), proof=b"", features=PayTerms(KEY.address, 10**9).as_features())
    with open_signing(tmp_path, membership(known), credit=credit_in(tmp_path, CAP)) as signing:
        signed = SignedCredentials(signing, known.tls_cert_sha256).present(hello, join)
    assert recover_signer(hello, signed) == KEY.address
    assert read_terms(signed.features) == PayTerms(PAYEE, CAP)
