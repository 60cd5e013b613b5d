"""``moray agent policy``: what a policy says, and why it allows a request or does not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from moray.agents.policy.decide import decide
from moray.agents.policy.decision import Decision, Refusal
from moray.agents.policy.ledger import LedgerView
from moray.agents.policy.policy import Policy
from moray.agents.policy.policy_reading import read_policy
from moray.agents.policy.reading import MAX_REQUEST_BYTES, request_of_fields, request_of_raw
from moray.agents.policy.request import SignRequest, TypedDataRequest
from moray.agents.policy.showing import Headroom, headroom, rows
from moray.cli.network import JsonOption
from moray.errors import BadSetting

app = typer.Typer(name="policy", help="What an agent may sign: show it, ask it.", no_args_is_help=True)

PolicyFile = Annotated[Path, typer.Argument(help="The policy, YAML (docs/policy.md).", show_default=False)]


@app.command("show")
def show(policy: PolicyFile, as_json: JsonOption = False) -> None:
    """Show all that a policy allows, as it was understood."""
    read = read_policy(policy)
    table = rows(read)
    if as_json:
        print(json.dumps({"version": read.version, "owner": read.owner, "rules": [list(row) for row in table]}))
        return
    shown = Table("rule", "chain", "of", "allows", title=f"{read.owner}, version {read.version[:16]}")
    for row in table:
        shown.add_row(*row)
    Console(soft_wrap=True, highlight=False).print(shown)


@app.command("check")
def check(
    policy: PolicyFile,
    transaction: Annotated[
        str | None, typer.Option("--transaction", help="Its fields as JSON, or its RLP in hex, signed or not.")
    ] = None,
    typed_data: Annotated[Path | None, typer.Option("--typed-data", help="A file of EIP-712 data, JSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a policy; with a transaction or typed data, say whether it would be signed, and why. Nothing counts as
    signed before: the signer knows what was, and whom was paid."""
    if transaction is not None and typed_data is not None:
        raise BadSetting("--transaction and --typed-data are two requests; ask one at a time")
    read = read_policy(policy)
    if transaction is None and typed_data is None:
        if as_json:
            print(json.dumps({"version": read.version, "owner": read.owner, "is_valid": True}))
        else:
            Console(stderr=True, highlight=False).print(f"the policy is sound: version {read.version}")
        return
    now = time.time()
    try:
        request = _transaction(transaction) if transaction is not None else _typed_data(typed_data)
    except Refusal as refusal:
        decision = refusal.as_decision()
    else:
        decision = decide(read, request, LedgerView(), now)
    left = headroom(read, LedgerView(), decision.reserves, now)
    if as_json:
        print(json.dumps(_as_json(read, decision, left)))
    else:
        _print(decision, left)
    if not decision.is_allowed:
        raise typer.Exit(1)


def _transaction(text: str) -> SignRequest:
    """Raises BadSetting for what is neither JSON nor RLP, Refusal for a transaction of another kind."""
    if len(text) > MAX_REQUEST_BYTES:
        raise BadSetting(f"--transaction is longer than {MAX_REQUEST_BYTES} characters; give one transaction")
    if not text.lstrip().startswith("{"):
        return request_of_raw(text.strip())
    fields = _json(text, "--transaction")
    if not isinstance(fields, dict):
        raise BadSetting("--transaction is no JSON object; give the fields of a transaction")
    return request_of_fields(fields)


def _typed_data(path: Path | None) -> SignRequest:
    assert path is not None
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_REQUEST_BYTES + 1)
    except OSError as error:
        raise BadSetting(f"cannot read {path}: {error.strerror}; give a file of typed data") from None
    if len(raw) > MAX_REQUEST_BYTES:
        raise BadSetting(f"{path} is longer than {MAX_REQUEST_BYTES} bytes; give one piece of typed data")
    return TypedDataRequest(_json(raw, str(path)))


def _json(text: str | bytes, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadSetting(f"{what} is no JSON; write it as an object") from None


def _as_json(policy: Policy, decision: Decision, left: tuple[Headroom, ...]) -> dict[str, Any]:
    return {
        "version": policy.version,
        "is_allowed": decision.is_allowed,
        "code": decision.code,
        "reason": decision.reason,
        "rule": decision.rule,
        "needs_approval": decision.needs_approval,
        "reserves": [
            {"kind": each.kind, "asset": each.asset, "amount": str(each.amount), "counterparty": each.counterparty}
            for each in decision.reserves
        ],
        "limits": [{"limit": each.limit, "left": each.left, "of": each.of} for each in left],
    }


def _print(decision: Decision, left: tuple[Headroom, ...]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    word = "allowed" if decision.is_allowed else "needs an approval" if decision.needs_approval else "refused"
    console.print(f"{word} ({decision.code}): {decision.reason}", markup=False)
    if decision.rule:
        console.print(f"rule: {decision.rule}", markup=False)
    for each in left:
        console.print(f"left of {each.limit}: {each.left} of {each.of}", markup=False)
