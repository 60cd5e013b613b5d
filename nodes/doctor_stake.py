"""What the chain says of a node's stake, for the doctor."""

from __future__ import annotations

import asyncio
from pathlib import Path

from moray.contracts.standing import read_standing
from moray.errors import MorayError
from moray.network_manifest import StakeTerms
from moray.nodes.findings import StakeProbe


def probe_stake(chain_file: Path, signer: str, terms: StakeTerms) -> StakeProbe:
    """Nothing is raised for what is found. Takes as long as the chain's endpoints are given to answer."""
    try:
        return asyncio.run(_probe(chain_file, signer, terms))
    except MorayError as error:
        return StakeProbe(str(error))


async def _probe(chain_file: Path, signer: str, terms: StakeTerms) -> StakeProbe:
    from moray.contracts.addresses import read_addresses  # web3 takes a second to import
    from moray.contracts.chain import Chain
    from moray.contracts.registry import NodeRegistry

    addresses = read_addresses(chain_file)
    chain = await Chain.open(addresses.rpc_urls, addresses.chain_id)
    try:
        standing = await read_standing(NodeRegistry(chain, addresses.node_registry), signer, terms.slasher)
        return StakeProbe("", addresses.chain_id, addresses.node_registry, standing)
    finally:
        await chain.close()
