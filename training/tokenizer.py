"""Elver's tokenizer: byte-level BPE learnt from the generator, written as ordinary Hugging Face files.

Three rules save tokens and mistakes. Digits stand alone, so that a number is copied digit by digit; so do Chinese
characters. The JSON between two values (``","amount":"``) is one piece before merges are learnt, so an action costs
little more than its values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from moray.training.data.examples import Example, examples

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
ROLES = ("system", "user", "assistant")
SPECIAL_TOKENS = (BEGIN, END, PAD, *(f"<|{role}|>" for role in ROLES))
_NAMED = {"bos_token": BEGIN, "eos_token": END, "pad_token": PAD}  # as Hugging Face names them
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message.role not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('roles are system, user and assistant') }}{% endif %}"
    "{{ '<|' + message.role + '|>' }}"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content + eos_token }}{% endgeneration %}"
    "{% else %}{{ message.content }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MAX_LENGTH = 1024  # tokens; what transformers warns beyond

_PIECES = "|".join(
    (
        r'[\]}"]*,?[\[{]*(?:"[a-z_]+":[\[{]*)+"?',  # JSON between two values
        r"\p{N}",
        r"\p{Han}",  # longer pieces would be whole templates, useless for a wording never seen
        r" ?[[\p{L}\p{M}_]&&[^\p{Han}]]+",
        r" ?[^\s\p{L}\p{M}\p{N}_]+",
        r"\s+",
    )
)


def messages_of(example: Example) -> list[dict[str, str]]:
    """The conversation as chat templates take it."""
    return [{"role": message.role, "content": message.text} for message in example.messages]


def render(example: Example) -> str:
    """The example's text as the model sees it: as ``CHAT_TEMPLATE`` renders the conversation, or plain text between
    BEGIN and END."""
    if not example.messages:
        return f"{BEGIN}{example.text}{END}"
    turns = (
        f"<|{message.role}|>{message.text}{END if message.role == 'assistant' else ''}" for message in example.messages
    )
    return BEGIN + "".join(turns)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """BPE of ``vocab_size`` tokens, special ones and the 256 bytes among them. The same texts give the same tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def generated_texts(seed: int, count: int) -> Iterator[str]:
    """What a tokenizer learns from: messages and plain text of ``count`` training examples, without special tokens."""
    for example in islice(examples(seed, "train"), count):
        yield from (message.text for message in example.messages)
        if example.text:
            yield example.text


def special_ids(tokenizer: Tokenizer) -> dict[str, int | None]:
    """Ids of special tokens as config.json and generation_config.json name them."""
    return {f"{name}_id": tokenizer.token_to_id(token) for name, token in _NAMED.items()}


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes tokenizer.json, tokenizer_config.json, chat_template.jinja and generation_config.json."""
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **_NAMED,
        "add_bos_token": False,  # the chat template writes it
        "clean_up_tokenization_spaces": False,
        "model_max_length": MAX_LENGTH,
    }
    files = {"tokenizer_config.json": config, "generation_config.json": special_ids(tokenizer)}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
