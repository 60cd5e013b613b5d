"""What was signed, from its reservation to its end on a real chain: what settles it, and what releases it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chain_kit import CLIENT, Deployed, deployed
from moray.agents.journal import read_entries
from moray.agents.policy.ledger import DAY_S, HOUR_S, NATIVE
from moray.agents.policy.request import TransactionRequest
from moray.agents.signer.book import Book
from moray.agents.signer.breaker import Breaker
from moray.agents.signer.desk import fields_of
from moray.agents.signer.settlement import look
from moray.contracts import erc20
from moray.contracts.anvil import Anvil
from moray.contracts.chain import Chain
from moray.contracts.deploy import receipt_of
from moray.contracts.outside import entry
from moray.errors import PolicyDenied
from signer_home import Home, signer_home
from signer_kit import CHAIN_ID, ETHER, FRIEND, GWEI, KEY, POLICY, STRANGER, Office, office, payment

USD = 10**6
SPENDER = STRANGER.address


def policy_of(currency: str) -> str:
    """May pay the friend in the test currency too, and let a spender take some."""
    asset = f"""
  USD:
    chain: development
    address: "{currency}"
    decimals: 6
    limits: {{per_transaction: "500", per_day: "1000", new_recipient_above: "never"}}
parties:
  spender: "{SPENDER}"
"""
    rules = """
calls:
  - name: pay a friend in USD
    chain: development
    to: USD
    call: transfer(address to, uint256 amount)
    recipients: [friend]
  - {name: lend, chain: development, to: USD, call: "approve(address spender, uint256 amount)", spenders: [spender]}
"""
    return POLICY.replace("\nparties:\n", asset).replace("\ncalls:\n", rules)


@dataclass
class There:
    world: Deployed
    chain: Chain
    here: Office

    async def sign(self, request: TransactionRequest) -> bytes:
        return await asyncio.to_thread(self.here.desk.sign, request, 1)

    async def send(self, raw: bytes) -> None:
        rpc = self.chain.endpoints[0]
        await receipt_of(rpc, await rpc.request("eth_sendRawTransaction", f"0x{raw.hex()}"))

    async def look(self) -> None:
        desk = self.here.desk
        desk.settle(await look(self.chain, desk.address, desk.waiting(CHAIN_ID)))

    def used(self, asset: str, later_s: float = 0.0) -> int:
        now = self.here.clock.now + later_s
        with self.here.book.begin() as pages:
            return pages.view(now).used(CHAIN_ID, asset, now, DAY_S)

    def lines(self, kind: str) -> list[dict[str, Any]]:
        found = [line.fields for line, _ in read_entries(self.here.journal.path)]
        kinds = self.here.kinds()
        return [fields for each, fields in zip(kinds, found, strict=True) if each == kind]

    def outcomes(self) -> list[tuple[str, str]]:
        return [(each["tx_nonce"], each["outcome"]) for each in self.lines("settled")]


@asynccontextmanager
async def there(
    anvil: Anvil, folder: Path, confirmations: int = 0, breaker: Breaker | None = None
) -> AsyncIterator[There]:
    """The chain as it was before is put back afterwards, so that the account's tx_nonces begin at 0."""
    async with deployed(anvil) as world:
        chain = await Chain.open([anvil.url], CHAIN_ID, confirmations)
        rpc = chain.endpoints[0]
        snapshot = await rpc.request("evm_snapshot")
        await rpc.request("anvil_setBalance", KEY.address, hex(100 * ETHER))
        policy = policy_of(world.currency.address)
        here = office(folder, policy, breaker=breaker, watched=frozenset({CHAIN_ID}))
        try:
            yield There(world, chain, here)
        finally:
            await rpc.request("evm_revert", snapshot)
            here.close()
            await chain.close()


def run(anvil: Anvil, folder: Path, scene: Callable[[There], Awaitable[None]], **options: Any) -> None:
    async def whole() -> None:
        async with there(anvil, folder, **options) as made:
            await scene(made)

    asyncio.run(whole())


