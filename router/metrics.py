"""Prometheus metrics of the engine and the data plane, read from their own counters when scraped: nothing is added to
the token loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from moray.router.directory import Directory
from moray.router.engine import Engine
from moray.router.listener import Counters

SCHEDULER_GAUGES = {
    "requests_running": "Requests being computed.",
    "requests_waiting": "Requests that wait for a place.",
    "kv_pages": "Pages of the KV cache.",
    "kv_pages_free": "Pages that can be taken.",
    "kv_pages_idle": "Of those, pages that keep a prefix.",
}
SCHEDULER_COUNTERS = {
    "preemptions": "Times that a request lost its pages to an earlier one.",
    "prefix_tokens": "Tokens that needed no reading, since the prefix cache held them.",
    "prompt_tokens_read": "Prompt tokens read, again after a preemption.",
}


class RouterCollector(Collector):
    def __init__(self, engine: Engine, directory: Directory, counters: Counters) -> None:
        self._engine, self._directory, self._counters = engine, directory, counters

    def collect(self) -> Iterator[Metric]:
        yield from self._engine_metrics()
        yield from self._uplink_metrics()
        for name, value in asdict(self._counters).items():
            yield CounterMetricFamily(f"moray_dataplane_{name}", f"Data plane: {name.replace('_', ' ')}.", value=value)

    def _engine_metrics(self) -> Iterator[Metric]:
        timings = self._engine.timings
        seconds = CounterMetricFamily("moray_step_seconds", "Wall time of the token loop by part.", labels=["part"])
        for name, value in timings.snapshot().items():
            if name.endswith("_s"):
                seconds.add_metric([name.removesuffix("_s")], value)
        yield seconds
        yield CounterMetricFamily("moray_steps", "Steps of the token loop.", value=timings.num_steps)
        yield CounterMetricFamily("moray_mixtures", "MoE layers passed.", value=timings.num_mixtures)
        snapshot = self._engine.scheduler.snapshot()
        for name, text in SCHEDULER_GAUGES.items():
            yield GaugeMetricFamily(f"moray_{name}", text, value=snapshot[name.removeprefix("requests_")])
        for name, text in SCHEDULER_COUNTERS.items():
            yield CounterMetricFamily(f"moray_{name}", text, value=snapshot[f"num_{name}"])

    def _uplink_metrics(self) -> Iterator[Metric]:
        labels = ["signer", "node", "replica"]
        rows = CounterMetricFamily("moray_uplink_rows", "Rows sent to a replica.", labels=labels)
        latency = GaugeMetricFamily("moray_uplink_latency_seconds", "Mean dispatch latency.", labels=labels)
        for uplink in list(self._directory.uplinks.values()):
            rows.add_metric(uplink.key, uplink.rows_sent)
            latency.add_metric(uplink.key, uplink.latency_s)
        yield rows
        yield latency
        missing = len(self._directory.missing())
        yield GaugeMetricFamily("moray_experts_missing", "Experts without a live replica.", value=missing)
