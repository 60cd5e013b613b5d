"""What one dispatch costs: a row of 7,168 bf16 values to one and to eight experts and back, four ways, interleaved.

- ``moray``: the product's data plane, NetworkExperts and Acceptor in the caller, UplinkThreads in every replica, with
  experts of width 1, since their mathematics is not what is measured. The row's 14,336 bytes travel as 3,584 float32
  values;
- ``handle``: Serve DeploymentHandle calls with defaults;
- ``tuned``: the best handle: gRPC (``_by_reference=False``), router and user code in one loop, no access log;
- ``echo``: a bare echo of the same bytes over TCP, asyncio Protocol on the default event loop at both ends.

Callers are driver processes of a Ray cluster; experts are eight Serve replicas. ``tuned`` needs another environment in
caller and replicas, so it has a cluster, a caller and eight replicas of its own; one parent calls both in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import secrets
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

import numpy as np
import torch
import uvloop

from measure import claim, machine, progress, report, summary_us
from moray.cli.launch import reserve_port
from moray.cli.network import terminated_as_interrupt
from moray.experts.compiled import Rows
from moray.experts.executor import Executor
from moray.experts.ffn import load_feed_forward
from moray.experts.routes import OwnRoute
from moray.experts.served import served_experts
from moray.experts.uplink import ReplicaIdentity
from moray.experts.uplink_threads import UplinkThreads
from moray.experts.weights import ExpertFunction
from moray.nodes.cluster import SLOT_RESOURCE, ClusterSpec, start_cluster, stop_cluster
from moray.router.credentials import TokenCredentials
from moray.router.directory import Directory
from moray.router.listener import Acceptor, NetworkIdentity, listen
from moray.router.network_experts import NetworkExperts
from moray.types import DataAddress

T = TypeVar("T")

HOST = "127.0.0.1"
MODEL_ID = "0" * 64
NUM_EXPERTS = 8
WIDTH = 7168  # bf16 values
HIDDEN_SIZE = WIDTH // 2  # float32 values
CAPACITY_ROWS = 1 << 12
FAN_OUTS = (1, NUM_EXPERTS)
READY_S = 180.0
LENGTH = "<I"  # a format, since struct.Struct cannot be sent to a replica
LENGTH_BYTES = 4
CALLERS = {"default": ("moray", "handle", "echo"), "tuned": ("tuned",)}
TUNED_ENV = {"RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0", "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}
CALLS_IN_A_ROW = {"moray": 5, "echo": 5, "handle": 1, "tuned": 1}
PAUSE_S = 0.003  # between two kinds: what a handle call leaves to be done is not the next kind's cost


class EchoProtocol(asyncio.Protocol):
    """Sends back every whole frame: 4 bytes of length, then that many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._buffer = cast(asyncio.Transport, transport), bytearray()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= LENGTH_BYTES:
            end = LENGTH_BYTES + struct.unpack_from(LENGTH, self._buffer)[0]
            if len(self._buffer) < end:
                return
            self.frame(bytes(self._buffer[:end]))
            del self._buffer[:end]

    def frame(self, frame: bytes) -> None:
        self._transport.write(frame)


class EchoClient(EchoProtocol):
    answer: asyncio.Future[bytes]

    def ask(self, frame: bytes) -> asyncio.Future[bytes]:
        self.answer = asyncio.get_running_loop().create_future()
        self._transport.write(frame)
        return self.answer

    def frame(self, frame: bytes) -> None:
        self.answer.set_result(frame)


class EchoExpert:
    """One replica: answers handles, has an uplink to ``router_port`` (0: none) and a TCP echo of its own."""

    def __init__(self, expert: int, router_port: int, token: bytes) -> None:
        torch.set_num_threads(1)
        self._port, self._has_port = 0, threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve_echo()), daemon=True).start()
        if router_port:
            identity = ReplicaIdentity(
                node_id="bench",
                replica_id=f"expert-{expert}",
                experts=(expert,),
                shards_digest=bytes(32),
                model_id=MODEL_ID,
                numeric_class="float32",
            )
            thin = load_feed_forward(torch.zeros(2, HIDDEN_SIZE), torch.zeros(HIDDEN_SIZE, 1))
            weights: dict[int, dict[int, ExpertFunction]] = {expert: {0: thin}}
            executor, served = Executor(weights, HIDDEN_SIZE, CAPACITY_ROWS), served_experts(weights, CAPACITY_ROWS)
            route = OwnRoute(DataAddress(HOST, router_port), token)
            self._uplinks = UplinkThreads([route], identity, executor, time.time_ns, served)
            self._uplinks.start()
        gc.freeze()  # as ExpertReplica does

    async def _serve_echo(self) -> None:
        server = await asyncio.get_running_loop().create_server(EchoProtocol, HOST, 0)
        self._port = server.sockets[0].getsockname()[1]
        self._has_port.set()
        await server.serve_forever()

    async def echo(self, row: torch.Tensor) -> torch.Tensor:
        return row

    async def port(self) -> int:
        await asyncio.to_thread(self._has_port.wait)
        return self._port


