"""The sender on a real chain: one transaction for one call, whatever the fees, the mempool and the blocks do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chain_kit import Tamper, proxy
from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.chain import Chain
from moray.contracts.fees import FeePolicy
from moray.contracts.intents import IntentStatus
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from moray.errors import BadKey, CallReverted, EmptyWallet, EventMissing
from sender_kit import DEPLOYER, GWEI, ROUND_S, SIGNER, World, mine_until_ended, payee, until, world

Scene = Callable[[World, Outbox], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scene], None]:
    """Runs a scene on a chain and an outbox of its own."""

    async def whole(scene: Scene) -> None:
        outbox = Outbox(f"sqlite:///{tmp_path / 'outbox.sqlite'}")
        async with world() as here:
            await scene(here, outbox)
        outbox.close()

    return lambda scene: asyncio.run(whole(scene))


@asynccontextmanager
async def sending(
    here: World, outbox: Outbox, fees: FeePolicy | None = None, confirmations: int = 0
) -> AsyncIterator[Sender]:
    async with Sender(outbox, here.chain, SIGNER, fees, confirmations, ROUND_S) as sender:
        yield sender


def test_a_call_is_mined_once_and_the_same_key_gives_the_same_transaction(play: Callable[[Scene], None]) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        async with sending(here, outbox) as sender:
            mined = await sender.send("one", here.mint(1))
            assert await sender.send("one", here.mint(1)) == mined
        assert await here.minted(1) == 1 and await here.num_sent() == 1
        transaction = await here.ask("eth_getTransactionByHash", f"0x{mined.tx_hash.hex()}")
        assert (transaction["blockHash"], int(transaction["nonce"], 16)) == (f"0x{mined.block_hash.hex()}", 0)
        assert [log.address for log in mined.logs] == [here.currency.address]

    play(scene)


def test_a_call_that_would_be_refused_takes_no_tx_nonce_and_may_be_asked_for_again(
    play: Callable[[Scene], None],
) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        from_deployer = here.currency.contract.call(
            "transferFrom", DEPLOYER.address, payee(1), 5, summary="take 5", event="Transfer"
        )
        async with sending(here, outbox) as sender:
            with pytest.raises(CallReverted, match="take 5") as refused:
                await sender.send("take", from_deployer)
            assert refused.value.name == "ERC20InsufficientAllowance"
            assert await here.num_sent() == 0
            async with Sender(outbox, here.chain, DEPLOYER, round_s=ROUND_S) as deployer:
                await deployer.send("mint", here.currency.mint(DEPLOYER.address, 5))
                await deployer.send("approve", here.currency.approve(SIGNER.address, 5))
            await sender.send("take", from_deployer)
        assert await here.minted(1) == 5 and await here.num_sent() == 1

    play(scene)


def test_a_call_that_works_only_after_another_waits_for_it(play: Callable[[Scene], None]) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        pay = here.currency.contract.call("transfer", payee(1), 5, summary="pay 5", event="Transfer")
        await here.stop_mining()
        outbox.put("mint", 31337, SIGNER.address, here.currency.mint(SIGNER.address, 5))
        outbox.put("pay", 31337, SIGNER.address, pay)
        async with sending(here, outbox):
            await until(outbox, "mint", lambda state: state.status is IntentStatus.SENT)
            await asyncio.sleep(5 * ROUND_S)
            waiting = outbox.state("pay")
            assert waiting is not None and waiting.status is IntentStatus.WAITING
            await mine_until_ended(here, outbox, "mint", "pay")
            await outbox.wait("pay")
        assert await here.minted(1) == 5

    play(scene)


def test_an_empty_wallet_is_one_line_and_nothing_is_signed(play: Callable[[Scene], None]) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        await here.ask("anvil_setBalance", SIGNER.address, "0x1")
        async with sending(here, outbox) as sender:
            with pytest.raises(EmptyWallet, match=f"{SIGNER.address} has 1 wei") as empty:
                await sender.send("one", here.mint(1))
            assert "\n" not in str(empty.value) and "send ETH" in str(empty.value)
            with pytest.raises(EmptyWallet):
                await sender.send("rich", replace(here.mint(2), value_wei=10**30))
            await here.ask("anvil_setBalance", SIGNER.address, hex(10**18))
            await sender.send("one", here.mint(1))
        assert await here.num_sent() == 1

    play(scene)


def test_a_transaction_without_its_event_is_no_success(play: Callable[[Scene], None]) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        elsewhere = ExpectedEvent(here.currency.address, (b"\7" * 32,))
        async with sending(here, outbox) as sender:
            with pytest.raises(EventMissing, match="without the event"):
                await sender.send("one", replace(here.mint(1), expects=elsewhere))
            with pytest.raises(EventMissing):  # an account without code accepts anything and does nothing
                nowhere = Call(payee(1), b"\1\2\3\4", ExpectedEvent(payee(1), (b"\7" * 32,)), "call nobody")
                await sender.send("nowhere", nowhere)
            with pytest.raises(EventMissing):  # and it is not done a second time
                await sender.send("nowhere", nowhere)
        assert await here.num_sent() == 2

    play(scene)


def test_a_raised_base_fee_makes_it_offer_more_for_the_same_tx_nonce(play: Callable[[Scene], None]) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        await here.stop_mining()
        async with sending(here, outbox):
            for number in range(3):
                outbox.put(f"mint {number}", 31337, SIGNER.address, here.mint(number))
            await until(outbox, "mint 2", lambda state: state.status is IntentStatus.SENT)
            await here.ask("anvil_setNextBlockBaseFeePerGas", hex(200 * GWEI))
            await here.mine()  # it leaves all three out
            assert await here.num_sent() == 0
            for number in range(3):
                state = await until(outbox, f"mint {number}", lambda state: len(state.tx_hashes) == 2)
                assert state.tx_nonce == number
            await mine_until_ended(here, outbox, *(f"mint {number}" for number in range(3)))
            for number in range(3):
                mined = await outbox.wait(f"mint {number}")
                ended = outbox.state(f"mint {number}")
                assert ended is not None and mined.tx_hash in ended.tx_hashes[1:]
                assert await here.minted(number) == 1
        assert await here.num_sent() == 3

    play(scene)


def test_storage_that_is_emptied_after_the_estimate_leaves_gas_enough(play: Callable[[Scene], None]) -> None:
    """Both are estimated where an allowance is; one block takes it away and sets it anew, which costs 17,100 more."""

    async def scene(here: World, outbox: Outbox) -> None:
        spender = payee(1)
        async with sending(here, outbox) as sender:
            await sender.send("first", here.currency.approve(spender, 5))
            await here.stop_mining()
            for amount in (0, 7):
                outbox.put(f"approve {amount}", 31337, SIGNER.address, here.currency.approve(spender, amount))
                await until(outbox, f"approve {amount}", lambda state: state.status is IntentStatus.SENT)
            await here.have_waiting(2)
            await mine_until_ended(here, outbox, "approve 0", "approve 7")
            both = [await outbox.wait(f"approve {amount}") for amount in (0, 7)]
            assert both[0].block_hash == both[1].block_hash
        assert await here.currency.allowance(SIGNER.address, spender) == 7

    play(scene)


def test_above_the_ceiling_it_waits_and_says_so(play: Callable[[Scene], None]) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        await here.stop_mining()
        async with sending(here, outbox, FeePolicy(ceiling_wei=50 * GWEI)):
            outbox.put("sent", 31337, SIGNER.address, here.mint(1))
            await until(outbox, "sent", lambda state: state.status is IntentStatus.SENT)
            await here.ask("anvil_setNextBlockBaseFeePerGas", hex(60 * GWEI))
            await here.mine()
            for key in ("sent", "later"):  # the first one's note says that the writer has seen the new base fee
                outbox.put(key, 31337, SIGNER.address, here.mint(1 if key == "sent" else 2))
                state = await until(outbox, key, lambda state: "ceiling of 50000000000 wei" in state.note)
                assert len(state.tx_hashes) == (key == "sent")
            await here.ask("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
            await mine_until_ended(here, outbox, "sent", "later")
            assert await outbox.wait("sent") and await outbox.wait("later")

    play(scene)


def test_what_would_now_be_refused_is_called_off_and_those_behind_it_go_on(play: Callable[[Scene], None]) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        await here.ask("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        take = here.currency.contract.call(
            "transferFrom", DEPLOYER.address, payee(1), 5, summary="take 5", event="Transfer"
        )
        async with Sender(outbox, here.chain, DEPLOYER, round_s=ROUND_S) as deployer:
            await deployer.send("mint", here.currency.mint(DEPLOYER.address, 5))
            await deployer.send("approve", here.currency.approve(SIGNER.address, 5))
            await here.stop_mining()
            async with sending(here, outbox):
                outbox.put("take", 31337, SIGNER.address, take)
                outbox.put("mint 7", 31337, SIGNER.address, here.mint(7))
                await until(outbox, "mint 7", lambda state: state.status is IntentStatus.SENT)
                # The allowance is taken back in a block whose base fee leaves the signer's transactions out.
                await here.ask("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
                revoke = {"from": DEPLOYER.address, "to": here.currency.address, "maxFeePerGas": hex(900 * GWEI)}
                revoke["data"] = f"0x{here.currency.approve(SIGNER.address, 0).data.hex()}"
                await here.ask("eth_sendTransaction", revoke)
                await here.mine()
                await until(outbox, "take", lambda state: len(state.tx_hashes) == 2)
                await until(outbox, "mint 7", lambda state: len(state.tx_hashes) == 2)
                await mine_until_ended(here, outbox, "take", "mint 7")
                with pytest.raises(CallReverted, match="take 5") as refused:
                    await outbox.wait("take")
                assert refused.value.name == "ERC20InsufficientAllowance"
                await outbox.wait("mint 7")
        assert (await here.minted(1), await here.minted(7), await here.num_sent()) == (0, 1, 2)

    play(scene)


def test_a_block_that_is_taken_back_makes_its_transactions_sent_again(play: Callable[[Scene], None]) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        async with sending(here, outbox, confirmations=3):
            for number in range(5):
                outbox.put(f"mint {number}", 31337, SIGNER.address, here.mint(number))
            before = await until(outbox, "mint 4", lambda state: state.status is IntentStatus.MINED)
            await here.ask("anvil_reorg", 3, [])
            await mine_until_ended(here, outbox, *(f"mint {number}" for number in range(5)))
            results = [await outbox.wait(f"mint {number}") for number in range(5)]
        for number, mined in enumerate(results):
            block = await here.ask("eth_getBlockByNumber", hex(mined.block_number), False)
            assert block["hash"] == f"0x{mined.block_hash.hex()}"
            assert await here.minted(number) == 1
        assert before.mined is not None and before.mined.block_hash != results[4].block_hash
        assert await here.num_sent() == 5

    play(scene)


def test_anothers_transaction_under_the_tx_nonce_costs_nothing_and_doubles_nothing(
    play: Callable[[Scene], None],
) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        await here.stop_mining()
        async with sending(here, outbox, confirmations=2):
            for number in range(2):
                outbox.put(f"mint {number}", 31337, SIGNER.address, here.mint(number))
            await until(outbox, "mint 1", lambda state: state.status is IntentStatus.SENT)
            fields = {"type": 2, "chainId": 31337, "nonce": 0, "to": payee(99), "value": 1, "gas": 21000}
            raw = SIGNER.sign_transaction(fields | {"maxFeePerGas": 900 * GWEI, "maxPriorityFeePerGas": 90 * GWEI})
            await here.ask("eth_sendRawTransaction", f"0x{raw.hex()}")
            await here.have_waiting(2)
            await here.mine()
            assert await here.num_sent() == 2  # the stranger's and the second
            await mine_until_ended(here, outbox, "mint 0", "mint 1")
            first, second = await outbox.wait("mint 0"), await outbox.wait("mint 1")
        assert second.block_number < first.block_number
        assert [await here.minted(number) for number in range(2)] == [1, 1]
        assert await here.num_sent() == 3

    play(scene)


def test_after_a_restart_it_goes_on_with_the_same_bytes_even_if_no_node_remembers_them(
    play: Callable[[Scene], None],
) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        await here.stop_mining()
        async with sending(here, outbox):
            outbox.put("one", 31337, SIGNER.address, here.mint(1))
            sent = await until(outbox, "one", lambda state: state.status is IntentStatus.SENT)
        await here.ask("anvil_dropAllTransactions")
        await here.mine()
        assert await here.num_sent() == 0
        await here.ask("evm_setAutomine", True)
        async with sending(here, outbox):
            mined = await outbox.wait("one")
        assert (mined.tx_hash,) == sent.tx_hashes
        assert await here.minted(1) == 1

    play(scene)


def test_a_development_key_signs_for_no_other_chain(play: Callable[[Scene], None]) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        with pytest.raises(BadKey, match="development account"):
            Sender(outbox, replace(here.chain, chain_id=1), SIGNER)

    play(scene)


def test_an_endpoint_that_answers_nonsense_for_a_while_does_not_end_it(play: Callable[[Scene], None]) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        nonsense: Iterator[object] = iter([None, [], {"number": "zz"}, {"number": "0x1"}])

        def tamper(asked: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
            is_looking = asked["method"] == "eth_getBlockByNumber" and asked["params"][0] == "latest"
            return {**reply, "result": next(nonsense, reply["result"])} if is_looking else reply

        async with lying(here, tamper) as liar, sending(liar, outbox) as sender:
            await sender.send("one", here.mint(1))
        assert await here.minted(1) == 1

    play(scene)


def test_a_call_that_the_endpoint_will_not_simulate_does_not_hold_up_those_behind_it(
    play: Callable[[Scene], None],
) -> None:
    async def scene(here: World, outbox: Outbox) -> None:
        def tamper(asked: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
            is_it = (
                asked["method"] == "eth_estimateGas" and asked["params"][0]["data"] == f"0x{here.mint(1).data.hex()}"
            )
            refusal = {"code": -32000, "message": "gas required exceeds allowance"}
            return {"jsonrpc": "2.0", "id": 1, "error": refusal} if is_it else reply

        async with lying(here, tamper) as liar, sending(liar, outbox) as sender:
            outbox.put("refused", 31337, SIGNER.address, here.mint(1))
            await sender.send("behind", here.mint(2))
            refused = await until(outbox, "refused", lambda state: bool(state.note))
        assert await here.minted(2) == 1 and "exceeds allowance" in refused.note

    play(scene)


@asynccontextmanager
async def lying(here: World, tamper: Tamper) -> AsyncIterator[World]:
    """The same chain through an endpoint that changes its answers."""
    async with proxy(here.anvil.url, tamper) as url:
        chain = await Chain.open([url])
        try:
            yield replace(here, chain=chain)
        finally:
            await chain.close()
