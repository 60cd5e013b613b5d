"""What `moray status` prints of each node."""

from __future__ import annotations

import pytest

from moray.cli.network import show_network


def test_a_strangers_name_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    node = {"node_id": "[/x]", "signer": "0x1", "pids": [], "experts": [], "states": [], "reasons": []}
    show_network({"url": "http://x", "model": "m", "ready": True, "reason": "", "nodes": [node]}, as_json=False)
    assert "[/x] of 0x1" in capsys.readouterr().out


def test_each_state_of_a_node_is_shown_once_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    node = {
        "node_id": "node-0",
        "signer": "",
        "pids": [11, 12, 13],
        "experts": [4],
        "states": ["serving", "serving", "suspended"],
        "reasons": ["", "", "[red]odd"],
    }
    summary = {"url": "http://x", "model": "m", "ready": True, "reason": "", "nodes": [node]}
    show_network(summary, as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.endswith("node-0 11, 12, 13 4 serving; suspended: [red]odd")