def deploy(router_port: int, token: bytes, has_access_log: bool) -> list[Any]:
    """Eight applications of one replica each; their handles."""
    from ray import serve

    from moray.nodes.serve import deploy_together, start_serve, wait_ready

    start_serve()
    apps = {}
    for expert in range(NUM_EXPERTS):
        deployment: Any = serve.deployment(
            EchoExpert,
            name=f"expert-{expert}",
            ray_actor_options={"num_cpus": 0, "resources": {SLOT_RESOURCE: 1}},
            logging_config={"enable_access_log": has_access_log},
            max_ongoing_requests=100,
        )
        apps[f"expert-{expert}"] = deployment.bind(expert, router_port, token)
    deploy_together(apps)
    wait_ready(list(apps), READY_S)
    return [serve.get_app_handle(name) for name in apps]


# -- the caller: a driver process with a loop for Moray (uvloop, as the engine has), one for handles, one for the echo

Call = Callable[[int], Awaitable[Any]]  # fan-out -> one round trip


class LoopThread:
    """An event loop that runs all the time, as routers of handles and uplinks need it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        threading.Thread(target=loop.run_forever, daemon=True).start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Its result, in the calling thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def run_caller(kind: str, out: TextIO) -> None:
    """Answer ``{"path", "fan_out", "calls"}`` lines with lists of seconds until stdin ends."""
    env = TUNED_ENV if kind == "tuned" else {}
    os.environ.update(env)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        record = start_cluster(
            ClusterSpec(
                num_nodes=1, slots=NUM_EXPERTS, state_dir=Path(folder) / "state", env=env | {"OMP_NUM_THREADS": "1"}
            )
        )
        try:
            from moray.nodes.serve import connected

            with connected(record):
                answer_calls(kind, out)
        finally:
            stop_cluster(record)


def answer_calls(kind: str, out: TextIO) -> None:
    engine, main = LoopThread(uvloop.new_event_loop()), LoopThread(uvloop.new_event_loop())
    plain = LoopThread(asyncio.SelectorEventLoop())
    row = torch.randn(1, WIDTH).to(torch.bfloat16)
    token, port = secrets.token_bytes(32), 0
    paths: dict[str, tuple[LoopThread, Call]] = {}
    if kind == "default":
        port = reserve_port(HOST, 0, "")
        directory, moray_call = engine.run(open_moray(port, token, row))
    handles = main.run(deployed(port, token, has_access_log=kind == "default"))
    if kind == "default":
        engine.run(until_joined(directory))
        clients = plain.run(open_echoes(main.run(ports(handles))))
        frame = struct.pack(LENGTH, row.nbytes) + row.view(torch.uint8).numpy().tobytes()
        paths["moray"] = engine, moray_call
        paths["handle"] = main, lambda count: call_handles(handles[:count], row)
        paths["echo"] = plain, lambda count: ask_echoes(clients[:count], frame)
    else:
        tuned = main.run(over_grpc(handles))
        paths["tuned"] = main, lambda count: call_handles(tuned[:count], row)
    print(json.dumps("ready"), file=out, flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        loop, call = paths[wanted["path"]]
        print(json.dumps(loop.run(timed(call, wanted["fan_out"], wanted["calls"]))), file=out, flush=True)


async def timed(call: Call, fan_out: int, calls: int) -> list[float]:
    samples = []
    with torch.inference_mode():
        for _ in range(calls):
            started = time.perf_counter()
            await call(fan_out)
            samples.append(time.perf_counter() - started)
    return samples


async def open_moray(port: int, token: bytes, row: torch.Tensor) -> tuple[Directory, Call]:
    identity = NetworkIdentity("bench", MODEL_ID, "float32", NUM_EXPERTS, f"{HOST}:{port}")
    directory = Directory(NUM_EXPERTS)
    acceptor = Acceptor(identity, directory, TokenCredentials(token))
    open_moray.kept = await listen(acceptor, DataAddress(HOST, port)), asyncio.create_task(acceptor.watch())  # type: ignore[attr-defined]
    same_bytes = row.view(torch.float32).numpy()
    experts = NetworkExperts(directory, acceptor.counters, timeout_s=30.0)
    expert_ids = {count: np.arange(count)[None] for count in FAN_OUTS}

    async def call(count: int) -> Rows:
        outputs = await experts.dispatch(0, same_bytes, expert_ids[count])
        assert outputs.shape == (1, count, HIDDEN_SIZE)
        return outputs

    return directory, call


async def deployed(port: int, token: bytes, has_access_log: bool) -> list[Any]:
    """In a thread: the loop must go on, since experts join while they start."""
    return await asyncio.to_thread(deploy, port, token, has_access_log)


async def until_joined(directory: Directory) -> None:
    async with asyncio.timeout(READY_S):
        while directory.missing():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def over_grpc(handles: list[Any]) -> list[Any]:
    """In the loop that will call them: it becomes the loop of their router."""
    return [handle.options(_by_reference=False) for handle in handles]


async def ports(handles: list[Any]) -> list[int]:
    return [await handle.port.remote() for handle in handles]


async def open_echoes(echo_ports: list[int]) -> list[EchoClient]:
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(EchoClient, HOST, port))[1] for port in echo_ports]


async def call_handles(handles: list[Any], row: torch.Tensor) -> list[Any]:
    return await asyncio.gather(*(handle.echo.remote(row) for handle in handles))


async def ask_echoes(clients: list[EchoClient], frame: bytes) -> list[torch.Tensor]:
    answers = await asyncio.gather(*(client.ask(frame) for client in clients))
    return [torch.frombuffer(bytearray(answer), dtype=torch.bfloat16, offset=LENGTH_BYTES) for answer in answers]


# -- the parent


class Caller:
    def __init__(self, kind: str) -> None:
        command = [sys.executable, __file__, "--caller", kind]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_ready(self) -> None:
        self._answer()

    def call(self, path: str, fan_out: int, calls: int) -> list[float]:
        assert self._process.stdin is not None
        print(json.dumps({"path": path, "fan_out": fan_out, "calls": calls}), file=self._process.stdin, flush=True)
        return cast(list[float], self._answer())

    def close(self) -> None:
        """Its stdin ends; it stops its cluster and exits."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a caller ended early; its message is above")
        return json.loads(line)


