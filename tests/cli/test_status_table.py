"""What `moray status` prints of each node."""

from __future__ import annotations

import pytest

from moray.cli.network import show_network


def test_each_state_of_a_node_is_shown_once_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    node = {
        "signer": "",
        "node_id": "node-0",
        "pids": [11, 12, 13],
        "experts": [4],
        "states": ["serving", "serving", "suspended"],
        "reasons": ["", "", "[red]odd"],
    }
    summary = {"url": "http://x", "model": "m", "ready": True, "reason": "", "nodes": [node]}
    show_network(summary, as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.endswith("node-0 11, 12, 13 4 serving; suspended: [red]odd")
