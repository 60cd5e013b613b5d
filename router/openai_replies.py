"""Response bodies and stream chunks as OpenAI's API shapes them; plain dicts, since one is made per token."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from moray.router.call_text import CallPart
from moray.router.choice_text import Piece
from moray.router.generation_plan import GenerationPlan
from moray.router.openai_logprobs import chat_logprobs, completion_logprobs
from moray.router.sse import DONE, event


class ReplyFormat(Protocol):
    """How one endpoint shapes a choice."""

    body_object: str
    chunk_object: str

    def choice(self, piece: Piece, has_logprobs: bool) -> dict[str, Any]: ...

    def delta(self, piece: Piece, has_logprobs: bool) -> dict[str, Any]: ...

    def opening(self) -> dict[str, Any] | None:
        """What a choice's stream begins with, before any token."""
        ...


class CompletionFormat:
    body_object = "text_completion"
    chunk_object = "text_completion"

    def choice(self, piece: Piece, has_logprobs: bool) -> dict[str, Any]:
        logprobs = completion_logprobs(piece.shown) if has_logprobs else None
        return {"text": piece.text, "logprobs": logprobs, "finish_reason": piece.finish_reason}

    delta = choice

    def opening(self) -> dict[str, Any] | None:
        return None


class ChatFormat:
    body_object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def choice(self, piece: Piece, has_logprobs: bool) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": piece.text, "refusal": None}
        if piece.call is not None:
            message |= {"content": piece.text or None, "tool_calls": [_whole_call(piece.call)]}
        return self._said("message", message, piece, has_logprobs)

    def delta(self, piece: Piece, has_logprobs: bool) -> dict[str, Any]:
        said: dict[str, Any] = {"content": piece.text} if piece.text else {}
        if piece.call is not None:
            is_first, rest = piece.call.is_first, {"function": {"arguments": piece.call.arguments}}
            said["tool_calls"] = [{"index": 0, **(_whole_call(piece.call) if is_first else rest)}]
        return self._said("delta", said, piece, has_logprobs)

    def opening(self) -> dict[str, Any] | None:
        return {"delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}

    @staticmethod
    def _said(field: str, said: dict[str, Any], piece: Piece, has_logprobs: bool) -> dict[str, Any]:
        logprobs = chat_logprobs(piece.shown) if has_logprobs else None
        return {
            field: said,
            "logprobs": logprobs,
            "finish_reason": "tool_calls" if piece.has_called else piece.finish_reason,
        }


def _whole_call(call: CallPart) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}


class Reply:
    """One HTTP request's answer, whole or in chunks."""

    def __init__(
        self, shape: ReplyFormat, plan: GenerationPlan, model: str, *, has_logprobs: bool, has_token_ids: bool
    ) -> None:
        self._shape = shape
        self._plan = plan
        self._head = {"id": plan.reply_id, "created": plan.created, "model": model}
        self._has_logprobs = has_logprobs
        self._has_token_ids = has_token_ids

    def body(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """The whole answer; ``pieces`` are the finished choices in index order."""
        choices = [
            self._numbered(index, self._shape.choice(piece, self._has_logprobs), piece)
            for index, piece in enumerate(pieces)
        ]
        num_generated = sum(len(piece.token_ids) for piece in pieces)
        usage = self._usage(num_generated, [piece.num_prefix_tokens for piece in pieces])
        head = {**self._head, "object": self._shape.body_object, **self._prompt_ids()}
        return {**head, "choices": choices, "usage": usage}

    async def events(
        self, batches: AsyncGenerator[dict[int, Piece], None], include_usage: bool
    ) -> AsyncGenerator[bytes, None]:
        """Server-sent events, one item per batch and one at the end; a batch may hold several events."""
        head = {**self._head, "object": self._shape.chunk_object}
        if include_usage:
            head["usage"] = None
        num_generated, num_prefix_tokens = 0, [0] * len(self._plan.requests)
        first_head = {**head, **self._prompt_ids()}
        written = self._opening_events(first_head)
        next_head = head if written else first_head
        async with aclosing(batches):
            async for batch in batches:
                for index, piece in batch.items():
                    num_generated += len(piece.token_ids)
                    num_prefix_tokens[index] += piece.num_prefix_tokens
                    delta = self._shape.delta(piece, self._has_logprobs)
                    written.append(event({**next_head, "choices": [self._numbered(index, delta, piece)]}))
                    next_head = head
                yield b"".join(written)
                written = []
        if include_usage:
            usage = self._usage(num_generated, num_prefix_tokens)
            written.append(event({**head, "choices": [], "usage": usage}))
        yield b"".join((*written, DONE))

    def _opening_events(self, head: Mapping[str, Any]) -> list[bytes]:
        opening = self._shape.opening()
        if opening is None:
            return []
        indexes = range(len(self._plan.requests))
        return [event({**head, "choices": [{"index": index, **opening}]}) for index in indexes]

    def _numbered(self, index: int, choice: dict[str, Any], piece: Piece) -> dict[str, Any]:
        token_ids = {"token_ids": piece.token_ids} if self._has_token_ids else {}
        return {"index": index, **choice, **token_ids}

    def _prompt_ids(self) -> dict[str, Any]:
        """A list of ids, or one list per prompt where there are several; and the seed, to resume with."""
        if not self._has_token_ids:
            return {}
        prompts = self._plan.prompts
        return {"prompt_token_ids": prompts[0] if len(prompts) == 1 else prompts, "seed": self._plan.seed}

    def _usage(self, num_generated: int, num_prefix_tokens: Sequence[int]) -> dict[str, Any]:
        """A prompt counts once, however many choices it has; a stop token counts as generated. The choice that found
        least in the prefix cache tells how much of its prompt was there: the others may have found what it read."""
        num_prompt = self._plan.num_prompt_tokens
        num_choices = len(num_prefix_tokens) // len(self._plan.prompts)
        starts = range(0, len(num_prefix_tokens), num_choices)
        return {
            "prompt_tokens": num_prompt,
            "completion_tokens": num_generated,
            "total_tokens": num_prompt + num_generated,
            "prompt_tokens_details": {
                "cached_tokens": sum(min(num_prefix_tokens[start : start + num_choices]) for start in starts)
            },
        }
