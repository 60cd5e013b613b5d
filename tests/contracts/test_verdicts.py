"""Members' verdicts in a shared folder: counted for their signatures, whatever else lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from moray.contracts.anvil import DEVELOPMENT_KEYS
from moray.contracts.tasks import Outcome
from moray.contracts.verdicts import MAX_VERDICT_BYTES, SignedVerdict, VerdictFolder, signatures_of
from moray.errors import BadSetting
from moray.node_key import NodeKey, TypedData, typed_data

TASK, RESULT, TRANSCRIPT = b"\1" * 32, b"\2" * 32, b"\3" * 32
FIRST, SECOND, THIRD, STRANGER = DEVELOPMENT_KEYS[:4]
MEMBERS = [key.address for key in (FIRST, SECOND, THIRD)]


def data(outcome: Outcome) -> TypedData:
    return typed_data(31337, "Said", {"Said": {"outcome": "uint8"}}, {"outcome": int(outcome)})


def verdict(key: NodeKey, outcome: Outcome = Outcome.INVALID, by: NodeKey | None = None) -> SignedVerdict:
    return SignedVerdict(
        task_id=TASK,
        result_hash=RESULT,
        transcript_hash=TRANSCRIPT,
        outcome=outcome,
        member=key.address,
        signature=(by or key).sign_typed_data(data(outcome)),
    )


def test_those_who_agree_are_counted_once_each(tmp_path: Path) -> None:
    folder, own = VerdictFolder(tmp_path), verdict(FIRST)
    for each in (own, verdict(SECOND), verdict(SECOND), verdict(THIRD, Outcome.VALID)):
        folder.put(each)
    found = signatures_of(own, folder.of(TASK), MEMBERS, data(own.outcome))
    assert found == {FIRST.address: own.signature, SECOND.address: verdict(SECOND).signature}


def test_neither_strangers_nor_signatures_of_others_count(tmp_path: Path) -> None:
    folder, own = VerdictFolder(tmp_path), verdict(FIRST)
    folder.put(verdict(STRANGER))
    folder.put(verdict(SECOND, by=STRANGER))
    folder.put(verdict(THIRD).model_copy(update={"result_hash": bytes(32)}))
    assert len(folder.of(TASK)) == 3
    assert signatures_of(own, folder.of(TASK), MEMBERS, data(own.outcome)) == {FIRST.address: own.signature}


def test_what_is_no_verdict_is_left_out(tmp_path: Path) -> None:
    folder = VerdictFolder(tmp_path)
    for number, content in enumerate((b"", b"{}", b"\xff", b" " * (MAX_VERDICT_BYTES + 1))):
        (tmp_path / f"{TASK.hex()}-{number}.json").write_bytes(content)
    (tmp_path / f"{TASK.hex()}-folder.json").mkdir()
    folder.put(verdict(FIRST))
    assert folder.of(TASK) == [verdict(FIRST)]
    assert folder.of(RESULT) == []


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="--verdicts"):
        VerdictFolder(tmp_path / "none")
