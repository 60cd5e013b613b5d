"""The accounts that anvil funds. The whole world knows their private keys: for the development chain only."""

from __future__ import annotations

from typing import Final

from moray.errors import BadKey
from moray.ethereum import key_from_seed, seed_from_mnemonic
from moray.node_key import NodeKey

DEVELOPMENT_CHAIN_ID: Final = 31337
_MNEMONIC = "test test test test test test test test test test test junk"  # anvil's, which it prints itself
_NUM_ACCOUNTS = 10

_SEED = seed_from_mnemonic(_MNEMONIC, "")
DEVELOPMENT_KEYS: Final = tuple(
    NodeKey.from_bytes(key_from_seed(_SEED, f"m/44'/60'/0'/0/{index}")) for index in range(_NUM_ACCOUNTS)
)
_ADDRESSES = frozenset(key.address for key in DEVELOPMENT_KEYS)


def check_key(address: str, chain_id: int) -> None:
    """Raises BadKey for an account that anybody can empty."""
    if chain_id != DEVELOPMENT_CHAIN_ID and address in _ADDRESSES:
        raise BadKey(
            f"{address} is a development account, whose private key everybody knows; "
            f"on chain {chain_id} use one of your own"
        )
