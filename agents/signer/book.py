"""The signer's ledger in SQLite: what was signed, which approvals are used up, what went wrong, whether it is halted.

One transaction per decision: what the policy saw and what it led to stand or fall together, so two requests at once
cannot both take the last of a limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)

from moray.agents.policy.ledger import DAY_S, Entry, LedgerView, Reserve
from moray.agents.signer.approvals import Approval
from moray.contracts.database import open_database

_tables = MetaData()
_ID = BigInteger().with_variant(Integer, "sqlite")

_entries = Table(
    "signer_entries",
    _tables,
    Column("id", _ID, primary_key=True),
    Column("chain_id", Text, nullable=False),  # text: chain ids have up to 256 bits
    Column("place", Text, nullable=False),  # the tx_nonce, or a digest of typed data
    Column("tx_nonce", Text),
    Column("digest", String(64), nullable=False),
    Column("signed_at", Float, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("reserves", Text, nullable=False),  # JSON of ledger.Reserve
    # False: out of every window, and read again only for a request at the same place, so that a decision costs no more
    # the longer the history is.
    Column("is_counted", Boolean, nullable=False, index=True),
    UniqueConstraint("chain_id", "place"),
)
# Every transaction that was signed, so that its receipt can be found: several at one tx_nonce.
_attempts = Table(
    "signer_attempts",
    _tables,
    Column("tx_hash", String(64), primary_key=True),
    Column("chain_id", Text, nullable=False),
    Column("tx_nonce", Text, nullable=False),
    Column("digest", String(64), nullable=False),  # TransactionRequest.digest
    Index("signer_attempts_place", "chain_id", "tx_nonce"),
)
_known = Table(
    "signer_agreed_recipients",
    _tables,
    Column("chain_id", Text, primary_key=True),
    Column("address", String(42), primary_key=True),
)
_approvals = Table(
    "signer_approvals",
    _tables,
    Column("digest", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("signatures", Text, nullable=False),  # JSON
)
# What makes an approval's call one signature's, whatever runs at the same time.
_uses = Table(
    "signer_approval_uses",
    _tables,
    Column("digest", ForeignKey("signer_approvals.digest"), primary_key=True),
    Column("call", Integer, primary_key=True),
    Column("place", Text, nullable=False),  # chain_id/place
)
_faults = Table(
    "signer_faults",
    _tables,
    Column("id", _ID, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),  # denial or revert
)
_halts = Table("signer_halts", _tables, Column("id", _ID, primary_key=True), Column("reason", Text, nullable=False))


@dataclass(frozen=True, slots=True)
class HeldApproval:
    approval: Approval
    signatures: tuple[str, ...]
    uses: dict[int, str]  # call -> what it was used for, see ``place_text``


class Book:
    """``begin`` gives its one way to read and write."""

    def __init__(self, path: Path) -> None:
        self._engine = open_database(f"sqlite:///{path}", _tables)
        with self._engine.begin() as connection:  # of before the column was: all counts until the next signature
            if "is_counted" not in [each["name"] for each in inspect(connection).get_columns(_entries.name)]:
                connection.execute(text(f"ALTER TABLE {_entries.name} ADD is_counted BOOLEAN NOT NULL DEFAULT 1"))

    @contextmanager
    def begin(self) -> Iterator[Pages]:
        """All of it is kept, or after an error none; nobody else writes meanwhile."""
        with self._engine.begin() as connection:
            yield Pages(connection)

    def close(self) -> None:
        self._engine.dispose()


class Pages:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def view(self, now: float, place: tuple[int | None, int | str | None] | None = None) -> LedgerView:
        """What still counts, and what was signed at the tx_nonce that is ``place``, however long ago."""
        read = [
            _entry(row) for row in self._connection.execute(select(_entries).where(_entries.c.is_counted)).mappings()
        ]
        granted = frozenset(
            _grant(reserve)
            for entry in read
            if entry.tx_nonce is not None
            for reserve in entry.reserves
            if reserve.kind == "allowance"
        )
        entries = [entry for entry in read if _counts(entry, now, granted)]
        if place is not None and place not in [entry.place for entry in entries]:
            here = (_entries.c.chain_id == str(place[0])) & (_entries.c.place == str(place[1]))
            of_transaction = select(_entries).where(here, _entries.c.tx_nonce.is_not(None))
            entries += [_entry(row) for row in self._connection.execute(of_transaction).mappings()]
        known = self._connection.execute(select(_known)).all()
        return LedgerView(tuple(entries), frozenset((int(chain_id), address) for chain_id, address in known))

    def sign(self, entry: Entry, view: LedgerView) -> None:
        """``view``: the one that was decided on. What it left out is put away."""
        old = _entries.c.is_counted & ~_entries.c.is_open & (_entries.c.signed_at <= entry.signed_at - DAY_S)
        counted = {each.place for each in view.entries}
        for row in self._connection.execute(select(_entries).where(old)).mappings().all():
            if _entry(row).place not in counted:
                self._connection.execute(update(_entries).where(_entries.c.id == row["id"]).values(is_counted=False))
        whole = view.signed(entry).at(entry.place)
        assert whole is not None
        self.put(whole)

    def put(self, whole: Entry) -> None:
        """In place of what was there."""
        where = (_entries.c.chain_id == str(whole.chain_id)) & (_entries.c.place == str(whole.place[1]))
        self._connection.execute(delete(_entries).where(where))
        self._connection.execute(
            insert(_entries).values(
                chain_id=str(whole.chain_id),
                place=str(whole.place[1]),
                tx_nonce=None if whole.tx_nonce is None else str(whole.tx_nonce),
                digest=whole.digest,
                signed_at=whole.signed_at,
                is_open=whole.is_open,
                reserves=json.dumps([asdict(reserve) for reserve in whole.reserves]),
                is_counted=True,
            )
        )

    def know(self, entry: Entry) -> None:
        """Whom it pays: an approver agreed to exactly that."""
        for chain_id, address in {(each.chain_id, each.counterparty) for each in entry.reserves if each.is_payment}:
            is_there = (_known.c.chain_id == str(chain_id)) & (_known.c.address == address)
            if self._connection.execute(select(_known).where(is_there)).first() is None:
                self._connection.execute(insert(_known).values(chain_id=str(chain_id), address=address))

    # -- what the chain may show --------------------------------------------------------------------------------------

    def note_attempt(self, chain_id: int, tx_nonce: int, digest: str, tx_hash: str) -> None:
        if self._connection.execute(select(_attempts).where(_attempts.c.tx_hash == tx_hash)).first() is None:
            values = {"chain_id": str(chain_id), "tx_nonce": str(tx_nonce), "digest": digest, "tx_hash": tx_hash}
            self._connection.execute(insert(_attempts).values(values))

    def attempts(self, chain_id: int, tx_nonce: int) -> dict[str, str]:
        """The hashes of what was signed there, hex, and what each does."""
        where = (_attempts.c.chain_id == str(chain_id)) & (_attempts.c.tx_nonce == str(tx_nonce))
        rows = self._connection.execute(select(_attempts.c.tx_hash, _attempts.c.digest).where(where)).all()
        return {tx_hash: digest for tx_hash, digest in rows}

    # -- approvals ----------------------------------------------------------------------------------------------------

    def keep_approval(self, approval: Approval, signatures: tuple[str, ...]) -> None:
        """Once more changes nothing: what is used stays used."""
        if self._connection.execute(select(_approvals).where(_approvals.c.digest == approval.digest)).first() is None:
            self._connection.execute(
                insert(_approvals).values(
                    digest=approval.digest, body=approval.model_dump_json(), signatures=json.dumps(signatures)
                )
            )

    def approvals(self) -> list[HeldApproval]:
        uses: dict[str, dict[int, str]] = {}
        for digest, call, place in self._connection.execute(select(_uses)).all():
            uses.setdefault(digest, {})[call] = place
        return [
            HeldApproval(
                Approval.model_validate_json(row.body), tuple(json.loads(row.signatures)), uses.get(row.digest, {})
            )
            for row in self._connection.execute(select(_approvals)).all()
        ]

    def use(self, approval: Approval, call: int, place: str) -> None:
        """Raises IntegrityError where it is used up, which no caller lets happen."""
        self._connection.execute(insert(_uses).values(digest=approval.digest, call=call, place=place))

    # -- the switches -------------------------------------------------------------------------------------------------

    def note_fault(self, kind: str, at: float) -> None:
        self._connection.execute(insert(_faults).values(kind=kind, at=at))

    def num_faults(self, since: float) -> int:
        query = select(func.count()).select_from(_faults).where(_faults.c.at > since)
        return int(self._connection.execute(query).scalar_one())

    def halted(self) -> str:
        """Why nothing is signed, or ""."""
        return str(self._connection.execute(select(_halts.c.reason).order_by(_halts.c.id)).scalars().first() or "")

    def halt(self, reason: str) -> None:
        self._connection.execute(insert(_halts).values(reason=reason))

    def revive(self) -> None:
        self._connection.execute(delete(_halts))
        self._connection.execute(delete(_faults))


def place_text(chain_id: int | None, place: int | str | None) -> str:
    return f"{chain_id}/{place}"


def _entry(row: RowMapping) -> Entry:
    return Entry(
        int(row["chain_id"]),
        None if row["tx_nonce"] is None else int(row["tx_nonce"]),
        row["digest"],
        row["signed_at"],
        row["is_open"],
        tuple(Reserve(**reserve) for reserve in json.loads(row["reserves"])),
    )


def _grant(reserve: Reserve) -> tuple[int, str, str]:
    return reserve.chain_id, reserve.asset, reserve.counterparty


def _counts(entry: Entry, now: float, granted: frozenset[tuple[int, str, str]]) -> bool:
    """``granted``: the allowances that count. What drew on one of them says how much of it is left."""
    return (
        entry.is_open
        or entry.signed_at > now - DAY_S
        or any(
            each.kind == "allowance" or (entry.tx_nonce is not None and each.is_pulled and _grant(each) in granted)
            for each in entry.reserves
        )
    )
