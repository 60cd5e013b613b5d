"""Random inputs that can be had again, damage of every sort, and ends of connections that need no socket."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from moray import wire
from wire_kit import KINDS, MAKERS, payload_of

Case = Callable[[random.Random], str]  # one input; its outcome in a word
AsyncCase = Callable[[random.Random], Awaitable[str]]

NUM_USUAL, NUM_LONG = 2_000, 100_000
amounts = pytest.mark.parametrize("num_cases", [NUM_USUAL, pytest.param(NUM_LONG, marks=pytest.mark.long)])


def rng_of(seed: int) -> random.Random:
    return random.Random(f"case {seed}")


def run_cases(case: Case, num_cases: int) -> Counter[str]:
    """How often each outcome came. What a case raises names its seed: ``case(rng_of(seed))`` does it again."""
    outcomes = Counter[str]()
    for seed in range(num_cases):
        with named(seed):
            outcomes[case(rng_of(seed))] += 1
    return outcomes


async def run_async_cases(case: AsyncCase, num_cases: int) -> Counter[str]:
    outcomes = Counter[str]()
    for seed in range(num_cases):
        with named(seed):
            outcomes[await case(rng_of(seed))] += 1
    return outcomes


@contextmanager
def named(seed: int) -> Iterator[None]:
    try:
        yield
    except BaseException as problem:
        problem.add_note(f"seed {seed}: do it again with rng_of({seed})")
        raise


class Errors(logging.Handler):
    """What is logged as an error: a mistake of ours that was caught in time."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))

    def none(self) -> bool:
        assert not self.found, self.found[0]
        return True


@contextmanager
def watched_errors() -> Iterator[Errors]:
    errors, logger = Errors(), logging.getLogger("moray")
    level = logger.level
    logger.addHandler(errors)
    logger.setLevel(logging.ERROR)  # refusals are many, and their lines cost more than they do
    try:
        yield errors
    finally:
        logger.removeHandler(errors)
        logger.setLevel(level)


# -- damage


def mutate(payload: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(payload)
    for _ in range(rng.choice([1, 1, 2, 8])):
        place = rng.randrange(len(damaged) + 1)
        match rng.randrange(5):
            case 0 if place < len(damaged):
                damaged[place] ^= 1 << rng.randrange(8)
            case 1:
                del damaged[place:]
            case 2:
                damaged[place:place] = rng.randbytes(rng.choice([1, 2, 5]))
            case 3 if place < len(damaged):
                damaged[place] = rng.choice([0xC0, 0xC1, 0xC6, 0xC9, 0xCB, 0xCF, 0xDB, 0xDD, 0xDF, 0xFF])
            case _:
                del damaged[place : place + rng.choice([1, 4])]
    return bytes(damaged)


SOMEBODY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # an address as EIP-55 spells it
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 2**31, 2**64, 10**400, 1e308, float("nan"), float("inf"), "", " ", "0x",
    "x" * 300, "0x" + "00" * 65, "0x" + "f" * 40, SOMEBODY,
    "\0", "\n", "\u202e", "\ud800", "é", [], [[]], [0] * 2000, {}, {"": {}},
]  # fmt: skip


def mutate_json(content: bytes, rng: random.Random) -> bytes:
    """Damaged bytes, or JSON that is well formed and says something else."""
    if rng.random() < 0.4:
        return mutate(content, rng)
    whole: Any = json.loads(content)
    for _ in range(rng.choice([1, 1, 3])):
        inner = whole
        while isinstance(inner, dict | list) and inner:
            key: Any = rng.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
            if isinstance(inner[key], dict | list) and rng.random() < 0.7:
                inner = inner[key]
                continue
            match rng.randrange(5):
                case 0:
                    del inner[key]
                case 1 if isinstance(inner, dict):
                    inner[rng.choice(["later", "", "\n", "signer"])] = deepcopy(rng.choice(ODD_VALUES))
                case 2 if isinstance(inner, list):
                    inner.append(inner[key])
                case 3 if isinstance(inner[key], int):
                    inner[key] += rng.choice([-1, 1, 1000])
                case _:
                    inner[key] = deepcopy(rng.choice(ODD_VALUES))
            break
    if rng.random() < 0.02:
        whole = rng.choice([[whole], {"a": whole}, None, whole and "x"])
    encoded = json.dumps(whole, indent=rng.choice([None, 1])).encode()
    return b"[" * rng.choice([10, 5000]) if rng.random() < 0.01 else encoded


@cache
def payloads() -> list[bytes]:
    """Of all kinds, none of them long."""
    rng = rng_of(-1)
    pool = [payload_of(MAKERS[kind](rng)) for kind in KINDS for _ in range(30)]
    return [payload for payload in pool if len(payload) < 3000]


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "little") + payload


def odd_frame(rng: random.Random) -> bytes:
    """A frame that nobody expects, damaged inside, damaged outside, or none at all."""
    payload = rng.choice(payloads())
    match rng.randrange(5):
        case 0:
            return framed(payload)
        case 1 | 2:
            return framed(mutate(payload, rng))
        case 3:
            return mutate(framed(payload), rng)
        case _:
            return rng.randbytes(rng.randrange(64))


def pieces(stream: bytes, rng: random.Random) -> Iterator[bytes]:
    """``stream`` as a network may deliver it."""
    largest = rng.choice([1, 7, 100, 1 << 16]) if len(stream) < 500 else rng.choice([100, 1 << 16])
    while stream:
        size = rng.randint(1, largest)
        yield stream[:size]
        stream = stream[size:]


def check_bounded(reader: wire.FrameReader) -> None:
    """Between two reads it holds one frame that is not whole, and no more."""
    assert len(reader._buffer) < 4 + reader.limit_bytes


# -- ends of connections


class FakeTransport(asyncio.Transport):
    """What a protocol writes is read as frames; its other end is the test."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("198.51.100.7", 4242)})
        self._protocol, self._reader = protocol, wire.FrameReader(wire.MAX_FRAME_BYTES)
        self.written: list[wire.Message] = []
        self.is_over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_over:
            self.written += map(wire.decode, self._reader.feed(bytes(data)))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        if not self.is_over:
            self.is_over = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()


class FakeConnection:
    """An expert's connection to a router whose bytes are ``said``, piece by piece; what it is sent is in ``heard``."""

    bare_fd = -1

    def __init__(self, said: Iterator[bytes | None], breaks_with: OSError | None, num_sends: int) -> None:
        """``breaks_with``: instead of the send after ``num_sends``; None: never."""
        self._said, self._breaks_with, self._num_sends = said, breaks_with, num_sends
        self._reader = wire.FrameReader(wire.MAX_FRAME_BYTES)
        self.heard: list[wire.Message] = []
        self.num_closed = 0

    def receive(self) -> bytes | None:
        return next(self._said, b"")

    def send(self, data: bytes | memoryview) -> None:
        self._num_sends -= 1
        if self._num_sends < 0 and self._breaks_with is not None:
            raise self._breaks_with
        self.heard += map(wire.decode, self._reader.feed(data))

    def close(self) -> None:
        self.num_closed += 1
