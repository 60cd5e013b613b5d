"""A policy's YAML, as people write it. Every scalar is text until the schema says what it is: no floats, no ``no`` that
means false, no address that becomes a number. Amounts are decimal text in whole units of an asset ("1.5")."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from moray.agents.prices import MIN_WINDOW_S
from moray.errors import BadPolicy
from moray.ethereum import is_checksum_address
from moray.faults import first_fault
from moray.quoting import quoted

MAX_POLICY_BYTES = 256 * 1024
MAX_MARKETS = 20  # each is some 14 questions to every endpoint, at every look


def _checksummed(text: str) -> str:
    if not is_checksum_address(text):
        raise ValueError(f"{quoted(text)} is no address with its checksum (EIP-55)")
    return text


Name = Annotated[str, Field(pattern=r"^[A-Za-z][0-9A-Za-z._ -]{0,63}$")]
Address = Annotated[str, AfterValidator(_checksummed)]
Amount = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?$")]
Place = Annotated[str, Field(min_length=1, max_length=64)]  # a name of the file, or an address
Hash = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]
Path = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.]{1,128}$")]


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GasInFile(_Written):
    """Fees in gwei, costs in whole units of the chain's own asset."""

    max_fee_gwei: Amount
    max_tip_gwei: Amount
    max_cost: Amount
    max_cost_per_day: Amount


class ChainInFile(_Written):
    id: int = Field(ge=1, lt=2**63)
    live: bool = False
    gas: GasInFile


class LimitsInFile(_Written):
    per_transaction: Amount
    per_hour: Amount | None = None
    per_day: Amount
    per_counterparty_per_day: Amount | None = None
    allowance: Amount | None = None
    approval_above: Amount | None = None
    new_recipient_above: Amount | Literal["never"] = "0"


class AssetInFile(_Written):
    chain: Name
    address: Address | Literal["native"]
    decimals: int = Field(ge=0, le=36)
    limits: LimitsInFile


class BoundInFile(_Written):
    """One of them. Amounts of an asset are written with it: "500 USD"."""

    equal: str | None = None
    one_of: tuple[str, ...] | None = Field(None, min_length=1)
    at_most: str | None = None
    at_least: str | None = None
    within_s: int | None = Field(None, ge=1)


class SpendInFile(_Written):
    asset: str
    amount: Path
    to: Path | None = None


class AllowInFile(_Written):
    asset: str
    amount: Path
    spender: Path


class TermsInFile(_Written):
    name: Name
    chain: Name
    where: dict[Path, str | BoundInFile] = Field(default_factory=dict)
    recipients: tuple[Place, ...] | Literal["anyone"] = ()
    spenders: tuple[Place, ...] = ()
    spends: tuple[SpendInFile, ...] | None = None
    allows: tuple[AllowInFile, ...] | None = None
    receivers: tuple[Path, ...] = ()
    deadline: Path | None = None
    max_deadline_s: int = Field(120, ge=1)
    approval: bool = False
    unsafe_uncounted: bool = False


class CallInFile(TermsInFile):
    to: Place
    call: str
    code_hash: Hash | None = None
    payable: bool = False
    max_slippage_bps: int | None = Field(None, ge=1, le=5000)
    unsafe_any_price: bool = False
    unsafe_no_deadline: bool = False


class TypedInFile(TermsInFile):
    contract: Place
    type: str


class CreationInFile(_Written):
    name: Name
    chain: Name
    init_code_hash: Hash


class PriceInFile(_Written):
    """At least ``at_least`` whole units of ``get`` for one of ``pay``."""

    pay: Name
    get: Name
    at_least: Amount


class MarketInFile(_Written):
    """``min_depth``: whole units of ``other``."""

    asset: Name
    other: Name
    pool: Address
    pair: Address
    min_depth: Amount
    window_s: int = Field(MIN_WINDOW_S, ge=MIN_WINDOW_S, le=7 * 24 * 3600)
    max_apart_bps: int = Field(200, ge=1, le=1000)


class PolicyFile(_Written):
    version: Literal["1"]
    owner: Address
    chains: dict[Name, ChainInFile]
    assets: dict[Name, AssetInFile] = Field(default_factory=dict)
    parties: dict[Name, Address] = Field(default_factory=dict)
    prices: tuple[PriceInFile, ...] = ()
    markets: tuple[MarketInFile, ...] = Field((), max_length=MAX_MARKETS)
    calls: tuple[CallInFile, ...] = ()
    typed_data: tuple[TypedInFile, ...] = ()
    creations: tuple[CreationInFile, ...] = ()
    approvers: tuple[Address, ...] = ()
    approvals_needed: int = Field(1, ge=1)


class _Loader(yaml.BaseLoader):  # type: ignore[misc] # PyYAML has no types
    """Only text, lists and mappings; a key twice is a mistake, and an alias a way to hide or to blow up."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.constructor.ConstructorError(None, None, "aliases are not read", self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if not all(isinstance(key, str) for key in keys):
            raise yaml.constructor.ConstructorError(None, None, "a key must be text", node.start_mark)
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def parse_policy_file(text: bytes) -> PolicyFile:
    """Raises BadPolicy with the place of the first mistake."""
    if len(text) > MAX_POLICY_BYTES:
        raise BadPolicy(f"the policy has {len(text)} bytes, the limit is {MAX_POLICY_BYTES}; make it shorter")
    try:
        return PolicyFile.model_validate(yaml.load(text, _Loader))  # noqa: S506 - a BaseLoader makes only text
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise BadPolicy(f"the policy is no YAML that is read here: {place}{quoted(str(what))}") from None
    except ValidationError as error:
        raise BadPolicy(f"the policy's {first_fault(error, 'file')}; correct it") from None
    except RecursionError:
        raise BadPolicy("the policy is nested too deeply; write it flat") from None


def base_units(text: str, decimals: int) -> int:
    """Of "1.5". Raises ValueError for what is no amount or finer than the asset."""
    match = re.fullmatch(r"(0|[1-9][0-9]{0,29})(?:\.([0-9]{1,30}))?", text)
    if match is None:
        raise ValueError(f"{quoted(text)} is no amount; write it as 1.5")
    fraction = (match[2] or "").rstrip("0")
    if len(fraction) > decimals:
        raise ValueError(f"{text} is finer than {decimals} decimals; write fewer")
    return int(match[1] + fraction.ljust(decimals, "0"))
