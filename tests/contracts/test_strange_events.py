"""What a stranger writes into the market, or an endpoint makes up, stops nobody who reads along."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from eth_abi.abi import encode

from chain_kit import PROVIDER, SPEC, plain_task
from moray.contracts.chain import Chain
from moray.contracts.contents import content_bytes
from moray.contracts.contract import address_topic
from moray.contracts.interface import interface
from moray.contracts.log import Log
from moray.contracts.market import TaskCreated, TaskMarket, TaskSubmitted
from moray.contracts.tasks import Content, Task
from moray.errors import ChainRefused

NO_TEXT, MARK = b"\xff\xfe\xff\xff", "URIS"
URL = "http://127.0.0.1:1"  # nobody is asked


def log_of(market: TaskMarket, event: str, topics: list[bytes], values: list[object]) -> Log:
    entry = interface("TaskMarket").events[event]
    data = encode([each.kind for each in entry.inputs if not each.is_indexed], values)
    return Log(market.address, (entry.topic, *topics), data.replace(MARK.encode(), NO_TEXT), 1, b"", b"", 0)


def created(market: TaskMarket, task: Task, spec: bytes = SPEC, id: bytes = b"") -> Log:
    topics = [id or market.id_of(task), address_topic(task.client), address_topic(task.provider)]
    return log_of(market, "TaskCreated", topics, [task.as_struct(), spec])


@pytest.fixture
def market() -> TaskMarket:
    return TaskMarket(Chain(31337, 0, None, ()), PROVIDER.address)  # type: ignore[arg-type]


TASK = plain_task(PROVIDER.address, 10**9)


def test_a_task_whose_uri_is_no_text_is_left_out_and_those_beside_it_are_told(market: TaskMarket) -> None:
    strange = created(market, replace(TASK, spec_uri=MARK), b"")
    (told,) = market.events([strange, created(market, TASK)])
    assert isinstance(told, TaskCreated) and told.task == TASK


def test_a_result_whose_uri_is_no_text_is_told_so_that_it_can_be_challenged(market: TaskMarket) -> None:
    result, transcript = (bytes(31) + b"\1", b"", MARK), Content.of(b"{}").as_struct()
    log = log_of(market, "TaskSubmitted", [bytes(32), address_topic(PROVIDER.address)], [10**9, result, transcript])
    (told,) = market.events([log])
    assert isinstance(told, TaskSubmitted) and told.result.hash == result[0]


def test_an_event_that_nobody_can_read_or_whose_terms_are_anothers_is_left_out(market: TaskMarket) -> None:
    honest = created(market, TASK)
    assert market.events([replace(honest, data=honest.data[:40]), created(market, TASK, id=bytes(32))]) == []


def test_bytes_that_are_not_those_of_the_chain_are_the_endpoints_fault() -> None:
    invented = replace(Content.of(b"the answer"), data=b"another")
    with pytest.raises(ChainRefused, match="RPC endpoint"):
        asyncio.run(content_bytes(invented, lambda _url, _limit: b""))
