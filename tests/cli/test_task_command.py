"""`moray task` against a real chain: what a client is told when something is wrong, always in one line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chain_kit import CLIENT, DEPLOYER, Deployed, deployed, proxy
from doctor_kit import free_port
from moray.cli import main
from moray.contracts.addresses import Addresses
from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil
from moray.contracts.client import TaskClient
from moray.contracts.models import ModelRecord, ModelRegistry

UNIT = 10**6
MODEL = ModelRecord(1, 8, 8, 2, 2, 300, 1, 1, b"\1" * 32, bytes(32), bytes(32), b"\2" * 32)
NO_TASK = "0x" + "ab" * 32
CLIENT_INDEX = str(DEVELOPMENT_KEYS.index(CLIENT))

Act = Callable[[Deployed], Awaitable[Any]]


class Desk:
    """One client at one chain: runs commands in this process and reads what they print."""

    def __init__(self, anvil: Anvil, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self.anvil, self.folder, self._monkeypatch, self._capsys = anvil, folder, monkeypatch, capsys
        self.addresses = asyncio.run(self._deploy())
        self.write(self.addresses)

    async def _deploy(self) -> Addresses:
        async with deployed(self.anvil) as there:
            await there.send(there.currency.mint(CLIENT.address, 100 * UNIT), CLIENT.address)
            registry = ModelRegistry(there.chain, there.addresses.model_registry)
            await there.send(registry.register(MODEL), DEPLOYER.address)
            return there.addresses

    def write(self, addresses: Addresses) -> None:
        addresses.write(self.folder / "chain.json")

    def change(self, **changes: Any) -> None:
        self.write(self.addresses.model_copy(update=changes))

    def act(self, what: Act) -> None:
        async def inside() -> None:
            from moray.contracts.chain import Chain
            from moray.contracts.currency import Currency
            from moray.contracts.market import TaskMarket

            chain = await Chain.open([self.anvil.url])
            market = TaskMarket(chain, self.addresses.task_market)
            await what(Deployed(chain, self.addresses, market, Currency(chain, self.addresses.currency)))
            await chain.close()

        asyncio.run(inside())

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self._monkeypatch.setattr(sys, "argv", ["moray", "task", *arguments, "--state-dir", str(self.folder)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = self._capsys.readouterr()
        return code, out, err

    def refused(self, says: str, *arguments: str, code: int = 1) -> None:
        """The command fails with one line, which is all that it prints but for the warning."""
        ended, out, err = self.run(*arguments)
        lines = [line for line in err.splitlines() if line.startswith("moray: ")]
        assert ended == code and out == "" and len(lines) == 1, (ended, out, err)
        assert says in lines[0] and "Traceback" not in err

    def submit(self, *options: str, account: str = CLIENT_INDEX) -> tuple[str, ...]:
        plain = "submit", "hello", "--fee", "1.5", "--model-id", MODEL.id.hex(), "--yes", "--dev-account", account
        return plain + options


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with Anvil() as running:
        yield running


@pytest.fixture
def desk(anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(anvil, tmp_path, monkeypatch, capsys)


def test_a_task_is_paid_for_found_by_its_id_and_cancelled(desk: Desk) -> None:
    code, out, err = desk.run(*desk.submit("--json"))
    assert code == 0, err
    assert "public" in err
    told = json.loads(out)
    assert told["fee"] == told["bond"] == 1_500_000
    code, out, _ = desk.run("status", told["id"])
    assert code == 0 and "may be accepted until" in out and "1.5 mtest" in out and "nobody yet" in out
    desk.refused("may be accepted until", "result", told["id"])
    desk.refused("NotClient", "cancel", told["id"], "--dev-account", "0")
    code, out, _ = desk.run("cancel", told["id"], "--dev-account", CLIENT_INDEX)
    assert (code, out) == (0, "1.5 mtest paid to the client\n")
    code, out, _ = desk.run("refund", told["id"], "--dev-account", CLIENT_INDEX)
    assert code == 0 and "paid out before" in out
    desk.refused("ended without a result (cancelled)", "result", told["id"])


def test_a_task_can_be_signed_by_its_client_and_sent_by_somebody_else(desk: Desk) -> None:
    file = str(desk.folder / "signed.json")
    code, out, err = desk.run(*desk.submit("--gasless", file, "--json"))
    assert code == 0, err
    task_id = json.loads(out)["id"]
    desk.refused("there is no task", "status", task_id, code=2)
    code, out, err = desk.run("relay", file, "--dev-account", "0")
    assert (code, out) == (0, f"{task_id}\n"), err
    code, out, _ = desk.run("status", task_id, "--json")
    assert json.loads(out)["client"] == CLIENT.address and json.loads(out)["status"] == "funded"


def test_a_signed_task_is_refused_when_it_is_late_changed_or_of_another_market(desk: Desk) -> None:
    file = desk.folder / "signed.json"
    assert desk.run(*desk.submit("--gasless", str(file), "--valid-for", "60s"))[0] == 0
    signed = json.loads(file.read_text())
    relay = "relay", str(file), "--dev-account", "0"
    file.write_text(json.dumps(signed | {"task": signed["task"] | {"fee": 1}}))
    desk.refused("refused", *relay)  # by the currency: nobody signed that
    file.write_text(json.dumps(signed | {"task_market": desk.addresses.resolver}))
    desk.refused("is signed for market", *relay, code=2)
    file.write_text(json.dumps(signed | {"spec": "zz"}))
    desk.refused("is no signed task", *relay, code=2)
    file.write_text(json.dumps(signed))
    desk.act(lambda there: there.later(61))
    desk.refused("the authorisation ended at", *relay, code=2)


def test_a_file_of_another_chain_is_one_line(desk: Desk) -> None:
    desk.change(chain_id=1)
    desk.refused("of chain 31337, not 1", "status", NO_TASK)
    desk.refused("development chain", *desk.submit(), code=2)


def test_an_endpoint_that_does_not_answer_is_one_line(desk: Desk) -> None:
    desk.change(rpc_urls=(f"http://127.0.0.1:{free_port()}/secret",))
    code, _, err = desk.run("status", NO_TASK)
    assert code == 1 and "does not answer" in err and "secret" not in err


def test_endpoints_that_disagree_are_not_paid_over(desk: Desk) -> None:
    def lie(asked: dict[str, Any], honest: dict[str, Any]) -> dict[str, Any]:
        """Every answer of a contract is one more than it is."""
        if asked["method"] != "eth_call" or "result" not in honest or len(honest["result"]) != 66:
            return honest
        return honest | {"result": f"0x{(int(honest['result'], 16) + 1) % 2:064x}"}

    async def inside() -> None:
        async with proxy(desk.anvil.url, lie) as liar:
            desk.change(rpc_urls=(desk.anvil.url, liar))
            await asyncio.to_thread(desk.refused, "disagree", *desk.submit())

    asyncio.run(inside())


def test_contracts_that_are_not_there_are_one_line(desk: Desk) -> None:
    nowhere = DEVELOPMENT_KEYS[9].address
    for name in ("task_market", "currency", "resolver", "model_registry"):
        desk.change(**{name: nowhere})
        desk.refused(nowhere, *desk.submit())
    desk.change(task_market=desk.addresses.resolver)
    desk.refused("check the contract's address", *desk.submit())


def test_an_account_without_currency_or_without_ether_is_one_line(desk: Desk) -> None:
    poor = DEVELOPMENT_KEYS[8].address

    async def take_ether(there: Deployed) -> None:
        await there.send(there.currency.mint(poor, 100 * UNIT), poor)
        await there.chain.endpoints[0].request("anvil_setBalance", poor, "0x0")

    desk.refused("fund it or offer less", *desk.submit(account="8"), code=2)
    desk.act(take_ether)
    desk.refused(poor, *desk.submit(account="8"))


def test_what_a_client_would_regret_is_refused_before_it_pays(desk: Desk) -> None:
    desk.refused("is not registered", *desk.submit("--model-id", "11" * 32), code=2)
    desk.refused("the bond is below the fee", *desk.submit("--bond", "1"), code=2)
    desk.refused("finer than the currency", *desk.submit("--fee", "0.0000001"), code=2)
    desk.refused("no length of time", *desk.submit("--accept-within", "soon"), code=2)
    desk.refused("EIP-55", *desk.submit("--provider", CLIENT.address.lower()), code=2)
    desk.refused("--yes", *(word for word in desk.submit() if word != "--yes"), code=2)
    desk.refused("no account pays", "submit", "x", "--fee", "1", "--model-id", MODEL.id.hex(), "--yes", code=2)
    desk.refused("temperature", *desk.submit("--temperature", "9"), code=2)
    desk.refused("64 hex digits", "status", "0x12", code=2)
    desk.refused("there is no task", "status", NO_TASK, code=2)


def test_what_a_stranger_answers_commands_no_terminal_and_the_id_is_told_before(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_: TaskClient, task_id: bytes) -> bytes:
        return b"hi\x1b[2J"

    monkeypatch.setattr(TaskClient, "wait", TaskClient.record)
    monkeypatch.setattr(TaskClient, "result", answer)
    code, out, err = desk.run(*desk.submit("--wait"))
    assert (code, out) == (0, "hi?[2J\n"), err
    code, out, err = desk.run(*desk.submit("--json"))
    assert code == 0 and json.loads(out)["id"] in err