def lend(currency: str, amount: int, tx_nonce: int, **changes: Any) -> TransactionRequest:
    call = erc20.approve(currency, KEY.address, SPENDER, amount)
    return payment(tx_nonce, 0, to=currency, data=call.data, gas=100_000, **changes)


def pay(currency: str, amount: int, tx_nonce: int) -> TransactionRequest:
    call = erc20.transfer(currency, KEY.address, FRIEND.address, amount)
    return payment(tx_nonce, 0, to=currency, data=call.data, gas=100_000)


def test_what_is_signed_counts_for_ever_until_it_is_final_and_then_for_a_day(anvil: Anvil, tmp_path: Path) -> None:
    async def scene(at: There) -> None:
        raw = await at.sign(payment(0))
        await at.look()
        assert at.used(NATIVE, 30 * DAY_S) == ETHER // 10 and at.outcomes() == []
        await at.send(raw)
        await at.look()  # mined, and not settled yet
        assert at.used(NATIVE, 30 * DAY_S) == ETHER // 10 and at.outcomes() == []
        await at.world.mine(2)
        await at.look()
        await at.look()
        assert at.outcomes() == [("0", "done")]
        assert at.used(NATIVE) == ETHER // 10 and at.used(NATIVE, DAY_S + 1) == 0

    run(anvil, tmp_path, scene, confirmations=2)


def test_a_payment_that_a_reorganisation_undoes_stays_reserved(anvil: Anvil, tmp_path: Path) -> None:
    async def scene(at: There) -> None:
        raw = await at.sign(payment(0))
        await at.send(raw)
        await at.world.mine(1)
        await at.world.reorganise(2)
        await at.world.mine(2)
        await at.look()
        assert at.outcomes() == [] and at.used(NATIVE, 30 * DAY_S) == ETHER // 10
        await at.send(raw)
        await at.world.mine(2)
        await at.look()
        assert at.outcomes() == [("0", "done")] and at.used(NATIVE, DAY_S + 1) == 0

    run(anvil, tmp_path, scene, confirmations=2)


def test_of_a_call_and_its_fee_bump_one_is_mined_and_one_counts(anvil: Anvil, tmp_path: Path) -> None:
    async def scene(at: There) -> None:
        await at.sign(payment(0))
        bumped = await at.sign(payment(0, max_fee_wei=20 * GWEI))
        await at.send(bumped)
        await at.look()
        assert at.outcomes() == [("0", "done")] and at.used(NATIVE) == ETHER // 10

    run(anvil, tmp_path, scene)


def test_what_was_cancelled_is_released_and_what_somebody_else_sent_is_not(anvil: Anvil, tmp_path: Path) -> None:
    async def scene(at: There) -> None:
        await at.sign(payment(0))
        await at.send(await at.sign(payment(0, 0, to=KEY.address, max_fee_wei=20 * GWEI)))
        await at.sign(payment(1))
        await at.send(KEY.sign_transaction(fields_of(payment(1, 1))))  # the same key, elsewhere
        await at.look()
        assert at.outcomes() == [("0", "cancelled"), ("1", "unknown")] and at.used(NATIVE) == ETHER // 10

    run(anvil, tmp_path, scene)


def test_what_was_reverted_is_released_but_for_its_gas_and_too_many_stop_the_signer(
    anvil: Anvil, tmp_path: Path
) -> None:
    async def scene(at: There) -> None:
        currency = at.world.currency.address
        for tx_nonce in range(3):
            await at.send(await at.sign(pay(currency, 100 * USD, tx_nonce)))  # of nothing that it has
        assert at.used(currency) == 300 * USD
        await at.look()
        assert at.outcomes() == [(str(tx_nonce), "reverted") for tx_nonce in range(3)] and at.used(currency) == 0
        with at.here.book.begin() as pages:
            view = pages.view(at.here.clock.now)
            assert view.gas_used(CHAIN_ID, at.here.clock.now, DAY_S) == 3 * 100_000 * 10 * GWEI
        with pytest.raises(PolicyDenied, match="reverts"):
            await at.sign(payment(3))

    run(anvil, tmp_path, scene, breaker=Breaker(3, 60.0))


