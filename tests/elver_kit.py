"""A model of Elver's kind in seconds: random weights, the generator's own tokenizer and chat template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.training.tokenizer import BEGIN, END, generated_texts, save_tokenizer, train_tokenizer

VOCAB_SIZE = 640
CONTEXT = 1024


def write_tiny_elver(folder: Path, **changes: Any) -> Path:
    """A float checkpoint with an MTP layer; ``changes`` are of its config.json."""
    tokenizer = train_tokenizer(generated_texts(0, 300), VOCAB_SIZE)
    config = TINY_CONFIG | {
        "vocab_size": VOCAB_SIZE,
        "max_position_embeddings": CONTEXT,
        "rope_scaling": None,
        "num_nextn_predict_layers": 1,
        "bos_token_id": tokenizer.token_to_id(BEGIN),
        "eos_token_id": tokenizer.token_to_id(END),
    }
    write_random_checkpoint(folder, config | changes, seed=7)
    save_tokenizer(tokenizer, folder)
    return folder


def write_tiny_dense(folder: Path) -> Path:
    """The same without experts: every layer is dense."""
    return write_tiny_elver(folder, first_k_dense_replace=TINY_CONFIG["num_hidden_layers"], num_nextn_predict_layers=0)
