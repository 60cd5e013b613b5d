"""Deploying is refused where it could cost money, and a wrong file of addresses is found out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from chain_kit import CLIENT, DEPLOYER, MEMBERS, deployed
from moray.contracts.addresses import Addresses, read_addresses
from moray.contracts.anvil import Anvil
from moray.contracts.chain import Chain
from moray.contracts.deploy import UNBONDING_TIME_S, check_deployed, deploy_all
from moray.contracts.registry import NodeRegistry
from moray.contracts.resolver import Resolver
from moray.errors import BadKey, BadSetting, ContractMissing, EmptyWallet, MorayError, Reverted
from moray.node_key import NodeKey

OWN_KEY = NodeKey.from_bytes(bytes(31) + b"\7")
SECRET = "s3cret-api-key"
COMMITTEE = [key.address for key in MEMBERS]


async def deploy(anvil: Anvil, key: NodeKey, **options: object) -> Addresses:
    chain = await Chain.open([anvil.url])
    try:
        return await deploy_all(chain, key, resolver_members=COMMITTEE, resolver_threshold=2, **options)  # type: ignore[arg-type]
    finally:
        await chain.close()


def test_what_is_deployed_is_found_and_set_up(anvil: Anvil) -> None:
    async def use() -> None:
        async with deployed(anvil) as there:
            await check_deployed(there.chain, there.addresses)
            resolver = Resolver(there.chain, there.addresses.resolver)
            assert await resolver.members() == tuple(sorted(COMMITTEE, key=str.lower))
            assert await resolver.threshold() == 2
            registry = NodeRegistry(there.chain, there.addresses.node_registry)
            assert await registry.unbonding_time_s() == UNBONDING_TIME_S
            assert await there.currency.decimals() == 6
            first = await there.chain.block(there.addresses.deployed_at_block)
            assert first is not None
            before = await there.chain.endpoints[0].request(
                "eth_getCode", there.addresses.currency, hex(first.number - 1)
            )
            assert before == "0x" and await there.chain.has_code(there.addresses.currency)

    asyncio.run(use())


def test_each_address_of_another_contract_or_none_is_found(anvil: Anvil) -> None:
    names = ["currency", "node_registry", "model_registry", "task_market", "payment_channels", "resolver"]

    async def use() -> None:
        async with deployed(anvil) as there, deployed(anvil) as other:
            for name in names:
                for address in (
                    CLIENT.address,
                    there.addresses.resolver if name == "model_registry" else there.addresses.model_registry,
                ):
                    wrong = there.addresses.model_copy(update={name: address})
                    if wrong == there.addresses:
                        continue
                    with pytest.raises((ContractMissing, Reverted)) as caught:
                        await check_deployed(there.chain, wrong)
                    assert str(caught.value).isprintable() and "check" in str(caught.value)
            for name in ("node_registry", "task_market", "payment_channels"):
                strange = there.addresses.model_copy(update={name: getattr(other.addresses, name)})
                with pytest.raises(ContractMissing, match="is for the currency"):
                    await check_deployed(there.chain, strange)
            with pytest.raises(BadSetting, match="of chain 1 and"):
                await check_deployed(there.chain, there.addresses.model_copy(update={"chain_id": 1}))

    asyncio.run(use())


def test_off_the_development_chain_nothing_is_deployed_by_mistake() -> None:
    with Anvil(chain_id=31338) as other:
        for key, options, error, words in (
            (OWN_KEY, {}, BadSetting, "unaudited"),
            (OWN_KEY, {"currency": CLIENT.address}, BadSetting, "unaudited"),
            (OWN_KEY, {"unsafe_unaudited": True}, BadSetting, "no test currency"),
            (DEPLOYER, {"unsafe_unaudited": True, "currency": CLIENT.address}, BadKey, "everybody knows"),
            (OWN_KEY, {"unsafe_unaudited": True, "currency": CLIENT.address}, ContractMissing, "no contract at"),
        ):
            with pytest.raises(error, match=words):
                asyncio.run(deploy(other, key, **options))


def test_an_empty_wallet_is_told_before_anything_is_sent(anvil: Anvil) -> None:
    with pytest.raises(EmptyWallet, match=OWN_KEY.address):
        asyncio.run(deploy(anvil, OWN_KEY))


def test_what_a_constructor_refuses_is_told(anvil: Anvil) -> None:
    with pytest.raises(Reverted) as caught:
        asyncio.run(deploy(anvil, DEPLOYER, unbonding_time_s=10, claim_window_s=20))
    assert caught.value.name == "UnbondingTooShort"
    assert caught.value.arguments == {"given": 10, "needed": 20 + 48 * 3600}


ADDRESSES = Addresses(
    chain_id=31337,
    rpc_urls=(f"https://rpc.example.org/v2/{SECRET}", f"http://127.0.0.1:8545/?key={SECRET}"),
    currency=CLIENT.address,
    node_registry=CLIENT.address,
    model_registry=CLIENT.address,
    task_market=CLIENT.address,
    payment_channels=CLIENT.address,
    resolver=CLIENT.address,
    deployed_at_block=7,
)


def test_the_file_of_addresses_comes_back_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    ADDRESSES.write(path)
    assert read_addresses(path) == ADDRESSES
    assert path.stat().st_mode & 0o777 == 0o600
    assert SECRET not in repr(ADDRESSES) and SECRET not in str(ADDRESSES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task_market": CLIENT.address.lower()}, "task_market"),
        ({"task_market": None}, "task_market"),
        ({"rpc_urls": []}, "rpc_urls"),
        ({"rpc_urls": [f"ftp://h/{SECRET}"]}, "rpc_urls.0"),
        ({"rpc_urls": ["http://h/" + SECRET * 1000]}, "rpc_urls.0"),
        ({"chain_id": 0}, "chain_id"),
        ({"deployed_at_block": -1}, "deployed_at_block"),
        ({"more": 1}, "more"),
    ],
)
def test_a_wrong_file_of_addresses_is_refused_in_one_line(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    path = tmp_path / "chain.json"
    path.write_text(json.dumps(ADDRESSES.model_dump(mode="json") | change))
    with pytest.raises(BadSetting) as caught:
        read_addresses(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: {words}: ") and text.isprintable() and SECRET not in text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'"' + b"a" * 100_000 + b'"', b"[" * 60_000])
def test_a_file_of_anything_else_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "chain.json"
    path.write_bytes(content)
    for each in (path, tmp_path / "none.json", tmp_path):
        with pytest.raises(MorayError) as caught:
            read_addresses(each)
        assert isinstance(caught.value, BadSetting) and str(caught.value).isprintable()