def measure(rounds: int, budget_s: float) -> dict[str, list[float]]:
    """Seconds by ``path_fanout``."""
    callers: dict[str, Caller] = {}
    samples: dict[str, list[float]] = {}
    try:
        for kind in CALLERS:  # one after the other: a cluster takes both cores to start
            progress(f"starting a cluster and eight replicas ({kind})")
            callers[kind] = Caller(kind)
            callers[kind].wait_ready()
        cells = [(kind, path, count) for count in FAN_OUTS for kind, paths in CALLERS.items() for path in paths]
        for kind, path, count in cells:
            callers[kind].call(path, count, 20)
        progress("measuring")
        until = time.monotonic() + budget_s
        order = random.Random(1)
        for _ in range(rounds):
            order.shuffle(cells)  # or one path would always find the caches as the same other one left them
            for kind, path, count in cells:
                time.sleep(PAUSE_S)
                taken = callers[kind].call(path, count, CALLS_IN_A_ROW[path])
                samples.setdefault(f"{path}_{count}", []).extend(taken)
            if time.monotonic() > until:
                break
    finally:
        progress("stopping")
        for caller in callers.values():
            caller.close()
    return samples


def claims_of(cells: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    claims = []
    for count in FAN_OUTS:
        p50 = {path: cells[f"{path}_{count}"]["p50_us"] for path in CALLS_IN_A_ROW}
        handle, tuned, echo = p50["handle"] / p50["moray"], p50["tuned"] / p50["moray"], p50["moray"] / p50["echo"]
        claims += [
            claim(f"handle with defaults >= 25 x Moray, {count} experts, p50", handle, handle >= 25),
            claim(f"best-tuned handle >= 8 x Moray, {count} experts, p50", tuned, tuned >= 8),
            claim(f"Moray <= 2 x a bare TCP echo, {count} experts, p50", echo, echo <= 2),
        ]
    return claims


def main() -> None:
    with terminated_as_interrupt():
        run()


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--caller", choices=list(CALLERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.caller:
        out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # whatever else prints does not get between the answers
        run_caller(options.caller, out)
        return
    facts, started = machine("ray"), time.perf_counter()
    samples = measure(60 if options.quick else 400, 25.0 if options.quick else 120.0)
    cells = {name: summary_us(values) for name, values in samples.items()}
    took = round(time.perf_counter() - started, 1)
    report({"machine": facts, "seconds": took, "bytes_per_row": WIDTH * 2, "claims": claims_of(cells), "cells": cells})


if __name__ == "__main__":
    main()
