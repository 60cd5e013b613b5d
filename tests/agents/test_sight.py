"""What the signer itself reads of Uniswap's own bytecode, and what it then signs by the policy of the demo."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import Any

import pytest

from chain_kit import proxy
from moray.agents.development_policy import MAX_SLIPPAGE_BPS, development_policy
from moray.agents.policy.readings import READING_LIFE_S, Reading, Unknown
from moray.agents.policy.request import TransactionRequest
from moray.agents.signer.desk import fields_of
from moray.agents.signer.sight import Sight, read_chain
from moray.contracts import erc20, uniswap_v3
from moray.contracts.anvil import Anvil
from moray.contracts.chain import Chain
from moray.contracts.defi_addresses import DefiAddresses
from moray.contracts.defi_deploy import FEE, PAST_S, deploy_defi
from moray.contracts.deploy import receipt_of, transact
from moray.contracts.uniswap_v3 import Pool
from moray.errors import PolicyDenied
from sender_kit import DEPLOYER
from signer_home import signer_home
from signer_kit import CHAIN_ID, ETHER, KEY, Office, office, payment

Tamper = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
SOLD = ETHER // 2


@pytest.fixture(scope="module")
def at(anvil: Anvil) -> DefiAddresses:
    async def whole() -> DefiAddresses:
        chain = await Chain.open([anvil.url])
        await chain.endpoints[0].request("anvil_setBalance", DEPLOYER.address, hex(10_000 * ETHER))
        await chain.endpoints[0].request("anvil_setBalance", KEY.address, hex(100 * ETHER))
        addresses = await deploy_defi(chain, DEPLOYER)
        await chain.close()
        return addresses

    return asyncio.run(whole())


@dataclass
class There:
    """``chain``: as the signer sees it; its first endpoint is honest."""

    chain: Chain
    at: DefiAddresses
    pool: Pool
    policy: str
    here: Office
    tx_nonce: int = 0

    async def ask(self, method: str, *params: Any) -> Any:
        return await self.chain.endpoints[0].request(method, *params)

    async def look(self) -> Reading:
        desk = self.here.desk
        reading = await read_chain(self.chain, desk.questions(CHAIN_ID), desk.now())
        desk.see(CHAIN_ID, reading)
        return reading

    async def mean(self) -> float:
        """USD, in base units, for a wei of WETH: by the pool's mean tick alone."""
        block = await self.chain.head()
        tick = (await uniswap_v3.read_time_weighted(self.chain, self.pool, 1800, block)).tick
        return float(1.0001 ** (tick if self.pool.is_token0(self.at.weth) else -tick))

    async def swap(self, loss_bps: int, deadline: int | None = None) -> TransactionRequest:
        """Half an ether for what the mean price says, less so much."""
        least = int(SOLD * await self.mean() * (10_000 - loss_bps) / 10_000)
        until = deadline or int(self.here.clock.now) + 600
        call = uniswap_v3.swap_exact_input(
            self.at.v3, self.pool, self.at.weth, SOLD, least, KEY.address, until, is_native_in=True
        )
        return payment(self.tx_nonce, call.value_wei, to=call.to, data=call.data, gas=300_000)

    async def sign(self, loss_bps: int = 100) -> bytes:
        return await asyncio.to_thread(self.here.desk.sign, await self.swap(loss_bps), 1)

    async def refusal(self, loss_bps: int = 100) -> tuple[str, str]:
        """Its code and its reason."""
        with pytest.raises(PolicyDenied) as denied:
            await self.sign(loss_bps)
        return denied.value.code, str(denied.value)

    async def push(self, num_ether: int) -> None:
        """Sell so much of it into the pool, as anybody can."""
        amount, until = num_ether * ETHER, (await self.chain.head()).timestamp + 60
        for call in (
            erc20.wrap(self.at.weth, DEPLOYER.address, amount),
            erc20.approve(self.at.weth, DEPLOYER.address, self.at.v3_router, amount),
            uniswap_v3.swap_exact_input(self.at.v3, self.pool, self.at.weth, amount, 0, DEPLOYER.address, until),
        ):
            await transact(self.chain, DEPLOYER, call.summary, call.to, call.data, call.value_wei)

    async def later(self, seconds: int) -> None:
        """On the chain and at the desk."""
        await self.ask("evm_increaseTime", seconds)
        await self.ask("evm_mine")
        self.here.clock.now = (await self.chain.head()).timestamp


