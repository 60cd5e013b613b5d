"""The signer's desk: nothing is signed that was not decided, written down and reserved before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moray.agents.journal import Entry, Journal, verify
from moray.agents.policy.decision import Refusal
from moray.agents.policy.ledger import DAY_S, NATIVE
from moray.agents.policy.request import TransactionRequest, TypedDataRequest
from moray.agents.signer.approvals import ApprovalFile, draft, parse_approval
from moray.agents.signer.breaker import Breaker
from moray.contracts.development_keys import DEVELOPMENT_KEYS
from moray.errors import (
    ApprovalNeeded,
    ApprovalRefused,
    BadInput,
    BadSetting,
    DryRun,
    JournalUnusable,
    MorayError,
    PolicyDenied,
)
from moray.node_key import NodeKey
from signer_kit import (
    APPROVER,
    CHAIN_ID,
    ETHER,
    FRIEND,
    KEY,
    OTHER_APPROVER,
    PER_DAY,
    POLICY,
    STRANGER,
    Office,
    office,
    payment,
    sender_of,
)

USER = 1234
LARGE = 6 * ETHER // 10  # needs an approval


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Office]:
    made = office(tmp_path)
    yield made
    made.close()


def used(here: Office) -> int:
    with here.book.begin() as pages:
        return pages.view(here.clock.now).used(CHAIN_ID, NATIVE, here.clock.now, DAY_S)


def test_what_the_policy_allows_is_signed_by_the_account(here: Office) -> None:
    raw = here.desk.sign(payment(0), USER)
    assert sender_of(raw) == KEY.address
    assert here.kinds() == ["decision", "signed"] and here.outcomes() == ["allowed"]
    assert used(here) == ETHER // 10


def test_a_denial_is_told_and_journaled_and_reserves_nothing(here: Office) -> None:
    with pytest.raises(PolicyDenied) as denied:
        here.desk.sign(payment(0, to=STRANGER.address), USER)
    assert here.outcomes() == [denied.value.code] and here.key.num_signed == 0 and used(here) == 0


def test_a_chain_that_is_not_live_is_decided_and_not_signed(tmp_path: Path) -> None:
    here = office(tmp_path, live=frozenset())
    with pytest.raises(DryRun):
        here.desk.sign(payment(0), USER)
    with pytest.raises(PolicyDenied):
        here.desk.sign(payment(0, to=STRANGER.address), USER)
    assert here.key.num_signed == 0 and used(here) == 0 and here.outcomes()[0] == "dry_run"
    here.close()


def test_a_chain_that_the_policy_does_not_call_live_is_not_made_so_by_an_option(tmp_path: Path) -> None:
    here = office(tmp_path, live=frozenset({5}))
    with pytest.raises(DryRun):
        here.desk.sign(payment(0, chain_id=5), USER)
    assert here.key.num_signed == 0 and here.outcomes() == ["dry_run"]
    here.close()


def test_the_policy_of_another_account_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="give the one that fits"):
        office(tmp_path, address=STRANGER.address)


def test_a_development_account_signs_for_the_development_chain_only(tmp_path: Path) -> None:
    known = DEVELOPMENT_KEYS[3]
    policy = POLICY.replace(KEY.address, known.address).replace("live: false", "live: true")
    here = office(tmp_path, policy, live=frozenset({5}), address=known.address)
    with pytest.raises(PolicyDenied) as denied:
        here.desk.sign(payment(0, chain_id=5), USER)
    assert denied.value.code == "development_key" and here.key.num_signed == 0
    here.close()


def test_the_same_again_and_a_fee_bump_reserve_once_and_another_call_at_their_tx_nonce_is_refused(
    here: Office,
) -> None:
    first = here.desk.sign(payment(0), USER)
    assert here.desk.sign(payment(0), USER) == first
    bumped = here.desk.sign(payment(0, max_fee_wei=20 * 10**9), USER)
    assert bumped != first and used(here) == ETHER // 10
    with pytest.raises(PolicyDenied) as denied:
        here.desk.sign(payment(0, value_wei=ETHER // 5), USER)
    assert denied.value.code == "tx_nonce_taken" and used(here) == ETHER // 10
    cancelled = here.desk.sign(payment(0, value_wei=0, to=KEY.address, max_fee_wei=30 * 10**9), USER)
    assert sender_of(cancelled) == KEY.address


def test_many_at_once_do_not_take_more_than_the_limit_together(here: Office) -> None:
    def ask(number: int) -> bool:
        with suppress(PolicyDenied):
            here.desk.sign(payment(number, value_wei=4 * ETHER // 10), USER)
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        signed = list(pool.map(ask, range(12)))
    assert signed.count(True) == PER_DAY // (4 * ETHER // 10) == here.key.num_signed
    assert used(here) == PER_DAY


def test_what_was_signed_counts_after_a_restart_and_lapses_after_a_day(tmp_path: Path) -> None:
    for round_number in range(2):
        here = office(tmp_path)
        for number in range(2):
            here.desk.sign(payment(2 * round_number + number, value_wei=ETHER // 2), USER)
        here.close()
    here = office(tmp_path)
    with pytest.raises(PolicyDenied):
        here.desk.sign(payment(9), USER)
    here.clock.now += DAY_S + 1
    assert here.desk.sign(payment(9), USER)
    here.close()


def test_what_is_no_request_and_typed_data_that_is_none_are_denials_in_the_journal(here: Office) -> None:
    with pytest.raises(PolicyDenied):
        here.desk.turn_away(Refusal("bad_request", "nonsense"), USER)
    broken: list[dict[str, Any]] = [{}, {"domain": 3}, {"domain": {"chainId": CHAIN_ID}}, {"domain": {"chainId": "1"}}]
    for data in broken:
        with pytest.raises(PolicyDenied) as denied:
            here.desk.sign(TypedDataRequest(data), USER)
        assert denied.value.code == "bad_request"
    assert here.outcomes() == ["bad_request"] * 5


# -- the switches -----------------------------------------------------------------------------------------------------


def test_a_killed_signer_signs_nothing_until_it_is_revived(here: Office) -> None:
    here.desk.kill(USER)
    with pytest.raises(PolicyDenied) as denied:
        here.desk.sign(payment(0), USER)
    assert denied.value.code == "halted" and here.desk.status()["halted"]
    with here.book.begin() as pages:
        pages.revive()
    assert here.desk.sign(payment(0), USER)
    assert here.kinds() == ["halted", "decision", "revived", "decision", "signed"]


def test_a_file_stops_it_too(here: Office, tmp_path: Path) -> None:
    (tmp_path / "ledger.halted").touch()
    with pytest.raises(PolicyDenied, match="is there"):
        here.desk.sign(payment(0), USER)
    (tmp_path / "ledger.halted").unlink()
    assert here.desk.sign(payment(0), USER)


def test_too_many_denials_in_a_while_stop_it_and_few_do_not(tmp_path: Path) -> None:
    here = office(tmp_path, breaker=Breaker(3, 60.0))
    for _ in range(5):  # never three within a minute
        with suppress(PolicyDenied):
            here.desk.sign(payment(0, to=STRANGER.address), USER)
        here.clock.now += 31
    assert here.desk.sign(payment(0), USER)
    for _ in range(3):
        with suppress(PolicyDenied):
            here.desk.sign(payment(1, to=STRANGER.address), USER)
    here.clock.now += 3600
    with pytest.raises(PolicyDenied) as denied:
        here.desk.sign(payment(1), USER)
    assert denied.value.code == "halted" and "halted" in here.kinds()
    here.close()


# -- approvals --------------------------------------------------------------------------------------------------------


def asked(here: Office, *requests: TransactionRequest, salt: int = 1, lasts_s: int = 3600) -> ApprovalFile:
    version = here.desk.status()["policy_version"]
    return draft(requests, KEY.address, version, int(here.clock.now) + lasts_s, bytes([salt]) * 32)


def agree(file: ApprovalFile, *keys: NodeKey) -> ApprovalFile:
    signatures = tuple(f"0x{key.sign_typed_data(file.approval.typed_data).hex()}" for key in keys)
    return parse_approval(file.model_copy(update={"signatures": signatures}).model_dump_json().encode())


def hand_in(here: Office, file: ApprovalFile) -> None:
    here.desk.approve(file.approval, file.signatures, USER)


def test_an_approved_call_is_signed_once_and_its_fee_bump_is_no_second_use(here: Office) -> None:
    large = payment(0, value_wei=LARGE)
    with pytest.raises(ApprovalNeeded):
        here.desk.sign(large, USER)
    hand_in(here, agree(asked(here, large), APPROVER))
    assert here.desk.sign(large, USER) and used(here) == LARGE
    assert here.desk.sign(replace(large, max_fee_wei=20 * 10**9), USER)
    with pytest.raises(ApprovalNeeded):
        here.desk.sign(replace(large, tx_nonce=1), USER)
    hand_in(here, agree(asked(here, large), APPROVER))  # the same once more
    with pytest.raises(ApprovalNeeded):
        here.desk.sign(replace(large, tx_nonce=1), USER)
    hand_in(here, agree(asked(here, large, salt=2), APPROVER))
    assert here.desk.sign(replace(large, tx_nonce=1), USER)


@pytest.mark.parametrize(
    "changes", [{"value_wei": LARGE + 1}, {"gas": 60_000, "max_fee_wei": 50 * 10**9}], ids=["value", "gas"]
)
def test_an_approval_is_for_what_it_says_only(here: Office, changes: dict[str, Any]) -> None:
    large = payment(0, value_wei=LARGE)
    hand_in(here, agree(asked(here, large), APPROVER))
    with pytest.raises(ApprovalNeeded):
        here.desk.sign(replace(large, **changes), USER)
    assert here.key.num_signed == 0


def test_a_recipient_is_known_by_an_agreement_and_not_by_what_it_was_paid(tmp_path: Path) -> None:
    policy = POLICY.replace('approval_above: "0.5", new_recipient_above: "never"', 'new_recipient_above: "0.2"', 1)
    here = office(tmp_path, policy)
    for tx_nonce in range(2):
        here.desk.sign(payment(tx_nonce, value_wei=ETHER // 10), USER)
    for amount in (1, ETHER // 2):  # of wei: what was paid counts, and makes nobody known
        with pytest.raises(ApprovalNeeded, match="new"):
            here.desk.sign(payment(2, value_wei=amount), USER)
    here.clock.now += DAY_S + 1
    here.desk.sign(payment(2, value_wei=ETHER // 5), USER)
    hand_in(here, agree(asked(here, payment(3, value_wei=ETHER // 10)), APPROVER))
    here.desk.sign(payment(3, value_wei=ETHER // 10), USER)
    assert here.desk.sign(payment(4, value_wei=ETHER), USER)
    here.close()


def test_an_approval_does_not_lift_a_limit(here: Office) -> None:
    beyond = payment(0, value_wei=ETHER + 1)
    hand_in(here, agree(asked(here, beyond), APPROVER))
    with pytest.raises(PolicyDenied):
        here.desk.sign(beyond, USER)


def test_who_is_no_approver_or_asks_itself_does_not_approve(here: Office) -> None:
    file = asked(here, payment(0, value_wei=LARGE))
    for keys in ((), (STRANGER,), (KEY,), (KEY, FRIEND, STRANGER)):
        with pytest.raises(ApprovalRefused, match="0 of 1"):
            hand_in(here, agree(file, *keys))
    assert "approved" not in here.kinds()


def test_two_signatures_of_one_approver_are_one(tmp_path: Path) -> None:
    here = office(tmp_path, POLICY.replace("approvals_needed: 1", "approvals_needed: 2"))
    file = asked(here, payment(0, value_wei=LARGE))
    with pytest.raises(ApprovalRefused, match="1 of 2"):
        hand_in(here, agree(file, APPROVER, APPROVER))
    hand_in(here, agree(file, APPROVER, OTHER_APPROVER))
    assert here.desk.sign(payment(0, value_wei=LARGE), USER)
    here.close()


def test_an_approval_lapses_with_its_deadline_and_with_the_policy(tmp_path: Path) -> None:
    here, large = office(tmp_path), payment(0, value_wei=LARGE)
    file = agree(asked(here, large, lasts_s=60), APPROVER)
    hand_in(here, file)
    here.clock.now += 61
    with pytest.raises(ApprovalNeeded):
        here.desk.sign(large, USER)
    with pytest.raises(ApprovalRefused, match="deadline"):
        hand_in(here, file)
    with pytest.raises(ApprovalRefused, match="lasts"):
        hand_in(here, agree(asked(here, large, lasts_s=30 * DAY_S), APPROVER))
    hand_in(here, agree(asked(here, large), APPROVER))
    here.close()
    changed = office(tmp_path, POLICY.replace('per_day: "2"', 'per_day: "3"'))
    with pytest.raises(ApprovalNeeded):
        changed.desk.sign(large, USER)
    changed.close()


def test_an_approval_of_another_account_or_with_a_changed_word_is_refused(here: Office) -> None:
    file = agree(asked(here, payment(0, value_wei=LARGE)), APPROVER)
    for changes in (
        {"account": STRANGER.address},
        {"chain_id": 1},
        {"salt": "0x" + "33" * 32},
        {"deadline": file.approval.deadline + 1},
        {"calls": (file.approval.calls[0].model_copy(update={"value_wei": LARGE + 1}),)},
    ):
        with pytest.raises(ApprovalRefused):
            here.desk.approve(file.approval.model_copy(update=changes), file.signatures, USER)


def test_an_approver_is_not_shown_other_data_than_is_signed_for(here: Office) -> None:
    content = json.loads(asked(here, payment(0, data=b"abcd")).model_dump_json())
    with pytest.raises(BadInput, match="not what would be agreed to"):
        parse_approval(json.dumps(content | {"data": ["0x61626365"]}).encode())


# -- faults -----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone."""


