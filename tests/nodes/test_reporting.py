"""Which router a node reports to, what it says there and what it makes of the answers: real servers, real keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from doctor_kit import free_port
from http_kit import Answer, Reply, Server, serving
from moray.errors import DownloadFailed, JoinRefused, MorayError, UnsafeAddress
from moray.guarded_http import Fetcher
from moray.network_manifest import DAY_S, NetworkManifest, RouterEntry, sign_manifest
from moray.node_key import NodeKey
from moray.node_report import MAX_ASSIGNMENT_BYTES, Assignment, NodeReport, parse_report, report_signer
from moray.nodes.reporting import Reporter

KEY = NodeKey.from_bytes(b"\5" * 32)
NOW_S = 1_800_000_000
CHAIN_ID = 31337


class Clock:
    now_s: float = NOW_S + 0.25

    def __call__(self) -> float:
        return self.now_s


class Routers:
    """Three of a network, which answer as a test says."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers = servers
        self.entries = tuple(
            RouterEntry(host="127.0.0.1", port=server.port, url=server.url, tls_cert_sha256="cd" * 32)
            for server in servers
        )

    def answer(self, *answers: Answer) -> None:
        for server, answer in zip(self.servers, answers, strict=True):
            server.answer = answer

    def manifest(self, entries: tuple[RouterEntry, ...] | None = None) -> NetworkManifest:
        return sign_manifest(
            KEY,
            network_id="eels",
            chain_id=CHAIN_ID,
            version=1,
            model_id="ab" * 32,
            numeric_class="int8",
            issued_at=NOW_S,
            expires_at=NOW_S + DAY_S,
            routers=self.entries if entries is None else entries,
        )

    def reports(self) -> list[list[NodeReport]]:
        """What each heard; every report is for it alone, and signed."""
        heard = []
        for server, entry in zip(self.servers, self.entries, strict=True):
            assert {request.path for request in server.requests} <= {"/network/assignment"}
            reports = [parse_report(request.body, "eels", entry.name, NOW_S) for request in server.requests]
            assert {report_signer(report, CHAIN_ID) for report in reports} <= {KEY.address}
            heard.append(reports)
        return heard


@pytest.fixture
def routers() -> Iterator[Routers]:
    with ExitStack() as stack:
        yield Routers([stack.enter_context(serving(assigning(0))) for _ in range(3)])


def assigning(*experts: int) -> Answer:
    return said({"experts": experts, "next_report_s": 20})


def said(answer: Any) -> Answer:
    return lambda reply: reply.whole(answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def refusing(code: str) -> Answer:
    return lambda reply: reply.error(403, code, "not you")


def reporter(clock: Clock | None = None, asked: tuple[int, ...] = (), allow_private: bool = True) -> Reporter:
    return Reporter(KEY, Fetcher(allow_private, patience_s=10), "node-1", 4, 8, asked, clock or Clock())


def test_the_first_router_decides_and_the_others_hear_nothing(routers: Routers) -> None:
    routers.answer(assigning(2, 3), assigning(0), assigning(1))
    assert reporter(asked=(2, 3)).report(routers.manifest(), [3, 1]) == Assignment((2, 3), 20)
    (report,), *others = routers.reports()
    assert others == [[], []]
    assert (report.node_id, report.num_slots, report.reported_at) == ("node-1", 4, NOW_S)
    assert (report.experts, report.asked, report.is_draining) == ((1, 3), (2, 3), False)


def test_the_next_is_asked_when_one_refuses_or_answers_nonsense(routers: Routers) -> None:
    routers.answer(refusing("wrong_clock"), said(b"<html>"), assigning(1))
    assert reporter().report(routers.manifest(), []).experts == (1,)
    assert [len(reports) for reports in routers.reports()] == [1, 1, 1]


def test_the_next_is_asked_when_one_is_not_there(routers: Routers) -> None:
    gone = routers.entries[0].model_copy(update={"port": 1, "url": f"http://127.0.0.1:{free_port()}"})
    routers.answer(assigning(0), assigning(1), assigning(2))
    assert reporter().report(routers.manifest((gone, *routers.entries[1:])), []).experts == (1,)
    assert [len(reports) for reports in routers.reports()] == [0, 1, 0]


def test_what_the_first_said_is_told_when_none_assigns(routers: Routers) -> None:
    routers.answer(refusing("too_many"), said(b""), assigning(0, 0))
    with pytest.raises(DownloadFailed, match="HTTP 403: too_many: not you"):
        reporter().report(routers.manifest(), [])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[" * 10_000,
        {},
        {"experts": [0]},
        {"experts": [-1], "next_report_s": 20},
        {"experts": ["0"], "next_report_s": 20},
        {"experts": [0], "next_report_s": 0},
        {"experts": [0], "next_report_s": 1e9},
        b'{"experts": [0], "next_report_s": NaN}',
        {"experts": list(range(1025)), "next_report_s": 20},
    ],
)
def test_an_answer_that_is_no_assignment_is_refused(answer: Any, routers: Routers) -> None:
    routers.answer(*[said(answer)] * 3)
    with pytest.raises(JoinRefused, match="malformed"):
        reporter().report(routers.manifest(), [])


