"""``POST /network/assignment`` on a real server: what is answered, and every refusal."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

import moray.router.reports as reports_module
from gateway_kit import WAIT_S, served
from moray.errors import JoinRefused
from moray.node_key import NodeKey
from moray.node_report import MAX_REPORT_BYTES, NodeReport, encode_report, parse_assignment, report_signer, sign_report
from moray.router.assignment import Rules
from moray.router.blame import Blame, Failures
from moray.router.http_errors import RateLimited, add_error_handlers
from moray.router.listener import NetworkIdentity
from moray.router.placement import REPORT_PERIOD_S, Placement
from moray.router.reports import ReportDoor, report_routes
from report_kit import NETWORK_ID, REPORT, ROUTER, a_report

NUM_EXPERTS, CHAIN_ID, NOW = 4, 31337, REPORT["reported_at"]
KEY, OTHER_KEY = (NodeKey.from_bytes(bytes(31) + last) for last in (b"\x07", b"\x08"))
IDENTITY = NetworkIdentity(NETWORK_ID, "model-a", "float32", NUM_EXPERTS, ROUTER, CHAIN_ID)


def make_door(placement: Placement | None = None, **limits: Any) -> ReportDoor:
    placement = placement or Placement(NUM_EXPERTS, Rules(), 0.0)
    return ReportDoor(placement, IDENTITY, clock=lambda: float(NOW), **limits)


class Router:
    def __init__(self, **limits: Any) -> None:
        self.app, self.failures = FastAPI(), Failures()
        add_error_handlers(self.app, 1, self.failures)
        self.app.include_router(report_routes(make_door(**limits)))

        @self.app.get("/healthz")
        async def healthz() -> str:
            return "alive"

        self.port = 0

    @contextmanager
    def served(self) -> Iterator[Router]:
        with served(self.app) as self.port:
            yield self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, content: bytes | Iterator[bytes]) -> httpx2.Response:
        return httpx2.post(f"{self.url}/network/assignment", content=content, timeout=WAIT_S)


@pytest.fixture
def router() -> Iterator[Router]:
    with Router().served() as router:
        yield router


def signed(key: NodeKey = KEY, **changes: Any) -> bytes:
    return encode_report(sign_report(key, a_report(**changes), CHAIN_ID))


def error_of(response: httpx2.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    return response.status_code, error["code"]


def test_a_report_is_answered_with_what_the_node_is_to_hold(router: Router) -> None:
    response = router.post(signed(num_slots=3, experts=(2,)))
    assert response.status_code == 200 and response.headers["content-type"] == "application/json"
    assignment = parse_assignment(response.content)
    assert 2 in assignment.experts and len(assignment.experts) == 3 and assignment.next_report_s == REPORT_PERIOD_S
    again = router.post(signed(num_slots=3, reported_at=NOW + 1))
    assert parse_assignment(again.content) == assignment


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "malformed"),
        (b"[" * 5000, "malformed"),
        (signed()[:-1], "malformed"),
        (encode_report(a_report()), "malformed"),  # not signed
        (signed(network_id="other"), "wrong_network"),
        (signed(router="203.0.113.6:9000"), "wrong_router"),
        (signed(reported_at=NOW - 301), "wrong_clock"),
        (signed(reported_at=NOW + 301), "wrong_clock"),
        (signed().replace(b"node-1", b"node-2"), "bad_signature"),
        (signed().replace(KEY.address.encode(), OTHER_KEY.address.encode()), "bad_signature"),
        (encode_report(sign_report(KEY, a_report(), 1)), "bad_signature"),  # of another chain
        (signed(asked=(NUM_EXPERTS,)), "wrong_experts"),
        (signed(asked=(1, 2)), "wrong_experts"),
    ],
)
def test_a_refusal_names_its_reason_and_counts_as_the_clients_fault(router: Router, content: bytes, code: str) -> None:
    assert error_of(router.post(content)) == (403, code)
    assert failures_of(router) == {Blame.CLIENT: 1}


def failures_of(router: Router) -> dict[Blame, float]:
    registry = CollectorRegistry()
    registry.register(router.failures.counter)
    counts = {blame: registry.get_sample_value("moray_failures_total", {"blame": blame}) or 0.0 for blame in Blame}
    return {blame: count for blame, count in counts.items() if count}


def test_a_body_above_the_limit_is_refused_with_and_without_a_length(router: Router) -> None:
    body = signed().ljust(MAX_REPORT_BYTES)
    assert router.post(body).status_code == 200
    assert error_of(router.post(body + b" ")) == (413, "body_too_large")
    assert error_of(router.post(iter([body, b" "]))) == (413, "body_too_large")


def test_a_report_is_good_once_and_only_the_signers_own_reports_make_it_old(router: Router) -> None:
    ahead = signed(reported_at=NOW + 1)
    forged = json.dumps(json.loads(ahead) | {"reported_at": NOW + 9}).encode()
    assert error_of(router.post(forged)) == (403, "bad_signature")
    assert router.post(ahead).status_code == 200
    assert error_of(router.post(ahead)) == (403, "stale_report")
    assert error_of(router.post(signed())) == (403, "stale_report")
    assert router.post(signed(OTHER_KEY)).status_code == 200


def test_one_node_too_many_is_refused_where_all_others_serve() -> None:
    placement = Placement(NUM_EXPERTS, Rules(), 0.0, max_nodes=1)
    placement.sync({(KEY.address, "0"): frozenset({0})}, 0.0)
    door = make_door(placement)
    with pytest.raises(JoinRefused) as refused:
        asyncio.run(door.assignment(signed()))
    assert refused.value.reason_code == "too_many"


def test_an_address_that_comes_too_often_is_refused_before_its_body_is_read() -> None:
    with Router(reports_per_s=1e-6, burst=2).served() as router:
        assert router.post(signed()).status_code == 200
        assert error_of(router.post(b"nothing")) == (403, "malformed")  # counts too
        with socket.create_connection(("127.0.0.1", router.port), timeout=WAIT_S) as connection:
            connection.sendall(b"POST /network/assignment HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 429")  # without a byte of it
        response = router.post(signed(OTHER_KEY))
        assert error_of(response) == (429, "rate_limited") and int(response.headers["retry-after"]) >= 1
        assert failures_of(router) == {Blame.CLIENT: 3}


def test_a_signer_that_comes_too_often_is_refused_from_wherever_and_nobody_else_can_use_up_its_share() -> None:
    door = make_door(reports_per_s=1e-6, burst=1)

    async def ask() -> None:
        with pytest.raises(JoinRefused, match="bad_signature"):
            await door.assignment(signed(OTHER_KEY).replace(OTHER_KEY.address.encode(), KEY.address.encode()))
        assert (await door.assignment(signed())).experts
        with pytest.raises(RateLimited, match="signer"):
            await door.assignment(signed(reported_at=NOW + 1))
        assert (await door.assignment(signed(OTHER_KEY))).experts

    asyncio.run(ask())


def test_signatures_are_checked_aside_and_when_too_many_wait_more_are_turned_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered, may_go_on = threading.Event(), threading.Event()

    def slowly(report: NodeReport, chain_id: int) -> str:
        entered.set()
        assert may_go_on.wait(WAIT_S)
        return report_signer(report, chain_id)

    monkeypatch.setattr(reports_module, "report_signer", slowly)
    with Router(max_pending=1).served() as router, ThreadPoolExecutor(1) as clients:
        first = clients.submit(router.post, signed())
        assert entered.wait(WAIT_S)
        assert httpx2.get(f"{router.url}/healthz", timeout=WAIT_S).text == '"alive"'
        assert error_of(router.post(signed(OTHER_KEY))) == (429, "overloaded")
        may_go_on.set()
        assert first.result(WAIT_S).status_code == 200
        assert router.post(signed(OTHER_KEY)).status_code == 200


def test_who_says_the_same_twice_at_once_is_heard_once() -> None:
    door = make_door()

    async def ask() -> None:
        outcomes = await asyncio.gather(door.assignment(signed()), door.assignment(signed()), return_exceptions=True)
        assert sorted(isinstance(outcome, JoinRefused) for outcome in outcomes) == [False, True]

    asyncio.run(ask())


def test_a_client_that_leaves_in_the_middle_of_its_report_is_nobodys_failure(router: Router) -> None:
    with socket.create_connection(("127.0.0.1", router.port), timeout=WAIT_S) as connection:
        connection.sendall(b"POST /network/assignment HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert router.post(signed()).status_code == 200
    assert failures_of(router) == {}
