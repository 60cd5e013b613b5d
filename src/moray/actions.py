"""What a user can want, as one typed value: the words between the model and the agents.

An action is a proposal, never a permission: checks, simulation and the signer's policy decide what becomes of it. What
the user did not say is absent (an optional field) or asked for (``Clarify``); nothing is filled in by guessing. Its
JSON is written and read by a language model, where every token costs: one flat object, short words for keys, no nulls.
Only ``Automation`` holds another action, and only a simple one, so the JSON schema has no recursion.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from moray.errors import BadAction
from moray.ethereum import is_checksum_address
from moray.faults import first_fault

MAX_ACTION_BYTES = 4096  # of an action's JSON; the longest sensible one is under 1,000

_DECIMAL = r"(0\.[0-9]{0,17}[1-9]|[1-9][0-9]{0,29}(\.[0-9]{0,17}[1-9])?)"  # above 0, one text for each value
_PERCENT = r"(0\.[0-9]{0,3}[1-9]|[1-9][0-9]?(\.[0-9]{0,3}[1-9])?)%"  # above 0 and below 100
_ADDRESS = "0x[0-9a-fA-F]{40}"
_LETTER = "0-9A-Za-zÀ-ɏ一-鿿"


def _whole_address(name: str) -> str:
    """Refuses an address cut short or, where its letters are of both cases, with a wrong EIP-55 checksum: a model that
    copies 40 digits may err in one."""
    if not name.startswith(("0x", "0X")):
        return name
    if not re.fullmatch(_ADDRESS, name):
        raise ValueError("an address is 0x and 40 hexadecimal digits")
    digits = name[2:]
    if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(name):
        raise ValueError("the address does not match its EIP-55 checksum: copy it again")
    return name


Decimal = Annotated[str, Field(pattern=f"^{_DECIMAL}$")]
"""A number above 0 in plain digits, without exponent, grouping or trailing zeros: "1.5"."""

Amount = Annotated[str, Field(pattern=rf"^(all|{_PERCENT}|\$?{_DECIMAL})$")]
"""How much of an asset: "1.5" in whole units of it (not wei), "50%" of what the user holds, "all" of it, or "$100" for
as much as is worth 100 US dollars."""

Level = Annotated[str, Field(pattern=rf"^({_PERCENT}|{_DECIMAL})$")]
"""A threshold: a number in the unit that its trigger names, or a change in percent."""

Asset = Annotated[
    str, Field(pattern=f"^({_ADDRESS}|[0-9A-Za-z][0-9A-Za-z.+_-]{{0,19}})$"), AfterValidator(_whole_address)
]
"""A token by its symbol as it is usually written ("ETH", "stETH") or by its address. ETH is the chain's own."""

Name = Annotated[
    str, Field(pattern=f"^[{_LETTER}]([{_LETTER}._ -]{{0,40}}[{_LETTER}])?$"), AfterValidator(_whole_address)
]
"""A person, wallet, contract, vault or protocol: an address, an ENS name or what the user calls it. Whoever acts looks
it up and, where it is not known for certain, asks."""

Chain = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
"""A chain by its usual name in lower case: "ethereum", "base"."""

Bps = Annotated[int, Field(ge=1, le=5000)]
"""Hundredths of a percent."""

Duration = Annotated[str, Field(pattern="^[1-9][0-9]{0,2}(min|h|d|w|mo|y)$")]
"""Minutes, hours, days, weeks, months or years: "12h", "6mo"."""

Clock = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of day, 24 hours, by the user's clock: whoever schedules it knows the time zone or asks."""

