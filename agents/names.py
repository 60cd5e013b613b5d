"""The user's address book: the only place where a name becomes an address.

One YAML file that the user owns. What is not in it is asked back, never guessed, and never looked up anywhere that
somebody else writes to. An address that a reader could take for one in the book is refused: such addresses are made on
purpose, and sent to people so that they copy them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from moray.actions import Asset, Chain, Decimal, Name
from moray.agents.plan import NATIVE
from moray.agents.planning.amounts import shown
from moray.contracts.addresses import Address
from moray.contracts.uniswap_v3 import UniswapV3
from moray.errors import BadSetting, LookAlike, NameUnknown, NotPlanned
from moray.ethereum import to_checksum_address
from moray.faults import first_fault
from moray.quoting import quoted

MAX_BOOK_BYTES = 256 * 1024
_SHOWN_DIGITS = 6  # equal ones at both ends together: about what people compare, and cheap to search for
_FEW_DIGITS = 8  # of 40 differ: a copy with slips, where chance gives some 37

_Found = TypeVar("_Found")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Token(_Entry):
    """``address`` "native" is the chain's own currency. ``is_dollar``: one unit counts as one US dollar."""

    address: Address | Literal["native"]
    decimals: int = Field(ge=0, le=36)
    is_dollar: bool = False
    code_hash: Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")] | None = None


class Site(_Entry):
    """A contract. ``code_hash`` (keccak of its code): whatever else is found there is refused."""

    address: Address
    code_hash: Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")] | None = None


class Exchange(_Entry):
    """Uniswap v3's four contracts, and the token that the chain's own currency is wrapped into."""

    kind: Literal["uniswap_v3"]
    router: Site
    quoter: Site
    factory: Site
    positions: Site
    wrapped: Asset

    @property
    def v3(self) -> UniswapV3:
        return UniswapV3(self.factory.address, self.positions.address, self.quoter.address, self.router.address)


class Vault(_Entry):
    """An ERC-4626 vault of ``asset``."""

    kind: Literal["vault"]
    site: Site
    asset: Asset


class Staking(_Entry):
    kind: Literal["staking"]
    site: Site
    asset: Asset


Venue = Annotated[Exchange | Vault | Staking, Field(discriminator="kind")]


class Pool(_Entry):
    """Where ``asset`` is exchanged for ``other``, and priced. ``fee``: hundredths of a basis point. ``pair``: a v2 pool
    of the same two, the second source. ``min_depth``: below so much of ``other`` in it, its price is not believed."""

    asset: Asset
    other: Asset
    fee: int = Field(ge=1, lt=1_000_000)
    pool: Site
    pair: Site
    min_depth: Decimal


