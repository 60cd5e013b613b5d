"""A replica over a real connection: what the serving kernel answers is what the Executor would, and what it does not
know comes to Python in its order."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from time import sleep
from typing import NoReturn

import numpy as np
import pytest
import torch

from dataplane_kit import LIMIT_S, TOKEN, identity_of
from moray import wire
from moray.errors import JoinRefused, WireError
from moray.experts import connections
from moray.experts.compiled import Rows
from moray.experts.connections import PlainConnection
from moray.experts.credentials import TokenCredentials
from moray.experts.executor import Answer, Executor
from moray.experts.integer import IntegerExpert, IntegerWeights
from moray.experts.routes import OwnRoute
from moray.experts.row_format import row_format
from moray.experts.row_kernel import SCALE_BYTES
from moray.experts.scaled_rows import ScaledRows, encode, quantise
from moray.experts.served import ROOM_BYTES, served_experts
from moray.experts.serving_kernel import MOST
from moray.experts.uplink import ExpertUplink
from moray.experts.uplink_threads import RouterThread
from moray.experts.weights import ExpertFunction, ExpertWeights, pack_expert
from moray.types import DataAddress, NumericClass

WIDTH, INNER, CAPACITY = 24, 17, 100
LAYERS_OF = {0: (1, 3), 2: (1, 3), 5: (1, 3), 9: (3,)}
HELLO = wire.Hello(2, 2, "test", 0, "model-a", "router-a", bytes(32), [])


def float_weights() -> dict[int, dict[int, ExpertFunction]]:
    torch.manual_seed(0)
    return {
        expert: pack_expert(
            {layer: ExpertWeights(torch.randn(2 * INNER, WIDTH), torch.randn(WIDTH, INNER)) for layer in layers}
        )
        for expert, layers in LAYERS_OF.items()
    }


def integer_weights() -> dict[int, dict[int, ExpertFunction]]:
    rng = np.random.default_rng(0)

    def matrix(height: int, width: int) -> ScaledRows:
        return quantise(rng.standard_normal((height, width), np.float32))

    return {
        expert: {
            layer: IntegerExpert(IntegerWeights(matrix(INNER, WIDTH), matrix(INNER, WIDTH), matrix(WIDTH, INNER)))
            for layer in layers
        }
        for expert, layers in LAYERS_OF.items()
    }


WEIGHTS: dict[NumericClass, dict[int, dict[int, ExpertFunction]]] = {
    "float32": float_weights(),
    "int8": integer_weights(),
}
CLASSES: list[NumericClass] = ["float32", "int8"]


class WatchedExecutor(Executor):
    """Knows which dispatches came to it, past the kernel."""

    def __init__(self, numeric_class: NumericClass, capacity: int) -> None:
        super().__init__(WEIGHTS[numeric_class], WIDTH, capacity, row_format(numeric_class))
        self.executed: list[int] = []

    def execute(self, dispatches: Sequence[wire.Dispatch]) -> list[Answer]:
        self.executed += [dispatch.seq for dispatch in dispatches]
        return super().execute(dispatches)


class Serving:
    """A replica in a thread, and its router as the test says."""

    def __init__(self, numeric_class: NumericClass = "float32", capacity: int = CAPACITY, small: bool = False) -> None:
        self.executor = WatchedExecutor(numeric_class, capacity)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            if small:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection = socket.create_connection(listener.getsockname())
            self.router = listener.accept()[0]
        if small:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.router.settimeout(LIMIT_S)
        self.router.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self._reader = wire.FrameReader(wire.MAX_FRAME_BYTES)
        self._received: list[wire.Message] = []
        self.error: BaseException | None = None
        served = served_experts(WEIGHTS[numeric_class], capacity)
        self.uplink = ExpertUplink(
            PlainConnection(connection), identity_of([0, 2, 5, 9]), TokenCredentials(TOKEN), 1, self.executor, served
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.send(HELLO)
        join = self.read()
        assert isinstance(join, wire.Join)
        known = wire.uplink_id(HELLO, join)
        self.send(wire.Welcome(known, wire.welcome_proof(TOKEN, known), wire.MAX_ROWS, 1000, 0, []))
        wait_for(lambda: self.uplink.is_serving)

    def _run(self) -> None:
        try:
            self.uplink.run()
        except BaseException as error:
            self.error = error

    def send(self, *messages: wire.Message) -> None:
        self.send_bytes(b"".join(map(wire.encode, messages)))

    def send_bytes(self, data: bytes) -> None:
        self.router.sendall(data)

    def read(self) -> wire.Message | None:
        """None at the connection's end."""
        while not self._received:
            data = b""
            with suppress(ConnectionError):
                data = self.router.recv(1 << 16)
            if not data:
                return None
            self._received += [wire.decode(payload) for payload in self._reader.feed(data)]
        return self._received.pop(0)

    def read_all(self, count: int) -> list[wire.Message | None]:
        return [self.read() for _ in range(count)]

    def ended(self) -> bool:
        """The thread has come to its end, and its socket is closed."""
        self._thread.join(LIMIT_S)
        return not self._thread.is_alive() and self.connection.fileno() == -1

    def close(self) -> None:
        self.uplink.end()
        self.router.close()
        assert self.ended()


