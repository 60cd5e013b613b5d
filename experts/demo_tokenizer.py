"""A small real tokenizer for made-up checkpoints: byte-level BPE over a text of our own, with a chat
template.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL_TOKENS = ("<|bos|>", "<|eos|>", "<|user|>", "<|assistant|>", "<|system|>")  # ids 0 to 4
BOS_ID, EOS_ID = 0, 1
SMALLEST_VOCAB = 256 + len(SPECIAL_TOKENS)

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

TRAINING_TEXT = """\
A moray eel waits in a crack of the reef and lets the water carry news to it. A young moray is called an
elver once it has left the open sea, and the elvers of one river find their way by taste alone. The network
that bears the name works in much the same way: it sits still, it listens, and it answers when something it
can use comes past.

The model is cut into experts. Every expert is a small part of every layer, and the gate decides, token by
token, which of them should speak. The router keeps the attention, the gates and the head; it sends the
hidden states of each token to the chosen experts, waits for what they return, and adds the answers up in
the order of their numbers. An expert does not remember anything between two calls. If one of them goes
away, another replica does the work, and if there is no other replica then the request fails with an error
that says so. Nothing is ever replaced by zeros.

An operator runs a node. The node has a key, a stake and a few experts, and it calls the router, because a
router can be reached and a laptop behind a home connection often cannot. What the node earns is written
down in vouchers, and what it did is written down in commitments. A task on the chain holds its payment in
escrow until the result has been delivered and the challenge window has passed; when nobody delivers in
time, the payment goes back to its owner.

An agent reads the balance of a wallet, the price of a pair of currencies and the state of a contract. It
proposes an action. The proposal is checked, simulated and compared with a policy before anything is signed,
and the answer to most proposals should be no. Swap 250 of one currency for another if the price is below
1.05; otherwise wait. Report the portfolio every day at noon: 40% in the first asset, 35% in the second, 25%
in cash. Rebalance only when a share has moved by more than five points, and never pay more than 0.3% in
fees for it.
"""


def write_demo_tokenizer(folder: Path, vocab_size: int, context_length: int) -> None:
    """Write tokenizer.json, tokenizer_config.json and generation_config.json.

    The vocabulary has at most ``vocab_size`` entries (fewer when the text yields no more merges). Raises
    ValueError below 261: 256 bytes and five special tokens.
    """
    if vocab_size < SMALLEST_VOCAB:
        raise ValueError(f"a byte-level vocabulary needs {SMALLEST_VOCAB} entries, {vocab_size} is too few")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TRAINING_TEXT], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": SPECIAL_TOKENS[BOS_ID],
            "eos_token": SPECIAL_TOKENS[EOS_ID],
            "add_bos_token": False,  # the template writes it
            "model_max_length": context_length,
            "clean_up_tokenization_spaces": False,
            "chat_template": CHAT_TEMPLATE,
        },
    )
    _write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": BOS_ID,
            "eos_token_id": EOS_ID,
            "do_sample": True,
            "temperature": 0.7,
            "top_p": 0.95,
        },
    )


def _write_json(path: Path, value: dict[str, object]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