class AddressBook(_Entry):
    """Of one chain. ``chain`` is its name as actions say it."""

    chain: Chain
    chain_id: int = Field(ge=1)
    tokens: Mapping[Asset, Token] = {}
    names: Mapping[Name, Address] = {}
    venues: Mapping[Name, Venue] = {}
    pools: tuple[Pool, ...] = ()

    @field_validator("tokens", "names", "venues")
    @classmethod
    def _names_differ(cls, entries: Mapping[str, Any]) -> Mapping[str, Any]:
        if len({_folded(name) for name in entries}) != len(entries):
            raise ValueError("two names are the same but for their capitals")
        return entries

    @model_validator(mode="after")
    def _tokens_are_there(self) -> Self:
        named = [venue.wrapped if isinstance(venue, Exchange) else venue.asset for venue in self.venues.values()]
        named += [asset for pool in self.pools for asset in (pool.asset, pool.other)]
        for asset in named:
            if _find(self.tokens, asset) is None:
                raise ValueError(f"a venue or pool is of {asset}, which is not among the tokens")
        known = sorted(self.known_addresses())
        for place, one in enumerate(known):
            for other in known[place + 1 :]:
                if resembles(one, other):
                    raise ValueError(f"{one} and {other} can be taken for each other")
        return self

    def contracts(self) -> tuple[Site, ...]:
        """All that nobody should send to as if it were a person."""
        sites = [Site(address=t.address, code_hash=t.code_hash) for t in self.tokens.values() if t.address != NATIVE]
        for venue in self.venues.values():
            if isinstance(venue, Exchange):
                sites += [venue.router, venue.quoter, venue.factory, venue.positions]
            else:
                sites.append(venue.site)
        return tuple(sites + [site for pool in self.pools for site in (pool.pool, pool.pair)])

    def known_addresses(self) -> frozenset[str]:
        return frozenset(self.names.values()) | {site.address for site in self.contracts()}

    # -- from the user's words ----------------------------------------------------------------------------------------

    def check_chain(self, chain: str | None) -> None:
        if chain is not None and chain != self.chain:
            raise NotPlanned(f"the address book is of {self.chain}, the action of {quoted(chain)}; give that chain's")

    def token(self, slot: str, asset: str) -> Token:
        """By symbol, or by address if that is in the book."""
        if (found := _find(self.tokens, asset)) is not None:
            return found
        if asset.startswith("0x"):
            address = to_checksum_address(asset)
            for token in self.tokens.values():
                if token.address == address:
                    return token
            self._check_look_alike(address, "")
        raise NameUnknown(
            slot, f"the address book has no token {quoted(asset)}; add it with its address, or name another"
        )

    def symbol(self, token: Token) -> str:
        return next(name for name, each in self.tokens.items() if each == token)

    def amounts(self, changes: Mapping[str, int]) -> dict[str, str]:
        """Those above 0 of ``changes`` (base units by address or "native"), in whole units by symbol, for people."""
        return {
            name: shown(changes[token.address], token.decimals)
            for name, token in self.tokens.items()
            if changes.get(token.address, 0) > 0
        }

    def recipient(self, slot: str, name: str, owner: str) -> str:
        """The address to send to. Raises NameUnknown, LookAlike, and NotPlanned for a contract of the book's."""
        address = to_checksum_address(name) if name.startswith("0x") else _find(self.names, name)
        if address is None:
            raise NameUnknown(
                slot, f"the address book has no {quoted(name)}; add the name with its address, or give an address"
            )
        if address == owner or not int(address, 16):
            raise NotPlanned(f"{address} is the account itself or nobody; name whom to send to")
        if any(site.address == address for site in self.contracts()):
            raise NotPlanned(f"{address} is a contract, from which a transfer does not come back; name a person")
        self._check_look_alike(address, owner)
        return address

    def venue(self, slot: str, name: str | None, kind: type[_Found]) -> _Found:
        """The one of ``name``, or the only one of its kind where the user named none."""
        fitting = {each: venue for each, venue in self.venues.items() if isinstance(venue, kind)}
        if name is None:
            if len(fitting) == 1:
                return next(iter(fitting.values()))
            raise NameUnknown(slot, f"the address book has {len(fitting)} venues for this; name one")
        if (found := _find(fitting, name)) is None:
            raise NameUnknown(slot, f"the address book has no such venue {quoted(name)}; add it, or name another")
        return found

    def wrapped(self, token: Token) -> Token:
        """As an exchange has it: of the chain's own currency, what it is wrapped into. Raises NameUnknown."""
        if token.address != NATIVE:
            return token
        return self.token("venue", self.venue("venue", None, Exchange).wrapped)

    def erc20(self, token: Token) -> str:
        """The address of ``wrapped``."""
        return self.wrapped(token).address

    def pool(self, one: Token, other: Token) -> Pool:
        """Of two tokens; the chain's own currency counts as what it is wrapped into. Raises NameUnknown."""
        wanted = {self.erc20(one), self.erc20(other)}
        for pool in self.pools:
            if {self.erc20(self.token("asset", each)) for each in (pool.asset, pool.other)} == wanted:
                return pool
        raise NameUnknown(
            "get",
            f"the address book has no pool of {self.symbol(one)} and {self.symbol(other)}; add it, or swap in two",
        )

    def dollar_of(self, token: Token) -> Token | None:
        """A dollar that ``token`` has a pool with."""
        for dollar in self.tokens.values():
            if dollar.is_dollar and self._has_pool(token, dollar):
                return dollar
        return None

    def _has_pool(self, one: Token, other: Token) -> bool:
        try:
            self.pool(one, other)
        except NameUnknown:
            return False
        return True

    def _check_look_alike(self, address: str, owner: str) -> None:
        for known in sorted(self.known_addresses() | ({owner} if owner else set())):
            if resembles(address, known):
                raise LookAlike(f"{address} can be taken for {known}, which it is not; check where it came from")


def resembles(one: str, other: str) -> bool:
    """Whether two different addresses can be taken for each other: their ends are alike, or nearly all of them."""
    a, b = one.lower().removeprefix("0x"), other.lower().removeprefix("0x")
    if a == b:
        return False
    return _same_start(a, b) + _same_start(a[::-1], b[::-1]) >= _SHOWN_DIGITS or (
        sum(x != y for x, y in zip(a, b, strict=True)) <= _FEW_DIGITS
    )


def read_book(path: Path) -> AddressBook:
    """Raises BadSetting."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BOOK_BYTES + 1)
    except OSError as error:
        raise BadSetting(f"cannot read the address book {path}: {error.strerror}; name the right file") from None
    if len(raw) > MAX_BOOK_BYTES:
        raise BadSetting(f"{path} is longer than {MAX_BOOK_BYTES} bytes and no address book; name the right file")
    return parse_book(raw, str(path))


def book_text(book: AddressBook) -> str:
    """What ``parse_book`` reads: JSON, which is YAML too."""
    return book.model_dump_json(indent=2, exclude_none=True) + "\n"


def parse_book(raw: bytes, name: str = "the address book") -> AddressBook:
    """Raises BadSetting."""
    try:
        return AddressBook.model_validate(yaml.load(raw, Loader=_PlainLoader))  # noqa: S506 - makes texts, nothing else
    except ValidationError as error:
        raise BadSetting(f"{name}: {first_fault(error, 'the file')}; correct it") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadSetting(f"{name} is no YAML of an address book: {quoted(' '.join(str(error).split()))}") from None


class _PlainLoader(yaml.BaseLoader):  # type: ignore[misc]
    """Every scalar is a text: YAML's own rules would make a number of an unquoted address. No aliases, and no key
    twice, of which the second would silently win."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read; write it out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise yaml.YAMLError(f"{key} is there twice")
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


def _same_start(a: str, b: str) -> int:
    return next((place for place, (x, y) in enumerate(zip(a, b, strict=True)) if x != y), len(a))


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _find(entries: Mapping[str, _Found], name: str) -> _Found | None:
    return next((entry for each, entry in entries.items() if _folded(each) == _folded(name)), None)