@pytest.mark.parametrize("experts", [(8,), (0, 1, 2, 3, 4), (1, 0), (1, 1), (2**31,)])
def test_a_router_does_not_get_more_than_was_offered(experts: tuple[int, ...], routers: Routers) -> None:
    routers.answer(assigning(*experts), assigning(7), assigning(0))
    assert reporter().report(routers.manifest(), []).experts == (7,)


def test_a_router_does_not_get_other_experts_than_the_operator_named(routers: Routers) -> None:
    routers.answer(assigning(1), assigning(3), assigning(5))
    assert reporter(asked=(3, 5)).report(routers.manifest(), []).experts == (3,)


def test_an_endless_answer_is_cut(routers: Routers) -> None:
    routers.answer(*[said(b" " * (MAX_ASSIGNMENT_BYTES + 1))] * 3)
    with pytest.raises(DownloadFailed, match=f"more than {MAX_ASSIGNMENT_BYTES} bytes"):
        reporter().report(routers.manifest(), [])


def test_a_private_address_is_asked_only_where_that_is_allowed(routers: Routers) -> None:
    with pytest.raises(UnsafeAddress):
        reporter(allow_private=False).report(routers.manifest(), [])
    assert routers.reports() == [[], [], []]


def test_reports_of_one_second_and_of_a_clock_that_goes_back_still_rise(routers: Routers) -> None:
    clock = Clock()
    reporting = reporter(clock)
    for now_s in (NOW_S, NOW_S + 0.9, NOW_S + 1, NOW_S - 50, NOW_S + 60.5):
        clock.now_s = now_s
        reporting.report(routers.manifest(), [])
    (heard, *_) = routers.reports()
    assert [report.reported_at - NOW_S for report in heard] == [0, 1, 2, 3, 60]


def test_routers_that_fail_do_not_push_the_time_ahead(routers: Routers) -> None:
    """A node that joins again a moment later would be refused as one who says it again."""

    def fail(reply: Reply) -> None:
        reply.error(503, "engine_stopped", "later")

    routers.answer(fail, fail, fail)
    with pytest.raises(MorayError):
        reporter().report(routers.manifest(), [])
    assert [[report.reported_at for report in reports] for reports in routers.reports()] == [[NOW_S]] * 3


def test_a_node_that_drains_says_so_with_what_it_still_serves(routers: Routers) -> None:
    routers.answer(*[assigning(1, 2)] * 3)
    reporter().report(routers.manifest(), [1, 2], is_draining=True)
    (report,) = routers.reports()[0]
    assert report.is_draining and report.experts == (1, 2)
