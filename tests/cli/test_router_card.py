"""What the owner signs of each router, and which routers do not go into one manifest."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest

from card_kit import card, router
from moray.cli.router_card import RouterCard, is_open_to_change, read_card, router_entries
from moray.errors import BadSetting, ClusterError

PUBLIC = {"host": "203.0.113.5", "port": 7000, "tls_cert_sha256": "ab" * 32}
URL = "http://203.0.113.5:8000"


def parsed(**changes: Any) -> RouterCard:
    return RouterCard.model_validate_json(json.dumps(card(**({"public_address": PUBLIC} | changes))))


def test_a_card_is_read_and_becomes_an_entry() -> None:
    with router() as url:
        (entry,) = router_entries([url], [read_card(url)])
    assert entry.model_dump() == {"host": "127.0.0.1", "port": 7000, "url": url, "tls_cert_sha256": "ab" * 32}


@pytest.mark.parametrize(
    "shown",
    [
        b"",
        b"<html>",
        b"[" * 100_000,
        [],
        {},
        card(network_id=""),
        card(chain_id="1"),
        card(chain_id=-1),
        card(model={"id": "CD" * 32, "numeric_class": "int8"}),
        card(model={"id": "cd" * 32, "numeric_class": "int9"}),
        card(model="elver"),
        card(public_address={}),
        card(public_address=PUBLIC | {"host": "0.0.0.0"}),
        card(public_address=PUBLIC | {"port": 0}),
        card(public_address=PUBLIC | {"tls_cert_sha256": "ab"}),
        {name: value for name, value in card().items() if name != "public_address"},
    ],
    ids=lambda shown: ascii(shown)[:40],
)
def test_what_is_no_card_is_refused_in_one_line(shown: object) -> None:
    with router(shown) as url, pytest.raises(ClusterError, match="not a router's") as refused:
        read_card(url)
    assert str(refused.value).isprintable()


def test_a_server_that_has_no_card_or_is_not_there_is_refused() -> None:
    with router() as url, pytest.raises(ClusterError, match="not a router's"):
        read_card(f"{url}/elsewhere")
    with pytest.raises(ClusterError, match="does not answer"):
        read_card(url)


def test_a_server_that_speaks_something_else_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 \x1b[31mmail\r\n\r\n")
                connection.recv(4096)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ClusterError, match="does not answer") as refused:
            read_card(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert str(refused.value).isprintable()


def test_a_router_without_shards_is_refused() -> None:
    with router(is_sharded=False) as url, pytest.raises(BadSetting, match="moray model shard"):
        read_card(url)


def test_the_public_url_stands_for_the_url_of_a_single_router() -> None:
    (entry,) = router_entries(["http://127.0.0.1:8000"], [parsed()], "https://router.example")
    assert (entry.url, entry.name) == ("https://router.example", "203.0.113.5:7000")
    with pytest.raises(BadSetting, match="--public-url"):
        router_entries([URL, URL], [parsed(), parsed()], "https://router.example")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost:8000"])
def test_a_url_of_this_machine_is_not_published_for_a_router_that_others_reach(url: str) -> None:
    with pytest.raises(BadSetting, match="--public-url"):
        router_entries([url], [parsed()])
    (entry,) = router_entries([url], [parsed(public_address=PUBLIC | {"host": "127.0.0.1"})])
    assert entry.url == url


@pytest.mark.parametrize(
    "change",
    [
        {"network_id": "eel"},
        {"chain_id": 1},
        {"model": {"id": "ce" * 32, "numeric_class": "int8"}},
        {"model": {"id": "cd" * 32, "numeric_class": "int4"}},
    ],
    ids=str,
)
def test_routers_of_two_networks_or_models_are_refused(change: dict[str, Any]) -> None:
    second = PUBLIC | {"port": 7001}
    assert len(router_entries([URL, URL], [parsed(), parsed(public_address=second)])) == 2
    with pytest.raises(BadSetting, match="another network or model"):
        router_entries([URL, URL], [parsed(), parsed(public_address=second, **change)])


def test_a_router_that_takes_no_experts_of_others_is_refused() -> None:
    with pytest.raises(BadSetting, match="--public-host"):
        router_entries([URL], [parsed(public_address=None)])


def test_only_plain_http_to_another_machine_is_open_to_change() -> None:
    assert is_open_to_change("http://203.0.113.5:8000") and is_open_to_change("http://router.example")
    assert not is_open_to_change("https://router.example")
    assert not is_open_to_change("http://127.0.0.1:8000") and not is_open_to_change("http://[::1]:8000")
