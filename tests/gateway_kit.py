"""What the gateway's tests share: a byte-level tokenizer, a scripted generator, a live server."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from moray.router.blame import Failures
from moray.router.gateway import create_app
from moray.router.gateway_settings import GatewaySettings
from moray.router.tokenizer import ModelTokenizer
from moray.types import FinishReason, GeneratedToken, GenerationRequest

SPECIAL = ["<|bos|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "hello world, how are you?",
    "über die Straße €",
] * 3
WAIT_S = 20.0
HANG: Final = "hang"
PAUSE: Final = "pause"
Step = int | Exception | Literal["hang", "pause"]
MARKS: Final[dict[str, Step]] = {HANG: HANG, PAUSE: PAUSE}


def write_tokenizer(folder: Path, **config: object) -> Path:
    """A byte-level BPE of about 330 tokens; ``config`` goes into tokenizer_config.json."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    defaults = {
        "bos_token": "<|bos|>",
        "eos_token": {"__type": "AddedToken", "content": "<|end|>", "special": True},
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(defaults | config))
    return folder


class ScriptedGenerator:
    """Plays ``script(request)``: token ids, errors to raise, ``PAUSE`` to let others run, ``HANG`` for ever.

    A token ends the request when it is one of its stop tokens or its last allowed one. ``ended`` receives
    every request whose iterator has been left, in whatever way.
    """

    def __init__(self, script: Callable[[GenerationRequest], Sequence[Step]]) -> None:
        self.script = script
        self.num_prefix_tokens: Callable[[GenerationRequest], int] = lambda _: 0
        self.requests: list[GenerationRequest] = []
        self.ended: queue.Queue[GenerationRequest] = queue.Queue()
        self.streams: list[AsyncIterator[GeneratedToken]] = []  # held, so that only closing can end them

    def generate(self, request: GenerationRequest) -> AsyncIterator[GeneratedToken]:
        tokens = self._play(request)
        self.streams.append(tokens)
        return tokens

    async def _play(self, request: GenerationRequest) -> AsyncIterator[GeneratedToken]:
        self.requests.append(request)
        num_tokens = 0
        try:
            for step in self.script(request):
                if isinstance(step, Exception):
                    raise step
                if step == HANG:
                    await asyncio.Event().wait()
                elif step == PAUSE:
                    await asyncio.sleep(0.002)
                else:
                    num_tokens += 1
                    token = _token(int(step), num_tokens, request)
                    if num_tokens == 1:
                        token = replace(token, num_prefix_tokens=self.num_prefix_tokens(request))
                    yield token
                    if token.finish_reason is not None:
                        return
        finally:
            self.ended.put(request)


def _token(token_id: int, num_tokens: int, request: GenerationRequest) -> GeneratedToken:
    sampling = request.sampling
    finish_reason: FinishReason | None = "length" if num_tokens == sampling.max_tokens else None
    if token_id in sampling.stop_token_ids:
        finish_reason = "stop"
    if sampling.num_logprobs is None:
        return GeneratedToken(token_id, finish_reason=finish_reason)
    best = tuple((token_id + rank, -0.5 - rank) for rank in range(sampling.num_logprobs))
    return GeneratedToken(token_id, -0.5, best, finish_reason)


class Gateway:
    """A gateway on a loopback port; tests set ``generator.script`` and ``reasons``."""

    def __init__(self, tokenizer: ModelTokenizer) -> None:
        self.tokenizer = tokenizer
        self.settings = GatewaySettings(
            "test/model", context_length=100, vocab_size=340, max_body_bytes=50_000, max_choices=20
        )
        self.generator = ScriptedGenerator(lambda _: [])
        self.reasons: list[str] = []
        self.registry, failures = CollectorRegistry(), Failures()
        self.registry.register(failures.counter)
        self.app = create_app(
            self.generator,
            tokenizer,
            self.settings,
            network=lambda: {"experts": {"0": ["replica-1"]}},
            readiness=lambda: self.reasons,
            metrics_registry=self.registry,
            failures=failures,
        )
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def says(self, *steps: str | Step) -> None:
        """Script for all requests; texts other than the two marks stand for their ids."""
        script: list[Step] = []
        for step in steps:
            if not isinstance(step, str):
                script.append(step)
            elif step in MARKS:
                script.append(MARKS[step])
            else:
                script += self.tokenizer.encode(step, add_special=False)
        self.generator.script = lambda _: script


@contextmanager
def served(app: FastAPI) -> Iterator[int]:
    """The port of a real server for ``app``, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + WAIT_S
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started, "the server did not start"
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
