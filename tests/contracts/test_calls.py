"""Typed calls, events and signatures against the real contracts: lives of tasks, nodes, models and channels."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_kit import BOND, CHALLENGER, CLIENT, FEE, MEMBERS, PROVIDER, SPEC, deployed
from moray.architecture import parse_architecture
from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil
from moray.contracts.channels import Channel, ChannelState, PaymentChannels, Voucher, headroom
from moray.contracts.market import TaskAccepted, TaskChallenged, TaskClosed, TaskCreated, TaskSubmitted
from moray.contracts.models import ModelRecord, ModelRegistry
from moray.contracts.registry import NodeRecord, NodeRegistry, Stake
from moray.contracts.resolver import Resolver
from moray.contracts.tasks import NOBODY, Content, Outcome, Status, task_id
from moray.errors import Reverted
from moray.experts.keccak import keccak
from moray.experts.model_identity import SPECIFICATION, model_identity, table_digest
from moray.experts.random_checkpoint import TINY_CONFIG
from moray.experts.weight_root import tree_shape

RESULT, TRANSCRIPT = Content.of(b"the answer"), Content.of(b"x" * 9000, "http://node/content/1")
OPERATOR, SIGNER, SECOND_SIGNER = DEVELOPMENT_KEYS[7:10]


def test_a_tasks_life_as_calls_states_and_typed_events(anvil: Anvil) -> None:
    async def use() -> None:
        async with deployed(anvil) as there:
            market, task = there.market, await there.task()
            id = market.id_of(task)
            assert id == task_id(task, 31337, market.address)
            for key in (CLIENT, PROVIDER, CHALLENGER):
                await there.fund(key.address)
            logs = await there.send(market.create(task, SPEC), CLIENT.address)
            assert (await market.state(id)).status is Status.FUNDED
            logs += await there.send(market.accept(task), PROVIDER.address)
            logs += await there.send(market.submit(task, RESULT, TRANSCRIPT), PROVIDER.address)
            state = await market.state(id, agreed=True)
            assert (state.status, state.provider, state.challenger) == (Status.SUBMITTED, PROVIDER.address, NOBODY)
            assert state.submission == keccak(RESULT.hash + TRANSCRIPT.hash) and not state.is_called_back
            logs += await there.send(market.challenge(task, RESULT.hash, TRANSCRIPT.hash), CHALLENGER.address)
            resolver = Resolver(there.chain, there.addresses.resolver)
            verdict = market.address, id, RESULT.hash, TRANSCRIPT.hash, Outcome.INVALID
            signatures = {
                key.address: key.sign_typed_data(resolver.verdict_typed_data(*verdict)) for key in MEMBERS[:2]
            }
            call = resolver.resolve(task, market, RESULT.hash, TRANSCRIPT.hash, Outcome.INVALID, signatures)
            logs += await there.send(call, CLIENT.address)

            bounty = BOND // 5
            events = market.events(logs)
            assert [type(event) for event in events] == [
                *(TaskCreated, TaskAccepted, TaskSubmitted, TaskChallenged, TaskClosed)
            ]
            created, accepted, sent, challenged, closed = events
            assert isinstance(created, TaskCreated) and (created.task, created.spec) == (task, SPEC)
            assert isinstance(accepted, TaskAccepted) and accepted.provider == PROVIDER.address
            assert isinstance(sent, TaskSubmitted) and (sent.result, sent.transcript) == (RESULT, TRANSCRIPT)
            assert sent.challenge_by == state.until
            assert isinstance(challenged, TaskChallenged) and challenged.challenger == CHALLENGER.address
            assert isinstance(closed, TaskClosed) and closed.status is Status.INVALID
            assert (closed.to_client, closed.to_provider, closed.to_challenger, closed.burned) == (
                *(FEE, 0, BOND + bounty, BOND - bounty),
            )
            assert {event.id for event in events} == {id}

            assert await market.owed(CHALLENGER.address, agreed=True) == BOND + bounty
            before = await there.currency.balance(CHALLENGER.address)
            await there.send(market.withdraw(CHALLENGER.address), CLIENT.address)
            assert await there.currency.balance(CHALLENGER.address) == before + BOND + bounty

    asyncio.run(use())


def test_the_other_ends_and_the_callback_are_calls_too(anvil: Anvil) -> None:
    async def use() -> None:
        async with deployed(anvil) as there:
            market = there.market
            for key in (CLIENT, PROVIDER):
                await there.fund(key.address)
            callback = "0x" + "77" * 20
            await there.chain.endpoints[0].request("anvil_setCode", callback, "0x00")  # STOP: it takes every call
            task = await there.task(callback=callback, callback_gas=50_000)
            id = market.id_of(task)
            await there.send(market.create(task, SPEC), CLIENT.address)
            await there.send(market.accept(task), PROVIDER.address)
            await there.send(market.submit(task, RESULT, TRANSCRIPT), PROVIDER.address)
            await there.later(task.challenge_window + 1)
            (closed,) = market.events(await there.send(market.close(task), CLIENT.address))
            assert isinstance(closed, TaskClosed) and closed.status is Status.VALID
            await there.send(market.call_back(task, RESULT.data, TRANSCRIPT.hash), CLIENT.address)
            assert (await market.state(id)).is_called_back

            other = replace(await there.task(), salt=bytes(31) + b"\1")
            await there.send(market.create(other, SPEC), CLIENT.address)
            (closed,) = market.events(await there.send(market.cancel(other), CLIENT.address))
            assert isinstance(closed, TaskClosed) and closed.status is Status.CANCELLED
            assert await market.currency() == there.currency.address

    asyncio.run(use())


def test_a_client_without_ether_creates_a_task_by_signing(anvil: Anvil) -> None:
    async def use() -> None:
        async with deployed(anvil) as there:
            market, currency, task = there.market, there.currency, await there.task()
            await there.send(currency.mint(CLIENT.address, FEE), CLIENT.address)
            id = market.id_of(task)
            now = (await there.chain.head()).timestamp

            async def create(payer: str, amount: int, nonce: bytes, valid_before: int) -> None:
                data = await currency.authorization_typed_data(payer, market.address, amount, 0, valid_before, nonce)
                signature = CLIENT.sign_typed_data(data)
                call = market.create_with_authorization(task, SPEC, 0, valid_before, signature)
                await there.send(call, CHALLENGER.address)

            for wrong in (
                (CLIENT.address, FEE + 1, id, now + 600),
                (CLIENT.address, FEE, bytes(32), now + 600),
                (PROVIDER.address, FEE, id, now + 600),
            ):
                with pytest.raises(Reverted) as refused:
                    await create(*wrong)
                assert refused.value.name == "ERC3009InvalidSignature"
            with pytest.raises(Reverted) as expired:
                await create(CLIENT.address, FEE, id, now - 1)
            assert expired.value.name == "ERC3009InvalidAuthorizationTime"
            await create(CLIENT.address, FEE, id, now + 600)
            assert (await market.state(id)).status is Status.FUNDED
            assert await currency.balance(CLIENT.address) == 0

    asyncio.run(use())


def test_a_nodes_life(anvil: Anvil) -> None:
    async def use() -> None:
        async with deployed(anvil) as there:
            registry = NodeRegistry(there.chain, there.addresses.node_registry)
            operator, slasher = OPERATOR.address, there.addresses.task_market
            deadline = (await there.chain.head()).timestamp + 600

            def proof(of: str) -> bytes:
                key = next(key for key in (SIGNER, SECOND_SIGNER) if key.address == of)
                return key.sign_typed_data(registry.signer_typed_data(operator, of, deadline))

            assert await registry.node(1) is None and await registry.node_of(SIGNER.address) == 0
            call = registry.register(SIGNER.address, deadline, proof(SIGNER.address))
            with pytest.raises(Reverted) as stolen:
                await there.send(call, CLIENT.address)
            assert stolen.value.name == "BadSignerProof"
            id = registry.node_id_in(await there.send(call, operator))
            await there.send(there.currency.mint(operator, 100), operator)
            await there.send(there.currency.approve(registry.address, 100), operator)
            await there.send(registry.deposit(id, 100), operator)
            await there.send(registry.allot(id, slasher, 60), operator)
            assert await registry.node(id, agreed=True) == NodeRecord(id, operator, SIGNER.address, 100, 0)
            assert await registry.stake(id, slasher) == Stake(60, 0, 0)
            assert await registry.stake(id, NOBODY) == Stake(40, 0, 0)

            await there.send(registry.unbond(id, slasher, 25), operator)
            leaving = await registry.stake(id, slasher, agreed=True)
            assert (leaving.bonded, leaving.unbonding) == (35, 25)
            with pytest.raises(Reverted) as early:
                await there.send(registry.release(id, slasher), operator)
            assert early.value.arguments == {"until": leaving.unbonds_at}
            await there.later(await registry.unbonding_time_s() + 1)
            await there.send(registry.release(id, slasher), CLIENT.address)
            assert await registry.owed(operator) == 25
            await there.send(registry.withdraw(operator), CLIENT.address)
            assert await there.currency.balance(operator) == 25
            with pytest.raises(Reverted) as free:
                await there.send(registry.unjail(id), operator)
            assert free.value.name == "NotJailed"

            deadline = (await there.chain.head()).timestamp + 600
            second = SECOND_SIGNER.address
            await there.send(registry.change_signer(id, second, deadline, proof(second)), operator)
            assert (await registry.node_of(second), await registry.node_of(SIGNER.address)) == (id, 0)
            with pytest.raises(ValueError, match="no node"):
                registry.node_id_in([])

    asyncio.run(use())


def test_a_models_id_is_the_contracts(anvil: Anvil) -> None:
    model = ModelRecord(1, 64, 32, 8, 4, 5000, 1, 3, keccak(b"int8"), b"\1" * 32, b"\2" * 32, b"\3" * 32)

    async def use() -> None:
        async with deployed(anvil) as there:
            models = ModelRegistry(there.chain, there.addresses.model_registry)
            assert await models.contract.read("modelId", model.as_struct()) == model.id
            assert not await models.is_registered(model.id)
            await there.send(models.register(model), CLIENT.address)
            assert await models.is_registered(model.id, agreed=True)
            assert await models.weight_root(model.id) == model.weight_root
            (located,) = await there.send(models.locate(model.id, "http://a/b"), PROVIDER.address)
            event = models.contract.decode_log(located)
            assert event is not None
            assert event.args == {"id": model.id, "by": PROVIDER.address, "uri": "http://a/b"}

    asyncio.run(use())


@pytest.mark.parametrize("weight_root", [None, b"\2" * 32])
def test_a_models_record_has_the_id_that_its_folder_has(weight_root: bytes | None) -> None:
    a = parse_architecture(TINY_CONFIG, "config.json")
    shape = tree_shape(a)
    table, weights = (bytes(32), bytes(32)) if weight_root is None else (table_digest(), weight_root)
    record = ModelRecord(
        specification=SPECIFICATION,
        hidden_size=a.hidden_size,
        moe_intermediate_size=a.moe_intermediate_size,
        num_experts=a.num_experts,
        num_layers=a.num_layers,
        vocab_size=a.vocab_size,
        first_moe_layer=shape.first_layer,
        num_moe_layers=shape.num_layers,
        numeric_class_hash=keccak(b"int8"),
        table_digest=table,
        weight_root=weights,
        manifest_digest=b"\3" * 32,
    )
    assert record.id.hex() == model_identity(a, "int8", weight_root, b"\3" * 32).id


def test_a_payment_channels_life(anvil: Anvil) -> None:
    channel = Channel(payer=CLIENT.address, signer=SIGNER.address, payee=PROVIDER.address)

    async def use() -> None:
        async with deployed(anvil) as there:
            channels = PaymentChannels(there.chain, there.addresses.payment_channels)
            id = channels.id_of(channel)
            assert await channels.contract.read("channelId", channel.as_struct()) == id
            await there.send(there.currency.mint(CLIENT.address, 100), CLIENT.address)
            await there.send(there.currency.approve(channels.address, 100), CLIENT.address)
            await there.send(channels.deposit(channel, 100), CLIENT.address)
            voucher = Voucher(id, 30, 1, b"\5" * 32)
            signature = SIGNER.sign_typed_data(channels.voucher_typed_data(voucher))
            with pytest.raises(Reverted) as forged:
                await there.send(channels.claim(channel, replace(voucher, cumulative=31), signature), PROVIDER.address)
            assert forged.value.name == "BadVoucher"
            await there.send(channels.claim(channel, voucher, signature), PROVIDER.address)
            assert await there.currency.balance(PROVIDER.address) == 30
            state = await channels.state(id, agreed=True)
            assert state == ChannelState(deposited=100, paid=30, closes_at=0)
            for cumulative in (0, 30, 31, 99, 100, 101):
                there_too = await channels.contract.read("headroom", channel.as_struct(), cumulative)
                assert headroom(state, cumulative) == there_too
            await there.send(channels.close(channel), CLIENT.address)
            closing = await channels.state(id)
            assert closing.closes_at > 0 and headroom(closing, 0) == 0
            await there.later(24 * 3600 + 1)
            await there.send(channels.settle(channel), PROVIDER.address)
            assert await there.currency.balance(CLIENT.address) == 70

    asyncio.run(use())


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 200), st.sampled_from([0, 5]))
def test_headroom_never_promises_more_than_is_left(deposited: int, paid: int, cumulative: int, closes_at: int) -> None:
    state = ChannelState(max(deposited, paid), paid, closes_at)
    room = headroom(state, cumulative)
    assert room >= 0
    assert room == 0 or (closes_at == 0 and max(cumulative, paid) + room == state.deposited)
