"""The two processes of an agent that is killed again and again: the agent, and the signer that holds its key."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from eth_keyfile.keyfile import create_keyfile_json

from execution_kit import intent, leaving_plan, transfer_plan
from moray.agents.execution import Executor
from moray.agents.execution_record import Record
from moray.agents.journal import Journal
from moray.agents.plan import Plan, plan_key
from moray.agents.signer.client import SignerClient
from moray.cli import main as moray
from moray.contracts.chain import Chain
from moray.contracts.outbox import Outbox
from moray.contracts.sender import Sender
from moray.errors import SignerUnreachable
from moray.keystore import MIN_PBKDF2_ROUNDS
from sender_kit import ROUND_S, SIGNER, payee

READY = "ready"
_PASSWORD = "correct horse battery staple"


class Told:
    """The journal, and a line on the standard output for each entry."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)

    def append(self, kind: str, fields: dict[str, Any]) -> None:
        self._journal.append(kind, fields)
        print(kind, flush=True)


def asset_of(number: int) -> str:
    return "ETH" if number % 7 == 3 else "MTEST"


async def planned(chain: Chain, currency: str, spender: str, number: int) -> Plan:
    """Each fifth approves somebody besides."""
    if leaves(number):
        return await leaving_plan(chain, currency, spender, number)
    return await transfer_plan(chain, currency, number, asset_of(number))


def leaves(number: int) -> bool:
    return number % 5 == 0 and asset_of(number) == "MTEST"


def key_of(number: int, chain_id: int) -> str:
    return plan_key(intent(number, asset_of(number)), SIGNER.address, chain_id, f"intent {number}")


# -- the agent ---------------------------------------------------------------------------------------------------------


def run_agent(folder: str, url: str, currency: str, spender: str, count: str, confirmations: str) -> None:
    """Carries out ``count`` intents, one after the other, and prints READY and then a line for each entry of its
    journal, at once. Ends when every intent has ended."""
    asyncio.run(_carry_out(Path(folder), url, currency, spender, int(count), int(confirmations)))


async def _carry_out(folder: Path, url: str, currency: str, spender: str, count: int, confirmations: int) -> None:
    chain, outbox = await Chain.open([url]), Outbox(f"sqlite:///{folder / 'outbox'}")
    record, signer = Record(f"sqlite:///{folder / 'plans'}"), SignerClient(folder / "socket")
    await _answering(signer)
    async with Sender(outbox, chain, signer, confirmations=confirmations, round_s=ROUND_S) as sender:
        executor = Executor(chain, sender, record, Told(folder / "journal"))
        print(READY, flush=True)
        await executor.resume()
        for number in range(count):
            if await executor.result(key_of(number, chain.chain_id)) is None:
                await executor.execute(await planned(chain, currency, spender, number))
    await chain.close()


async def _answering(signer: SignerClient) -> None:
    """The signer may have been killed at the same time."""
    while True:
        try:
            assert signer.address == SIGNER.address
            return
        except SignerUnreachable:
            await asyncio.sleep(ROUND_S)


# -- the signer --------------------------------------------------------------------------------------------------------


def run_signer(folder: str, url: str) -> None:
    """``moray agent signer run``, with what ``write_signer`` put into the folder."""
    home = Path(folder)
    files = {name: home / name for name in ("keystore", "policy", "socket", "ledger", "anchor")}
    files |= {"journal": home / "signer-journal", "password-file": home / "password"}
    options = [f"--{name}={path}" for name, path in files.items()]
    sys.argv = ["moray", "agent", "signer", "run", *options, "--live=31337", f"--rpc=31337={url}"]
    moray()


def write_signer(folder: Path, currency: str, spender: str, count: int) -> None:
    """Its key, and a policy of just what the intents need."""
    private_key = bytes(SIGNER._account.key)
    # The fewest rounds that a signer opens.
    keystore = create_keyfile_json(private_key, _PASSWORD.encode(), kdf="pbkdf2", iterations=MIN_PBKDF2_ROUNDS)
    for name, content in (
        ("keystore", json.dumps(keystore)),
        ("password", _PASSWORD),
        ("policy", _policy(currency, spender, [payee(number) for number in range(count) if asset_of(number) == "ETH"])),
    ):
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)


def _policy(currency: str, spender: str, paid_in_ether: list[str]) -> str:
    limits = '{per_transaction: "1", per_day: "1000", new_recipient_above: "never"}'
    ether = "".join(
        f'  - {{name: pay {number} in ether, chain: development, to: "{account}", call: receive()}}\n'
        for number, account in enumerate(paid_in_ether)
    )
    return f"""\
version: 1
owner: "{SIGNER.address}"
chains:
  development:
    id: 31337
    live: true
    gas: {{max_fee_gwei: "100", max_tip_gwei: "3", max_cost: "0.05", max_cost_per_day: "50"}}
assets:
  ETH: {{chain: development, address: native, decimals: 18, limits: {limits}}}
  MTEST: {{chain: development, address: "{currency}", decimals: 6, limits: {limits}}}
calls:
  - name: pay anyone
    chain: development
    to: MTEST
    call: transfer(address to, uint256 amount)
    recipients: anyone
  - name: let one take some
    chain: development
    to: MTEST
    call: approve(address spender, uint256 amount)
    spenders: ["{spender}"]
{ether}"""
