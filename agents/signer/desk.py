"""From a request to a signature or a refusal: the only place that asks the key for anything.

    kill switch -> policy over the ledger -> approval -> [journal -> ledger] -> signature -> journal -> out

The bracket is one database transaction. No signature is made before the decision for it lies on disk in the journal
and what it reserves in the ledger; whatever fails on the way, none leaves. A crash in between leaves something reserved
that was not signed, never the other way round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import time
from typing import Any, NoReturn

from sqlalchemy.exc import SQLAlchemyError

from moray.agents.journal import Journal
from moray.agents.policy.decision import Decision, Refusal
from moray.agents.policy.ledger import Entry, LedgerView, Reserve
from moray.agents.policy.readings import Questions, Reading, Readings
from moray.agents.policy.request import SignRequest, TransactionRequest
from moray.agents.signer.approvals import Approval, check_approval, is_for
from moray.agents.signer.book import Book, Pages, place_text
from moray.agents.signer.breaker import Breaker
from moray.agents.signer.digests import chain_of, digest_of
from moray.agents.signer.judge import Judge, check_owner
from moray.agents.signer.keys import KeyHolder
from moray.agents.signer.seen import Seen, Waiting, grants, settled
from moray.contracts.development_keys import check_key
from moray.errors import (
    ApprovalNeeded,
    ApprovalRefused,
    BadKey,
    DryRun,
    MorayError,
    PolicyDenied,
    SignerUnreachable,
)
from moray.ethereum import keccak
from moray.quoting import quoted

_ALLOWED, _DENIED, _DRY_RUN, _NEEDS_APPROVAL = "allowed", "denied", "dry_run", "needs_approval"


@dataclass(frozen=True, slots=True)
class _Agreed:
    """The call of an approval that makes up for what a decision lacks. ``is_used``: for this request, of which it is a
    fee bump then."""

    approval: Approval
    call: int
    is_used: bool


class Desk:
    """One account's. From any thread; requests are taken one after another."""

    def __init__(
        self,
        key: KeyHolder,
        judge: Judge,
        book: Book,
        journal: Journal,
        kill_file: Path,
        live_chains: frozenset[int] = frozenset(),
        breaker: Breaker | None = None,
        wall_clock: Callable[[], float] = time,
        watched_chains: frozenset[int] = frozenset(),
    ) -> None:
        """``kill_file``: while it is there, nothing is signed. ``live_chains``: where signatures are really made, if
        the policy says so too. ``watched_chains``: of which somebody tells this process what became of a transaction;
        what is signed for others lapses with the policy's windows. Raises BadSetting for a policy of another account.
        """
        check_owner(judge, key.address)
        self._key, self._judge, self._book, self._journal = key, judge, book, journal
        self._kill_file, self._breaker, self._wall_clock = kill_file, breaker or Breaker(), wall_clock
        self._live, self._watched = live_chains, watched_chains
        self._was_halted = False
        self._readings: Readings = {}
        self._turn = threading.Lock()

    @property
    def address(self) -> str:
        return self._key.address

    def sign(self, request: SignRequest, user: int) -> bytes:
        """The signed transaction, or a signature's 65 bytes. ``user``: the uid that asks, for the journal.

        Raises PolicyDenied, ApprovalNeeded, DryRun, and SignerUnreachable where it cannot be recorded.
        """
        with self._turn:
            try:
                self._decide(request, user)
                return self._make(request)
            except (SQLAlchemyError, OSError) as error:
                raise SignerUnreachable(
                    f"the signer's ledger does not work ({type(error).__name__}); see to it"
                ) from None

    def turn_away(self, refusal: Refusal, user: int) -> NoReturn:
        """What is not even a request: journaled and counted as any denial. Raises PolicyDenied."""
        now = self._wall_clock()
        with self._turn, self._book.begin() as pages:
            fields = {"outcome": _DENIED, "code": refusal.code, "reason": quoted(refusal.reason), "user": user}
            self._journal.append("decision", fields)
            self._note_fault(pages, "denial", now)
        raise PolicyDenied(refusal.code, refusal.reason, refusal.rule)

    def approve(self, approval: Approval, signatures: tuple[str, ...], user: int) -> None:
        """Take an approval in. Raises ApprovalRefused, SignerUnreachable."""
        with self._turn:
            agreed = check_approval(approval, signatures, self.address, self._judge, self._wall_clock())
            fields = {"approval": approval.digest, "approvers": sorted(agreed), "user": user}
            with self._book.begin() as pages:
                pages.keep_approval(approval, signatures)
                self._journal.append("approved", fields)

    def kill(self, user: int) -> None:
        """Sign nothing more until it is revived. Anybody who may ask may stop it."""
        with self._turn:
            with self._book.begin() as pages:
                if not pages.halted():
                    pages.halt("it was stopped by hand")
            self._journal.append("halted", {"reason": "kill", "user": user})  # after: a full disk must not prevent it

    def waiting(self, chain_id: int) -> Waiting:
        """What the chain is to be asked about."""
        with self._turn, self._book.begin() as pages:
            view = pages.view(self._wall_clock())
            still_open = [
                each
                for each in view.entries
                if each.is_open and each.chain_id == chain_id and each.tx_nonce is not None
            ]
            attempts = {
                each.tx_nonce: {
                    tx_hash: digest == each.digest
                    for tx_hash, digest in pages.attempts(chain_id, each.tx_nonce).items()
                }
                for each in still_open
                if each.tx_nonce is not None
            }
            return Waiting(attempts, grants(view, chain_id))

    def settle(self, seen: Seen) -> None:
        """Take in what a final block showed. Raises JournalUnusable, and then nothing is taken in."""
        now = self._wall_clock()
        with self._turn, self._book.begin() as pages:
            before = pages.view(now)
            changed = [each for each in settled(before, seen, now).entries if each not in before.entries]
            for fate in seen.fates:
                fields = {"chain_id": str(seen.chain_id), "tx_nonce": str(fate.tx_nonce), "outcome": fate.outcome}
                self._journal.append("settled", fields)
            for asset, spender in sorted(seen.gone & grants(before, seen.chain_id, seen.below_tx_nonce)):
                fields = {"chain_id": str(seen.chain_id), "asset": asset, "spender": spender}
                self._journal.append("released", fields | {"before_tx_nonce": str(seen.below_tx_nonce)})
            for entry in changed:
                pages.put(entry)
            for fate in seen.fates:
                if fate.outcome == "reverted":
                    self._note_fault(pages, "revert", now)

    def now(self) -> float:
        """Unix s, by the clock that decides."""
        return self._wall_clock()

    def questions(self, chain_id: int) -> Questions:
        """What the policy has to know of a chain."""
        return self._judge.questions(chain_id)

    def see(self, chain_id: int, reading: Reading) -> None:
        """What decisions on that chain rest on from now. It waits for no turn: one that is being taken has its own."""
        self._readings = {**self._readings, chain_id: reading}

    def status(self) -> dict[str, Any]:
        with self._turn, self._book.begin() as pages:
            return {
                "address": self.address,
                "policy_version": self._judge.version,
                "halted": self._halted(pages),
                "journal_entries": self._journal.head.number,
                "journal_head": self._journal.head.hash,
            }

    # -- deciding -----------------------------------------------------------------------------------------------------

    def _decide(self, request: SignRequest, user: int) -> None:
        """Returns only when it is allowed and recorded."""
        now = self._wall_clock()
        refusal: MorayError | None = None
        with self._book.begin() as pages:
            view = pages.view(now, _place(request))
            view = replace(view, readings=self._readings, halted=self._halted(pages))
            if self._was_halted and not view.halted:
                self._journal.append("revived", {})
            self._was_halted = bool(view.halted)
            decision, agreed = self._judged(request, pages, view, now)
            chain_id = chain_of(request)
            is_allowed = decision.is_allowed or agreed is not None
            is_live = chain_id is not None and chain_id in self._live and self._judge.is_live(chain_id)
            outcome = _outcome(decision, is_allowed, is_live)
            self._journal.append("decision", self._record(request, decision, outcome, agreed, user))
            if outcome == _ALLOWED:
                assert chain_id is not None
                entry = self._entry(request, chain_id, decision, now)
                pages.sign(entry, view)
                if agreed is not None:
                    pages.know(entry)
                if agreed is not None and not agreed.is_used:
                    pages.use(agreed.approval, agreed.call, place_text(*_place(request)))
            else:
                refusal = _as_error(outcome, decision)
                if outcome == _DENIED:
                    self._note_fault(pages, "denial", now)
        if refusal is not None:  # after the transaction, which keeps the fault
            raise refusal

    def _judged(
        self, request: SignRequest, pages: Pages, view: LedgerView, now: float
    ) -> tuple[Decision, _Agreed | None]:
        if view.halted:
            return Decision(False, "halted", f"the signer is halted: {view.halted}; `moray agent signer revive`"), None
        chain_id = chain_of(request)
        if chain_id is None or digest_of(request) is None:
            return Decision(False, "bad_request", "typed data must name its chain and fit its own types"), None
        try:
            check_key(self.address, chain_id)
        except BadKey as error:
            return Decision(False, "development_key", str(error)), None
        decision = self._judge.decide(request, view, now)
        if decision.is_allowed or not decision.needs_approval:
            return decision, None
        return decision, self._approval(request, pages, now)

    def _approval(self, request: SignRequest, pages: Pages, now: float) -> _Agreed | None:
        place = place_text(*_place(request))
        for held in pages.approvals():
            try:
                check_approval(held.approval, held.signatures, self.address, self._judge, now)
            except ApprovalRefused:
                continue
            for call in is_for(held.approval, request):
                if held.uses.get(call, place) == place:
                    return _Agreed(held.approval, call, call in held.uses)
        return None

    def _halted(self, pages: Pages) -> str:
        if self._kill_file.exists():
            return f"{self._kill_file.name} is there"
        return pages.halted()

    def _note_fault(self, pages: Pages, kind: str, now: float) -> None:
        if pages.halted():
            return  # what is refused then says nothing of the agent
        pages.note_fault(kind, now)
        if self._breaker.is_tripped(pages.num_faults(now - self._breaker.window_s)):
            pages.halt(self._breaker.reason)
            self._journal.append("halted", {"reason": self._breaker.reason})

    def _entry(self, request: SignRequest, chain_id: int, decision: Decision, now: float) -> Entry:
        tx_nonce = request.tx_nonce if isinstance(request, TransactionRequest) else None
        is_open = chain_id in self._watched and tx_nonce is not None
        return Entry(chain_id, tx_nonce, digest_of(request) or "", now, is_open, decision.reserves)

    def _record(
        self, request: SignRequest, decision: Decision, outcome: str, agreed: _Agreed | None, user: int
    ) -> dict[str, Any]:
        chain_id = chain_of(request)
        return {
            "outcome": outcome,
            "code": decision.code,
            "reason": quoted(decision.reason),
            "rule": decision.rule,
            "policy_version": self._judge.version,
            "user": user,
            "account": self.address,
            "chain_id": None if chain_id is None else str(chain_id),
            "request": _request_fields(request),
            "reserves": [_reserve_fields(reserve) for reserve in decision.reserves] if outcome == _ALLOWED else [],
            "approval": None if agreed is None else {"digest": agreed.approval.digest, "call": agreed.call},
        }

    # -- signing ------------------------------------------------------------------------------------------------------

    def _make(self, request: SignRequest) -> bytes:
        if isinstance(request, TransactionRequest):
            made = self._key.sign_transaction(fields_of(request))
            tx_hash = keccak(made).hex()
            with self._book.begin() as pages:
                pages.note_attempt(request.chain_id, request.tx_nonce, request.digest, tx_hash)
            self._journal.append("signed", {"digest": request.digest, "tx_hash": tx_hash})
        else:
            made = self._key.sign_typed_data(request.data)
            self._journal.append("signed", {"digest": digest_of(request)})
        return made


