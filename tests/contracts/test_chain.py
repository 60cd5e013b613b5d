"""Endpoints that are dead, of another chain, broken or liars: one clear line each, and never a URL."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from chain_kit import CLIENT, deployed, proxy
from moray.contracts.anvil import DEVELOPMENT_KEYS, Anvil
from moray.contracts.chain import Chain
from moray.contracts.currency import Currency
from moray.contracts.endpoint import MAX_REPLY_BYTES, Endpoint, endpoint_name
from moray.contracts.market import TaskMarket
from moray.errors import (
    BadSetting,
    ChainError,
    ChainRefused,
    ChainUnreachable,
    ContractMissing,
    EndpointsDisagree,
    MorayError,
    WrongChain,
)

SECRET = "s3cret-api-key"


def honest(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    return reply


def one_line(error: MorayError, *words: str) -> None:
    text = str(error)
    assert text.isprintable() and SECRET not in text
    assert all(word in text for word in words), text


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_dead_endpoint_is_named_by_host_and_port_only(anvil: Anvil) -> None:
    port = free_port()
    for urls in ([f"http://127.0.0.1:{port}/{SECRET}"], [anvil.url, f"http://u:{SECRET}@127.0.0.1:{port}/?k={SECRET}"]):
        with pytest.raises(ChainUnreachable) as caught:
            asyncio.run(Chain.open(urls))
        one_line(caught.value, f"127.0.0.1:{port}", "does not answer", "start it")


def test_an_endpoint_of_another_chain_is_refused(anvil: Anvil) -> None:
    with pytest.raises(WrongChain) as caught:
        asyncio.run(Chain.open([f"{anvil.url}/?key={SECRET}"], chain_id=1))
    one_line(caught.value, "is of chain 31337, not 1")


def test_two_endpoints_of_different_chains_are_refused(anvil: Anvil) -> None:
    with Anvil(chain_id=31338) as other, pytest.raises(WrongChain) as caught:
        asyncio.run(Chain.open([anvil.url, other.url]))
    one_line(caught.value, other.url.removeprefix("http://"), "chain 31338, not 31337")


@pytest.mark.parametrize("url", ["", "ftp://h", "http://", "http://[", "ws://h:1", f"http://h:99999/{SECRET}", "h:1"])
def test_what_is_no_url_of_an_endpoint_is_refused_unshown(url: str) -> None:
    with pytest.raises(BadSetting) as caught:
        asyncio.run(Chain.open([url]))
    one_line(caught.value, "http://host:port")


def test_a_name_is_the_host_and_port() -> None:
    assert endpoint_name(f"https://user:{SECRET}@rpc.example.org/v2/{SECRET}?key={SECRET}#x") == "rpc.example.org"
    assert endpoint_name("http://[::1]:8545/") == "[::1]:8545"
    with pytest.raises(BadSetting, match="no RPC endpoint is named"):
        asyncio.run(Chain.open([]))


def test_nothing_logs_a_url(anvil: Anvil, caplog: pytest.LogCaptureFixture) -> None:
    async def use() -> None:
        chain = await Chain.open([f"{anvil.url}/?key={SECRET}"])
        assert await chain.web3.eth.chain_id == 31337
        assert SECRET not in repr(chain) and SECRET not in str(chain.web3.provider)
        with pytest.raises(ContractMissing):
            await Currency(chain, CLIENT.address).symbol()
        await chain.close()

    with caplog.at_level(logging.DEBUG):
        asyncio.run(use())
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (200, b"<html>", ChainUnreachable, "no JSON"),
        (200, b"[" * 100_000, ChainUnreachable, "no JSON"),
        (200, b"[]", ChainUnreachable, "no JSON-RPC"),
        (200, b'{"error": "x"}', ChainUnreachable, "no JSON-RPC"),
        (401, b"who are you", ChainUnreachable, "HTTP 401"),
        (302, b"", ChainUnreachable, "HTTP 302"),
        (429, b'{"error": {"code": -32005, "message": "slow\\ndown"}}', ChainRefused, "slow down"),
        (200, b'{"result": "' + b"0" * MAX_REPLY_BYTES + b'"}', ChainRefused, "bytes"),
        (200, b'{"result": {}}', ChainRefused, "a number that is none"),
        (200, b'{"result": "0xzz"}', ChainRefused, "a number that is none"),
    ],
)
def test_whatever_answers_instead_of_a_chain_makes_one_line(
    status: int, body: bytes, error: type[ChainError], words: str
) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Location": f"http://127.0.0.1:1/{SECRET}"})

    async def ask() -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            with pytest.raises(error) as caught:
                await Chain.open([f"http://127.0.0.1:{runner.addresses[0][1]}/{SECRET}"])
            one_line(caught.value, words)
        finally:
            await runner.cleanup()

    asyncio.run(ask())


def test_an_endpoint_that_never_answers_is_given_up() -> None:
    async def ask() -> None:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        async with server:
            endpoint = Endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=0.2)
            with pytest.raises(ChainUnreachable, match=r"no answer within 0\.2 s"):
                await endpoint.request("eth_chainId")
            await endpoint.disconnect()

    asyncio.run(ask())


def test_a_lie_about_money_is_caught_by_the_second_endpoint(anvil: Anvil) -> None:
    def lie(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        is_call = request["method"] == "eth_call"
        return reply | {"result": f"0x{10**18:064x}"} if is_call else reply

    async def use() -> None:
        async with deployed(anvil) as there, proxy(anvil.url, lie) as liar:
            for urls in ([anvil.url, liar], [liar, anvil.url]):
                chain = await Chain.open(urls)
                currency = Currency(chain, there.addresses.currency)
                with pytest.raises(EndpointsDisagree) as caught:
                    await currency.balance(CLIENT.address, agreed=True)
                one_line(caught.value, there.addresses.currency, liar.removeprefix("http://"), "nothing is paid")
                with pytest.raises(EndpointsDisagree):
                    await TaskMarket(chain, there.market.address).state(bytes(32), agreed=True)
                await chain.close()
            assert await there.currency.balance(CLIENT.address, agreed=True) == 0

    asyncio.run(use())


def test_endpoints_that_follow_different_forks_disagree(anvil: Anvil) -> None:
    def fork(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        is_block = request["method"] == "eth_getBlockByNumber"
        return reply | {"result": reply["result"] | {"hash": "0x" + "42" * 32}} if is_block else reply

    async def use() -> None:
        async with proxy(anvil.url, fork) as forked:
            chain = await Chain.open([anvil.url, forked])
            with pytest.raises(EndpointsDisagree) as caught:
                await chain.agreed_block()
            one_line(caught.value, "have different blocks")
            await chain.close()

    asyncio.run(use())


def test_an_endpoint_that_is_behind_is_met_where_it_is(anvil: Anvil) -> None:
    async def use() -> None:
        async with deployed(anvil) as there:
            await there.fund(CLIENT.address, 5)
            head = (await there.chain.head()).number

            def behind(request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
                return reply | {"result": hex(head)} if request["method"] == "eth_blockNumber" else reply

            await there.fund(CLIENT.address, 7)
            async with proxy(anvil.url, behind) as slow:
                chain = await Chain.open([anvil.url, slow])
                currency = Currency(chain, there.addresses.currency)
                assert (await chain.agreed_block()).number == head
                assert await currency.balance(CLIENT.address, agreed=True) == 5
                assert await currency.balance(CLIENT.address) == 12
                await chain.close()
            deep = await Chain.open([anvil.url], confirmations=2)
            assert (await deep.agreed_block()).number == (await deep.head()).number - 2
            assert await Currency(deep, there.addresses.currency).balance(CLIENT.address, agreed=True) == 5
            await deep.close()

    asyncio.run(use())


def test_off_the_development_chain_one_endpoint_is_not_believed() -> None:
    async def use(urls: list[str]) -> int:
        chain = await Chain.open(urls)
        try:
            assert chain.confirmations == 12
            return (await chain.agreed_block()).number
        finally:
            await chain.close()

    with Anvil(chain_id=31338) as other:
        with pytest.raises(BadSetting, match="name a second one"):
            asyncio.run(use([other.url]))
        assert asyncio.run(use([other.url, other.url])) == 0


@pytest.mark.parametrize("read", [lambda c, a: Currency(c, a).symbol(), lambda c, a: TaskMarket(c, a).currency()])
def test_an_address_without_a_contract_and_one_of_another_contract_are_told(
    anvil: Anvil, read: Callable[[Chain, str], Any]
) -> None:
    async def use() -> None:
        async with deployed(anvil) as there:
            with pytest.raises(ContractMissing) as caught:
                await read(there.chain, DEVELOPMENT_KEYS[5].address)
            one_line(caught.value, "no contract", DEVELOPMENT_KEYS[5].address)
            with pytest.raises(MorayError) as wrong:
                await read(there.chain, there.addresses.model_registry)
            one_line(wrong.value, "check")

    asyncio.run(use())


def test_an_address_without_its_checksum_is_refused(anvil: Anvil) -> None:
    async def use() -> None:
        chain = await Chain.open([anvil.url])
        with pytest.raises(BadSetting, match="checksum"):
            Currency(chain, CLIENT.address.lower())
        await chain.close()

    asyncio.run(use())
