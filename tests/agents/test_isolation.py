"""Two agents with two signers, as four users of one machine: none of the others gets at what is somebody's.

Each agent is `moray agent ask` and each signer `moray agent signer run`, with what they write themselves.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest

from chain_kit import deployed
from chat_kit import chat_server
from http_kit import Reply, serving
from moray.actions import Transfer, canonical
from moray.agents.signer.desk import fields_of
from moray.agents.signer.messages import encode, transaction_message
from moray.cli.agent_ask import JOURNAL, PLANS
from moray.cli.chain_access import OUTBOX
from moray.contracts.addresses import Addresses
from moray.contracts.anvil import Anvil
from moray.contracts.chain import Chain
from moray.files import write_private
from moray.node_key import NodeKey
from signer_home import Home, signer_home
from signer_kit import CHAIN_ID, ETHER, FRIEND, KEY, POLICY, payment

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.timeout(900)]
SENTENCE = "Send 0.1 ETH to Ann"
ACTION = canonical(Transfer(asset="ETH", amount="0.1", to="Ann"))
BOOK = f"""
chain: development
chain_id: {CHAIN_ID}
tokens:
  ETH: {{address: native, decimals: 18}}
names:
  Ann: "{FRIEND.address}"
"""
INTRUDER = Path(__file__).parents[1] / "intruder.py"
FRAME = encode(transaction_message(fields_of(payment(7)))).hex()


@dataclass
class Side:
    """An agent that has paid somebody, and one of the same user that waits for its model; their signer."""

    signer: Home
    folder: Path  # the agent's
    waiting: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        return str(self.signer.path("socket"))

    def ask(self, url: str) -> list[str]:
        files = {"chain": self.folder / "chain.json", "book": self.folder / "book.yaml", "signer": self.socket}
        options = [f"--{name}={path}" for name, path in (files | {"state-dir": self.folder / "state"}).items()]
        return ["-m", "moray.cli", "agent", "ask", SENTENCE, f"--url={url}", *options, "--yes", f"--live={CHAIN_ID}"]

    def owned_by_agent(self) -> list[list[str]]:
        """What only the agent's own user may do."""
        assert self.waiting is not None
        pid = self.waiting.pid
        names = [f"state/{name}" for name in (JOURNAL, f"{JOURNAL}.head", PLANS, OUTBOX)]
        files = [str(self.folder / name) for name in ("book.yaml", "chain.json", *names)]
        inside = [["read", f"/proc/{pid}/{name}"] for name in ("environ", "maps", "mem")]
        processes = [["copy_memory", str(pid)], ["attach", str(pid)], ["signal", str(pid)]]
        ways = [[how, path] for how in ("read", "write") for path in files]
        return [*ways, *inside, *processes, ["enter", str(self.folder / "state")], ["ask", f"{FRAME} {self.socket}"]]

    def owned_by_signer(self) -> list[list[str]]:
        """What the agent's user may not do either."""
        assert self.signer.process is not None
        pid = self.signer.process.pid
        names = ("keystore", "password", "policy", "journal", "journal.head", "ledger")
        ways = [[how, str(self.signer.path(name))] for how in ("read", "write") for name in names]
        return [*ways, ["enter", str(self.signer.folder)], ["signal", str(pid)], *memory_of(pid)]

    def try_as(self, user: int, ways: list[list[str]]) -> list[str]:
        done = self.signer.command(str(INTRUDER), user=user, stdin=json.dumps(ways).encode())
        result: list[str] = json.loads(done.stdout)
        return result


def memory_of(pid: int) -> list[list[str]]:
    inside = [["read", f"/proc/{pid}/{name}"] for name in ("environ", "maps", "mem")]
    return [*inside, ["copy_memory", str(pid)], ["attach", str(pid)]]


@contextmanager
def side(anvil: Anvil, addresses: Addresses, number: int) -> Iterator[Side]:
    """Whose account has ether."""
    private_key = bytes([number]) * 32
    address = NodeKey.from_bytes(private_key).address
    users = {"user": 64_100 + number, "agent": 64_200 + number}
    with signer_home(POLICY.replace(KEY.address, address), private_key, **users) as home:
        folder = Path(mkdtemp(prefix="agent-"))
        made = Side(home, folder)
        try:
            asyncio.run(give_ether(anvil, address))
            addresses.write(folder / "chain.json")
            write_private(folder / "book.yaml", BOOK.encode())
            for path in (folder, *folder.iterdir()):
                os.chown(path, home.agent, home.agent)
            home.start(f"--live={CHAIN_ID}")
            yield made
        finally:
            if made.waiting is not None:
                made.waiting.send_signal(signal.SIGKILL)
                made.waiting.communicate()
            shutil.rmtree(folder)


async def contracts_on(anvil: Anvil) -> Addresses:
    async with deployed(anvil) as there:
        return there.addresses


async def give_ether(anvil: Anvil, account: str) -> None:
    chain = await Chain.open([anvil.url])
    await chain.endpoints[0].request("anvil_setBalance", account, hex(10 * ETHER))
    await chain.close()


def hanging(reply: Reply) -> None:
    reply.hang()


@pytest.fixture
def sides(anvil: Anvil) -> Iterator[list[Side]]:
    """Each paid Ann once, and asks again."""
    with ExitStack() as stack:
        addresses = asyncio.run(contracts_on(anvil))
        both = [stack.enter_context(side(anvil, addresses, number)) for number in (21, 22)]
        silent = stack.enter_context(serving(hanging))
        for each in both:
            with serving(chat_server("elver", ACTION)) as model:
                done = each.signer.command(*each.ask(model.url), user=each.signer.agent)
            assert done.returncode == 0, done.stderr.decode()
            each.waiting = each.signer.begin(*each.ask(silent.url), user=each.signer.agent)
        while len(silent.requests) < len(both):
            assert all(each.waiting is not None and each.waiting.poll() is None for each in both)
            time.sleep(0.05)
        yield both


def test_no_user_gets_at_what_is_anothers(sides: list[Side]) -> None:
    """Journals, ledgers, keys, sockets, memories, environments."""
    for one, other in (sides, sides[::-1]):
        for intruder in (one.signer.agent, one.signer.user):
            ways = other.owned_by_agent() + other.owned_by_signer()
            assert dict(zip(map(tuple, ways), other.try_as(intruder, ways), strict=True)) == dict.fromkeys(
                map(tuple, ways), "refused"
            )
        # The same ways work for whom they are meant for, so that a refusal above says something.
        own = other.owned_by_agent()
        assert other.try_as(other.signer.agent, own) == ["let"] * len(own)
        # The agent's own user gets at nothing of its signer, and the signer's user not at the memory of its process.
        kept = other.owned_by_signer()
        assert other.try_as(other.signer.agent, kept) == ["refused"] * len(kept)
        assert other.signer.process is not None
        memory = memory_of(other.signer.process.pid)
        assert other.try_as(other.signer.user, memory) == ["refused"] * len(memory)
