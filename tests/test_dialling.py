"""Which addresses are public, and that no other is connected to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from moray import dialling
from moray.dialling import dial, is_public
from moray.errors import UnsafeAddress

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # a cloud's metadata
    "100.64.0.1",  # a carrier's NAT
    "192.0.2.1",
    "198.18.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::192.168.1.1",
    "2002:c0a8:101::1",  # 6to4 of 192.168.1.1
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_one_host_of_the_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]
)
def test_a_host_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        yield server


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found: list[Any] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_private_host_is_not_even_knocked_at(host: str, listener: socket.socket) -> None:
    with pytest.raises(UnsafeAddress, match="--allow-private"):
        dial(host, listener.getsockname()[1], 5, allow_private=False)
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.settimeout(20)
    with dial(host, listener.getsockname()[1], 5, allow_private=True) as connection:
        assert listener.accept()[1] == connection.getsockname()


def test_of_a_names_addresses_only_the_public_ones_are_tried(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.2", 0)) as private:
        resolve_to(monkeypatch, private.getsockname(), listener.getsockname())
        monkeypatch.setattr(dialling, "is_public", lambda address: address == "127.0.0.1")
        with dial("name.example", 1, 5, allow_private=False) as connection:
            assert connection.getpeername() == listener.getsockname()
        private.setblocking(False)
        with pytest.raises(BlockingIOError):
            private.accept()


def test_an_address_that_refuses_is_followed_by_the_next(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        closed = gone.getsockname()
    resolve_to(monkeypatch, closed, listener.getsockname())
    with dial("name.example", 1, 5, allow_private=True) as connection:
        assert connection.getpeername() == listener.getsockname()
    resolve_to(monkeypatch, closed, closed)
    with pytest.raises(ConnectionRefusedError):
        dial("name.example", 1, 5, allow_private=True)


def test_a_silent_address_leaves_time_for_the_next(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        address = silent.getsockname()
        with socket.create_connection(address):  # its queue is full now, so the next one hears nothing
            resolve_to(monkeypatch, address, listener.getsockname())
            with dial("name.example", 1, 1.0, allow_private=True) as connection:
                assert connection.getpeername() == listener.getsockname()