Date = Annotated[str, Field(pattern="^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
"""A day by the user's calendar, ISO 8601."""


class _Spoken(BaseModel):
    """Attributes are the JSON's keys, in this order."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Swap(_Spoken):
    """Exchange ``pay`` for ``get``. ``amount`` is of ``pay``, or of ``get`` where ``amount_of`` says so. ``slippage``
    is the most the price may worsen, in hundredths of a percent."""

    do: Literal["swap"] = "swap"
    pay: Asset
    get: Asset
    amount: Amount
    amount_of: Literal["get"] | None = None
    slippage: Bps | None = None
    chain: Chain | None = None


class AddLiquidity(_Spoken):
    """Put ``amount`` of ``asset`` and as much of ``other`` as the pool asks for, or ``other_amount`` where the user
    named it, into the pool of the two at ``venue``."""

    do: Literal["add_liquidity"] = "add_liquidity"
    asset: Asset
    other: Asset
    amount: Amount
    other_amount: Amount | None = None
    venue: Name | None = None
    slippage: Bps | None = None
    chain: Chain | None = None


class RemoveLiquidity(_Spoken):
    """Take ``amount`` out of the user's position in the pool of ``asset`` and ``other``: a share of the position,
    "all", or so much of ``asset``."""

    do: Literal["remove_liquidity"] = "remove_liquidity"
    asset: Asset
    other: Asset
    amount: Amount
    venue: Name | None = None
    slippage: Bps | None = None
    chain: Chain | None = None


class Stake(_Spoken):
    """Stake ``amount`` of ``asset``, with the protocol ``venue`` where the user named one."""

    do: Literal["stake"] = "stake"
    asset: Asset
    amount: Amount
    venue: Name | None = None
    chain: Chain | None = None


class Unstake(_Spoken):
    """Take ``amount`` of staked ``asset`` back; "50%" is of what is staked."""

    do: Literal["unstake"] = "unstake"
    asset: Asset
    amount: Amount
    venue: Name | None = None
    chain: Chain | None = None


class Deposit(_Spoken):
    """Put ``amount`` of ``asset`` into an ERC-4626 vault."""

    do: Literal["deposit"] = "deposit"
    asset: Asset
    amount: Amount
    vault: Name
    chain: Chain | None = None


class Withdraw(_Spoken):
    """Take ``amount`` of ``asset`` out of an ERC-4626 vault; "50%" is of what the user has in it."""

    do: Literal["withdraw"] = "withdraw"
    asset: Asset
    amount: Amount
    vault: Name
    chain: Chain | None = None


class Transfer(_Spoken):
    """Send ``amount`` of ``asset`` to ``to``. It carries no memo: a memo is a place for somebody else's words."""

    do: Literal["transfer"] = "transfer"
    asset: Asset
    amount: Amount
    to: Name
    chain: Chain | None = None


class Notify(_Spoken):
    """Tell the user. Only an automation does it."""

    do: Literal["notify"] = "notify"


class Quote(_Spoken):
    """What ``amount`` of ``pay`` (one unit where absent) is worth in ``get`` (US dollars where absent). It moves
    nothing."""

    do: Literal["quote"] = "quote"
    pay: Asset
    get: Asset | None = None
    amount: Amount | None = None
    chain: Chain | None = None


class Question(_Spoken):
    """Something to look up or to explain. It moves nothing. ``explain`` is about how things work; its answer is the
    sentence beside the action. The others are about the user's account (``balance``, ``portfolio``, ``history``,
    ``health``) or the chain (``gas``, ``yield``)."""

    do: Literal["question"] = "question"
    topic: Literal["balance", "portfolio", "history", "health", "gas", "yield", "explain"]
    asset: Asset | None = None
    chain: Chain | None = None


class PriceTrigger(_Spoken):
    """The price of ``asset`` in US dollars goes ``above`` or ``below`` a value, or ``up`` or ``down`` by a percentage
    from when the automation began."""

    on: Literal["price"] = "price"
    asset: Asset
    goes: Literal["above", "below", "up", "down"]
    value: Level


class BalanceTrigger(_Spoken):
    """The user's balance of ``asset``, in whole units of it."""

    on: Literal["balance"] = "balance"
    asset: Asset
    goes: Literal["above", "below"]
    value: Decimal


class GasTrigger(_Spoken):
    """The chain's gas price in gwei."""

    on: Literal["gas"] = "gas"
    goes: Literal["above", "below"]
    value: Decimal


class HealthTrigger(_Spoken):
    """The health factor of the user's loan at ``venue``; it is liquidated below 1."""

    on: Literal["health"] = "health"
    goes: Literal["above", "below"]
    value: Decimal
    venue: Name | None = None


class TimeTrigger(_Spoken):
    """Again and again, ``every`` so long; ``at`` this time of day, on this ``day`` of the week."""

    on: Literal["time"] = "time"
    every: Duration
    day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] | None = None
    at: Clock | None = None


class DateTrigger(_Spoken):
    """Once, on this date, ``at`` this time of day."""

    on: Literal["date"] = "date"
    date: Date
    at: Clock | None = None


class EventTrigger(_Spoken):
    """The contract ``source`` emits the event ``name`` (its name in the ABI)."""

    on: Literal["event"] = "event"
    name: Annotated[str, Field(pattern="^[A-Za-z_][0-9A-Za-z_]{0,39}$")]
    source: Name


Condition = Annotated[PriceTrigger | BalanceTrigger | GasTrigger | HealthTrigger, Field(discriminator="on")]
Trigger = Annotated[
    PriceTrigger | BalanceTrigger | GasTrigger | HealthTrigger | TimeTrigger | DateTrigger | EventTrigger,
    Field(discriminator="on"),
]
SimpleAction = Annotated[
    Swap | AddLiquidity | RemoveLiquidity | Stake | Unstake | Deposit | Withdraw | Transfer | Notify,
    Field(discriminator="do"),
]


class Limits(_Spoken):
    """Where an automation ends or stands back: after so many ``runs``, after ``total`` was spent (in the unit of the
    action's amount, or US dollars with $), after the date ``until``, while gas costs more than ``gas`` gwei."""

    runs: Annotated[int, Field(ge=1, le=9999)] | None = None
    total: Amount | None = None
    until: Date | None = None
    gas: Decimal | None = None


class Automation(_Spoken):
    """Do ``then`` each time ``when`` happens, if every condition of ``given`` holds at that moment."""

    do: Literal["automation"] = "automation"
    when: Trigger
    given: Annotated[tuple[Condition, ...], Field(min_length=1, max_length=3)] | None = None
    then: SimpleAction
    limits: Limits | None = None


class Mandate(_Spoken):
    """Look after the user's portfolio: how much ``risk``, for how long (``horizon``), how much must stay at hand at any
    time (``liquid``), and which assets or protocols stay out of it (``exclude``). ``amount`` of ``asset`` is what it
    covers, where the user said so."""

    do: Literal["mandate"] = "mandate"
    risk: Literal["low", "medium", "high"]
    horizon: Duration
    asset: Asset | None = None
    amount: Amount | None = None
    liquid: Amount | None = None
    exclude: Annotated[tuple[Name, ...], Field(min_length=1, max_length=5)] | None = None


Intent = Literal[
    "swap",
    "add_liquidity",
    "remove_liquidity",
    "stake",
    "unstake",
    "deposit",
    "withdraw",
    "transfer",
    "quote",
    "automation",
    "mandate",
]
Slot = Literal[
    "asset", "other", "pay", "get", "amount", "vault", "to", "risk", "horizon", "when", "value", "then", "action"
]


class Clarify(_Spoken):
    """The question back: which fields of ``want`` the user has yet to name. Where not even that is known, ``want`` is
    absent and "action" is missing."""

    do: Literal["clarify"] = "clarify"
    want: Intent | None = None
    missing: Annotated[tuple[Slot, ...], Field(min_length=1, max_length=4)]


class Refuse(_Spoken):
    """What is not done, and why: it asks for a ``secret`` (seed phrase, private key), is ``theft``, ``evasion`` (of
    tax, sanctions, tracing) or ``manipulation`` of a market, gives an ``unlimited`` approval, would ``bypass`` a check
    or limit, or is ``off_topic``."""

    do: Literal["refuse"] = "refuse"
    why: Literal["secret", "theft", "evasion", "manipulation", "unlimited", "bypass", "off_topic"]


Action = Annotated[
    Swap
    | AddLiquidity
    | RemoveLiquidity
    | Stake
    | Unstake
    | Deposit
    | Withdraw
    | Transfer
    | Quote
    | Question
    | Automation
    | Mandate
    | Clarify
    | Refuse,
    Field(discriminator="do"),
]

_ADAPTER: TypeAdapter[Action] = TypeAdapter(Action)


def canonical(action: Action) -> str:
    """The one JSON text of ``action``: compact, keys in their order, absent fields left out, no escapes of letters."""
    return action.model_dump_json(exclude_none=True)


def parse_action(text: str | bytes) -> Action:
    """The action that a model wrote as JSON. Raises ``BadAction``."""
    size = len(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    if size > MAX_ACTION_BYTES:
        raise BadAction(f"an action of {size} bytes: at most {MAX_ACTION_BYTES} are read")
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        raise BadAction(f"not an action: {first_fault(error, 'the text')}") from error


def parse_answer(text: str) -> tuple[Action, str]:
    """A model's whole answer: the action on its first line, then what it says about it. Raises ``BadAction``."""
    line, _, sentence = text.partition("\n")
    return parse_action(line), sentence.strip()


@cache
def _schema() -> JsonSchemaValue:
    return _ADAPTER.json_schema(schema_generator=_PlainSchema)


def action_schema() -> dict[str, Any]:
    """The JSON schema of ``Action`` for constrained decoding: what it admits, ``parse_action`` reads, but for an
    address that is cut short or miscopied."""
    return dict(_schema())


class _PlainSchema(GenerateJsonSchema):
    """Absent instead of null, ``anyOf`` instead of OpenAPI's discriminator, tags required, no titles or prose: grammar
    compilers know these keywords, and a schema is sent with every request."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        inner = field["schema"]
        return inner["type"] != "default" or inner["default"] is not None

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        plain = super().tagged_union_schema(schema)
        return {"anyOf": plain["oneOf"]}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        plain = super().model_schema(schema)
        return {key: value for key, value in plain.items() if key not in ("title", "description")}