class FaultyJournal(Journal):
    """Fails at one of its writes: before anything, half way, or when all is written."""

    fuse: int = -1
    fault: str = ""

    def append(self, kind: str, fields: dict[str, Any]) -> Entry:
        type(self).fuse -= 1
        if self.fuse == -1:
            match self.fault:
                case "full":
                    self._write = self._half  # type: ignore[method-assign]
                case "locked":
                    raise JournalUnusable("locked")
                case "killed before":
                    raise Killed
                case "killed after":
                    super().append(kind, fields)
                    raise Killed
        return super().append(kind, fields)

    def _half(self, line: bytes) -> None:
        Journal._write(self, line[: len(line) // 2])
        raise OSError(28, "No space left on device")


@settings(max_examples=25)
@given(
    fault=st.sampled_from(["full", "locked", "killed before", "killed after"]),
    fuse=st.integers(0, 9),
    values=st.lists(st.integers(1, 6), min_size=1, max_size=6),
)
def test_whatever_fails_no_signature_is_made_that_the_journal_and_the_ledger_do_not_have(
    fault: str, fuse: int, values: list[int]
) -> None:
    """The key itself looks into the journal on disk (WatchingKey)."""
    with TemporaryDirectory() as folder:
        FaultyJournal.fuse, FaultyJournal.fault = fuse, fault
        here, left = office(Path(folder), make_journal=FaultyJournal), 0
        for tx_nonce, tenths in enumerate(values):
            try:
                here.desk.sign(payment(tx_nonce, value_wei=tenths * ETHER // 10), USER)
                left += tenths * ETHER // 10
            except MorayError:
                pass
            except Killed:
                here.close()
                here = office(Path(folder))
        assert left <= used(here) <= PER_DAY
        here.close()
        assert verify(Path(folder) / "journal").number >= 2 * (left > 0)


def test_a_journal_that_cannot_be_written_signs_nothing(tmp_path: Path) -> None:
    FaultyJournal.fuse, FaultyJournal.fault = 0, "full"
    here = office(tmp_path, make_journal=FaultyJournal)
    for tx_nonce in range(2):
        with pytest.raises(JournalUnusable):
            here.desk.sign(payment(tx_nonce), USER)
    assert here.key.num_signed == 0 and used(here) == 0
    here.close()


def test_a_signature_that_cannot_be_journaled_does_not_leave_and_stays_reserved(tmp_path: Path) -> None:
    FaultyJournal.fuse, FaultyJournal.fault = 1, "full"
    here = office(tmp_path, make_journal=FaultyJournal)
    with pytest.raises(JournalUnusable):
        here.desk.sign(payment(0), USER)
    assert used(here) == ETHER // 10
    here.close()
