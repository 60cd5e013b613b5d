"""No key and no password of an agent, of who pays for it, or of a node's operator lies anywhere but in its own file and
its own process.

A whole intent in real processes: a network on Ray whose node is paid for its rows, `moray pay`, `moray agent ask`, the
signer, a chain. Its model knows nothing, so what it answered is put aside and the action given in its place.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import chain as joined_up
from pathlib import Path

import httpx2
import psutil
import pytest
from pydantic import SecretStr

from chain_process import Chain as ChainProcess
from chain_process import chain_of
from cluster import Network, marked
from http_kit import Reply, serving
from moray.actions import Swap, canonical
from moray.cli.agent_ask import JOURNAL
from moray.cli.demo_swap import AgentFiles, prepare, signing
from moray.contracts.addresses import Addresses, read_addresses
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.deploy import transact
from moray.contracts.development_keys import DEVELOPMENT_KEYS
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.key_file import load_key
from operators import PASSWORD, Operator, joined, new_key, open_network
from paying_process import paying
from secret_hunt import Piece, files, hunt, memory, processes, shared_memory

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.root, pytest.mark.timeout(1500)]
CONFIG = TINY_CONFIG | {"n_routed_experts": 2, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
MODEL = "elver-tiny"  # the house model's name: sentences without instructions
PRICE, CAP = 500_000, 400  # base units for 1,000 rows; rows without pay
PAYEE = DEVELOPMENT_KEYS[5].address
ETHER, UNIT = 10**18, 10**6


def test_a_whole_paid_intent_leaves_no_secret_behind(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "checkpoint", CONFIG, seed=6)
    write_shards(tmp_path / "checkpoint", tmp_path / MODEL)
    with (
        chain_of(tmp_path / "chain") as chain,
        open_network(
            tmp_path / MODEL, tmp_path, "--row-price", str(PRICE), env={"MORAY_EXPERT_WAIT_S": "1"}
        ) as network,
    ):
        addresses = read_addresses(Path(chain.file))
        payer = new_key(tmp_path, "payer")
        asyncio.run(fund(addresses, payer))
        account = ("--keystore", str(tmp_path / "payer.json"), "--password-file", network.password_file)
        with (
            joined(network, "node", "--slots", "2", *terms(chain, payer)) as node,
            paying(network, chain, *account) as step,
        ):
            node.serving()
            network.network.wait(lambda page: page["missing_experts"] == [], "both experts", 300)
            (tmp_path / "agent").mkdir(mode=0o700)
            agent = asyncio.run(prepare(addresses, tmp_path / "agent"))
            with signing(agent), serving(through(network.network)) as model:
                told = agent.ask("Swap 0.5 ETH for USDC", model.url, "--yes", "--live", str(addresses.chain_id))
                assert told.returncode == 0 and json.loads(told.stdout)["failure"] is None, told.stderr
                assert [step()["step"] for _ in range(2)] == ["deposited", "promised"]
                nothing_is_found(tmp_path, agent, network.network, node)


def terms(chain: ChainProcess, payer: str) -> list[str]:
    pay = ["--payee", PAYEE, "--accept-payer", payer, "--row-price", str(PRICE), "--chain", chain.file]
    return [*pay, "--max-unpaid-rows", str(CAP)]


async def fund(addresses: Addresses, payer: str) -> None:
    chain = await Chain.open(addresses.rpc_urls, addresses.chain_id)
    mint = Currency(chain, addresses.currency).mint(payer, 100 * UNIT)
    await transact(chain, DEVELOPMENT_KEYS[0], mint.summary, mint.to, mint.data)
    await transact(chain, DEVELOPMENT_KEYS[0], "a gift of ether", payer, b"", ETHER)
    await chain.close()


def through(network: Network) -> Callable[[Reply], None]:
    """A server whose every answer the network has worked for, and said something else."""
    action = canonical(Swap(pay="ETH", get="USDC", amount="0.5"))

    def answer(reply: Reply) -> None:
        path, body = reply.request_seen.path, reply.request_seen.body
        if path == "/v1/models":
            return reply.whole(httpx2.get(f"{network.url}{path}", timeout=60).content)
        asked = httpx2.post(
            f"{network.url}{path}", content=body, headers={"Content-Type": "application/json"}, timeout=300
        )
        if asked.status_code != 200:  # not paid in time; the client asks again
            return reply.whole(asked.content, asked.status_code)
        said = asked.json()
        said["choices"][0]["message"]["content"] = action
        return reply.whole(json.dumps(said).encode())

    return answer


def nothing_is_found(folder: Path, agent: AgentFiles, network: Network, node: Operator) -> None:
    password = (folder / "agent" / "password").read_text()
    keystores = {
        "agent": folder / "agent" / "key.json",
        **{name: folder / f"{name}.json" for name in ("payer", "node", "owner")},
    }
    secrets = {"the agent's password": password.encode(), "the others' password": PASSWORD.encode()}
    for name, path in keystores.items():
        key = load_key(path, SecretStr(password if name == "agent" else PASSWORD))
        secrets[f"the {name}'s key"] = bytes(key._account.key)
    marker = json.loads((network.state_dir / "state.json").read_text())["marker"]
    known = {"the agent's account": agent.account[2:].encode(), "the network's marker": marker.encode()}
    looked_at = set[str]()
    found = hunt(secrets | known, told_of(places(folder, network, node), looked_at))
    assert {name: found[name] for name in secrets} == {name: set() for name in secrets}
    # That nothing was found says something only of places that were looked at, by a look that finds what is there.
    for place in ("/logs/", "environ of ", "cmdline of ", "object store", "memory of gcs_server", "memory of raylet"):
        assert any(place in each for each in looked_at), place
    assert {str(agent.signer_journal), str(agent.state_dir / JOURNAL)} <= found["the agent's account"]
    assert any(each.startswith("environ of ") for each in found["the network's marker"])


def told_of(pieces: Iterator[Piece], looked_at: set[str]) -> Iterator[Piece]:
    for place, content in pieces:
        looked_at.add(place)
        yield place, content


def places(folder: Path, network: Network, node: Operator) -> Iterator[Piece]:
    """All that the processes wrote: their folders, Ray's sessions with its logs, its object store and what its servers
    remember; and every process's environment and command line."""
    markers = [json.loads((network.state_dir / "state.json").read_text())["marker"], node.state()["marker"]]
    pids = [pid for marker in markers for pid in marked(marker)]
    servers = [pid for pid in pids if psutil.Process(pid).name() in ("gcs_server", "raylet")]
    assert len(servers) >= 4
    sessions = {Path(json.loads(path.read_text())["temp_dir"]) for path in folder.rglob("state.json")}
    assert len(sessions) >= 2
    passwords = [folder / "password", folder / "agent" / "password"]
    return joined_up(
        files(folder, but=passwords),
        *(files(session) for session in sessions),
        processes(),
        shared_memory(pids),
        *(memory(pid) for pid in servers),
    )