@asynccontextmanager
async def there(
    anvil: Anvil, at: DefiAddresses, folder: Path, changes: dict[str, str], tamper: Tamper | None
) -> AsyncIterator[There]:
    """The chain as it was is put back afterwards."""
    async with AsyncExitStack() as stack:
        urls = [anvil.url] if tamper is None else [anvil.url, await stack.enter_async_context(proxy(anvil.url, tamper))]
        honest, chain = await Chain.open([anvil.url]), await Chain.open(urls)
        stack.push_async_callback(honest.close)
        stack.push_async_callback(chain.close)
        rpc = honest.endpoints[0]
        snapshot = await rpc.request("evm_snapshot")
        stack.push_async_callback(rpc.request, "evm_revert", snapshot)
        policy = await development_policy(honest, KEY.address, at)
        for old, new in changes.items():
            assert old in policy
            policy = policy.replace(old, new)
        here = office(folder, policy)
        stack.callback(here.close)
        here.clock.now = (await honest.head()).timestamp
        pool = await uniswap_v3.find_pool(honest, at.v3, at.weth, at.usd, FEE)
        yield There(chain, at, pool, policy, here)


def run(
    anvil: Anvil,
    at: DefiAddresses,
    folder: Path,
    scene: Callable[[There], Awaitable[None]],
    changes: dict[str, str] | None = None,
    tamper: Tamper | None = None,
) -> None:
    async def whole() -> None:
        async with there(anvil, at, folder, changes or {}, tamper) as made:
            await scene(made)

    asyncio.run(whole())


def honest(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    return reply


def test_a_swap_near_the_mean_price_is_signed_and_mined_and_a_worse_one_is_refused(
    anvil: Anvil, at: DefiAddresses, tmp_path: Path
) -> None:
    async def scene(there: There) -> None:
        assert (await there.refusal())[0] == "code_changed", "nothing was read yet"
        reading = await there.look()
        assert reading.is_whole and len(reading.prices) == 2
        code, _ = await there.refusal(MAX_SLIPPAGE_BPS + 5)
        assert code == "slippage_too_high"
        raw = await there.sign(MAX_SLIPPAGE_BPS - 5)
        tx_hash = await there.ask("eth_sendRawTransaction", f"0x{raw.hex()}")
        receipt = await receipt_of(there.chain.endpoints[0], tx_hash)
        assert int(receipt["status"], 16) == 1

    run(anvil, at, tmp_path, scene, tamper=honest)


def test_a_price_that_was_pushed_is_refused_also_when_the_mean_has_followed(
    anvil: Anvil, at: DefiAddresses, tmp_path: Path
) -> None:
    async def scene(there: There) -> None:
        await there.push(50)
        await there.look()
        code, reason = await there.refusal()
        assert code == "price_missing" and "now it is" in reason
        await there.later(3600)  # nothing was traded: the mean is the price that was pushed, and v2's is another
        await there.look()
        code, reason = await there.refusal()
        assert code == "price_missing" and "by v2 it is" in reason

    run(anvil, at, tmp_path, scene)


def test_what_was_read_holds_a_minute_and_no_longer(anvil: Anvil, at: DefiAddresses, tmp_path: Path) -> None:
    async def scene(there: There) -> None:
        await there.look()
        there.here.clock.now += READING_LIFE_S
        assert await there.sign()
        there.tx_nonce += 1
        for later_s in (1.0, -READING_LIFE_S - 2):  # too late, and a clock that was set back
            there.here.clock.now += later_s
            code, reason = await there.refusal()
            assert code == "price_missing" and "what was read is" in reason

    run(anvil, at, tmp_path, scene, changes={"code_hash": "# "})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('min_depth: "100000", window_s: 86400', "remembers no 86400 s"),
        ('min_depth: "100000000"', "holds"),
        ('min_depth: "1000000"', "the pair"),  # which has half a million of USD, the pool two and a half
    ],
)
def test_a_market_without_a_past_or_without_depth_gives_no_price(
    anvil: Anvil, at: DefiAddresses, tmp_path: Path, change: str, says: str
) -> None:
    async def scene(there: There) -> None:
        await there.look()
        code, reason = await there.refusal()
        assert code == "price_missing" and says in reason

    run(anvil, at, tmp_path, scene, changes={'min_depth: "100000"': change})


