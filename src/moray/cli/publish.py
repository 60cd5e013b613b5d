"""``moray network sign``: the owner of a network signs what it is, and gets the join string to hand out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from moray.cli.network import JsonOption, StateDir
from moray.cli.passwords import PasswordFile, password
from moray.errors import BadSetting, ClusterError, ManifestRefused
from moray.files import write_private
from moray.nodes.state import NETWORK_MANIFEST, OWNER_KEYSTORE, open_state_dir, read_state

if TYPE_CHECKING:
    from moray.join_string import JoinString
    from moray.network_manifest import NetworkManifest

# eth-account takes a second to import, so what needs it is imported where it is used.

app = typer.Typer(name="network", help="A network that others join: sign what it is.", no_args_is_help=True)


@app.command("sign")
def sign(
    router: Annotated[
        list[str] | None,
        typer.Option("--router", metavar="URL", help="A router to name, repeatable; the one of --state-dir otherwise."),
    ] = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", metavar="URL", help="What others call a single router.")
    ] = None,
    mirror: Annotated[
        list[str] | None, typer.Option("--mirror", metavar="URL", help="Serves the model's files too; repeatable.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How long it holds; sign again before.")] = 30,
    keystore: Annotated[
        Path | None, typer.Option("--keystore", metavar="FILE", help="The owner's key; keys/owner.json in --state-dir.")
    ] = None,
    password_file: PasswordFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The manifest; network.json in --state-dir.")
    ] = None,
    state_dir: StateDir = None,
    as_json: JsonOption = False,
) -> None:
    """Sign which routers, model and certificates make up the network, and print the string to join it with."""
    from moray.cli.router_card import is_open_to_change, read_card, router_entries
    from moray.join_string import JoinString
    from moray.key_file import load_key, read_address
    from moray.network_manifest import DAY_S, encode_manifest, sign_manifest

    state = open_state_dir(state_dir)
    key_file = keystore.absolute() if keystore is not None else state / OWNER_KEYSTORE
    target = out.absolute() if out is not None else state / NETWORK_MANIFEST
    owner = read_address(key_file)
    urls = [given_url(url, "--router") for url in router or ()] or [own_url(state)]
    mirrors = tuple(given_url(url, "--mirror") for url in mirror or ())
    shown_url = None if public_url is None else given_url(public_url, "--public-url")
    cards = [read_card(url) for url in urls]
    entries, card = router_entries(urls, cards, shown_url), cards[0]
    version = next_version(target, owner, card.network_id)
    notes = Console(stderr=True, quiet=as_json, soft_wrap=True, highlight=False, markup=False)
    for url, entry in zip(urls, entries, strict=True):
        notes.print(f"router {entry.name} with certificate {entry.tls_cert_sha256}")
        if is_open_to_change(url):
            notes.print(f"  read over plain HTTP from {url}: compare it with what its operator sees before you sign")
    if card.stake is not None:
        terms = f"{card.stake.min_stake} base units, slasher {card.stake.slasher}, registry {card.stake.node_registry}"
        notes.print(f"joining requires a stake of {terms}, chain {card.chain_id}")
    key = load_key(key_file, password(password_file, f"Password of {key_file}: "))
    now_s = int(time.time())
    manifest = sign_manifest(
        key,
        network_id=card.network_id,
        chain_id=card.chain_id,
        version=version,
        model_id=card.model.id,
        numeric_class=card.model.numeric_class,
        issued_at=now_s,
        expires_at=now_s + days * DAY_S,
        routers=entries,
        mirrors=mirrors,
        stake=card.stake,
    )
    try:
        write_private(target, encode_manifest(manifest))
    except OSError as error:
        raise BadSetting(f"cannot write {target}: {error.strerror}; give another --out") from None
    join = JoinString(entries[0].url, owner)
    if as_json:
        print(json.dumps(_summary(manifest, join, target)))
        return
    until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(manifest.expires_at))
    notes.print(f"version {version}, until {until}, in {target}: every router of the network must publish this file")
    print(join)


def given_url(text: str, option: str) -> str:
    """Raises BadSetting. A slash at its end is left out."""
    from moray.web_address import plain_url

    try:
        return plain_url(text.removesuffix("/"))
    except ValueError as error:
        raise BadSetting(f"{option}: {error}; correct it") from None


def own_url(state: Path) -> str:
    """Raises ClusterError where no network runs."""
    record = read_state(state)
    if record is None or not record.url:
        raise ClusterError(f"no network runs from {state}; start one with `moray up`, or name its routers by --router")
    return record.url


def next_version(path: Path, owner: str, network_id: str) -> int:
    """One more than the manifest at ``path`` has; 1 where there is none.

    Raises BadSetting for a file that is not to be replaced: anything but a manifest of this owner's network.
    """
    from moray.network_manifest import MAX_NETWORK_MANIFEST_BYTES, read_signed

    try:
        with path.open("rb") as file:
            before = read_signed(file.read(MAX_NETWORK_MANIFEST_BYTES + 1), owner)
    except FileNotFoundError:
        return 1
    except OSError as error:
        raise BadSetting(f"cannot read {path}: {error.strerror}; give another --out") from None
    except ManifestRefused as error:
        raise BadSetting(
            f"{path} is no manifest signed by {owner} ({error.reason_code}) and is not replaced; give another --out"
        ) from None
    if before.network_id != network_id:
        raise BadSetting(f"{path} is of the network {before.network_id!r} and is not replaced; give another --out")
    return before.version + 1


def _summary(manifest: NetworkManifest, join: JoinString, path: Path) -> dict[str, object]:
    return {
        "join_string": str(join),
        "manifest": str(path),
        "version": manifest.version,
        "owner": manifest.owner,
        "expires_at": manifest.expires_at,
        "routers": [{"name": router.name, **router.model_dump()} for router in manifest.routers],
    }
