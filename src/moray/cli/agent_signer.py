"""``moray agent signer``: the process that holds the key; and what a person does about it: approve, stop, revive."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from moray.cli.network import JsonOption
from moray.cli.passwords import PasswordFile, password
from moray.errors import BadSetting

if TYPE_CHECKING:
    from moray.agents.signer.approvals import ApprovalFile

# eth-account takes a second to import, so what needs it is imported where it is used.

app = typer.Typer(name="signer", help="The process that holds an agent's key and decides.", no_args_is_help=True)

Keystore = Annotated[Path, typer.Option("--keystore", metavar="FILE", help="The key's file.")]
Socket = Annotated[Path, typer.Option("--socket", metavar="PATH", help="Where the signer listens.")]
Ledger = Annotated[Path, typer.Option("--ledger", metavar="FILE", help="What it signed and reserved (SQLite).")]


@app.command("run")
def run(
    keystore: Keystore,
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="What may be signed (YAML).")],
    socket: Socket,
    journal: Annotated[Path, typer.Option("--journal", metavar="FILE", help="What was decided, chained by hashes.")],
    ledger: Ledger,
    live: Annotated[
        list[int] | None, typer.Option("--live", metavar="CHAIN", help="Really sign for this chain id; repeat it.")
    ] = None,
    allow_uid: Annotated[
        list[int] | None, typer.Option("--allow-uid", metavar="N", help="Whose processes may ask; repeat it.")
    ] = None,
    allow_gid: Annotated[
        list[int] | None, typer.Option("--allow-gid", metavar="N", help="The same by group; repeat it.")
    ] = None,
    anchor: Annotated[
        Path | None,
        typer.Option("--anchor", metavar="FILE", help="Keep the journal's heads here too, on another disk."),
    ] = None,
    rpc: Annotated[
        list[str] | None,
        typer.Option("--rpc", metavar="CHAIN=URL", help="Where to see what became of transactions; repeat it."),
    ] = None,
    remote: Annotated[
        str | None,
        typer.Option("--remote", metavar="URL", help="The key is in this service; --keystore only names its address."),
    ] = None,
    password_file: PasswordFile = None,
) -> None:
    """Start it. It decides on the bytes alone, and signs nothing but for chains that are --live."""
    from moray.agents.signer.hardening import harden

    harden()
    from moray.agents.policy.policy_reading import read_policy
    from moray.agents.signer.keys import KeyHolder
    from moray.agents.signer.policy_judge import PolicyJudge
    from moray.agents.signer.process import Files
    from moray.agents.signer.process import run as run_signer
    from moray.agents.signer.remote import RemoteSigner
    from moray.agents.signer.server import Visitors
    from moray.guarded_http import Fetcher
    from moray.key_file import load_key, read_address

    judge = PolicyJudge(read_policy(policy), frozenset(live or ()))
    judge.check(read_address(keystore))
    endpoints = _endpoints(rpc or [])
    key: KeyHolder
    if remote is None:
        key = load_key(keystore, password(password_file, f"Password of {keystore}: "))
    else:
        key = RemoteSigner(remote, read_address(keystore), Fetcher(allow_private=True))
    files = Files(socket.absolute(), journal, ledger, anchor)
    visitors = Visitors(frozenset(allow_uid or ()), frozenset(allow_gid or ()))
    asyncio.run(
        run_signer(key, judge, files, visitors, endpoints, lambda: print(f"signing as {key.address}", flush=True))
    )


@app.command("status")
def status(socket: Socket, as_json: JsonOption = False) -> None:
    """Show which account it signs for, under which policy, and whether it is halted."""
    from moray.agents.signer.client import SignerClient

    facts = SignerClient(socket).status()
    if as_json:
        print(json.dumps(facts))
        return
    for name, value in facts.items():
        print(f"{name:16} {value}")


@app.command("kill")
def kill(ledger: Ledger) -> None:
    """Stop all signing at once. It works with a signer that does not answer, too: it makes a file that forbids it."""
    from moray.agents.signer.process import kill_file

    try:
        kill_file(ledger).touch(mode=0o600)
    except OSError as error:
        raise BadSetting(f"cannot write beside {ledger}: {error.strerror}; do it as the signer's user") from None
    print("halted")


@app.command("revive")
def revive(keystore: Keystore, ledger: Ledger, password_file: PasswordFile = None) -> None:
    """Let it sign again, after `kill` or after too many refusals. Find out first why it stopped."""
    from moray.agents.signer.book import Book
    from moray.agents.signer.process import kill_file
    from moray.key_file import load_key

    if not ledger.exists():
        raise BadSetting(f"{ledger} is not there; give the signer's --ledger")
    load_key(keystore, password(password_file, f"Password of {keystore}: "))  # raises unless it is the right one
    book = Book(ledger)
    with book.begin() as pages:
        pages.revive()
    book.close()
    kill_file(ledger).unlink(missing_ok=True)
    print("revived")


@app.command("submit")
def submit(file: Annotated[Path, typer.Argument(metavar="FILE", help="A signed approval.")], socket: Socket) -> None:
    """Hand an approval to the signer."""
    from moray.agents.signer.client import SignerClient

    SignerClient(socket).approve(_read_approval(file))
    print("approved")


def approve(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The approval that an agent asks for.")],
    keystore: Keystore,
    password_file: PasswordFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking again, after it was shown.")] = False,
) -> None:
    """Show what an approval permits, out of its bytes, and sign it with your own key."""
    from moray.agents.signer.approvals import ApprovalFile
    from moray.agents.signer.showing import lines_of
    from moray.errors import BadKey
    from moray.files import write_private
    from moray.key_file import load_key, read_address

    found = _read_approval(file)
    if read_address(keystore) == found.approval.account:
        raise BadKey("this is the key that would be used: whoever asks does not approve; use another")
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for line in lines_of(found):
        console.print(line)
    if not yes and not typer.confirm("Do you agree to exactly this?", err=True):
        raise typer.Exit(1)
    key = load_key(keystore, password(password_file, f"Password of {keystore}: "))
    signature = f"0x{key.sign_typed_data(found.approval.typed_data).hex()}"
    signed = ApprovalFile(approval=found.approval, data=found.data, signatures=(*found.signatures, signature))
    write_private(file, signed.model_dump_json(indent=1).encode() + b"\n")
    console.print(f"approved by {key.address}")


def _read_approval(file: Path) -> ApprovalFile:
    from moray.agents.signer.approvals import MAX_APPROVAL_BYTES, parse_approval

    try:
        with file.open("rb") as opened:
            return parse_approval(opened.read(MAX_APPROVAL_BYTES + 1))
    except OSError as error:
        raise BadSetting(f"cannot read {file}: {error.strerror}; give an approval's file") from None


def _endpoints(given: list[str]) -> dict[int, list[str]]:
    """Raises BadSetting, without the URL: it may hold a secret."""
    endpoints: dict[int, list[str]] = {}
    for text in given:
        chain_id, _, url = text.partition("=")
        if not chain_id.isdecimal() or not url:
            raise BadSetting("--rpc takes CHAIN=URL, as 31337=http://127.0.0.1:8545; correct it")
        endpoints.setdefault(int(chain_id), []).append(url)
    return endpoints
