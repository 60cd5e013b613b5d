"""A task's id is the contract's; terms and contents are the contract's structs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_kit import deployed
from moray.contracts.anvil import Anvil
from moray.contracts.artifacts import load
from moray.contracts.tasks import MAX_INLINE_BYTES, Content, Outcome, Status, Task, task_id
from moray.errors import BadInput
from moray.ethereum import to_checksum_address

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: to_checksum_address(raw.hex()))
hashes = st.binary(min_size=32, max_size=32)


def below(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


tasks = st.builds(
    Task,
    client=addresses,
    provider=addresses,
    model_id=hashes,
    spec_hash=hashes,
    spec_uri=st.text(max_size=80),
    fee=below(128),
    bond=below(128),
    accept_by=below(64),
    submit_within=below(32),
    challenge_window=below(32),
    resolve_within=below(32),
    resolver=addresses,
    callback=addresses,
    callback_gas=below(32),
    salt=hashes,
)


def test_the_id_computed_here_is_the_contracts(anvil: Anvil) -> None:
    with asyncio.Runner() as runner:
        opened = deployed(anvil)
        there = runner.run(opened.__aenter__())

        @settings(max_examples=60)
        @given(tasks)
        def agree(task: Task) -> None:
            from_contract = runner.run(there.market.contract.read("taskId", task.as_struct()))
            assert task_id(task, there.chain.chain_id, there.market.address) == from_contract

        agree()
        runner.run(opened.__aexit__(None, None, None))


def test_terms_have_the_contracts_fields_in_its_order() -> None:
    (created,) = [each for each in load("TaskMarket").abi if each.get("name") == "createTask"]
    names = [component["name"] for component in created["inputs"][0]["components"]]
    snake = [re.sub(r"([a-z])([A-Z]+)", lambda m: f"{m[1]}_{m[2].lower()}", name).lower() for name in names]
    assert list(Task.__dataclass_fields__) == snake


@given(tasks, st.sampled_from(list(Task.__dataclass_fields__)), st.data())
def test_another_term_makes_another_id(task: Task, name: str, data: st.DataObject) -> None:
    other = data.draw(tasks)
    changed = Task(**{field: getattr(other if field == name else task, field) for field in Task.__dataclass_fields__})
    market = "0x" + "11" * 20
    assert (task_id(changed, 1, market) == task_id(task, 1, market)) == (changed == task)
    assert task_id(task, 2, market) != task_id(task, 1, market) != task_id(task, 1, "0x" + "22" * 20)


def test_short_contents_are_inline_and_long_ones_at_their_uri() -> None:
    most = bytes(MAX_INLINE_BYTES)
    assert Content.of(most) == Content(keccak(most), most, "")
    assert Content.of(most, "http://a/b") == Content(keccak(most), most, "")
    assert Content.of(most + b"\0", "http://a/b") == Content(keccak(most + b"\0"), b"", "http://a/b")
    assert Content.of(b"") == Content(keccak(b""), b"", "")
    with pytest.raises(BadInput, match="say where it is"):
        Content.of(most + b"\0")


def test_statuses_and_outcomes_are_the_contracts_in_its_order() -> None:
    text = source()
    for enum, members in ((Status, Status.__members__), (Outcome, Outcome.__members__)):
        (body,) = re.findall(rf"enum {enum.__name__} {{(.*?)}}", text, re.DOTALL)
        assert [name.upper() for name in re.findall(r"\b[A-Z]\w+", body)] == list(members)
    assert [status.name for status in Status if status.is_final] == [
        "CANCELLED",
        "EXPIRED",
        "VALID",
        "INVALID",
        "INCONCLUSIVE",
    ]


def source() -> str:
    """The interface without its comments."""
    path = Path(__file__).parents[2] / "contracts" / "src" / "interfaces" / "ITaskMarket.sol"
    return re.sub(r"//.*", "", path.read_text(encoding="utf-8"))
