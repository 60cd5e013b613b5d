"""Eight experts on eight Ray nodes, as an OpenAI client sees them, against transformers on the same checkpoint."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from transformers import DeepseekV3ForCausalLM

from cluster import PROMPT, Network, ids_of, network_of, replica_pids
from engines import Recorder, greedy_request, load
from moray.types import GeneratedToken
from oracle import greedy, save_served

pytestmark = pytest.mark.integration

NUM_TOKENS = 128


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "served"
    save_served(folder, seed=10)
    return folder


@pytest.fixture(scope="module")
def network(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network_of(
        checkpoint, tmp_path_factory.mktemp("state"), "--nodes", "8", env={"MORAY_EXPERT_WAIT_S": "60"}
    ) as network:
        yield network


@pytest.fixture(scope="module")
def in_process(checkpoint: Path) -> dict[str, list[GeneratedToken]]:
    """What the engine makes of the same requests with all experts in one process."""
    recorder = Recorder(*load(checkpoint))
    for seed in range(16):
        recorder.submit(greedy_request(str(seed), prompt_of(seed), 48))
    recorder.submit(greedy_request("prompt", PROMPT, NUM_TOKENS))
    asyncio.run(recorder.finish())
    return {name: recorder.tokens(name) for name in recorder.outcomes}


@pytest.fixture
def client(network: Network) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{network.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def prompt_of(seed: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(5, 512) for _ in range(rng.choice([1, 9, 40]))]


def test_eight_nodes_each_host_one_expert_in_a_process_of_its_own(network: Network) -> None:
    status = network.status()
    assert status["ready"] and status["url"] == network.url and status["batch_invariant"]
    assert [node["node_id"] for node in status["nodes"]] == [f"node-{i}" for i in range(8)]
    assert sorted(expert for node in status["nodes"] for expert in node["experts"]) == list(range(8))
    pids = [pid for node in status["nodes"] for pid in node["pids"]]
    assert len(set(pids)) == 8
    for pid in pids:
        os.kill(pid, 0)
    assert [state for node in status["nodes"] for state in node["states"]] == ["serving"] * 8


def test_greedy_tokens_are_those_of_transformers(network: Network, checkpoint: Path) -> None:
    oracle = DeepseekV3ForCausalLM.from_pretrained(checkpoint)
    oracle.set_experts_implementation("eager")
    expected, logits = greedy(oracle, PROMPT, NUM_TOKENS)
    best_two = logits.topk(2).values
    unclear = (best_two[:, 0] - best_two[:, 1] < 1e-4).nonzero()
    num_comparable = NUM_TOKENS if len(unclear) == 0 else int(unclear[0])
    assert num_comparable > NUM_TOKENS // 2
    choice = network.complete(max_tokens=NUM_TOKENS)
    assert choice["token_ids"][:num_comparable] == expected[:num_comparable]
    assert choice["finish_reason"] == "length"


def test_logprobs_have_the_bits_of_the_in_process_engine(
    network: Network, in_process: dict[str, list[GeneratedToken]]
) -> None:
    choice = network.complete(max_tokens=NUM_TOKENS, logprobs=3)
    expected = in_process["prompt"]
    assert choice["token_ids"] == [token.token_id for token in expected]
    assert choice["logprobs"]["token_logprobs"] == [token.logprob for token in expected]  # floats, exactly


def test_sixteen_concurrent_requests_have_the_bits_of_the_in_process_engine(
    network: Network, in_process: dict[str, list[GeneratedToken]]
) -> None:
    def ask(seed: int) -> tuple[list[int], list[float]]:
        time.sleep(random.Random(seed).random() * 0.5)
        choice = network.complete(prompt=prompt_of(seed), max_tokens=48, logprobs=3)
        return choice["token_ids"], choice["logprobs"]["token_logprobs"]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))
    for seed, (ids, logprobs) in enumerate(answers):
        assert ids == [token.token_id for token in in_process[str(seed)]]
        assert logprobs == [token.logprob for token in in_process[str(seed)]]


def test_the_openai_client_gets_the_same_text_streaming_and_not(network: Network, client: OpenAI) -> None:
    asked = {"model": network.model, "prompt": "A moray waits", "max_tokens": 24, "temperature": 0}
    whole = client.completions.create(**asked)  # type: ignore[call-overload]
    chunks = list(client.completions.create(**asked, stream=True))  # type: ignore[call-overload]
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert whole.usage.completion_tokens <= 24 and whole.usage.prompt_tokens > 1


def test_the_openai_client_chats_streaming_and_not(network: Network, client: OpenAI) -> None:
    asked = {
        "model": network.model,
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "What is a reef?"}],
        "max_tokens": 24,
        "temperature": 0.8,
        "top_p": 0.9,
        "seed": 11,
    }
    whole = client.chat.completions.create(**asked)  # type: ignore[call-overload]
    chunks = list(client.chat.completions.create(**asked, stream=True))  # type: ignore[call-overload]
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed == whole.choices[0].message.content
    other = client.chat.completions.create(**asked | {"seed": 12})  # type: ignore[call-overload]
    assert other.choices[0].message.content != whole.choices[0].message.content


def test_the_openai_client_hears_what_is_wrong(network: Network, client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [network.model]
    with pytest.raises(NotFoundError):
        client.completions.create(model="another", prompt="x")
    with pytest.raises(BadRequestError, match="context"):
        client.completions.create(model=network.model, prompt=[7] * 5000, max_tokens=1)
    with pytest.raises(BadRequestError) as caught:
        client.completions.create(model=network.model, prompt="x", temperature=3)
    assert caught.value.param == "temperature"


def test_status_pages_describe_the_network(network: Network) -> None:
    assert network.get("/healthz").status_code == 200
    assert network.get("/readyz").status_code == 200
    page = network.get("/network").json()
    assert page["num_experts"] == 8 and page["missing_experts"] == [] and len(page["nodes"]) == 8
    replicas = [replica for node in page["nodes"] for replica in node["replicas"]]
    assert {(replica["state"], replica["reason"]) for replica in replicas} == {("serving", "")}
    host, port = page["data_addresses"][0].rsplit(":", 1)
    assert host == "127.0.0.1" and int(port) > 0
    text = network.get("/metrics").text
    for name in ("moray_step_seconds_total", "moray_uplink_rows_total", "moray_failures_total"):
        assert name in text


def test_a_client_that_leaves_stops_its_generation(network: Network) -> None:
    address = urlsplit(network.url)
    body = httpx2.Request("POST", network.url, json=network.body(stream=True, max_tokens=4000)).content
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        received = b""
        while b"data: " not in received:  # the head may come alone
            part = connection.recv(65536)
            assert part, received
            received += part
        network.wait(lambda page: page["router"]["running"] == 1, "the request running")
    network.wait(lambda page: page["router"]["running"] == 0, "the request's end", seconds=20)


def test_with_one_replica_the_stream_pauses_until_serve_has_restarted_it(network: Network) -> None:
    expected = network.complete(max_tokens=96)["token_ids"]
    victim = network.status()["nodes"][2]["pids"][0]
    killed: list[int] = []

    def kill_once(count: int) -> None:
        if count >= 20 and not killed:
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)

    events = list(network.stream(kill_once, max_tokens=96))
    assert killed
    assert [event["error"] for event in events if "error" in event] == []
    assert ids_of(events) == expected
    page = network.wait(lambda page: len(replica_pids(page)) == 8, "the restart")
    assert victim not in replica_pids(page)
    assert network.get("/readyz").status_code == 200
