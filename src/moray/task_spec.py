"""What a task on the chain asks for: a prompt and how the answer's tokens are chosen.

The task commits to the specification's bytes, whoever wrote them and however they are spaced, so a contract may write
its own. The model is not in it: the task's terms name it by its id. Fractions are decimal strings, which every
language spells alike, and greedy is the default, since nobody's random numbers are in doubt then.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from moray.canonical_json import canonical_json
from moray.errors import BadTaskSpec
from moray.faults import first_fault

MAX_SPEC_BYTES = 1 << 20
MAX_TASK_TOKENS = 1 << 17  # of an answer
MAX_SEED = (1 << 63) - 1
LOWEST_TEMPERATURE = 0.01  # but for 0: below it a judge's sums would lose the other tokens
MAX_STOPS = 4
MAX_STOP_CHARS = 256  # of one


def _no_colder(number: str) -> str:
    if number != "0" and not LOWEST_TEMPERATURE <= float(number) <= 2:
        raise ValueError(f'"0" or from {LOWEST_TEMPERATURE} to 2')
    return number


def _share(number: str) -> str:
    if not 0 < float(number) <= 1:
        raise ValueError("above 0 and at most 1")
    return number


Decimal = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]?)(\.[0-9]{1,6})?$")]  # "0", "0.7"
Stop = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SpecMessage(_Part):
    role: Literal["system", "user", "assistant"]
    content: str


class TaskSpec(_Part):
    """Either ``prompt`` or ``messages``, which the model's chat template turns into one. ``temperature`` 0 is greedy;
    ``top_p`` 1 and ``top_k`` 0 are off. The answer ends before the first of the ``stop`` strings."""

    version: Literal[1] = 1
    prompt: Annotated[str, Field(min_length=1)] | None = None
    messages: Annotated[tuple[SpecMessage, ...], Field(min_length=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TASK_TOKENS)]
    temperature: Annotated[Decimal, AfterValidator(_no_colder)] = "0"
    top_p: Annotated[Decimal, AfterValidator(_share)] = "1"
    top_k: Annotated[int, Field(ge=0, le=MAX_TASK_TOKENS)] = 0
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    stop: Annotated[tuple[Stop, ...], Field(max_length=MAX_STOPS)] = ()

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either a prompt or messages")
        return self


def encode_spec(spec: TaskSpec) -> bytes:
    """The same bytes for the same specification."""
    return canonical_json(spec.model_dump(mode="json", exclude_none=True))


def parse_spec(content: bytes) -> TaskSpec:
    """Raises BadTaskSpec."""
    if len(content) > MAX_SPEC_BYTES:
        raise BadTaskSpec(f"the specification has {len(content)} bytes, at most {MAX_SPEC_BYTES} are read; shorten it")
    try:
        return TaskSpec.model_validate_json(content)
    except ValidationError as error:
        raise BadTaskSpec(f"no task specification: {first_fault(error)}; correct it") from None
