"""The examples, run as a user runs them, and plain pydantic-ai agents, against a real gateway. Its weights are random:
what is said has no sense, that it has its form is what counts."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic_ai import Agent, ModelSettings, RunContext, ToolOutput
from pydantic_ai.messages import ModelRequest, ToolReturnPart

from moray import Moray, Sampling
from moray.agents.llm import open_model

EXAMPLES = Path(__file__).parents[2] / "examples"
QUESTION = "Is there enough ETH for 0.5?"


def printed(example: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / example), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def model(gateway_url: str) -> str:
    with Moray(gateway_url) as client:
        return client.model()


@pytest.fixture(scope="module")
def greedy(gateway_url: str) -> str:
    with Moray(gateway_url) as client:
        text = client.chat(QUESTION, Sampling(max_tokens=64)).text
    assert text.strip()
    return text


def test_the_openai_client_prints_the_answer(gateway_url: str, greedy: str) -> None:
    assert printed("ask.py", gateway_url, QUESTION) == as_printed(f"{greedy}\n")


def test_the_sdk_prints_the_answer_and_what_it_knows_of_the_network(gateway_url: str, greedy: str) -> None:
    answer, _, network = printed("sdk.py", gateway_url, QUESTION).rpartition("network: ")
    assert answer == as_printed(f"{greedy}\n")
    with Moray(gateway_url) as client:
        assert network.strip().split(", ") == sorted(client.network())


def as_printed(text: str) -> str:
    """What a pipe's reader makes of line ends."""
    return re.sub("\r\n?", "\n", text)


def test_the_agent_calls_its_tool_and_answers_in_its_type(gateway_url: str, model: str) -> None:
    read, answer = printed("agent.py", gateway_url, model, QUESTION).splitlines()
    assert re.fullmatch("the agent reads the balance of (USDC|ETH)", read)
    assert Reply.model_validate_json(answer)


# -- agents of other shapes


class Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")

    asset: Literal["USDC", "ETH"]
    is_enough: bool


def call_first(name: str, temperature: float = 0.0) -> ModelSettings:
    return ModelSettings(temperature=temperature, max_tokens=400, tool_choice=[name])


def test_a_streamed_run_calls_a_tool_with_arguments_of_its_types(gateway_url: str, model: str) -> None:
    noted: list[tuple[str, int]] = []

    def settings(context: RunContext[None]) -> ModelSettings:
        return call_first("note") if context.run_step == 1 else ModelSettings(max_tokens=9, tool_choice="none")

    agent = Agent(open_model(gateway_url, model), model_settings=settings)

    @agent.tool_plain
    def note(kind: Literal["buy", "sell"], size: Annotated[int, Field(ge=0, le=999)]) -> str:
        noted.append((kind, size))
        return f"noted: {kind} {size}"

    async def run() -> tuple[str, list[object]]:
        async with agent.run_stream("note it") as result:
            text = await result.get_output()
        sent = [
            part for message in result.all_messages() if isinstance(message, ModelRequest) for part in message.parts
        ]
        return text, [part.content for part in sent if isinstance(part, ToolReturnPart)]

    text, results = asyncio.run(run())
    ((kind, size),) = noted
    assert kind in ("buy", "sell") and 0 <= size <= 999 and results == [f"noted: {kind} {size}"]
    assert isinstance(text, str)


def test_a_type_may_be_asked_for_as_a_tool(gateway_url: str, model: str) -> None:
    agent = Agent(open_model(gateway_url, model), output_type=ToolOutput(Reply), retries=0)
    result = asyncio.run(agent.run(QUESTION, model_settings=ModelSettings(temperature=0.0, max_tokens=400)))
    assert isinstance(result.output, Reply)
    assert result.usage.requests == 1


def test_an_agent_hands_work_to_another(gateway_url: str, model: str) -> None:
    llm = open_model(gateway_url, model)
    answers: list[Reply] = []
    clerk = Agent(llm, output_type=Reply, retries=0)

    def settings(context: RunContext[None]) -> ModelSettings:
        none = ModelSettings(temperature=0.0, max_tokens=400, tool_choice="none")
        return call_first("ask_the_clerk") if context.run_step == 1 else none

    chief = Agent(llm, output_type=Reply, retries=0, model_settings=settings)

    @chief.tool
    async def ask_the_clerk(context: RunContext[None], asset: Literal["USDC", "ETH"]) -> Reply:
        plain = ModelSettings(temperature=0.0, max_tokens=400)
        answers.append((await clerk.run(f"Enough {asset}?", model_settings=plain, usage=context.usage)).output)
        return answers[-1]

    result = asyncio.run(chief.run(QUESTION))
    assert isinstance(result.output, Reply) and len(answers) == 1
    assert result.usage.requests == 3
