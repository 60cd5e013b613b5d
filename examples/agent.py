"""A plain pydantic-ai agent on a network: ``python examples/agent.py http://127.0.0.1:8000 MODEL "0x... has what?"``.

Its answer is of a type, and its tool is run before the model is asked: gateways constrain decoding, they call no tools.
"""

from __future__ import annotations

import asyncio
import sys

from pydantic import BaseModel, Field
from pydantic_ai import Agent, RunContext

from moray.agents.llm import open_model

BALANCES = {"USDC": "120.5", "ETH": "0.75"}  # of a wallet; yours come from a chain


class Reply(BaseModel):
    asset: str = Field(max_length=20)
    is_enough: bool


async def ask(url: str, model: str, question: str) -> Reply:
    agent = Agent(open_model(url, model), deps_type=dict[str, str], output_type=Reply, retries=1)

    @agent.instructions
    def balances(context: RunContext[dict[str, str]]) -> str:
        """The tool: read-only, and its result is data for the model."""
        return "The wallet has: " + ", ".join(f"{amount} {asset}" for asset, amount in context.deps.items())

    result = await agent.run(question, deps=BALANCES, model_settings={"temperature": 0.0, "max_tokens": 200})
    return result.output


if __name__ == "__main__":
    print(asyncio.run(ask(*sys.argv[1:4])).model_dump_json())
