"""Whose key signs a command's transactions: a keystore's, or on the development chain one that everybody knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moray.cli.passwords import password
from moray.errors import BadSetting

if TYPE_CHECKING:
    from moray.node_key import NodeKey

AccountOption = Annotated[
    Path | None, typer.Option("--keystore", metavar="FILE", help="The key of the account that pays.")
]
DevAccountOption = Annotated[
    int | None,
    typer.Option("--dev-account", min=0, max=9, metavar="N", help="Or account N of the development chain."),
]


def open_account(chain_id: int, keystore: Path | None, password_file: Path | None, dev_account: int | None) -> NodeKey:
    """Opening a keystore takes about a second. Raises BadSetting for neither or both, or for a development account on
    another chain; what opening a keystore raises; BadKey for a keystore with a development account's key."""
    from moray.contracts.development_keys import DEVELOPMENT_CHAIN_ID, DEVELOPMENT_KEYS, check_key
    from moray.key_file import load_key

    if keystore is not None and dev_account is not None:
        raise BadSetting("--keystore and --dev-account name two accounts; give one")
    if dev_account is not None:
        if chain_id != DEVELOPMENT_CHAIN_ID:
            raise BadSetting(
                f"--dev-account is for the development chain ({DEVELOPMENT_CHAIN_ID}) and this is chain {chain_id}; "
                "give --keystore"
            )
        return DEVELOPMENT_KEYS[dev_account]
    if keystore is None:
        raise BadSetting("no account pays; give --keystore FILE, or on the development chain --dev-account N")
    path = keystore.absolute()
    key = load_key(path, password(password_file, f"Password of {path}: "))
    check_key(key.address, chain_id)
    return key
