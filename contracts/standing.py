"""What a registry says of a signer, as far as it matters to whoever lets nodes join."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from moray.network_manifest import NO_SLASHER

if TYPE_CHECKING:
    from moray.contracts.registry import NodeRegistry  # web3 takes a second to import


@dataclass(frozen=True, slots=True)
class Standing:
    """Of the node that a signer signs for. ``bonded``: base units of what counts, without what is leaving."""

    node_id: int = 0  # 0: the signer is nobody's
    bonded: int = 0
    is_jailed: bool = False


NO_STANDING = Standing()


async def read_standing(registry: NodeRegistry, signer: str, slasher: str) -> Standing:
    """``bonded`` is what is allotted to ``slasher``, with NO_SLASHER all. Raises ChainError."""
    node_id = await registry.node_of(signer)
    node = await registry.node(node_id) if node_id else None
    if node is None:
        return NO_STANDING
    bonded = node.bonded if slasher == NO_SLASHER else (await registry.stake(node_id, slasher)).bonded
    return Standing(node_id, bonded, is_jailed=node.jailed_until != 0)
