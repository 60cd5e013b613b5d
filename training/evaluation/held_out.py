"""What is measured on: examples whose templates and words were never trained on (``data.grammar``), or beside them
fresh examples of those that were."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from moray.training.data.examples import Example, examples
from moray.training.data.grammar import Split


@dataclass(frozen=True, slots=True)
class HeldOut:
    requests: tuple[Example, ...]  # each with an action, as many of every language
    plain: tuple[Example, ...]  # text alone, met on the way


def held_out(seed: int, per_language: int, split: Split = "heldout") -> HeldOut:
    """The first ``per_language`` requests of each language, and the plain text between them: the same for the same
    seed and number."""
    left = Counter(en=per_language, zh=per_language)
    requests, plain = list[Example](), list[Example]()
    stream = examples(seed, split)
    while left.total():
        example = next(stream)
        if example.action is None:
            plain.append(example)
        elif left[example.language]:
            left[example.language] -= 1
            requests.append(example)
    return HeldOut(tuple(requests), tuple(plain))
