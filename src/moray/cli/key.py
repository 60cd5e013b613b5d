"""``moray node key``: the key that a node signs with. Its address is on stdout; the key and its password nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretBytes
from rich.console import Console

from moray.cli.network import JsonOption, StateDir
from moray.cli.passwords import PasswordFile, ask, new_password, password
from moray.nodes.state import open_state_dir

# eth-account takes a second to import, so what needs it is imported where it is used.

app = typer.Typer(name="key", help="The node's key: make, import or show it.", no_args_is_help=True)

KeystoreOption = Annotated[
    Path | None, typer.Option("--keystore", metavar="FILE", help="The key's file; keys/node.json in --state-dir.")
]


@app.command("new")
def new(
    keystore: KeystoreOption = None,
    state_dir: StateDir = None,
    password_file: PasswordFile = None,
    as_json: JsonOption = False,
) -> None:
    """Make a random key and write it encrypted."""
    from moray.key_file import check_free, random_key, store_key

    path = keystore_path(keystore, state_dir)
    check_free(path)
    address = store_key(path, random_key(), new_password(password_file))
    _show(address, path, as_json)


@app.command("import")
def import_(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A keystore, or 64 hex digits; mode 0600. Asked for otherwise."),
    ] = None,
    keystore: KeystoreOption = None,
    state_dir: StateDir = None,
    password_file: PasswordFile = None,
    source_password_file: Annotated[
        Path | None,
        typer.Option("--source-password-file", metavar="FILE", help="Password of the keystore to import, mode 0600."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take a key that exists and write it encrypted. FILE stays as it is: delete it yourself."""
    from moray.key_file import check_free, decrypt_from, parse_raw_key, read_foreign, store_key

    path = keystore_path(keystore, state_dir)
    check_free(path)
    if source is None:
        typed = ask("Private key, 64 hex digits: ", "FILE")
        private_key = parse_raw_key(typed.get_secret_value().encode(), "what was typed")
    else:
        found = read_foreign(source)
        if isinstance(found, SecretBytes):
            private_key = found
        else:
            its_password = password(source_password_file, f"Password of {source}: ", "--source-password-file")
            private_key = decrypt_from(source, found, its_password)
    address = store_key(path, private_key, new_password(password_file))
    _show(address, path, as_json)


@app.command("show")
def show(keystore: KeystoreOption = None, state_dir: StateDir = None, as_json: JsonOption = False) -> None:
    """Show the key's address and file; no password is needed."""
    from moray.key_file import read_address

    path = keystore_path(keystore, state_dir)
    _show(read_address(path), path, as_json)


def keystore_path(keystore: Path | None, state_dir: Path | None) -> Path:
    """The file that the options name. Raises ClusterError for a state directory that cannot be used."""
    from moray.key_file import KEYSTORE

    return keystore.absolute() if keystore is not None else open_state_dir(state_dir) / KEYSTORE


def _show(address: str, path: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"address": address, "keystore": str(path)}))
        return
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"address  {address}")
    console.print(f"keystore {path}")
