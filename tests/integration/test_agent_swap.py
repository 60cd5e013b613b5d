"""From one English sentence to a swap on Uniswap's own bytecode, in real processes: a model's server, ``moray agent
ask``, the signer with its policy, a chain. What the journals say is held against the chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chain_kit import deployed
from chat_kit import chat_server
from http_kit import serving
from moray.actions import Action, Swap, canonical
from moray.agents.journal import SEEN_HEAD, Entry, read_entries
from moray.agents.names import AddressBook, Exchange, read_book
from moray.agents.planning.amounts import base_units
from moray.cli.agent_ask import JOURNAL
from moray.cli.demo_swap import AgentFiles, prepare, signing
from moray.contracts import erc20
from moray.contracts.anvil import Anvil
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.deploy import transact
from moray.contracts.development_keys import DEVELOPMENT_KEYS
from operators import run

pytestmark = pytest.mark.integration
LIVE = ("--yes", "--live", "31337")
HELD_USD = 10_000 * 10**6
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Scene:
    """An agent with ether and USD, and its chain; ``ask`` while its signer runs."""

    agent: AgentFiles
    chain_url: str

    def ask(self, sentence: str, understood: Action, *options: str) -> tuple[int, dict[str, Any]]:
        """The command's exit status and what it says, with a model that understands just that."""
        with serving(chat_server("elver", canonical(understood))) as server:
            done = self.agent.ask(sentence, server.url, *options)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    @property
    def book(self) -> AddressBook:
        return read_book(self.agent.book)

    @property
    def usd(self) -> str:
        return self.book.tokens["USDC"].address

    def balance(self, token: str) -> int:
        return int(self.on_chain(erc20.balance_of(token, self.agent.account).ask))

    def allowance(self, token: str) -> int:
        """Of the exchange's router."""
        router = self.book.venue("venue", None, Exchange).router.address
        return int(self.on_chain(erc20.allowance(token, self.agent.account, router).ask))

    def receipt(self, tx_hash: str) -> Any:
        return self.on_chain(lambda chain: chain.endpoints[0].request("eth_getTransactionReceipt", tx_hash))

    def num_sent(self) -> int:
        account = self.agent.account
        return self.on_chain(lambda chain: chain.endpoints[0].number("eth_getTransactionCount", account, "latest"))

    def journal(self, kind: str = "") -> list[Entry]:
        """The agent's."""
        return entries(self.agent.state_dir / JOURNAL, kind)

    def signed(self) -> list[Entry]:
        return entries(self.agent.signer_journal, "signed")

    def decisions(self) -> list[tuple[str, str]]:
        """Outcome and code, as the signer wrote them down."""
        found = entries(self.agent.signer_journal, "decision")
        return [(entry.fields["outcome"], entry.fields["code"]) for entry in found]

    def on_chain(self, ask: Callable[[Chain], Awaitable[Answer]]) -> Answer:
        async def whole() -> Answer:
            chain = await Chain.open([self.chain_url])
            try:
                return await ask(chain)
            finally:
                await chain.close()

        return asyncio.run(whole())


def entries(journal: Path, kind: str) -> list[Entry]:
    return [entry for entry, _ in read_entries(journal) if kind in ("", entry.kind)]


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Scene]:
    """On a chain of its own: each deployment moves the clock, and the policy knows of one."""

    async def whole(anvil: Anvil) -> AgentFiles:
        async with deployed(anvil) as there:
            agent = await prepare(there.addresses, tmp_path)
            usd = Currency(there.chain, read_book(agent.book).tokens["USDC"].address)
            mint = usd.mint(agent.account, HELD_USD)
            await transact(there.chain, DEVELOPMENT_KEYS[0], mint.summary, mint.to, mint.data)
            return agent

    with Anvil() as anvil:
        yield Scene(asyncio.run(whole(anvil)), anvil.url)


@pytest.fixture
def scene(prepared: Scene) -> Iterator[Scene]:
    with signing(prepared.agent):
        yield prepared


