"""One HTTP request taken apart: prompts as ids, limits checked, one generation request per choice."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from moray.errors import BadRequest, ContextTooLong
from moray.router.answer_form import AnswerForm, answer_form
from moray.router.call_text import CallReader
from moray.router.chat_prompt import encode_chat
from moray.router.gateway_settings import GatewaySettings
from moray.router.grammar_cache import GrammarCache
from moray.router.http_errors import UnknownModel
from moray.router.openai_api import ChatRequest, CompletionRequest
from moray.router.tokenizer import ModelTokenizer
from moray.router.tool_format import in_words
from moray.types import GenerationRequest, Grammar, RequestId, SamplingParams

ENCODE_ASIDE_CHARS = 16_384  # longer prompts are encoded in a thread, not to hold up the streams
PromptIds = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GenerationPlan:
    """Choices are numbered prompt by prompt: choice index = prompt index * n + i."""

    reply_id: str
    created: int  # Unix seconds
    prompts: tuple[PromptIds, ...]
    requests: tuple[GenerationRequest, ...]  # one per choice
    seed: int  # of the first choice; with it and the tokens so far a sampled answer can be resumed
    resumed: PromptIds = ()  # tokens of the only choice that the client has already
    form: AnswerForm | None = None

    @property
    def num_prompt_tokens(self) -> int:
        return sum(map(len, self.prompts)) + len(self.resumed)

    def call_reader(self) -> CallReader | None:
        """Of one choice; None where it cannot call a tool."""
        return CallReader(self.form.must_call) if self.form is not None and self.form.tools else None


async def plan_generation(
    asked: CompletionRequest | ChatRequest,
    tokenizer: ModelTokenizer,
    grammars: GrammarCache,
    settings: GatewaySettings,
    user: str,
) -> GenerationPlan:
    """``user`` is whom it is counted for. Raises ``BadRequest``, ``UnknownModel`` and ``ContextTooLong`` among them, or
    ``Overloaded``."""
    if asked.model != settings.model_name:
        raise UnknownModel(f"no model {asked.model!r} here, only {settings.model_name!r}", param="model")
    form = answer_form(asked)
    if isinstance(asked, ChatRequest):
        prompts = [await _chat_prompt(asked, tokenizer)]
        prefix, param, default_tokens = "chatcmpl-", "messages", settings.context_length
    else:
        _check_num_choices(asked, settings)
        prompts = [await _completion_prompt(prompt, tokenizer) for prompt in asked.prompts]
        prefix, param, default_tokens = "cmpl-", "prompt", settings.default_completion_tokens
    limits = [_max_tokens(prompt, asked.token_limit, default_tokens, settings, param) for prompt in prompts]
    reply_id, seed = prefix + secrets.token_hex(16), secrets.randbits(63) if asked.seed is None else asked.seed
    grammar = await grammars.grammar(form) if form is not None else None
    requests = _requests(asked, prompts, limits, reply_id, seed, tokenizer.eos_ids, user, grammar)
    resumed = tuple(asked.resume_token_ids or ())
    if resumed:
        requests = (_behind(requests, resumed, asked.seed is not None, settings.vocab_size),)
    return GenerationPlan(reply_id, int(time.time()), tuple(prompts), requests, seed, resumed, form)


def _check_num_choices(asked: CompletionRequest, settings: GatewaySettings) -> None:
    num_choices = len(asked.prompts) * asked.num_choices
    if num_choices > settings.max_choices:
        raise BadRequest(f"{num_choices} choices asked for, at most {settings.max_choices} allowed", "prompt")


async def _chat_prompt(asked: ChatRequest, tokenizer: ModelTokenizer) -> PromptIds:
    if tokenizer.knows_tools:
        messages = [message.for_template() for message in asked.messages]
        tools = [tool.for_template() for tool in asked.offered_tools]
    else:
        messages, tools = in_words(asked.messages, asked.offered_tools), []
    num_chars = len(str(tools)) + sum(len(message.get("content", "")) for message in messages)
    if num_chars > ENCODE_ASIDE_CHARS:
        return tuple(await asyncio.to_thread(encode_chat, tokenizer, messages, tools))
    return tuple(encode_chat(tokenizer, messages, tools))


async def _completion_prompt(prompt: str | list[int], tokenizer: ModelTokenizer) -> PromptIds:
    if not prompt:
        raise BadRequest("the prompt is empty: send at least one character or token id", "prompt")
    if isinstance(prompt, list):
        return tuple(prompt)
    if len(prompt) > ENCODE_ASIDE_CHARS:
        return tuple(await asyncio.to_thread(tokenizer.encode, prompt, add_special=True))
    return tuple(tokenizer.encode(prompt, add_special=True))


def _max_tokens(prompt: PromptIds, asked: int | None, default: int, settings: GatewaySettings, param: str) -> int:
    """How many tokens to generate: as asked, or the default as far as the context has room."""
    if not prompt:
        raise BadRequest("the prompt is empty", param)
    _check_ids(prompt, settings.vocab_size, param)
    room = settings.context_length - len(prompt)
    if room < (asked or 1):
        raise ContextTooLong(
            f"the prompt has {len(prompt)} tokens and at least {asked or 1} must follow, "
            f"but the context length is {settings.context_length}: shorten the prompt or lower max_tokens",
            param,
        )
    return asked or min(default, room)


def _check_ids(token_ids: PromptIds, vocab_size: int, param: str) -> None:
    if not (min(token_ids) >= 0 and max(token_ids) < vocab_size):
        raise BadRequest(f"token ids must be 0 to {vocab_size - 1}", param)


def _requests(
    asked: CompletionRequest | ChatRequest,
    prompts: Sequence[PromptIds],
    limits: Sequence[int],
    reply_id: str,
    seed: int,
    eos_ids: frozenset[int],
    user: str,
    grammar: Grammar | None,
) -> tuple[GenerationRequest, ...]:
    requests: list[GenerationRequest] = []
    for prompt, max_tokens in zip(prompts, limits, strict=True):
        for _ in range(asked.num_choices):
            index = len(requests)
            sampling = SamplingParams(
                max_tokens=max_tokens,
                temperature=1.0 if asked.temperature is None else asked.temperature,
                top_p=1.0 if asked.top_p is None else asked.top_p,
                top_k=asked.top_k or 0,
                seed=seed + index,
                num_logprobs=asked.num_logprobs,
                stop_token_ids=frozenset() if asked.ignore_eos else eos_ids,
            )
            request_id = RequestId(f"{reply_id}-{index}")
            salt = asked.cache_salt or ""
            requests.append(GenerationRequest(request_id, prompt, sampling, user, salt, grammar))
    return tuple(requests)


def _behind(
    requests: Sequence[GenerationRequest], resumed: PromptIds, has_seed: bool, vocab_size: int
) -> GenerationRequest:
    """The request whose next token follows ``resumed``: a token depends on its place and on what stands before it, not
    on whether that was read or generated."""
    param = "resume_token_ids"
    if len(requests) > 1:
        raise BadRequest(f"{len(requests)} choices cannot be resumed together: send one request for each", param)
    (request,) = requests
    sampling = request.sampling
    if sampling.temperature > 0 and not has_seed:
        raise BadRequest("a sampled answer goes on as it began only with its seed: send the one of the reply", param)
    _check_ids(resumed, vocab_size, param)
    if len(resumed) >= sampling.max_tokens or not sampling.stop_token_ids.isdisjoint(resumed):
        raise BadRequest("these tokens are a whole answer: there is nothing to resume", param)
    rest = replace(sampling, max_tokens=sampling.max_tokens - len(resumed))
    grammar = _replayed(request.grammar, resumed, param) if request.grammar is not None else None
    return replace(request, prompt=(*request.prompt, *resumed), sampling=rest, grammar=grammar)


def _replayed(grammar: Grammar, resumed: PromptIds, param: str) -> Grammar:
    """The state behind ``resumed``."""
    behind = grammar.copy()
    try:
        for token_id in resumed:
            behind.advance(token_id)
    except ValueError:
        raise BadRequest(
            "these tokens do not fit the response_format or tools: send those of the reply to it", param
        ) from None
    return behind
