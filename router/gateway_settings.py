"""What the gateway knows of its model, and its limits. Address and port belong to whoever serves the app."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    model_name: str  # the only name that requests may ask for
    context_length: int  # tokens, prompt and answer together
    vocab_size: int  # of the model, which may be padded beyond the tokenizer's
    default_completion_tokens: int = 16  # OpenAI's default; a chat may fill the context
    max_body_bytes: int = 4 * 1024 * 1024
    max_choices: int = 128  # of one request: prompts times n
    retry_after_s: int = 1  # what a router without experts asks clients to wait; an overloaded one estimates it
