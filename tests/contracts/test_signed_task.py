"""A signed task's file: what was written is what is read, and nothing else is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_kit import SPEC, plain_task
from moray.contracts.anvil import DEVELOPMENT_KEYS
from moray.contracts.signed_task import MAX_SIGNED_TASK_BYTES, SignedTask, parse_signed_task
from moray.errors import BadSetting

MARKET = DEVELOPMENT_KEYS[9].address


def signed(salt: bytes = bytes(32), spec: bytes = SPEC, valid_before: int = 2**40) -> SignedTask:
    task = plain_task(DEVELOPMENT_KEYS[8].address, 10**9)
    changed = {name: getattr(task, name) for name in task.__dataclass_fields__} | {"salt": salt}
    return SignedTask(
        chain_id=31337,
        task_market=MARKET,
        task=type(task)(**changed),
        spec=spec,
        valid_after=0,
        valid_before=valid_before,
        signature=bytes(65),
    )


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_a_signed_task_is_read_as_it_was_written(salt: bytes, spec: bytes, valid_before: int) -> None:
    written = signed(salt, spec, valid_before)
    read = parse_signed_task(written.encode(), "x")
    assert read == written and read.id == written.id


def test_the_id_is_of_the_chain_the_market_and_the_terms() -> None:
    plain = signed()
    others = [
        plain.model_copy(update={"chain_id": 1}),
        plain.model_copy(update={"task_market": DEVELOPMENT_KEYS[0].address}),
        signed(salt=b"\1" * 32),
    ]
    assert len({plain.id, *(other.id for other in others)}) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": "31337"},
        {"chain_id": 0},
        {"task_market": "0x12"},
        {"spec": "0x00"},
        {"valid_before": -1},
        {"more": 1},
        {"signature": "00" * 5000},
    ],
)
def test_a_file_that_is_no_signed_task_is_refused_by_name(changes: dict[str, object]) -> None:
    content = json.loads(signed().encode()) | changes
    with pytest.raises(BadSetting, match="here is no signed task"):
        parse_signed_task(json.dumps(content).encode(), "here")


@pytest.mark.parametrize(
    ("field", "value"),
    [("fee", -1), ("fee", 2**128), ("fee", "1"), ("salt", "00" * 33), ("client", "0xff"), ("callback_gas", 2**32)],
)
def test_terms_that_no_contract_takes_are_refused(field: str, value: object) -> None:
    content = json.loads(signed().encode())
    content["task"][field] = value
    with pytest.raises(BadSetting, match="no signed task"):
        parse_signed_task(json.dumps(content).encode(), "x")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 50_000, b" " * (MAX_SIGNED_TASK_BYTES + 1)])
def test_bytes_that_are_no_file_of_ours_are_refused(content: bytes) -> None:
    with pytest.raises(BadSetting, match="no signed task"):
        parse_signed_task(content, "x")