def fields_of(request: TransactionRequest) -> dict[str, Any]:
    """eth-account's, out of what was decided on and nothing else."""
    fields = {
        "type": 2,
        "chainId": request.chain_id,
        "nonce": request.tx_nonce,
        "data": request.data,
        "value": request.value_wei,
        "gas": request.gas,
        "maxFeePerGas": request.max_fee_wei,
        "maxPriorityFeePerGas": request.tip_wei,
    }
    return fields if request.to is None else fields | {"to": request.to}


def _place(request: SignRequest) -> tuple[int | None, int | str | None]:
    """As ledger.Entry.place."""
    return chain_of(request), request.tx_nonce if isinstance(request, TransactionRequest) else digest_of(request)


def _outcome(decision: Decision, is_allowed: bool, is_live: bool) -> str:
    if is_allowed:
        return _ALLOWED if is_live else _DRY_RUN
    if decision.code == DryRun.code:  # the policy itself does not call the chain live
        return _DRY_RUN
    return _NEEDS_APPROVAL if decision.needs_approval else _DENIED


def _as_error(outcome: str, decision: Decision) -> MorayError:
    if outcome == _DRY_RUN:
        return DryRun(
            "it would be signed, but the chain is not live; say so in the policy, start the signer with --live CHAIN",
            decision.rule,
        )
    if outcome == _NEEDS_APPROVAL:
        return ApprovalNeeded(f"{decision.reason}; have it approved with `moray agent approve`", decision.rule)
    return PolicyDenied(decision.code, decision.reason, decision.rule)


def _reserve_fields(reserve: Reserve) -> dict[str, Any]:
    return asdict(reserve) | {"amount": str(reserve.amount), "chain_id": str(reserve.chain_id)}


def _request_fields(request: SignRequest) -> dict[str, Any]:
    """Numbers of 256 bits as text: other readers of JSON lose digits. Data as its hash: it may be long."""
    if not isinstance(request, TransactionRequest):
        return {"kind": "typed_data", "digest": digest_of(request)}
    return {
        "kind": "transaction",
        "digest": request.digest,
        "tx_nonce": str(request.tx_nonce),
        "to": request.to,
        "value_wei": str(request.value_wei),
        "selector": request.data[:4].hex(),
        "data_hash": keccak(request.data).hex(),
        "gas": str(request.gas),
        "max_fee_wei": str(request.max_fee_wei),
        "tip_wei": str(request.tip_wei),
    }
