"""What went wrong at a gateway, as one of Moray's errors; and how long to wait before it is asked again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import openai

from moray.errors import GatewayRefused, GatewayUnreachable
from moray.quoting import quoted

RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504})
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0


def wait_s(attempt: int, retry_after_s: float | None, spread: float) -> float:
    """Before attempt ``attempt`` + 1, counted from 1: what the server says, or else twice as long each time.
    ``spread`` is 0 to 1, drawn by the caller, so that many clients do not come back together."""
    if retry_after_s is not None:
        return min(max(retry_after_s, 0.0), LONGEST_WAIT_S)
    return min(FIRST_WAIT_S * (1 << min(attempt, 16) - 1), LONGEST_WAIT_S) * (0.5 + spread / 2)


def retry_after_s(error: Exception) -> float | None:
    """As the server asks for, in seconds; dates are not read."""
    header = error.response.headers.get("retry-after") if isinstance(error, openai.APIStatusError) else None
    try:
        return float(header) if header is not None else None
    except ValueError:
        return None


def is_retryable(error: Exception) -> bool:
    """Whether the same request may do better: nobody answered, the reply broke off, or the server is busy."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in RETRIED_STATUS
    if isinstance(error, openai.APIResponseValidationError):
        return False
    # An error that is not a status came amid a stream; the gateway names those that pass with 503 and 429's codes.
    if isinstance(error, openai.APIConnectionError | httpx2.TransportError):
        return not isinstance(error, httpx2.UnsupportedProtocol)
    return isinstance(error, openai.APIError) and error.code in _PASSING_CODES


_PASSING_CODES = frozenset({"expert_unavailable", "overloaded", "user_queue_full", "engine_stopped", "internal"})


@contextmanager
def told(url: str) -> Iterator[None]:
    """Errors of the block as GatewayRefused or GatewayUnreachable, one line each."""
    try:
        yield
    except openai.APIStatusError as error:
        said = error.body.get("message") if isinstance(error.body, dict) else None
        raise GatewayRefused(
            f"{quoted(url)} refused with HTTP {error.status_code}: {quoted(str(said or error.message))}",
            error.status_code,
            error.param,
        ) from None
    except (openai.APIConnectionError, httpx2.HTTPError) as error:
        cause = error.__cause__ or error
        raise GatewayUnreachable(
            f"{quoted(url)} did not answer ({type(cause).__name__}: {quoted(str(cause))}); is it running?"
        ) from None
    except openai.OpenAIError as error:
        raise GatewayRefused(f"{quoted(url)} gave no answer: {quoted(str(error))}; ask its operator", 0) from None
