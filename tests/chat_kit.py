"""A server with OpenAI's API that says what a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Callable

from http_kit import Reply


def chat_server(model: str, *texts: str) -> Callable[[Reply], None]:
    left = list(texts)

    def answer(reply: Reply) -> None:
        if reply.request_seen.path == "/v1/models":
            listed = {"id": model, "object": "model", "created": 1, "owned_by": "x"}
            return reply.whole(json.dumps({"object": "list", "data": [listed]}).encode())
        message = {"role": "assistant", "content": left.pop(0)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
        return reply.whole(json.dumps(whole).encode())

    return answer
