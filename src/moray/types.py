"""The words every folder speaks: ids, and the frozen values that cross folder lines.

Shapes in comments: T tokens, E experts, K chosen per token, D hidden, F intermediate, L layers, V vocabulary.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, NewType, Protocol

ExpertId = NewType("ExpertId", int)  # e: the e-th routed expert of every MoE layer
NodeId = NewType("NodeId", str)  # one machine of an operator, "node-3"
ReplicaId = NewType("ReplicaId", str)  # stable across restarts on one node, "expert-3"
RequestId = NewType("RequestId", str)
ModelId = NewType("ModelId", str)  # 64 hex digits, see experts.model_identity

PLAIN_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")  # of nodes and replicas, which terminals and logs show

NumericClass = Literal["float32", "int8", "int4"]  # of experts' weights; the rest is always float32

Device = Literal["cpu", "cuda"]
AskedDevice = Literal["cpu", "cuda", "auto"]

OverlapMode = Literal["auto", "on", "off"]  # two micro-batches in flight

FinishReason = Literal["stop", "length"]


class DataAddress(NamedTuple):
    """Where a router's data plane listens. ``socket_path`` is a Unix socket for replicas on the router's machine, empty
    for none: a frame over it costs a fraction of TCP's time."""

    host: str
    port: int
    socket_path: str = ""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class PublicAddress(NamedTuple):
    """Where a router listens for nodes of other operators, over TLS. Its text is the router's name in the network.
    ``tls_cert_sha256`` is of the DER certificate that it presents there, hex."""

    host: str
    port: int
    tls_cert_sha256: str

    def __str__(self) -> str:
        return str(DataAddress(self.host, self.port))


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is chosen. Temperature 0 is greedy; ``top_k`` 0 and ``top_p`` 1 are off.

    ``seed`` with a position fixes the draw, whatever else is in the batch. ``num_logprobs`` None asks for none,
    n >= 0 for the chosen token's and the n best (log of the softmax of the untempered logits).
    """

    max_tokens: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    num_logprobs: int | None = None
    stop_token_ids: frozenset[int] = frozenset()


Mask = bytes  # of the tokens that may come next: token i is bit i % 8, the lowest first, of byte i // 8


class Grammar(Protocol):
    """What an answer may still say, token by token. Of one thread at a time."""

    def copy(self) -> Grammar:
        """The same state, to go its own way."""
        ...

    def mask(self) -> Mask:
        """At least one token; those that end the answer are among them exactly when it may end. Raises GrammarStuck."""
        ...

    def advance(self, token_id: int) -> None:
        """The answer goes on with this token. Raises ValueError, and changes nothing, when the mask forbids it, and
        GrammarStuck."""
        ...

    def rollback(self, num_tokens: int) -> None:
        """Take back the last of the tokens. Raises ValueError when there are not as many."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the answer may end here."""
        ...


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    request_id: RequestId
    prompt: tuple[int, ...]  # token ids, at least one
    sampling: SamplingParams
    user: str = ""  # opaque; requests are shared out fairly between users
    cache_salt: str = ""  # requests share cached prefixes only with those of the same salt
    grammar: Grammar | None = None  # of the answer, as far as the prompt does not hold it; whoever generates copies it


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """One step of one request. ``finish_reason`` is set on the last only; a stop token is not part of the text.

    ``num_prefix_tokens`` is set on the first only: tokens of the prompt that the prefix cache held.
    """

    token_id: int
    logprob: float | None = None
    top_logprobs: tuple[tuple[int, float], ...] = ()  # (token id, logprob), best first
    finish_reason: FinishReason | None = None
    num_prefix_tokens: int = 0
