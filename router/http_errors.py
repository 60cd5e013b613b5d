"""Errors as OpenAI's clients expect them: one mapping from Moray's error tree to status and body."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from moray.errors import (
    BadInput,
    BadRequest,
    EngineStopped,
    ExpertUnavailable,
    JoinRefused,
    MorayError,
    Overloaded,
    UserQueueFull,
)
from moray.router.blame import Blame, Failures

logger = logging.getLogger(__name__)


class UnknownModel(BadRequest):
    code = "model_not_found"


class BodyTooLarge(BadRequest):
    code = "body_too_large"


class RateLimited(Overloaded):
    """One caller came too often; others are served."""

    code = "rate_limited"


STATUS_OF: dict[type[MorayError], int] = {
    UnknownModel: 404,
    BodyTooLarge: 413,
    BadRequest: 400,
    JoinRefused: 403,
    Overloaded: 429,
    ExpertUnavailable: 503,
    EngineStopped: 503,
}
TYPE_OF = {429: "rate_limit_error", 500: "server_error", 503: "service_unavailable_error"}


@dataclass(frozen=True, slots=True)
class ErrorReply:
    status: int
    body: dict[str, dict[str, str | None]]  # {"error": {"message", "type", "param", "code"}}
    is_retryable: bool = False
    retry_after_s: int | None = None  # where the error knows


def error_reply(error: Exception) -> ErrorReply:
    """Status and body of ``error``. What is not the client's to know is logged and becomes a bare 500."""
    status = next((STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF), 500)
    if status == 500 or not isinstance(error, MorayError):
        logger.error("a request failed inside the server", exc_info=error)
        return ErrorReply(500, error_body(500, "internal error; the server's log has the cause", None, "internal"))
    param = error.param if isinstance(error, BadRequest) else None
    retry_after_s = error.retry_after_s if isinstance(error, Overloaded) else None
    code = error.reason_code if isinstance(error, JoinRefused) else error.code
    body = error_body(status, str(error), param, code)
    return ErrorReply(status, body, error.is_retryable, retry_after_s)


def error_body(status: int, message: str, param: str | None, code: str) -> dict[str, dict[str, str | None]]:
    kind = TYPE_OF.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def blame_of(error: Exception) -> Blame:
    """Whose fault it is that a request failed."""
    if isinstance(error, BadInput | UserQueueFull | RateLimited | JoinRefused):
        return Blame.CLIENT
    if isinstance(error, HTTPException):
        return Blame.CLIENT if error.status_code < 500 else Blame.GATEWAY
    return Blame.NETWORK if isinstance(error, ExpertUnavailable) else Blame.GATEWAY


def add_error_handlers(app: FastAPI, retry_after_s: int, failures: Failures) -> None:
    """Every error that leaves a route, unknown paths and methods included, gets OpenAI's shape. ``retry_after_s`` is
    for those that do not know better."""

    async def answer(_: Request, error: Exception) -> JSONResponse:
        failures.count(blame_of(error))
        reply = error_reply(error)
        headers = {"Retry-After": str(reply.retry_after_s or retry_after_s)} if reply.is_retryable else None
        return JSONResponse(reply.body, reply.status, headers)

    async def answer_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        failures.count(blame_of(error))
        body = error_body(error.status_code, error.detail, None, "http_error")
        return JSONResponse(body, error.status_code, error.headers)

    app.add_exception_handler(MorayError, answer)
    app.add_exception_handler(HTTPException, answer_http)
    app.add_exception_handler(Exception, answer)