def wait_for(condition: Callable[[], object]) -> None:
    for _ in range(int(LIMIT_S / 0.002)):
        if condition():
            return
        sleep(0.002)
    raise AssertionError("it did not come to pass")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_TIMEOUT_S", 0.02)


@pytest.fixture
def open_serving() -> Iterator[Callable[..., Serving]]:
    opened: list[Serving] = []

    def make(*args: object, **more: object) -> Serving:
        opened.append(Serving(*args, **more))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for serving in opened:
        serving.close()


Open = Callable[..., Serving]


def random_states(rng: random.Random, numeric_class: NumericClass, num_rows: int) -> wire.Tensor:
    rows: Rows = np.random.default_rng(rng.getrandbits(32)).standard_normal((num_rows, WIDTH), np.float32)
    if numeric_class == "float32":
        return rows
    if rng.random() < 0.3:  # any bytes have a result
        return np.frombuffer(rng.randbytes(num_rows * (WIDTH + SCALE_BYTES)), np.int8).reshape(num_rows, -1)
    return encode(rows * np.float32(10.0 ** rng.randint(-6, 6)))


def make_dispatch(rng: random.Random, numeric_class: NumericClass, seq: int, max_count: int = 4) -> wire.Dispatch:
    """Any of the experts, an expert twice among them, rows chosen with repetition, empty groups."""
    layer = rng.choice([1, 3])
    having = [expert for expert, layers in LAYERS_OF.items() if layer in layers]
    groups = [(rng.choice(having), rng.randint(0, max_count)) for _ in range(rng.choice([1, 1, 2, 3, 5]))]
    groups[0] = groups[0][0], rng.randint(1, max_count)
    num_rows = rng.randint(1, 6)
    row_index = [rng.randrange(num_rows) for _ in range(sum(count for _, count in groups))]
    return wire.Dispatch(seq, layer, groups, row_index, random_states(rng, numeric_class, num_rows), 1000)


def answers_to(numeric_class: NumericClass, dispatches: Sequence[wire.Dispatch]) -> list[bytes]:
    """Of an Executor that is given one after the other."""
    executor = WatchedExecutor(numeric_class, CAPACITY)
    return [wire.encode(executor.execute([dispatch])[0]) for dispatch in dispatches]


def as_bytes(messages: Sequence[wire.Message | None]) -> list[bytes]:
    return [b"" if message is None else wire.encode(message) for message in messages]


# -- usual work