def test_a_sentence_becomes_a_final_swap_and_both_journals_prove_it(scene: Scene) -> None:
    before = scene.balance(scene.usd)
    code, told = scene.ask("Swap 0.5 ETH for USDC", Swap(pay="ETH", get="USDC", amount="0.5"), *LIVE)
    assert code == 0 and told["failure"] is None and "doubt" not in told, told

    (step,) = told["steps"]
    receipt = scene.receipt(step["tx_hash"])
    assert receipt["status"] == "0x1" and told["paid"] == {"ETH": "0.5"}
    assert base_units(told["received"]["USDC"], 6) == scene.balance(scene.usd) - before > 0
    assert scene.num_sent() == 1

    (end,) = scene.journal("end")
    assert end.fields["is_done"] and [each["tx_hash"] for each in end.fields["steps"]] == [step["tx_hash"]]
    kinds = ["ask", "plan", "simulation", "start", "call", "end", SEEN_HEAD]
    assert [entry.kind for entry in scene.journal()] == kinds
    assert scene.decisions() == [("allowed", "allowed")]
    assert [f"0x{entry.fields['tx_hash']}" for entry in scene.signed()] == [step["tx_hash"]]
    mine, signers = scene.agent.state_dir / JOURNAL, scene.agent.signer_journal
    for journal, anchor in ((mine, []), (signers, ["--anchor", str(mine)])):
        verified = run("agent", "journal", "verify", str(journal), *anchor, "--json")
        assert verified["entries"] == len(entries(journal, ""))


def test_what_must_not_be_signed_is_stopped_by_whoever_is_there_for_it(scene: Scene) -> None:
    """The policy refuses an amount, by its code; grounding refuses what the user did not say; a dry run asks nobody."""
    half, two = Swap(pay="ETH", get="USDC", amount="0.5"), Swap(pay="ETH", get="USDC", amount="2")
    approving = Swap(pay="USDC", get="WETH", amount="3000")
    before = scene.balance(scene.usd)
    for sentence, understood, name in (
        ("Swap 2 ETH for USDC", two, "transaction_limit"),
        ("Swap 3000 USDC for WETH", approving, "allowance_too_high"),
    ):
        code, told = scene.ask(sentence, understood, *LIVE)
        assert code == 1 and told["agrees"] and told["changes"] and told["steps"] == []
        assert (told["failure"]["code"], told["failure"]["name"]) == ("signature_refused", name)
    assert scene.decisions() == [("denied", "transaction_limit"), ("denied", "allowance_too_high")]

    code, told = scene.ask("Swap 0.5 ETH for USDC", two, *LIVE)
    assert code == 1 and not told["agrees"] and "amount" in told["why"][0] and "plan" not in told
    code, told = scene.ask("Swap 0.5 ETH for USDC", half)
    assert code == 0 and told["plan"] and int(told["changes"]["native"]) == -(10**18) // 2 and "dry run" in told["note"]

    assert len(scene.decisions()) == 2 and scene.signed() == [] and scene.num_sent() == 0
    assert scene.balance(scene.usd) == before and scene.allowance(scene.usd) == 0


@pytest.mark.long
def test_what_was_approved_for_a_swap_that_the_policy_then_refuses_is_taken_back(prepared: Scene) -> None:
    """A worst price that no market gives: the approval is signed, the swap is not."""
    scene, policy = prepared, prepared.agent.policy.read_text()
    assert policy.count('at_least: "0.0003"') == 1
    scene.agent.policy.write_text(policy.replace('at_least: "0.0003"', 'at_least: "1"'))
    before = scene.balance(scene.usd)
    with signing(scene.agent):
        code, told = scene.ask("Swap 1000 USDC for WETH", Swap(pay="USDC", get="WETH", amount="1000"), *LIVE)
    assert code == 1 and told["failure"]["name"] == "price_too_low"
    assert scene.decisions() == [("allowed", "allowed"), ("denied", "price_too_low"), ("allowed", "allowed")]
    assert len(told["steps"]) == len(scene.signed()) == scene.num_sent() == 2  # the approval, and its end
    assert scene.balance(scene.usd) == before and scene.allowance(scene.usd) == 0
