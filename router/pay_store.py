"""What a router's operator has promised and deposited, on disk before anybody hears of it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moray.errors import ClusterError
from moray.files import write_private
from moray.router.pay_decisions import Debt

PAY_FILE = "payments.json"  # in the router's state directory
PAY_LOCK = "payments.lock"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="hex", val_json_bytes="hex")


class Bill(_Model):
    """One node's, and one payee's: rows since it was first seen, and what was promised for them."""

    signer: str
    node_id: str
    payee: str
    channel: bytes
    rows: int = 0
    rows_seen: int = 0  # of ``rows``: those of the router's present life
    promised: int = 0  # base units
    promised_rows: int = 0
    epoch: int = 0  # the last voucher's number
    signature: bytes = b""  # the last voucher's
    num_deposits: int = 0
    depositing: int = 0  # base units that are on their way, for the next deposit

    def counted(self, rows_at_router: int) -> Bill:
        """With the rows that its router has counted in this life."""
        more = max(0, rows_at_router - self.rows_seen)
        return self.model_copy(update={"rows": self.rows + more, "rows_seen": self.rows_seen + more})

    def debt(self, max_unpaid_rows: int, is_refusing: bool) -> Debt:
        return Debt(self.rows, self.promised, self.promised_rows, max_unpaid_rows, is_refusing)


class Ledger(_Model):
    version: int = Field(default=1, ge=1, le=1)
    life: str = ""  # of the router that ``rows_seen`` are of
    deposited: int = 0  # base units, in all channels
    bills: dict[str, Bill] = Field(default_factory=dict)  # by channel, in hex

    def in_life(self, life: str) -> Ledger:
        """A router that was started again counts from 0."""
        if life == self.life:
            return self
        bills = {key: bill.model_copy(update={"rows_seen": 0}) for key, bill in self.bills.items()}
        return self.model_copy(update={"life": life, "bills": bills})

    def having(self, bill: Bill, more_deposited: int = 0) -> Ledger:
        return self.model_copy(
            update={"bills": self.bills | {bill.channel.hex(): bill}, "deposited": self.deposited + more_deposited}
        )


def read_ledger(state_dir: Path) -> Ledger:
    """Raises ClusterError for a damaged file: without it nodes would be promised less than they have already."""
    path = state_dir / PAY_FILE
    try:
        return Ledger.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Ledger()
    except (OSError, ValidationError):
        raise ClusterError(f"{path} cannot be read: restore it, it says what nodes were promised") from None


def write_ledger(state_dir: Path, ledger: Ledger) -> None:
    write_private(state_dir / PAY_FILE, ledger.model_dump_json().encode() + b"\n")
