"""A plan is carried out once, within its bounds, or the account is left as it was, with nothing approved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from execution_kit import Lines, leaving_plan, transfer_plan
from moray.agents.execution import Executor
from moray.agents.execution_record import PlanStatus, Record
from moray.agents.plan import Bound
from moray.contracts.erc20 import transfer
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from moray.errors import BadSetting, PlanConflict, PlanStale, PolicyDenied, SimulationDisagrees
from moray.ethereum import to_checksum_address
from sender_kit import DEPLOYER, ROUND_S, SIGNER, World, payee, world

SPENDER = to_checksum_address("0x" + "5b" * 20)


@dataclass
class Here:
    world: World
    outbox: Outbox
    record: Record
    sender: Sender
    journal: Lines

    @property
    def executor(self) -> Executor:
        return Executor(self.world.chain, self.sender, self.record, self.journal)

    @property
    def currency(self) -> str:
        return self.world.currency.address


@asynccontextmanager
async def here(folder: Path, signer: Any = SIGNER) -> AsyncIterator[Here]:
    async with world() as there:
        await there.ask("anvil_impersonateAccount", DEPLOYER.address)
        mint = there.currency.mint(SIGNER.address, 10**9)
        fields = {"from": DEPLOYER.address, "to": mint.to, "data": f"0x{mint.data.hex()}"}
        await there.ask("eth_sendTransaction", fields)
        outbox, record = Outbox(f"sqlite:///{folder / 'outbox'}"), Record(f"sqlite:///{folder / 'plans'}")
        async with Sender(outbox, there.chain, signer, round_s=ROUND_S) as sender:
            yield Here(there, outbox, record, sender, Lines(folder / "journal"))
        outbox.close()
        record.close()


@pytest.mark.parametrize("asset", ["MTEST", "ETH"])
def test_a_transfer_is_made_once_and_the_result_says_what_the_receipts_say(asset: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with here(tmp_path) as there:
            wanted = await transfer_plan(there.world.chain, there.currency, 41, asset)
            before = await there.world.chain.balance_wei(SIGNER.address)
            result = await there.executor.execute(wanted)
            sent = 42 * 10**12 if asset == "ETH" else 42
            assert result.is_done and result.doubt is None and result.left == ()
            assert result.changes == {"native" if asset == "ETH" else there.currency: -sent}
            assert [step.name for step in result.steps] == ["0"]
            after = await there.world.chain.balance_wei(SIGNER.address)
            assert before - after == result.gas_wei + (sent if asset == "ETH" else 0)
            assert await there.executor.execute(wanted) == result
            assert await there.world.num_sent() == 1
            assert there.journal.kinds() == ["plan", "simulation", "start", "call", "end"]

    asyncio.run(scene())


def test_what_would_happen_beyond_the_plan_is_not_sent(tmp_path: Path) -> None:
    async def scene() -> None:
        async with here(tmp_path) as there:
            wanted = await transfer_plan(there.world.chain, there.currency, 0)
            more = transfer(there.currency, SIGNER.address, SPENDER, 5)
            for wrong, words in [
                (replace(wanted, calls=(*wanted.calls, more)), "would change by -6"),
                (replace(wanted, bounds=()), "the plan says nothing of it"),
                (replace(wanted, bounds=(*wanted.bounds, Bound("native", 1, 2))), "would change by 0"),
                (replace(wanted, calls=(replace(more, data=more.data[:-1] + b"\xff" * 1),)), "would change by -255"),
                (replace(wanted, calls=(replace(more, value_wei=1),)), "would be refused"),
                (
                    replace(
                        await leaving_plan(there.world.chain, there.currency, SPENDER, 0), key=wanted.key
                    ),
                    None,
                ),
            ]:
                if words is None:
                    wrong = replace(wrong, calls=wrong.calls[:-1])
                    words = "could still take 1000"
                with pytest.raises(SimulationDisagrees, match=words):
                    await there.executor.execute(wrong)
            assert await there.world.num_sent() == 0
            assert (await there.executor.execute(wanted)).is_done  # the key is still free: nothing was signed

    asyncio.run(scene())


def test_a_stale_plan_is_planned_again_and_a_key_is_of_one_plan_once_anything_is_signed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with here(tmp_path) as there:
            old = await transfer_plan(there.world.chain, there.currency, 0)
            await there.world.ask("evm_increaseTime", 121)
            await there.world.mine()
            with pytest.raises(PlanStale):
                await there.executor.execute(old)
            fresh = await transfer_plan(there.world.chain, there.currency, 0)
            assert fresh.key == old.key and fresh != old
            assert (await there.executor.execute(fresh)).is_done
            with pytest.raises(PlanConflict):
                await there.executor.execute(old)
            assert await there.world.num_sent() == 1

    asyncio.run(scene())


class Denying:
    """A signer whose policy denies whatever is of ``selectors`` while it is strict."""

    address = SIGNER.address

    def __init__(self, *selectors: bytes) -> None:
        self.selectors = selectors

    def sign_transaction(self, fields: dict[str, Any]) -> bytes:
        if bytes(fields["data"])[:4] in self.selectors:
            raise PolicyDenied("over_limit", "it is more than the policy allows")
        return SIGNER.sign_transaction(fields)


TRANSFER, APPROVE = bytes.fromhex("a9059cbb"), bytes.fromhex("095ea7b3")


def test_what_the_signer_denies_ends_the_plan_and_takes_back_what_was_approved(tmp_path: Path) -> None:
    async def scene() -> None:
        async with here(tmp_path, Denying(TRANSFER)) as there:
            result = await there.executor.execute(await leaving_plan(there.world.chain, there.currency, SPENDER, 0))
            assert not result.is_done and result.failure is not None and result.failure.code == "signature_refused"
            assert [step.name for step in result.steps] == ["0", "revoke-0"] and result.left == ()
            assert await there.world.currency.allowance(SIGNER.address, SPENDER) == 0
            assert await there.world.minted(0) == 0

    asyncio.run(scene())


def test_a_plan_of_which_nothing_was_signed_can_be_tried_again(tmp_path: Path) -> None:
    async def scene() -> None:
        strict = Denying(TRANSFER)
        async with here(tmp_path, strict) as there:
            wanted = await transfer_plan(there.world.chain, there.currency, 0)
            assert not (await there.executor.execute(wanted)).is_done
            strict.selectors = ()
            assert (await there.executor.execute(wanted)).is_done
            assert await there.world.minted(0) == 1

    asyncio.run(scene())


def test_what_was_begun_ends_before_another_plan_begins(tmp_path: Path) -> None:
    async def scene() -> None:
        async with here(tmp_path) as there:
            first = await leaving_plan(there.world.chain, there.currency, SPENDER, 0)
            recorded = there.record.put(first, lambda _: False)
            there.record.start(recorded)  # and the process died
            second = await transfer_plan(there.world.chain, there.currency, 1)
            assert (await there.executor.execute(second)).is_done
            ended = there.record.find(first.key)
            assert ended is not None and ended.status is PlanStatus.ENDED
            assert [await there.world.minted(number) for number in (0, 1)] == [1, 2]
            assert await there.executor.resume() == []

    asyncio.run(scene())


def test_a_plan_of_another_account_is_not_taken(tmp_path: Path) -> None:
    async def scene() -> None:
        async with here(tmp_path) as there:
            wanted = await transfer_plan(there.world.chain, there.currency, 0)
            with pytest.raises(BadSetting):
                await there.executor.execute(replace(wanted, owner=payee(1)))
            with pytest.raises(BadSetting):
                await there.executor.execute(replace(wanted, chain_id=1))

    asyncio.run(scene())
