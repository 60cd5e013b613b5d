"""What an operator allows the task worker: ``MORAY_TASK_<NAME>`` in the environment, or an option of the command."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from moray.errors import BadSetting
from moray.ethereum import is_checksum_address
from moray.router.task_decisions import Limits

WEI_PER_ETH = 10**18
INCLUSION_S, SLOW_BLOCK_S = 30, 12  # into a block, and for each block on top of it; Ethereum's own take 12 s
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,30}(\.[0-9]{1,18})?$")]  # of the currency or of ETH, "1.5"


class TaskSettings(BaseSettings):
    """Without ``eth_price`` and ``max_bond`` no task is taken: nobody else can know them."""

    model_config = SettingsConfigDict(env_prefix="MORAY_TASK_", extra="ignore", frozen=True)

    resolvers: str = ""  # addresses with commas between them; tasks that name another judge are refused
    database: SecretStr = SecretStr("")  # URL of the outbox and all else that must survive; a file otherwise
    eth_price: Amount = "0"  # units of the currency that one ETH is worth; gas is counted with it
    max_bond: Amount = "0"  # units of the currency that one task may put at stake
    margin: Amount = "0"  # units of the currency that must be left of a fee after gas
    withdraw_above: Amount = "100"  # units of the currency that may pile up in the market; all of it when idle
    gas_price_headroom: Amount = "1.5"  # gas may cost so many times what it does now before a task loses money
    max_tokens: int = Field(4096, ge=1)  # of one answer
    max_lock_s: int = Field(8 * 86_400, ge=2)  # challenge window and resolver's time together
    max_tasks: int = Field(16, ge=1)  # accepted and not delivered
    max_generating: int = Field(4, ge=1, le=64)  # requests to the gateway at a time
    seconds_per_token: Amount = "0.5"  # noqa: S105 - of one answer, at worst
    seconds_per_prompt_token: Amount = "0.05"  # noqa: S105 - until its answer begins, at worst
    inclusion_s: int | None = Field(None, ge=1)  # until a transaction is confirmed, at worst; by the chain otherwise
    poll_s: float = Field(1.0, gt=0)  # between two looks at the chain

    @field_validator("resolvers")
    @classmethod
    def _are_addresses(cls, text: str) -> str:
        for address in addresses(text):
            if not is_checksum_address(address):
                raise ValueError(f"{address!r} is no address with a checksum (EIP-55)")
        return text

    def limits(self, decimals: int, confirmations: int, resolver: str) -> Limits:
        """In base units of a currency with ``decimals``. ``resolver``: who is allowed where the settings name none.
        Raises BadSetting for what was left open."""
        if not Fraction(self.eth_price):
            raise BadSetting(
                "what ETH is worth in the currency is not set, so gas cannot be counted; give --eth-price or "
                "MORAY_TASK_ETH_PRICE"
            )
        if not Fraction(self.max_bond):
            raise BadSetting("no bond is allowed, so no task is taken; give --max-bond or MORAY_TASK_MAX_BOND")

        def base_units(amount: str) -> int:
            return int(Fraction(amount) * 10**decimals)

        return Limits(
            resolvers=frozenset(addresses(self.resolvers) or (resolver,)),
            currency_per_wei=Fraction(self.eth_price) * 10**decimals / WEI_PER_ETH,
            gas_price_headroom=Fraction(self.gas_price_headroom),
            margin=base_units(self.margin),
            max_bond=base_units(self.max_bond),
            max_tokens=self.max_tokens,
            max_lock_s=self.max_lock_s,
            max_tasks=self.max_tasks,
            max_generating=self.max_generating,
            confirmations=confirmations,
            inclusion_s=self.inclusion_s or INCLUSION_S + confirmations * SLOW_BLOCK_S,
            seconds_per_token=Fraction(self.seconds_per_token),
            seconds_per_prompt_token=Fraction(self.seconds_per_prompt_token),
            withdraw_above=base_units(self.withdraw_above),
        )


def addresses(text: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[,\s]+", text) if part)


def read_task_settings(**options: object) -> TaskSettings:
    """``options`` that are None are left to the environment. Raises BadSetting with the name of one that is wrong."""
    try:
        return TaskSettings.model_validate({name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise BadSetting(f"--{name.replace('_', '-')} (MORAY_TASK_{name.upper()}): {message}; correct it") from None
