"""What a plan is made from: one snapshot of a chain at one block, as far as an action needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from moray.agents.names import AddressBook
from moray.agents.plan import Allowance
from moray.errors import BadSetting, CodeUnexpected

MAX_DEADLINE_S = 120  # what is signed is worth nothing after it


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """``slippage_bps`` where the user named none; nobody gets more than ``max_slippage_bps``."""

    slippage_bps: int = 50
    max_slippage_bps: int = 300
    deadline_s: int = MAX_DEADLINE_S

    def __post_init__(self) -> None:
        if not 0 < self.deadline_s <= MAX_DEADLINE_S:
            raise BadSetting(f"a deadline of {self.deadline_s} s: at most {MAX_DEADLINE_S} s are planned; give less")
        if not 0 < self.slippage_bps <= self.max_slippage_bps < 10_000:
            raise BadSetting("the slippage must be above 0 and not above its own cap; correct the settings")


@dataclass(frozen=True, slots=True)
class Quote:
    """What a venue gives and takes at the world's block, against what the time-weighted price says of the same amount
    after the pool's fee. Base units."""

    amount_in: int
    amount_out: int
    fair_in: int  # for amount_out, by the time-weighted price
    fair_out: int  # for amount_in, by the time-weighted price


@dataclass(frozen=True, slots=True)
class Share:
    """The owner's part of a vault or a staking contract: ``shares`` of it, worth ``assets``."""

    shares: int
    assets: int


@dataclass(frozen=True, slots=True)
class World:
    """``balances`` by token address or "native"; ``code_hashes`` by contract address, "" where there is none;
    ``dollars`` per whole unit of a token, by its address; ``shares`` by vault. What the action does not need is not
    there."""

    chain_id: int
    owner: str
    book: AddressBook
    block_number: int
    timestamp: int  # Unix seconds, of the newest block: the deadline counts from here
    settings: PlanSettings = field(default_factory=PlanSettings)
    balances: Mapping[str, int] = field(default_factory=dict)
    approved: Mapping[Allowance, int] = field(default_factory=dict)
    code_hashes: Mapping[str, str] = field(default_factory=dict)
    dollars: Mapping[str, Fraction] = field(default_factory=dict)
    quote: Quote | None = None
    shares: Mapping[str, Share] = field(default_factory=dict)

    @property
    def deadline(self) -> int:
        return self.timestamp + self.settings.deadline_s

    def balance(self, asset: str) -> int:
        return self.balances.get(asset, 0)

    def check_code(self) -> None:
        """Raises CodeUnexpected for a contract that the world was asked about and whose code is not the book's."""
        for site in self.book.contracts():
            found = self.code_hashes.get(site.address)
            if found is None:
                continue
            if not found:
                raise CodeUnexpected(f"there is no contract at {site.address}; correct the address book")
            if site.code_hash not in (None, found):
                raise CodeUnexpected(
                    f"the contract at {site.address} has code {found}, the address book says {site.code_hash}; "
                    "find out which it should be"
                )