def test_a_router_with_other_code_is_refused(anvil: Anvil, at: DefiAddresses, tmp_path: Path) -> None:
    async def scene(there: There) -> None:
        await there.look()
        assert await there.sign()
        await there.ask("anvil_setCode", at.v3_router, "0x6001")
        await there.look()
        code, reason = await there.refusal()
        assert code == "code_changed" and "not the rule's" in reason

    run(anvil, at, tmp_path, scene)


def _lie_about_prices(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    """The last bit of whatever a contract answers."""
    if request["method"] != "eth_call" or "result" not in reply:
        return reply
    last = format(int(reply["result"][-1], 16) ^ 1, "x")
    return reply | {"result": reply["result"][:-1] + last}


def _lie_about_code(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    return reply | {"result": "0x6001"} if request["method"] == "eth_getCode" else reply


def _another_fork(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    is_block = request["method"] == "eth_getBlockByNumber"
    return reply | {"result": reply["result"] | {"hash": "0x" + "42" * 32}} if is_block else reply


@pytest.mark.parametrize(
    ("tamper", "code", "says"),
    [
        (_lie_about_prices, "price_missing", "disagree on"),
        (_lie_about_code, "code_changed", "disagree on"),
        (_another_fork, "code_changed", "different blocks"),
    ],
)
def test_what_two_endpoints_disagree_on_is_refused(
    anvil: Anvil, at: DefiAddresses, tmp_path: Path, tamper: Tamper, code: str, says: str
) -> None:
    async def scene(there: There) -> None:
        assert not (await there.look()).is_whole
        found, reason = await there.refusal()
        assert found == code and says in reason

    run(anvil, at, tmp_path, scene, tamper=tamper)


def test_off_the_development_chain_one_endpoint_is_not_enough_and_old_blocks_are_old(
    anvil: Anvil, at: DefiAddresses, tmp_path: Path
) -> None:
    async def scene(there: There) -> None:
        there.here.clock.now += 600
        questions, now = there.here.desk.questions(CHAIN_ID), there.here.clock.now
        one = replace(there.chain, chain_id=5)
        reading = await read_chain(one, questions, now)
        unknown = reading.code_hashes[at.v3_router]
        assert isinstance(unknown, Unknown) and "name a second one" in unknown.reason and not reading.is_whole
        two = replace(one, endpoints=one.endpoints * 2)
        reading = await read_chain(two, questions, now)
        assert reading.is_whole and reading.read_at == (await there.chain.head()).timestamp < now - READING_LIFE_S
        assert not there.here.desk.questions(5)

    run(anvil, at, tmp_path, scene)


def test_a_request_has_old_or_failed_readings_read_anew_and_young_ones_not(
    anvil: Anvil, at: DefiAddresses, tmp_path: Path
) -> None:
    num_looks, is_down = 0, False

    def count(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        nonlocal num_looks
        num_looks += request["method"] == "eth_getCode"
        return {"nothing": 1} if is_down else reply

    async def scene(there: There) -> None:
        nonlocal is_down
        sight, clock = Sight(there.here.desk, there.chain), there.here.clock
        for later_s, expected in ((0, 1), (1, 1), (20, 1), (60, 2)):
            clock.now += later_s
            await sight.refresh()
            assert num_looks == expected
        is_down = True
        clock.now += 60
        await sight.refresh()
        assert (await there.refusal())[0] == "code_changed"
        is_down = False
        clock.now += 1
        await sight.refresh()
        assert num_looks == 2, "who asks at once again costs nothing"
        clock.now += 1
        await sight.refresh()
        assert num_looks == 3 and await there.sign()

    run(anvil, at, tmp_path, scene, tamper=count)


@pytest.mark.integration
@pytest.mark.parametrize("is_honest", [True, False])
def test_the_process_reads_for_itself(anvil: Anvil, at: DefiAddresses, tmp_path: Path, is_honest: bool) -> None:
    async def scene(there: There) -> None:
        request = await there.swap(100, int(time()) + PAST_S)
        with signer_home(there.policy) as home:
            endpoints = [f"--rpc={CHAIN_ID}={each.url}" for each in there.chain.endpoints]
            await asyncio.to_thread(home.start, f"--live={CHAIN_ID}", *endpoints)
            ask = asyncio.to_thread(home.client.sign_transaction, fields_of(request))
            if is_honest:
                assert await ask
            else:
                with pytest.raises(PolicyDenied, match="disagree") as denied:
                    await ask
                assert denied.value.code == "price_missing"
            await asyncio.to_thread(home.end)

    run(anvil, at, tmp_path, scene, tamper=honest if is_honest else _lie_about_prices)
