"""Moray, Mixture-of-experts Over Ray: a decentralised inference network for Web3 agents."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moray.agents.sdk.answers import Answer, Chunk, Sampling
    from moray.agents.sdk.client import AsyncMoray
    from moray.agents.sdk.sync import Moray

__all__ = ["Answer", "AsyncMoray", "Chunk", "Moray", "Sampling", "__version__"]
__version__ = version("moray")

# Looked up where they are used, so that `import moray` costs a router or a node nothing.
_HOMES = {
    "Answer": "moray.agents.sdk.answers",
    "Chunk": "moray.agents.sdk.answers",
    "Sampling": "moray.agents.sdk.answers",
    "AsyncMoray": "moray.agents.sdk.client",
    "Moray": "moray.agents.sdk.sync",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
