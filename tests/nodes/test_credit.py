"""What vouchers are worth to a node, and that nobody gets more rows than were paid for and the cap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moray import wire
from moray.contracts.channels import Channel, ChannelState, Voucher
from moray.errors import ClusterError
from moray.node_key import NodeKey
from moray.nodes import voucher_book
from moray.nodes.credit import LEASES_PER_ALLOWANCE, RouterAccount, read_offer
from moray.nodes.voucher_book import VOUCHER_FILE, HeldVoucher, VoucherBook
from moray.pay_terms import PayTerms, amount_of, read_terms, rows_of
from pay_kit import (
    CHANNEL,
    CONTRACT,
    PAYEE,
    PAYER,
    PRICE,
    SIGNER,
    STRANGER,
    credit_in,
    holding,
    id_of,
    rules_of,
    voucher,
)

ROUTER, OTHER = "router.example:7443", "other.example:7443"

acts = st.one_of(
    st.tuples(st.just("draw"), st.integers(0, 60), st.integers(0, 60)),
    st.tuples(st.just("offer"), st.integers(0, 200), st.integers(0, 3)),
    st.tuples(st.just("settle"), st.integers(0, 200), st.integers(0, 1)),
)


@settings(max_examples=60, deadline=None)
@given(cap=st.integers(1, 100), steps=st.lists(acts, max_size=30))
def test_no_router_ever_holds_more_rows_than_were_paid_for_and_the_cap(
    cap: int, steps: list[tuple[str, int, int]]
) -> None:
    """In whatever order vouchers come, repeated, of strangers, not covered, or after the channel began to close."""
    with TemporaryDirectory() as folder:
        credit, held, offered, covered = credit_in(Path(folder), cap), 0, list[int](), 0
        for act, first, second in steps:
            match act:
                case "draw":
                    returned = min(second, held)
                    given_rows = credit.draw(ROUTER, first, returned)
                    assert given_rows == 0 or given_rows >= first > 0
                    held += given_rows - returned
                case "offer":
                    key = STRANGER if second == 3 else SIGNER
                    credit.offer(ROUTER, voucher(first, key=key))
                    offered += [first] if key is SIGNER else []
                case "settle":
                    credit.settle(holding(first, closes_at=second))
                    if not second:
                        covered = max([covered, *(amount for amount in offered if amount <= first)])
            assert held <= cap + rows_of(covered, PRICE)


@given(rows=st.integers(0, 2**62), price=st.integers(1, 2**63))
def test_what_rows_cost_pays_for_them_and_for_hardly_more(rows: int, price: int) -> None:
    amount = amount_of(rows, price)
    assert rows_of(amount, price) >= rows
    assert amount == 0 or rows_of(amount - 1, price) < rows


@given(cap=st.integers(1, 10**6), asked=st.integers(1, 10**6))
def test_a_lease_is_all_that_was_asked_for_or_nothing(cap: int, asked: int) -> None:
    account = RouterAccount(cap, PRICE)
    given_rows = account.draw(asked, 0)
    assert (given_rows >= asked) if asked <= cap else given_rows == 0
    assert given_rows <= max(asked, cap // LEASES_PER_ALLOWANCE)
    assert account.draw(0, given_rows + 5) == 0 and account.rows_left == cap


def test_vouchers_count_by_what_they_add_and_survive_a_new_start(tmp_path: Path) -> None:
    credit = credit_in(tmp_path)
    assert credit.draw(ROUTER, 100, 0) == 100 and credit.draw(ROUTER, 1, 0) == 0
    for cumulative, gets in ((10, 20), (30, 40), (20, 0), (30, 0)):
        credit.offer(ROUTER, voucher(cumulative))
        credit.settle(holding(1000))
        assert credit.draw(ROUTER, max(1, gets), 0) == gets
    again = credit_in(tmp_path)
    again.offer(ROUTER, voucher(30))
    assert not again.unsettled()
    again.offer(ROUTER, voucher(31))
    again.settle(holding(1000))
    assert again.draw(ROUTER, 102, 0) == 102 and again.draw(ROUTER, 1, 0) == 0
    (held,) = VoucherBook(tmp_path).held()
    assert held.as_channel() == CHANNEL and held.cumulative == 31 and held.signature == voucher(31).signature


def test_each_router_has_an_account_of_its_own_and_a_voucher_counts_for_one(tmp_path: Path) -> None:
    credit = credit_in(tmp_path)
    for router in (ROUTER, OTHER):
        credit.offer(router, voucher(10))
    credit.settle(holding(1000))
    assert credit.draw(ROUTER, 120, 0) == 120
    assert credit.draw(OTHER, 101, 0) == 0 and credit.draw(OTHER, 100, 0) == 100


@pytest.mark.parametrize(
    "state",
    [
        ChannelState(0, 0, 0),
        ChannelState(9, 0, 0),
        ChannelState(1000, 0, closes_at=1),
        ChannelState(1000, 10, 0),  # paid already, for a voucher that this node has lost
    ],
    ids=["no deposit", "too little", "closes", "claimed before"],
)
def test_what_the_channel_does_not_cover_is_no_credit(state: ChannelState, tmp_path: Path) -> None:
    credit = credit_in(tmp_path)
    credit.offer(ROUTER, voucher(10))
    credit.settle({id_of(): state})
    assert credit.draw(ROUTER, 101, 0) == 0
    assert VoucherBook(tmp_path).held() == []


def test_a_voucher_waits_for_its_deposit_and_for_a_chain_that_answers(tmp_path: Path) -> None:
    credit = credit_in(tmp_path)
    credit.offer(ROUTER, voucher(10))
    credit.settle({})
    credit.settle(holding(9))
    assert credit.unsettled() == [id_of()] and credit.draw(ROUTER, 101, 0) == 0
    credit.settle(holding(10))
    assert credit.unsettled() == [] and credit.draw(ROUTER, 120, 0) == 120


def test_a_voucher_that_cannot_be_kept_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credit = credit_in(tmp_path)
    credit.offer(ROUTER, voucher(10))

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(voucher_book, "write_private", full)
        with pytest.raises(OSError, match="no space"):
            credit.settle(holding(1000))
    assert credit.draw(ROUTER, 101, 0) == 0
    credit.settle(holding(1000))
    assert credit.draw(ROUTER, 120, 0) == 120


OTHER_CHANNELS = {
    "another payee": (replace(CHANNEL, payee=STRANGER.address), SIGNER),
    "a payer who was not accepted": (Channel(STRANGER.address, SIGNER.address, PAYEE), SIGNER),
    "signed by another key": (CHANNEL, STRANGER),
    "signed by the payer, whose channel this is not": (CHANNEL, PAYER),
}


@pytest.mark.parametrize(("channel", "key"), OTHER_CHANNELS.values(), ids=OTHER_CHANNELS)
def test_vouchers_that_are_not_for_this_node_are_none(channel: Channel, key: NodeKey) -> None:
    assert read_offer(rules_of(1), ROUTER, voucher(10)) is not None
    assert read_offer(rules_of(1), ROUTER, voucher(10, channel, key)) is None
    assert read_offer(rules_of(1), ROUTER, voucher(10, contract=PAYEE)) is None  # of another contract
    assert read_offer(rules_of(1), ROUTER, replace(voucher(10), cumulative=(11).to_bytes(32))) is None
    assert read_offer(rules_of(1), ROUTER, replace(voucher(10), signature=bytes(65))) is None


def test_a_damaged_book_is_no_empty_one(tmp_path: Path) -> None:
    VoucherBook(tmp_path).keep(HeldVoucher.of(CHANNEL, Voucher(id_of(), 7, 1, bytes(32)), bytes(65)))
    assert VoucherBook(tmp_path).cumulative(id_of()) == 7
    path = tmp_path / VOUCHER_FILE
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ClusterError, match="restore"):
        VoucherBook(tmp_path)


@pytest.mark.parametrize(
    "features",
    [
        [],
        ["vouchers"],
        [f"payee:{PAYEE}", "unpaid_rows:5"],
        ["vouchers", f"payee:{PAYEE.lower()}", "unpaid_rows:5"],
        ["vouchers", f"payee:{PAYEE}", f"payee:{CONTRACT}", "unpaid_rows:5"],
        ["vouchers", f"payee:{PAYEE}", "unpaid_rows:0"],
        ["vouchers", f"payee:{PAYEE}", "unpaid_rows:-5"],
        ["vouchers", f"payee:{PAYEE}", "unpaid_rows:" + "9" * 100],
        ["vouchers", f"payee:{PAYEE}", "unpaid_rows:\u0665"],
    ],
)
def test_terms_that_are_not_understood_are_none(features: list[str]) -> None:
    assert read_terms(features) is None
    terms = PayTerms(PAYEE, 5)
    assert read_terms(["more", *terms.as_features()]) == terms
    assert 1000 + sum(map(len, terms.as_features())) < wire.MAX_HANDSHAKE_BYTES
