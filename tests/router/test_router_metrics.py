"""What an operator sees of the scheduler: its state and counters, in /metrics under stable names."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry

from engines import Recorder, greedy_request, load
from moray.router.directory import Directory
from moray.router.kv_cache import KV_PAGE_SIZE
from moray.router.listener import Counters
from moray.router.metrics import RouterCollector
from moray.router.scheduler import SchedulerCounters, SchedulerLimits
from oracle import save_checkpoint


def test_the_schedulers_state_and_counters_are_in_the_metrics(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 2)
    recorder = Recorder(*load(tmp_path), SchedulerLimits(max_running=1), num_pages=9)
    recorder.submit(greedy_request("finished", [7] * KV_PAGE_SIZE, 1))
    asyncio.run(recorder.finish())
    for name in ("runs", "waits", "waits too"):
        recorder.submit(greedy_request(name, [3] * (KV_PAGE_SIZE + 1), 9))
    asyncio.run(recorder.engine.step())
    recorder.engine.scheduler.counters = SchedulerCounters(
        num_preemptions=5, num_prefix_tokens=96, num_prompt_tokens_read=1234
    )
    registry = CollectorRegistry()
    registry.register(RouterCollector(recorder.engine, Directory(1), Counters()))
    expected = {
        "moray_requests_running": 1,
        "moray_requests_waiting": 2,
        "moray_kv_pages": 9,
        "moray_kv_pages_free": 7,  # all but the running one's two
        "moray_kv_pages_idle": 1,  # the finished one's
        "moray_preemptions_total": 5,
        "moray_prefix_tokens_total": 96,
        "moray_prompt_tokens_read_total": 1234,
    }
    assert {name: registry.get_sample_value(name) for name in expected} == expected
