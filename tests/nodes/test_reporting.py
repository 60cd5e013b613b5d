"""What a node lets a router tell it: real HTTP, real signatures."""

from __future__ import annotations

import json

import pytest

from http_kit import Reply, serving
from moray.errors import JoinRefused
from moray.network_manifest import NetworkManifest, RouterEntry, sign_manifest
from moray.node_report import Assignment
from moray.nodes.guarded_http import Fetcher
from moray.nodes.reporting import Reporter
from tls_kit import KEY

NUM_EXPERTS, SLOTS = 8, 2


def a_manifest(url: str) -> NetworkManifest:
    router = RouterEntry(host="203.0.113.5", port=7443, url=url, tls_cert_sha256="ab" * 32)
    return sign_manifest(
        KEY,
        network_id="test",
        chain_id=0,
        version=1,
        model_id="cd" * 32,
        numeric_class="int8",
        issued_at=1000,
        expires_at=2000,
        routers=(router,),
    )


def told(experts: list[int], asked: tuple[int, ...] = ()) -> Assignment:
    """What a node makes of a router's answer."""

    def answer(reply: Reply) -> None:
        reply.whole(json.dumps({"experts": experts, "next_report_s": 20.0}).encode())

    with serving(answer) as server:
        reporter = Reporter(KEY, Fetcher(allow_private=True), "node-1", SLOTS, asked, NUM_EXPERTS)
        return reporter.report(a_manifest(server.url), ())


@pytest.mark.parametrize("experts", [[], [7], [0, 7]])
def test_an_assignment_that_the_node_has_room_for_is_taken(experts: list[int]) -> None:
    assert told(experts).experts == tuple(experts)


@pytest.mark.parametrize(
    ("experts", "asked"),
    [([0, 1, 2], ()), ([8], ()), ([2**31 - 1], ()), ([3], (4,)), ([3, 4], (4,))],
    ids=[
        "more than slots",
        "unknown",
        "far off",
        "not its operator's",
        "not only its operator's",
    ],
)
def test_an_assignment_that_the_operator_did_not_offer_is_refused(experts: list[int], asked: tuple[int, ...]) -> None:
    """A router could have the node fill its disk, or end it with an expert that is not there."""
    with pytest.raises(JoinRefused) as refused:
        told(experts, asked)
    assert refused.value.reason_code == "wrong_assignment"