@pytest.mark.parametrize("numeric_class", CLASSES)
@pytest.mark.parametrize("together", [1, 2, MOST, 3 * MOST + 1])
def test_the_kernel_answers_with_the_executors_bits(
    numeric_class: NumericClass, together: int, open_serving: Open
) -> None:
    rng, serving = random.Random(together), open_serving(numeric_class)
    for turn in range(60 // together + 1):
        dispatches = [make_dispatch(rng, numeric_class, 2 ** rng.randrange(63) + turn + i) for i in range(together)]
        serving.send(*dispatches)
        assert as_bytes(serving.read_all(together)) == answers_to(numeric_class, dispatches)
    assert serving.executor.executed == []


@pytest.mark.parametrize("numeric_class", CLASSES)
def test_dispatches_for_one_expert_and_the_same_layers_in_one_write_keep_their_rows_apart(
    numeric_class: NumericClass, open_serving: Open
) -> None:
    rng, serving = random.Random(1), open_serving(numeric_class)
    dispatches = [
        replace(make_dispatch(rng, numeric_class, seq), groups=[(5, 2), (2, 1), (5, 1)], row_index=[0, 0, 0, 0])
        for seq in range(2 * MOST)
    ]
    serving.send(*dispatches)
    assert as_bytes(serving.read_all(len(dispatches))) == answers_to(numeric_class, dispatches)
    assert serving.executor.executed == []


@pytest.mark.parametrize("numeric_class", CLASSES)
@pytest.mark.parametrize("patience", ["pieces come at once", "pieces come late"])
def test_frames_in_pieces_are_answered_whole_and_once(
    numeric_class: NumericClass, patience: str, open_serving: Open
) -> None:
    rng, serving = random.Random(2), open_serving(numeric_class)
    dispatches = [make_dispatch(rng, numeric_class, seq) for seq in range(30)]
    stream = b"".join(map(wire.encode, dispatches))
    cuts = sorted(rng.sample(range(1, len(stream)), 25))
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        serving.send_bytes(stream[start:end])
        sleep(0.0005 if patience == "pieces come at once" else rng.choice([0, 0.001, 0.03]))
    assert as_bytes(serving.read_all(len(dispatches))) == answers_to(numeric_class, dispatches)
    again = make_dispatch(rng, numeric_class, 99)
    executed = len(serving.executor.executed)
    serving.send(again)
    assert as_bytes([serving.read()]) == answers_to(numeric_class, [again])
    assert len(serving.executor.executed) == executed  # after a partial frame the kernel is back at work


def test_a_dispatch_of_which_a_single_byte_comes_last_is_answered_when_it_comes(open_serving: Open) -> None:
    rng, serving = random.Random(3), open_serving()
    first, second = (make_dispatch(rng, "float32", seq) for seq in (1, 2))
    serving.send_bytes(wire.encode(first) + wire.encode(second)[:-1])
    assert as_bytes([serving.read()]) == answers_to("float32", [first])
    sleep(0.05)
    serving.send_bytes(wire.encode(second)[-1:])
    assert as_bytes([serving.read()]) == answers_to("float32", [second])


# -- what Python takes over


GOOD = make_dispatch(random.Random(4), "float32", 7)
ROWS = np.ones((2, WIDTH), np.float32)
SIMPLE = wire.Dispatch(7, 1, [(0, 2), (2, 1)], [0, 1, 1], ROWS, 1000)
UNUSUAL: dict[str, wire.Dispatch] = {
    "unknown expert": replace(SIMPLE, groups=[(0, 2), (1, 1)]),
    "unknown expert without rows": replace(SIMPLE, groups=[(0, 3), (1, 0)]),
    "expert far beyond": replace(SIMPLE, groups=[(0, 2), (2**31 - 1, 1)]),
    "unknown layer": replace(SIMPLE, layer=2),
    "layer that one of the experts has not": replace(SIMPLE, groups=[(0, 2), (9, 1)]),
    "layer beyond all": replace(SIMPLE, layer=4),
    "layer far beyond": replace(SIMPLE, layer=2**31 - 1),
    "bytes": replace(SIMPLE, hidden_states=np.ones((2, WIDTH), np.int8)),
    "bytes of a row's length": replace(SIMPLE, hidden_states=np.ones((2, 4 * WIDTH), np.int8)),
    "float16": replace(SIMPLE, hidden_states=ROWS.astype(np.float16)),
    "rows too narrow": replace(SIMPLE, hidden_states=np.ones((2, WIDTH - 1), np.float32)),
    "rows too wide": replace(SIMPLE, hidden_states=np.ones((2, WIDTH + 1), np.float32)),
    "rows of no width": replace(SIMPLE, hidden_states=np.ones((2, 0), np.float32)),
    "no rows": replace(SIMPLE, hidden_states=ROWS[:0]),
    "one dimension": replace(SIMPLE, hidden_states=ROWS[0]),
    "three dimensions": replace(SIMPLE, hidden_states=ROWS[:, :, None]),
    "row that is not there": replace(SIMPLE, row_index=[0, 2, 1]),
    "counts too high": replace(SIMPLE, groups=[(0, 2), (2, 2)]),
    "counts too low": replace(SIMPLE, groups=[(0, 2), (2, 0)]),
    "counts far too high": replace(SIMPLE, groups=[(0, 2**31 - 1)] * 1024),
    "more rows than the capacity": replace(SIMPLE, groups=[(0, CAPACITY + 1)], row_index=[0] * (CAPACITY + 1)),
    "seq beyond 63 bits": replace(SIMPLE, seq=2**63),
    "greatest seq": replace(SIMPLE, seq=2**64 - 1),
}


@pytest.mark.parametrize("unusual", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_work_gets_the_executors_answer_and_keeps_its_place(unusual: wire.Dispatch, open_serving: Open) -> None:
    serving = open_serving()
    dispatches = [replace(GOOD, seq=5), unusual, replace(GOOD, seq=8)]
    serving.send(*dispatches)
    assert as_bytes(serving.read_all(3)) == answers_to("float32", dispatches)
    assert unusual.seq in serving.executor.executed and 5 not in serving.executor.executed
    serving.send(replace(GOOD, seq=9))
    assert as_bytes([serving.read()]) == answers_to("float32", [replace(GOOD, seq=9)])
    assert 9 not in serving.executor.executed


@pytest.mark.parametrize("seed", range(8))
def test_any_mixture_is_answered_in_order_however_it_is_cut(seed: int, open_serving: Open) -> None:
    rng, serving = random.Random(seed), open_serving()
    messages: list[wire.Message] = []
    for seq in range(40):
        kind = rng.choice(["work", "work", "work", "ping", "unusual"])
        if kind == "ping":
            messages.append(wire.Ping(seq))
        elif kind == "work":
            messages.append(make_dispatch(rng, "float32", seq, max_count=1))
        else:
            messages.append(replace(rng.choice(list(UNUSUAL.values())), seq=seq))
    stream = b"".join(map(wire.encode, messages))
    while stream:
        size = rng.choice([1, 50, 300, 3000])
        serving.send_bytes(stream[:size])
        stream = stream[size:]
        if rng.random() < 0.1:
            sleep(0.03)
    received = serving.read_all(len(messages))
    pongs = [message for message in received if isinstance(message, wire.Pong)]
    answers = [message for message in received if not isinstance(message, wire.Pong)]
    dispatches = [message for message in messages if isinstance(message, wire.Dispatch)]
    assert [pong.token for pong in pongs] == [message.token for message in messages if isinstance(message, wire.Ping)]
    # Python gives all that it takes over at once one capacity; these are fewer rows than that.
    assert sum(len(d.row_index) for d in dispatches if len(d.row_index) <= CAPACITY) <= CAPACITY
    assert as_bytes(answers) == answers_to("float32", dispatches)


MALFORMED = {
    "not msgpack": b"\x01\0\0\0\xc1",
    "nothing": b"\0\0\0\0",
    "a kind that routers do not send": wire.encode(wire.Pong(1, 2, 3)),
    "a result": wire.encode(wire.Result(7, ROWS)),
    "a second welcome": wire.encode(wire.Welcome(bytes(32), bytes(32), 1, 1, 0, [])),
    "a length beyond all limits": b"\xff\xff\xff\xff",
    "a negative number": wire.encode(SIMPLE).replace(b"\xa5layer\x01", b"\xa5layer\xff"),
    "a tensor shorter than its shape": wire.encode(SIMPLE).replace(
        struct.pack("<II", 2, WIDTH), struct.pack("<II", 3, WIDTH)
    ),
    "a tensor of 2^64 bytes": wire.encode(replace(SIMPLE, hidden_states=ROWS[:0])).replace(
        struct.pack("<II", 0, WIDTH), struct.pack("<II", 2**31, 2**31)
    ),
    "a byte behind the tensor": struct.pack("<I", len(wire.encode(SIMPLE)) - 3) + wire.encode(SIMPLE)[4:] + b"\0",
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
def test_what_breaks_the_protocol_ends_the_uplink_after_what_came_before_is_answered(
    malformed: bytes, open_serving: Open
) -> None:
    serving = open_serving()
    dispatches = [replace(GOOD, seq=seq) for seq in range(3)]
    serving.send_bytes(b"".join(map(wire.encode, dispatches)) + malformed)
    assert as_bytes(serving.read_all(3)) == answers_to("float32", dispatches)
    assert serving.read() is None
    assert serving.ended() and isinstance(serving.error, WireError)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_frame_is_answered_or_ends_the_uplink_and_never_more(seed: int, open_serving: Open) -> None:
    rng, serving = random.Random(seed), open_serving()
    dispatch = replace(make_dispatch(rng, "float32", 3), seq=3)
    damaged = bytearray(wire.encode(dispatch))
    for _ in range(rng.randint(1, 2)):
        damaged[rng.randrange(4, min(len(damaged), 130))] = rng.choice(
            [0, 1, 0x7F, 0xCF, 0xDC, 0xFF, rng.randrange(256)]
        )
    serving.send_bytes(bytes(damaged))
    serving.send(wire.Ping(1))
    try:
        message = wire.decode(damaged[4:])
    except WireError:
        message = None
    if isinstance(message, wire.Dispatch):
        assert sorted(as_bytes(serving.read_all(2))) == sorted(
            [*answers_to("float32", [message]), *as_bytes([replace_pong(serving)])]
        )
    else:
        assert serving.read() is None and serving.ended() and isinstance(serving.error, WireError)


def replace_pong(serving: Serving) -> wire.Pong:
    """What a Ping with token 1 is answered with, once all work is done."""
    wait_for(lambda: not serving._received)
    return wire.Pong(1, 0, rows_done_of(serving))


def rows_done_of(serving: Serving) -> int:
    return serving.executor.rows_done + int(serving.uplink._pulse[1])


# -- limits of the room


def wide_work(num_named: int, num_rows: int) -> wire.Dispatch:
    states = np.random.default_rng(5).standard_normal((num_rows, WIDTH), np.float32)
    return wire.Dispatch(1, 1, [(2, num_named)], [i % num_rows for i in range(num_named)], states, 1000)


ROW_BYTES = 4 * WIDTH
MOST_ROWS = ROOM_BYTES // ROW_BYTES


@pytest.mark.parametrize(
    "dispatch, is_compiled",
    [
        (wide_work(MOST_ROWS, 1), True),
        (wide_work(MOST_ROWS + 1, 1), False),
        (wide_work(3, MOST_ROWS - 3), True),
        (wide_work(3, MOST_ROWS + 1), False),
        (wide_work(wire.MAX_ROWS, wire.MAX_ROWS), False),
    ],
    ids=["most rows", "a row too many", "largest frame", "a frame too large", "both too large"],
)
def test_what_has_no_room_is_computed_all_the_same(
    dispatch: wire.Dispatch, is_compiled: bool, open_serving: Open
) -> None:
    assert MOST_ROWS < wire.MAX_ROWS
    serving = open_serving(capacity=wire.MAX_ROWS)
    (expected,) = Executor(WEIGHTS["float32"], WIDTH, wire.MAX_ROWS).execute([dispatch])
    serving.send(dispatch)
    assert as_bytes([serving.read()]) == as_bytes([expected])
    assert serving.executor.executed == ([] if is_compiled else [1])
    serving.send(replace(GOOD, seq=2), dispatch, replace(GOOD, seq=3))
    assert as_bytes(serving.read_all(3))[1] == wire.encode(expected)
    serving.send(replace(GOOD, seq=4))
    assert as_bytes([serving.read()]) == answers_to("float32", [replace(GOOD, seq=4)])
    assert 4 not in serving.executor.executed


def test_dispatches_that_fit_one_by_one_but_not_together_are_all_answered(open_serving: Open) -> None:
    serving = open_serving()
    rows = random_states(random.Random(6), "float32", 1)
    dispatches = [
        wire.Dispatch(seq, 3, [(5, count)], [0] * count, rows, 1000) for seq, count in enumerate([60, 60, 40, 100, 1])
    ]
    serving.send(*dispatches)
    assert as_bytes(serving.read_all(5)) == answers_to("float32", dispatches)
    assert serving.executor.executed == []


# -- endings


@pytest.mark.parametrize("keep", [0, 1, 3, 4, 30, -1])
def test_a_router_that_goes_in_the_middle_of_a_frame_ends_the_uplink_in_peace(keep: int, open_serving: Open) -> None:
    serving = open_serving()
    serving.send(GOOD)
    assert as_bytes([serving.read()]) == answers_to("float32", [GOOD])
    serving.send_bytes(wire.encode(GOOD)[:keep])
    serving.router.close()
    assert serving.ended() and serving.error is None


def test_a_router_that_resets_the_connection_ends_the_uplink_in_peace(open_serving: Open) -> None:
    serving = open_serving()
    serving.router.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    serving.router.close()
    assert serving.ended() and serving.error is None


def test_an_idle_replica_says_that_it_drains_answers_on_and_leaves_when_told(open_serving: Open) -> None:
    serving = open_serving()
    serving.uplink.drain("maintenance")
    assert serving.read() == wire.Drain("maintenance")
    serving.send(GOOD)
    assert as_bytes([serving.read()]) == answers_to("float32", [GOOD])
    assert serving.executor.executed == []
    serving.uplink.end()
    assert serving.read() is None
    assert serving.ended() and serving.error is None


def test_a_drain_in_the_middle_of_a_frame_is_said_and_the_frame_is_answered(open_serving: Open) -> None:
    serving = open_serving()
    data = wire.encode(GOOD)
    serving.send_bytes(data[:40])
    serving.uplink.drain("maintenance")
    assert serving.read() == wire.Drain("maintenance")
    serving.send_bytes(data[40:])
    assert as_bytes([serving.read()]) == answers_to("float32", [GOOD])


@pytest.mark.parametrize("numeric_class", CLASSES)
def test_a_drain_under_load_loses_and_doubles_nothing(numeric_class: NumericClass, open_serving: Open) -> None:
    # What lies there unread comes to Python in one piece, whose rows must not be more than the capacity.
    rng, serving = random.Random(7), open_serving(numeric_class, capacity=wire.MAX_ROWS)
    dispatches = [make_dispatch(rng, numeric_class, seq) for seq in range(400)]
    sending = threading.Thread(target=serving.send, args=dispatches)
    sending.start()
    received = serving.read_all(50)
    serving.uplink.drain("maintenance")
    received += serving.read_all(351)
    sending.join()
    assert received.count(wire.Drain("maintenance")) == 1
    answers = [message for message in received if not isinstance(message, wire.Drain)]
    assert as_bytes(answers) == answers_to(numeric_class, dispatches)


def test_an_end_under_load_comes_between_two_answers(open_serving: Open) -> None:
    serving = open_serving(capacity=wire.MAX_ROWS)
    one_row = wire.Dispatch(0, 1, [(0, 1)], [0], ROWS[:1], 1000)
    dispatches = [replace(one_row, seq=seq) for seq in range(20_000)]

    def send() -> None:
        with suppress(OSError):
            serving.send(*dispatches)

    sending = threading.Thread(target=send)
    sending.start()
    received = serving.read_all(20)
    serving.uplink.end()
    while (message := serving.read()) is not None:
        received.append(message)
    assert serving.ended() and serving.error is None
    sending.join()
    assert len(received) < len(dispatches)
    assert as_bytes(received) == answers_to("float32", dispatches[: len(received)])


def drip(serving: Serving, data: bytes) -> Iterator[None]:
    """A byte at a time, each long before the replica would look up from its reading."""
    for i in range(len(data)):
        serving.send_bytes(data[i : i + 1])
        sleep(0.002)
        yield


def test_a_replica_that_waits_for_the_rest_of_a_frame_ends_when_told(
    open_serving: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "READ_TIMEOUT_S", 0.5)
    serving = open_serving()
    data = wire.encode(wide_work(3, 300))
    dripping = drip(serving, data)
    for _ in range(20):
        next(dripping)
    serving.uplink.end()
    sent = 20
    with suppress(OSError):  # it closes while the router still sends
        for _ in dripping:
            sent += 1
            if sent == 1000 or serving.connection.fileno() == -1:
                break
    assert sent < 1000 < len(data)
    assert serving.ended() and serving.error is None


# -- health


def test_a_frame_that_comes_slowly_is_no_ill_health(open_serving: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_TIMEOUT_S", 0.5)
    serving = open_serving()
    seen = set[int]()
    for _ in drip(serving, wire.encode(GOOD)):
        seen.add(serving.uplink.progress)
    assert len(seen) > 10
    assert as_bytes([serving.read()]) == answers_to("float32", [GOOD])


def test_a_replica_makes_progress_while_it_is_idle_and_while_it_works(open_serving: Open) -> None:
    serving = open_serving()
    before = serving.uplink.progress
    wait_for(lambda: serving.uplink.progress > before + 3)
    before = serving.uplink.progress
    for seq in range(50):
        serving.send(replace(GOOD, seq=seq))
        serving.read()
    assert serving.uplink.progress >= before + 50


def test_a_thread_is_silent_for_as_long_as_neither_it_nor_its_kernel_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("moray.experts.uplink_threads.time.monotonic", lambda: now)

    class Standing:
        progress = 0

    route, uplink = OwnRoute(DataAddress("127.0.0.1", 1), TOKEN), Standing()
    thread = RouterThread(route, "replica", lambda: 1, lambda *_: None)  # type: ignore[arg-type]
    thread._uplink = uplink  # type: ignore[assignment]
    assert thread.silent_s() == 0
    now = 107.0
    assert thread.silent_s() == 7
    uplink.progress += 1
    assert thread.silent_s() == 0
    now = 108.0
    thread._beat()
    assert thread.silent_s() == 0
    now = 109.5
    assert thread.silent_s() == 1.5


def test_a_thread_that_dials_is_not_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that takes its time would otherwise have a replica restarted that serves other routers."""
    now, dials, may_fail = 100.0, threading.Event(), threading.Event()
    monkeypatch.setattr("moray.experts.uplink_threads.time.monotonic", lambda: now)

    class Unresolved(OwnRoute):
        def dial(self) -> NoReturn:
            dials.set()
            may_fail.wait(LIMIT_S)
            raise OSError("no such name")

    route = Unresolved(DataAddress("127.0.0.1", 1), TOKEN)
    thread = RouterThread(route, "replica", lambda: 1, lambda *_: None)  # type: ignore[arg-type]
    thread.start()
    assert dials.wait(LIMIT_S) and thread.silent_s() == 0
    now = 160.0
    assert thread.silent_s() == 0
    may_fail.set()
    thread.stop()
    thread._thread.join(LIMIT_S)
    assert not thread.is_alive


def test_a_thread_that_waits_to_dial_again_is_not_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """A router that is away for a minute would otherwise have every replica restarted, again and again."""
    now, has_failed = 100.0, threading.Event()
    monkeypatch.setattr("moray.experts.uplink_threads.time.monotonic", lambda: now)
    monkeypatch.setattr("moray.experts.uplink_threads.FIRST_BACKOFF_S", LIMIT_S * 10)

    class Away(OwnRoute):
        max_backoff_s = LIMIT_S * 10

        def dial(self) -> NoReturn:
            has_failed.set()
            raise OSError("nobody is there")

    thread = RouterThread(Away(DataAddress("127.0.0.1", 1), TOKEN), "replica", lambda: 1, lambda *_: None)  # type: ignore[arg-type]
    thread.start()
    assert has_failed.wait(LIMIT_S) and thread.silent_s() == 0
    now = 160.0
    assert thread.silent_s() == 0 and thread.is_alive
    thread.stop()
    assert not thread.is_alive


def test_a_long_answer_gives_signs_of_life_while_it_is_sent() -> None:
    num_beats, beats_at, sent = 0, list[int](), list[bytes]()

    class Drips:
        bare_fd = -1

        def send(self, data: bytes | memoryview) -> None:
            sent.append(bytes(data))
            beats_at.append(num_beats)

    def beat() -> None:
        nonlocal num_beats
        num_beats += 1

    uplink = ExpertUplink(Drips(), None, None, 1, None, on_beat=beat)  # type: ignore[arg-type]
    result = wire.Result(1, np.ones((100, 100), np.float32))
    uplink._write(result)
    assert b"".join(sent) == wire.encode(result) and beats_at == [1, 2, 3]  # 40 kB in pieces of 16 KiB


def test_what_a_refusing_router_says_fits_one_line() -> None:
    near, far = socket.socketpair()
    with near, far:
        uplink = ExpertUplink(PlainConnection(near), None, None, 1, None)  # type: ignore[arg-type]
        with pytest.raises(JoinRefused) as refused:
            uplink._handle(wire.Reject("no\nWARNING", "\x1b[2J" + "x" * 500))
    assert str(refused.value).isprintable() and len(str(refused.value)) < 300


def test_a_router_that_does_not_read_loses_the_uplink(open_serving: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SEND_TIMEOUT_S", 0.1)
    serving = open_serving(capacity=wire.MAX_ROWS, small=True)
    for seq in range(8):
        serving.send(replace(wide_work(MOST_ROWS, 1), seq=seq))
        if serving.connection.fileno() == -1:
            break
    assert serving.ended() and isinstance(serving.error, WireError)
    assert serving.executor.executed == []


def test_a_pong_counts_rows_of_the_kernel_and_of_python(open_serving: Open) -> None:
    serving = open_serving()
    serving.send(replace(SIMPLE, seq=0), replace(SIMPLE, seq=1))
    serving.read_all(2)
    serving.send(replace(SIMPLE, seq=2**64 - 1))
    serving.read()
    serving.send(wire.Ping(4))
    assert serving.read() == wire.Pong(4, 0, 9)
