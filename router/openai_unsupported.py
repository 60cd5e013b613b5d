"""Request fields that would change the answer and that this engine does not do: refused, never ignored."""

from __future__ import annotations

from collections.abc import Mapping

from moray.errors import BadRequest

# field -> values that leave the answer as it is; null always does. OpenAI's fields, then vLLM's extensions.
NEUTRAL_VALUES: dict[str, tuple[object, ...]] = {
    "audio": (),
    "echo": (False,),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "presence_penalty": (0,),
    "suffix": ("",),
    "web_search_options": (),
    "allowed_token_ids": (),
    "bad_words": ([],),
    "guided_choice": (),
    "guided_grammar": (),
    "guided_json": (),
    "guided_regex": (),
    "min_p": (0,),
    "min_tokens": (0,),
    "prompt_logprobs": (),
    "repetition_penalty": (1,),
    "stop_token_ids": ([],),
    "structured_outputs": (),
    "truncate_prompt_tokens": (),
    "use_beam_search": (False,),
}


def refuse_unsupported(fields: Mapping[str, object], n: int) -> None:
    """Raises ``BadRequest`` that names the first that matters of ``fields``, those that no model declares."""
    for name, neutral in NEUTRAL_VALUES.items():
        value = fields.get(name)
        if value is not None and value not in neutral:
            raise BadRequest(f"{name} is not supported by this server: leave it out", param=name)
    if fields.get("tools"):  # a chat declares them
        raise BadRequest("tools are for /v1/chat/completions: ask there, or leave them out", "tools")
    if fields.get("best_of") not in (None, n):
        raise BadRequest("best_of other than n is not supported by this server", "best_of")
