"""The environment that Ray's processes get: the token, and everything off that costs and gives nothing here."""

import importlib
from pathlib import Path
from typing import Any

from moray.nodes.launcher import HOOK, LEAN_VARIABLE
from moray.nodes.processes import KEEP_ENVIRONMENT

# How a replica learns its node: every process of a Ray node has it, "head" or "node-<i>".
NODE_VARIABLE = "MORAY_NODE_ID"

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_SCHEDULER_EVENTS": "0",
    # No spare Python workers: each costs 60 MB and a second of CPU, and replicas are the only workers.
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
    # Ray's own metrics, task events and periodic dumps: nobody reads them.
    "RAY_enable_metrics_collection": "0",
    "RAY_metrics_report_interval_ms": "600000",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_enable_timeline": "0",
    "RAY_enable_export_api_write": "0",
    "RAY_enable_ray_event": "0",
    "RAY_event_stats": "0",
    "RAY_event_stats_print_interval_ms": "0",
    "RAY_debug_dump_period_milliseconds": "0",
    # The monitor ends workers when the machine is short of memory; nine raylets would each poll four times a second.
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_raylet_report_resources_period_milliseconds": "500",
    "RAY_gcs_pull_resource_loads_period_milliseconds": "5000",
    # A dead raylet is noticed after 3 s, not 15 s. One that is only slow still has 10 s to answer.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # Ray runs workers at niceness 15: replicas would wait behind every other process of the machine.
    "RAY_worker_niceness": "0",
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "10000",
    "RAY_SERVE_EVENT_LOOP_MONITORING_INTERVAL_S": "60",
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.2",
    # A stopped replica cannot end gracefully: without this its 20 s of grace come on top of the failed checks.
    "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",
}


def ray_environment(token_path: Path, is_lean: bool = True) -> dict[str, str]:
    """The variables of a Ray process of the cluster whose token is in ``token_path``."""
    return {
        **_QUIET,
        **KEEP_ENVIRONMENT,
        # All three: with the mode alone Ray makes ~/.ray/auth_token, readable by everyone.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_path),
        "RAY_START_HOOK": HOOK,
        LEAN_VARIABLE: "1" if is_lean else "0",
    }


def make_ray_read_the_environment() -> None:
    """Let this process's Ray take up variables that were set after it was imported, maybe by someone else, and use
    addresses as they are given: Ray would replace 127.0.0.1 by the machine's own, where nothing listens."""
    # Through importlib as Ray's type stubs leave these names out.
    services: Any = importlib.import_module("ray._private.services")
    raylet = importlib.import_module("ray._raylet")
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()
    services.resolve_ip_for_localhost = lambda host: host