def test_an_allowance_counts_until_it_is_seen_at_zero_and_then_as_spent_for_a_day(anvil: Anvil, tmp_path: Path) -> None:
    async def scene(at: There) -> None:
        currency = at.world.currency.address
        await at.send(await at.sign(lend(currency, 400 * USD, 0)))
        await at.look()
        at.here.clock.now += 30 * DAY_S
        revoking = await at.sign(lend(currency, 0, 1))
        await at.look()
        assert at.used(currency, 30 * DAY_S) == 400 * USD, "a revocation that is only signed releases nothing"
        await at.send(revoking)
        await at.look()
        assert at.lines("released") == [
            {"asset": currency, "before_tx_nonce": "2", "chain_id": str(CHAIN_ID), "spender": SPENDER}
        ]
        assert at.used(currency) == 400 * USD, "its spender may have drawn it just before"
        assert at.used(currency, DAY_S + 1) == 0
        await at.look()
        assert len(at.lines("released")) == 1

    run(anvil, tmp_path, scene)


def test_a_spender_that_draws_each_allowance_itself_gets_no_more_than_the_limit(anvil: Anvil, tmp_path: Path) -> None:
    """Allowance after allowance within a day, each drawn at once: seen at zero, and yet the money is gone."""

    async def scene(at: There) -> None:
        currency = at.world.currency
        rpc = at.chain.endpoints[0]
        await at.world.send(currency.mint(KEY.address, 10_000 * USD), CLIENT.address)
        await rpc.request("anvil_impersonateAccount", SPENDER)
        await rpc.request("anvil_setBalance", SPENDER, hex(ETHER))
        for tx_nonce in range(2):
            await at.send(await at.sign(lend(currency.address, 500 * USD, tx_nonce)))
            data = entry("transferFrom(address,address,uint256)").encode(KEY.address, SPENDER, 500 * USD)
            drawing = {"from": SPENDER, "to": currency.address, "data": f"0x{data.hex()}"}
            await receipt_of(rpc, await rpc.request("eth_sendTransaction", drawing))
            await at.look()
        assert await currency.balance(SPENDER) == 1000 * USD and len(at.lines("released")) == 2
        at.here.clock.now += 2 * HOUR_S
        with pytest.raises(PolicyDenied) as denied:
            await at.sign(lend(currency.address, 1 * USD, 2))
        assert denied.value.code == "day_limit"

    run(anvil, tmp_path, scene)


@pytest.mark.integration
@pytest.mark.parametrize("is_watching", [True, False], ids=["with --rpc", "without"])
def test_the_process_releases_what_it_sees_at_zero_itself_and_without_a_chain_nothing(
    anvil: Anvil, is_watching: bool
) -> None:
    async def scene() -> None:
        async with deployed(anvil) as world:
            rpc, currency = world.chain.endpoints[0], world.currency.address
            await rpc.request("anvil_setBalance", KEY.address, hex(100 * ETHER))
            first = int(await rpc.request("eth_getTransactionCount", KEY.address, "latest"), 16)
            with signer_home(policy_of(currency)) as home:
                home.start(f"--live={CHAIN_ID}", *([f"--rpc={CHAIN_ID}={anvil.url}"] if is_watching else []))
                for place, amount in enumerate((400 * USD, 0)):
                    raw = home.client.sign_transaction(fields_of(lend(currency, amount, first + place)))
                    await receipt_of(rpc, await rpc.request("eth_sendRawTransaction", f"0x{raw.hex()}"))
                if is_watching:
                    await told(home, "released")
                home.end()
                book = Book(home.path("ledger"))
                with book.begin() as pages:
                    now = pages.view(0.0).entries[0].signed_at + 10 * DAY_S
                    assert pages.view(now).used(CHAIN_ID, currency, now, DAY_S) == (0 if is_watching else 400 * USD)
                book.close()

    asyncio.run(scene())


async def told(home: Home, kind: str) -> None:
    """Until the journal of the running process says so."""
    for _ in range(600):
        if kind in [line.kind for line, _ in read_entries(home.path("journal"))]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the journal never says {kind}")
