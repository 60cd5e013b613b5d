"""Whose account a command uses that writes to a chain: a keystore's, or one of the development chain's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moray.cli.passwords import PasswordFile, password
from moray.errors import BadKey, BadSetting

if TYPE_CHECKING:
    from moray.node_key import NodeKey

__all__ = ["AccountKeystore", "DevAccount", "PasswordFile", "account_key"]

AccountKeystore = Annotated[
    Path | None, typer.Option("--keystore", metavar="FILE", help="The key of the account that signs and pays.")
]
DevAccount = Annotated[
    int | None,
    typer.Option("--dev-account", metavar="N", min=0, max=9, help="Or anvil's N-th account, on chain 31337 only."),
]


def account_key(chain_id: int, keystore: Path | None, password_file: Path | None, dev_account: int | None) -> NodeKey:
    """Raises BadSetting where not exactly one account is named, BadKey for a development key on another chain."""
    from moray.contracts.development_keys import DEVELOPMENT_CHAIN_ID, DEVELOPMENT_KEYS, check_key
    from moray.nodes.identity import load_key

    if (keystore is None) == (dev_account is None):
        raise BadSetting("this needs one account: give --keystore FILE, or --dev-account N on the development chain")
    if dev_account is not None:
        if chain_id != DEVELOPMENT_CHAIN_ID:
            raise BadKey(f"everybody knows the keys of --dev-account; on chain {chain_id} give a --keystore of your own")
        return DEVELOPMENT_KEYS[dev_account]
    assert keystore is not None
    key = load_key(keystore, password(password_file, f"Password of {keystore}: "))
    check_key(key.address, chain_id)
    return key
