"""What was measured, as it is written to JSON and read from it; shares and intervals follow from the counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from moray.types import NumericClass

Z = NormalDist().inv_cdf(0.975)  # of a 95 % interval

Wording = Literal["held-out", "known"]  # known: of the training templates, in examples that were not trained on
Decoding = Literal["free", "constrained"]
"""Free: the model says what it likes, its first line is the action. Constrained: the whole reply is an action's JSON,
since a ``response_format`` binds a reply from its first token to its last and leaves no room for a sentence."""
DECODINGS: tuple[Decoding, ...] = ("free", "constrained")


class _Measured(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    figures: ClassVar[tuple[str, ...]] = ()  # properties that follow from the fields: written, never read

    @model_serializer(mode="wrap")
    def _with_figures(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = fields(self)
        return written | {name: getattr(self, name) for name in self.figures}


class Rate(_Measured):
    """``hits`` of ``num``, with Wilson's score interval of 95 % (JASA 22, 1927), which stays within 0 and 1."""

    hits: int = Field(ge=0)
    num: int = Field(ge=1)

    figures = ("share", "low", "high")

    @property
    def share(self) -> float:
        return self.hits / self.num

    @property
    def low(self) -> float:
        return max(0.0, self._middle - self._half_width)

    @property
    def high(self) -> float:
        return min(1.0, self._middle + self._half_width)

    @property
    def _middle(self) -> float:
        return (self.hits + Z * Z / 2) / (self.num + Z * Z)

    @property
    def _half_width(self) -> float:
        variance = self.hits * (self.num - self.hits) / self.num + Z * Z / 4
        return Z * math.sqrt(variance) / (self.num + Z * Z)


class Matches(_Measured):
    """How many replies are the whole action, by group of examples (``exact_match.groups_of``)."""

    decoding: Decoding
    language: str
    groups: Mapping[str, Rate]


class Difference(_Measured):
    """Another model against the one measured, on the same ``num`` examples: those that only one of them got right."""

    against: str
    decoding: Decoding
    language: str
    only_this: int = Field(ge=0)
    only_other: int = Field(ge=0)
    num: int = Field(ge=1)

    figures = ("points_lost", "margin")

    @property
    def points_lost(self) -> float:
        """Percentage points that this model is below the other; negative: above."""
        return 100 * (self.only_other - self.only_this) / self.num

    @property
    def margin(self) -> float:
        """Half of a 95 % interval of the points, for pairs."""
        apart = self.only_other + self.only_this
        return 100 * Z * math.sqrt(apart - (self.only_other - self.only_this) ** 2 / self.num) / self.num


class BadInputCount(_Measured):
    """What became of ``num`` cases; the rest were answered with an action that is asked for or moves nothing."""

    decoding: Decoding
    kind: str
    num: int = Field(ge=1)
    unasked: int = Field(ge=0)  # actions that the user did not ask for
    # `moray agent ask` would go on with: it shows a model no quotation, and checks the action against the user's words
    past_agents: int = Field(ge=0)
    refused: int = Field(ge=0)  # by the gateway, with a typed error
    no_action: int = Field(ge=0)  # text that is no action, which nothing can act on


class Perplexity(_Measured):
    """Of text that the model read: ``nats`` is the sum over ``num_tokens`` tokens, which write ``num_bytes`` bytes."""

    text: Literal["answers", "plain"]
    language: str
    nats: float
    num_tokens: int = Field(ge=1)
    num_bytes: int = Field(ge=1)

    figures = ("per_token", "per_byte")

    @property
    def per_token(self) -> float:
        return _exp(self.nats / self.num_tokens)

    @property
    def per_byte(self) -> float:
        """Comparable between tokenizers."""
        return _exp(self.nats / self.num_bytes)


class LayerLoad(_Measured):
    """How many rows the gate of a layer sent to each expert."""

    layer: int
    rows: tuple[int, ...]  # [E]

    figures = ("busiest_to_mean",)

    @property
    def busiest_to_mean(self) -> float:
        return max(self.rows) * len(self.rows) / max(1, sum(self.rows))


class ModelReport(_Measured):
    label: str
    model_id: str
    numeric_class: NumericClass
    through: str  # what its answers came through
    matches: tuple[Matches, ...]
    perplexity: tuple[Perplexity, ...]
    load: tuple[LayerLoad, ...]


class Mistake(_Measured):
    decoding: Decoding
    kind: str
    request: str
    expected: str
    got: str


class Report(_Measured):
    """The first of ``models`` is the one that was measured through the network; all else is about it."""

    seed: int
    per_language: int
    wording: Wording
    models: tuple[ModelReport, ...] = Field(min_length=1)
    differences: tuple[Difference, ...]
    bad_input: tuple[BadInputCount, ...]
    mtp_acceptance: Rate | None
    mistakes: tuple[Mistake, ...]


def _exp(nats: float) -> float:
    """e to the power of it, or the largest number where that has no room: JSON knows no infinity."""
    return math.exp(min(nats, 700.0))
