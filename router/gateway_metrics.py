"""What the gateway counts, on a registry that the caller owns."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FIRST_TOKEN_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BETWEEN_TOKENS_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_COUNTED_PATHS = frozenset({"/v1/completions", "/v1/chat/completions"})
_LEFT_BEFORE_ANSWER = 499  # the client closed the connection; nginx's number


class GatewayMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "moray_requests",
            "HTTP requests by endpoint and status",
            ["endpoint", "status"],
            registry=registry,
        )
        self.stream_errors = Counter(
            "moray_stream_errors", "Streams that ended with an error event", ["code"], registry=registry
        )
        self.requests_open = Gauge("moray_requests_open", "HTTP requests being answered", registry=registry)
        self.prompt_tokens = Counter("moray_prompt_tokens", "Prompt tokens taken in", registry=registry)
        self.generated_tokens = Counter("moray_generated_tokens", "Tokens generated", registry=registry)
        self.first_token_s = Histogram(
            "moray_time_to_first_token_seconds",
            "From the parsed request to a choice's first token",
            buckets=_FIRST_TOKEN_BUCKETS_S,
            registry=registry,
        )
        self.between_tokens_s = Histogram(
            "moray_time_between_tokens_seconds",
            "Between two tokens of one choice",
            buckets=_BETWEEN_TOKENS_BUCKETS_S,
            registry=registry,
        )


class CountRequests:
    """ASGI middleware for the two inference endpoints: open requests, and each one's status."""

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in _COUNTED_PATHS:
            await self._app(scope, receive, send)
            return
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._metrics.requests_open.track_inprogress():
            try:
                await self._app(scope, receive, note_status)
                status = status or _LEFT_BEFORE_ANSWER
            except Exception:
                status = status or 500  # the answer comes from a layer further out
                raise
            finally:
                self._metrics.requests.labels(scope["path"], str(status)).inc()
