"""The router as a Serve deployment. Serve owns its life; HTTP is served by the replica itself.

Serve's own proxy costs more than the model: 2.3 times fewer streamed chunks per second than a plain uvicorn on two
cores (docs/decisions/0003). So the replica runs uvicorn, and Serve starts no proxy.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading

import uvicorn
from ray import serve
from ray.serve import Application

from moray.errors import EngineStopped
from moray.router.service import RouterService, RouterSpec
from moray.router.sockets import bind

HEALTH_CHECK_PERIOD_S = 1.0
HEALTH_CHECK_TIMEOUT_S = 2.0
SHUTDOWN_GRACE_S = 5.0
APP_NAME = "router"
SWITCH_INTERVAL_S = 0.0005  # so soon HTTP's thread lets the engine's go on, which is back from a kernel; 5 ms is a step


class RouterReplica:
    def __init__(self, spec: RouterSpec) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        listening = bind(spec.http_host, spec.http_port, "--http-port")
        self._service = RouterService(spec)
        app = self._service.start()
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on", loop="uvloop")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="http", daemon=True)
        self._thread.start()
        gc.freeze()  # what is loaded stays: the collector need not walk it while tokens wait

    def check_health(self) -> None:
        if not (self._service.engine_thread.is_alive and self._thread.is_alive()):
            raise EngineStopped("a thread of the router is gone; Serve restarts it")

    async def __del__(self) -> None:
        self._server.should_exit = True
        await asyncio.to_thread(self._service.stop)
        await asyncio.to_thread(self._thread.join, SHUTDOWN_GRACE_S)


def router_app(spec: RouterSpec, resource: str) -> Application:
    deploy = serve.deployment(
        name=APP_NAME,
        num_replicas=1,
        ray_actor_options={"num_cpus": 0, "resources": {resource: 1}},
        health_check_period_s=HEALTH_CHECK_PERIOD_S,
        health_check_timeout_s=HEALTH_CHECK_TIMEOUT_S,
        graceful_shutdown_timeout_s=SHUTDOWN_GRACE_S * 2,
    )
    return deploy(RouterReplica).bind(spec)
