"""A plain pydantic-ai agent on a network: ``python examples/agent.py http://127.0.0.1:8000 MODEL "Enough ETH?"``.

It has a tool and an answer of a type; the gateway constrains both to their schemas.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic_ai import Agent, ModelSettings, RunContext

from moray.agents.llm import open_model

Balances = dict[str, str]
BALANCES = {"USDC": "120.5", "ETH": "0.75"}  # of a wallet; yours come from a chain


class Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")

    asset: Literal["USDC", "ETH"]
    is_enough: bool


def read_first(context: RunContext[Balances]) -> ModelSettings:
    """A large model calls tools of itself; a small one is told to call this one, then to answer."""
    return ModelSettings(temperature=0.0, max_tokens=400, tool_choice=["balance"] if context.run_step == 1 else "none")


agent = Agent(deps_type=Balances, output_type=Reply, retries=1, model_settings=read_first)


@agent.tool
def balance(context: RunContext[Balances], asset: Literal["USDC", "ETH"]) -> str:
    """How much of an asset the wallet has."""
    print(f"the agent reads the balance of {asset}")
    return f"{context.deps[asset]} {asset}"


async def main() -> None:
    url, model, question = sys.argv[1:4]
    result = await agent.run(question, model=open_model(url, model), deps=BALANCES)
    print(result.output.model_dump_json())


if __name__ == "__main__":
    asyncio.run(main())
