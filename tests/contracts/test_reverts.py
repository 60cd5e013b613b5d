"""Every refusal of a contract becomes its name, its arguments and one line for people."""

from __future__ import annotations

import asyncio
from string import Formatter
from typing import Any, get_args

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from chain_kit import CLIENT, FEE, PROVIDER, SPEC, deployed
from moray.contracts.anvil import Anvil
from moray.contracts.artifacts import ContractName, load
from moray.contracts.contract import Contract
from moray.contracts.interface import interface
from moray.contracts.revert_lines import REVERT_LINES
from moray.contracts.reverts import decode_revert, known_errors, revert_data
from moray.contracts.tasks import Content
from moray.errors import Reverted

SAMPLES: dict[str, Any] = {
    "address": "0x" + "ab" * 20,
    "bytes32": bytes(32),
    "string": "said\nso",
    "uint8": 3,
    "uint64": 1_800_000_000,
    "uint256": 2**256 - 1,
}


def test_every_error_of_every_committed_contract_has_a_line_that_names_its_arguments() -> None:
    committed = {each["name"] for name in get_args(ContractName) for each in load(name).abi if each["type"] == "error"}
    assert len(committed) > 50
    assert set(REVERT_LINES) == committed | {"Error", "Panic"}
    for entry in known_errors().values():
        data = entry.selector + encode([p.kind for p in entry.inputs], [SAMPLES[p.kind] for p in entry.inputs])
        reverted = decode_revert(data)
        assert reverted.name == entry.name
        assert list(reverted.arguments) == [parameter.name for parameter in entry.inputs]
        assert "\n" not in str(reverted) and str(reverted).endswith(f"({entry.name})")
        assert {field for _, field, _, _ in Formatter().parse(REVERT_LINES[entry.name]) if field} <= set(
            reverted.arguments
        )


def test_errors_that_share_a_name_in_several_contracts_mean_the_same() -> None:
    signatures: dict[str, set[str]] = {}
    for name in get_args(ContractName):
        for entry in interface(name).errors.values():
            signatures.setdefault(entry.name, set()).add(entry.signature)
    assert {name: found for name, found in signatures.items() if len(found) > 1} == {}


@given(st.binary(max_size=100), st.sampled_from([b"", *known_errors()]))
def test_whatever_a_contract_returns_becomes_one_line(tail: bytes, selector: bytes) -> None:
    reverted = decode_revert(selector + tail)
    assert isinstance(reverted, Reverted)
    assert str(reverted).isprintable() and len(str(reverted)) <= 400


@pytest.mark.parametrize(
    ("error", "data"),
    [
        ({"code": 3, "message": "execution reverted", "data": "0x0102"}, b"\1\2"),
        ({"code": -32000, "message": "x", "data": {"data": "0x0102"}}, b"\1\2"),
        ({"code": 3, "message": "execution reverted"}, b""),
        ({"code": -32000, "message": "execution reverted"}, b""),
        ({"code": -32000, "message": "insufficient funds"}, None),
        ({"code": -32000, "message": "x", "data": "0xzz"}, None),
        ({"code": -32601, "message": "method not found", "data": ["0x01"]}, None),
    ],
)
def test_endpoints_hand_over_the_data_in_different_ways(error: dict[str, Any], data: bytes | None) -> None:
    assert revert_data(error) == data


def test_refusals_on_a_real_chain_are_told_apart(anvil: Anvil) -> None:
    async def provoke() -> None:
        async with deployed(anvil) as there:
            market, task = there.market, await there.task()
            registry = Contract(there.chain, "NodeRegistry", there.addresses.node_registry)

            async def refusal(call: Any, sender: str) -> Reverted:
                with pytest.raises(Reverted) as caught:
                    await there.send(call, sender)
                return caught.value

            poor = await refusal(market.create(task, SPEC), CLIENT.address)
            assert poor.name == "ERC20InsufficientAllowance"
            assert poor.arguments == {"spender": market.address, "allowance": 0, "needed": FEE}
            await there.send(there.currency.approve(market.address, FEE), CLIENT.address)
            poor = await refusal(market.create(task, SPEC), CLIENT.address)
            assert (poor.name, poor.arguments["balance"], poor.arguments["needed"]) == (
                "ERC20InsufficientBalance",
                0,
                FEE,
            )

            await there.fund(CLIENT.address)
            stranger = await refusal(market.create(task, SPEC), PROVIDER.address)
            assert (stranger.name, stranger.arguments) == ("NotClient", {"caller": PROVIDER.address})
            assert (await refusal(market.create(task, b"other"), CLIENT.address)).name == "ContentHashWrong"
            low = await there.task(bond=FEE - 1)
            terms = await refusal(market.create(low, SPEC), CLIENT.address)
            assert (terms.name, terms.arguments) == ("BadTerms", {"reason": "bond below fee"})

            await there.send(market.create(task, SPEC), CLIENT.address)
            early = await refusal(market.close(task), CLIENT.address)
            assert (early.name, early.arguments) == ("TooEarly", {"until": task.accept_by})
            status = await refusal(market.submit(task, Content.of(b"a"), Content.of(b"b")), PROVIDER.address)
            assert (status.name, status.arguments) == ("WrongStatus", {"status": 1})
            assert "status is funded" in str(status)
            owed = await refusal(market.withdraw(PROVIDER.address), PROVIDER.address)
            assert (owed.name, owed.arguments) == ("NothingOwed", {"account": PROVIDER.address})

            with pytest.raises(Reverted) as unknown:
                await there.chain.read(registry.address, b"\1\2\3\4")
            assert (unknown.value.name, unknown.value.arguments) == ("", {})
            with pytest.raises(Reverted) as panic:
                too_much = 2**256 - 1
                await there.send(there.currency.mint(CLIENT.address, too_much), CLIENT.address)
            assert (panic.value.name, panic.value.arguments) == ("Panic", {"panic_code": 0x11})

    asyncio.run(provoke())
