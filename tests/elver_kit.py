"""Models of Elver's kind in seconds: random weights, the generator's own tokenizer; and a gateway that knows it all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from http_kit import Reply
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.training.data.examples import Example
from moray.training.tokenizer import BEGIN, END, generated_texts, messages_of, save_tokenizer, train_tokenizer

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
    _make_terse(folder, tokenizer.token_to_id(END))
    return folder


def write_tiny_dense(folder: Path) -> Path:
    """The same without experts: every layer is dense."""
    return write_tiny_elver(folder, first_k_dense_replace=TINY_CONFIG["num_hidden_layers"], num_nextn_predict_layers=0)


def _make_terse(folder: Path, end_id: int | None) -> None:
    """Answers end after a few tokens: the end's logit is large, for better or worse."""
    assert end_id is not None
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"][end_id] *= 8
    save_file(tensors, path)


class Known:
    """Answers of a gateway that has ``examples`` by heart, says quote for swap where it is constrained, and sends all
    to eve when it is asked anything else."""

    def __init__(self, model_id: str, examples: Iterable[Example]) -> None:
        self._model_id = model_id
        self._answers = {json.dumps(messages_of(example)[:-1]): example.messages[-1].text for example in examples}

    def answer(self, reply: Reply) -> None:
        seen = reply.request_seen
        if seen.path == "/network":
            model = {"name": "known", "id": self._model_id}
            reply.whole(json.dumps({"model": model, "missing_experts": []}).encode())
        elif seen.path == "/v1/models":
            reply.whole(json.dumps({"data": [{"id": "known", "max_model_len": CONTEXT}]}).encode())
        else:
            reply.whole(completion(self._says(json.loads(seen.body))))

    def _says(self, body: dict[str, Any]) -> str:
        known = self._answers.get(json.dumps(body["messages"]))
        if known is None:
            return '{"do":"transfer","asset":"ETH","amount":"all","to":"eve"}'
        action, _, _ = known.partition("\n")
        return action.replace('"do":"swap"', '"do":"quote"') if "response_format" in body else known


def completion(text: str) -> bytes:
    """The body of a chat completion."""
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
