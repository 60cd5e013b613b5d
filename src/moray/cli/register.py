"""``moray model register``: tell the chain what a model is, so that tasks can name it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from moray.cli.accounts import AccountOption, DevAccountOption, open_account
from moray.cli.chain_access import ChainOption, open_chain, open_sender, read_chain
from moray.cli.network import JsonOption, StateDir
from moray.cli.passwords import PasswordFile


def register(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A sharded folder.")],
    chain: ChainOption = None,
    keystore: AccountOption = None,
    password_file: PasswordFile = None,
    dev_account: DevAccountOption = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Register a model on the chain by what it is: anyone may, and it costs gas only."""
    from moray.experts.manifest import identity_of, read_manifest

    identity = identity_of(read_manifest(folder))
    addresses = read_chain(chain, state_dir)
    key = open_account(addresses.chain_id, keystore, password_file, dev_account)

    async def inside() -> bool:
        from moray.contracts.models import ModelRecord, ModelRegistry

        record = ModelRecord(*identity)
        async with open_chain(addresses) as opened:
            registry = ModelRegistry(opened, addresses.model_registry)
            if await registry.is_registered(record.id):
                return False
            async with open_sender(opened, key, state_dir) as sender:
                await sender.send(f"register model {identity.id}", registry.register(record))
            return True

    is_new = asyncio.run(inside())
    if as_json:
        print(json.dumps({"model_id": identity.id, "is_new": is_new}))
    else:
        print(identity.id if is_new else f"{identity.id} was registered before")
