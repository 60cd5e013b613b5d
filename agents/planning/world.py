"""What a plan is made from: one snapshot of a chain at one block, as far as an action needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from moray.agents.names import AddressBook, Token
from moray.agents.plan import Allowance
from moray.agents.planning.amounts import resolve, shown
from moray.agents.planning.leave import approvals
from moray.agents.prices import Market, PriceRules, check_market
from moray.contracts.calls import Call
from moray.contracts.erc4626 import VaultState
from moray.contracts.unbonding_stake import StakeState
from moray.contracts.uniswap_v3 import Position, Quote
from moray.errors import BadSetting, CodeUnexpected, FundsTooLow, NotPlanned, PriceDoubtful

MAX_DEADLINE_S = 120  # what is signed is worth nothing after it


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """``slippage_bps`` where the user named none; nobody gets more than ``max_slippage_bps``."""

    slippage_bps: int = 50
    max_slippage_bps: int = 300
    deadline_s: int = MAX_DEADLINE_S
    prices: PriceRules = field(default_factory=PriceRules)

    def __post_init__(self) -> None:
        if not 0 < self.deadline_s <= MAX_DEADLINE_S:
            raise BadSetting(f"a deadline of {self.deadline_s} s: at most {MAX_DEADLINE_S} s are planned; give less")
        if not 0 < self.slippage_bps <= self.max_slippage_bps < 10_000:
            raise BadSetting("the slippage must be above 0 and not above its own cap; correct the settings")


@dataclass(frozen=True, slots=True)
class VaultView:
    """``previewed``: the shares that the action's amount buys, or costs."""

    state: VaultState
    previewed: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """``balances`` by token address or "native"; ``code_hashes`` by contract address, "" where there is none;
    ``markets`` by the address of their pool; ``quote``: what the exchange says of a swap's amount; ``positions``: the
    owner's in the action's pool that hold liquidity. What the action does not need is not there."""

    chain_id: int
    owner: str
    book: AddressBook
    block_number: int
    timestamp: int  # Unix seconds, of the newest block: the deadline counts from here
    settings: PlanSettings = field(default_factory=PlanSettings)
    balances: Mapping[str, int] = field(default_factory=dict)
    approved: Mapping[Allowance, int] = field(default_factory=dict)
    code_hashes: Mapping[str, str] = field(default_factory=dict)
    markets: Mapping[str, Market] = field(default_factory=dict)
    quote: Quote | None = None
    vault: VaultView | None = None
    stake: StakeState | None = None
    positions: tuple[Position, ...] = ()

    @property
    def deadline(self) -> int:
        return self.timestamp + self.settings.deadline_s

    def balance(self, asset: str) -> int:
        return self.balances.get(asset, 0)

    def market(self, one: Token, other: Token) -> Market:
        """Where the two are exchanged. Raises NameUnknown, and PriceDoubtful for one that is not to be believed."""
        market = self.markets.get(self.book.pool(one, other).pool.address)
        if market is None:
            raise PriceDoubtful(f"the market of {self.book.symbol(one)} was not read; read the world anew")
        check_market(market, self.settings.prices)
        return market

    def dollars(self, token: Token) -> Fraction | None:
        """Per whole unit; None where the address book has no pool to tell. Raises PriceDoubtful."""
        if token.is_dollar:
            return Fraction(1)
        dollar = self.book.dollar_of(token)
        if dollar is None:
            return None
        return self.market(token, dollar).price(self.book.erc20(token), token.decimals, dollar.decimals)

    def amount(self, text: str, token: Token, held: int) -> int:
        """``text`` of ``token`` in base units; see ``resolve``."""
        return resolve(text, token.decimals, held, self.dollars(token) if text.startswith("$") else None)

    def held_amount(self, text: str, token: Token, held: int) -> int:
        """The same, of what is there. Raises FundsTooLow for more than ``held``."""
        amount = self.amount(text, token, held)
        self.check_held(amount, token, held)
        return amount

    def check_held(self, needed: int, token: Token, held: int) -> None:
        """Raises FundsTooLow."""
        if needed > held:
            raise FundsTooLow(
                f"{self.said(needed, token)} is needed and the account has {shown(held, token.decimals)}; give less"
            )

    def said(self, amount: int, token: Token) -> str:
        """In whole units with the symbol, for people."""
        return f"{shown(amount, token.decimals)} {self.book.symbol(token)}"

    def leave(self, token: str, spender: str, amount: int) -> tuple[Call, ...]:
        """The calls that let ``spender`` take exactly ``amount`` of the owner's ``token``."""
        return approvals(token, self.owner, spender, amount, self.approved.get(Allowance(token, spender), 0))

    def slippage_bps(self, asked: int | None) -> int:
        """Raises NotPlanned for more than the cap."""
        found = self.settings.slippage_bps if asked is None else asked
        if found > self.settings.max_slippage_bps:
            raise NotPlanned(f"a slippage of {found} bps; at most {self.settings.max_slippage_bps} are planned")
        return found

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
