"""The wide-area proxy between real sockets: what it does to bytes and to connections, and that it can be undone."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from wan_link import Carries, Link
from wan_proxy import WanProxy

pytestmark = pytest.mark.integration

LIMIT_S = 20.0  # after which a wait is a hang
MOMENT_S = 0.3  # in which something does not happen
PARTITION = Link(carries="none", new_connections="hanging")


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """In the router's place."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT_S)
        yield listener


@pytest.fixture(scope="module")
def shared(listener: socket.socket) -> Iterator[WanProxy]:
    with WanProxy(listener.getsockname(), 2) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared: WanProxy) -> WanProxy:
    shared.set(Link())
    return shared


def connect(proxy: WanProxy, listener: socket.socket, line: int = 0) -> tuple[socket.socket, socket.socket]:
    """The replica's end and the router's."""
    replica = socket.create_connection(proxy.addresses[line], LIMIT_S)
    router, _ = listener.accept()
    router.settimeout(LIMIT_S)
    return replica, router


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        assert more, "the connection ended"
        data += more
    return data


def is_silent(connection: socket.socket) -> bool:
    return not select.select([connection], [], [], MOMENT_S)[0]


def is_reset(connection: socket.socket) -> bool:
    try:
        connection.recv(1)
    except ConnectionResetError:
        return True
    return False


@pytest.mark.parametrize(
    "link",
    [Link(), Link(round_trip_ms=20, jitter_ms=10), Link(round_trip_ms=5, bytes_per_s=4e6), Link(slow_down=3)],
    ids=str,
)
def test_every_byte_comes_through_once_and_in_order_both_ways_at_once(
    proxy: WanProxy, listener: socket.socket, link: Link
) -> None:
    proxy.set(link)
    replica, router = connect(proxy, listener)
    rng = random.Random(0)
    up, down = rng.randbytes(1 << 20), rng.randbytes(1 << 20)

    def talk(connection: socket.socket, data: bytes) -> None:
        for start in range(0, len(data), 50_000):
            connection.sendall(data[start : start + 50_000])

    with ThreadPoolExecutor(4) as pool:
        for connection, data in ((replica, up), (router, down)):
            pool.submit(talk, connection, data)
        heard = list(pool.map(exactly, (router, replica), (len(up), len(down))))
    assert heard == [up, down]


def test_more_is_on_its_way_over_a_long_link_than_sockets_hold(proxy: WanProxy, listener: socket.socket) -> None:
    proxy.set(Link(carries="down"))
    replica, router = connect(proxy, listener)
    sender = threading.Thread(target=replica.sendall, args=(bytes(32 << 20),))
    sender.start()
    sender.join(LIMIT_S)
    assert not sender.is_alive() and is_silent(router)
    proxy.set(Link())
    assert exactly(router, 32 << 20) == bytes(32 << 20)


def test_what_a_partition_holds_back_comes_when_it_is_over(proxy: WanProxy, listener: socket.socket) -> None:
    replica, router = connect(proxy, listener)
    proxy.set(PARTITION)
    replica.sendall(b"up")
    router.sendall(b"down")
    assert is_silent(router) and is_silent(replica)
    proxy.set(Link())
    assert exactly(router, 2) == b"up"
    assert exactly(replica, 4) == b"down"


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_partition_of_one_way_carries_the_other(proxy: WanProxy, listener: socket.socket, way: Carries) -> None:
    replica, router = connect(proxy, listener)
    proxy.set(Link(carries=way))
    replica.sendall(b"up")
    router.sendall(b"down")
    carried, held = (router, replica) if way == "up" else (replica, router)
    assert carried.recv(10) == way.encode()
    assert is_silent(held)


def test_nobody_learns_behind_a_partition_that_the_other_side_is_gone(proxy: WanProxy, listener: socket.socket) -> None:
    replica, router = connect(proxy, listener)
    proxy.set(PARTITION)
    replica.close()
    assert is_silent(router)
    proxy.set(Link())
    assert router.recv(1) == b""


def test_new_connections_are_refused_or_hang_and_are_accepted_again(proxy: WanProxy, listener: socket.socket) -> None:
    proxy.set(Link(new_connections="refused"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(proxy.addresses[0], LIMIT_S)
    proxy.set(Link(new_connections="hanging"))
    with pytest.raises(TimeoutError):
        socket.create_connection(proxy.addresses[0], MOMENT_S)
    proxy.set(Link())
    replica, router = connect(proxy, listener)
    replica.sendall(b"hello")
    assert exactly(router, 5) == b"hello"


def test_a_stall_ends_by_itself(proxy: WanProxy, listener: socket.socket) -> None:
    replica, router = connect(proxy, listener)
    proxy.stall(2 * MOMENT_S)
    replica.sendall(b"later")
    assert is_silent(router)
    assert exactly(router, 5) == b"later"


def test_a_reset_reaches_both_sides_and_a_change_of_one_line_leaves_the_other_alone(
    proxy: WanProxy, listener: socket.socket
) -> None:
    replica, router = connect(proxy, listener)
    other_replica, other_router = connect(proxy, listener, line=1)
    proxy.set(Link(carries="none"), 0)
    proxy.reset(0)
    assert is_reset(replica) and is_reset(router)
    other_replica.sendall(b"still here")
    assert exactly(other_router, 10) == b"still here"


def test_an_end_of_one_side_leaves_the_other_way_open_and_a_reset_is_passed_on(
    proxy: WanProxy, listener: socket.socket
) -> None:
    replica, router = connect(proxy, listener)
    replica.sendall(b"all")
    replica.shutdown(socket.SHUT_WR)
    assert exactly(router, 3) == b"all"
    assert router.recv(1) == b""
    router.sendall(b"thanks")
    assert exactly(replica, 6) == b"thanks"
    router.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    router.close()
    assert is_reset(replica)


def test_who_dials_while_the_router_is_down_is_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = nobody.getsockname()
    with WanProxy(address, 1) as proxy, pytest.raises(ConnectionResetError):
        socket.create_connection(proxy.addresses[0], LIMIT_S).recv(1)  # that early or at the first read


def test_no_connection_is_left_behind(listener: socket.socket) -> None:
    with WanProxy(listener.getsockname(), 1) as proxy:
        for _ in range(50):
            replica, router = connect(proxy, listener)
            with contextlib.closing(replica), contextlib.closing(router):
                replica.sendall(b"x")
                assert exactly(router, 1) == b"x"
        until = time.monotonic() + LIMIT_S
        while (counted := proxy.count(0)[0])["num_open"] and time.monotonic() < until:
            time.sleep(0.01)
        assert counted == {"num_connections": 50, "num_open": 0, "num_bytes": 50}
