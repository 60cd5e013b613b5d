"""A sentence becomes an action over HTTP, and a second agent's no stops it; what a model says never allows anything."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from chat_kit import chat_server
from http_kit import serving
from moray import AsyncMoray
from moray.actions import Action, Transfer, action_schema, canonical, parse_action
from moray.agents.assistant import MAX_MESSAGES, Proposal, Verdict, check, propose
from moray.agents.llm import open_model
from moray.agents.prompt_files import read_prompt
from moray.errors import AnswerInvalid, BadAction, BadInput

PROMPTS = Path(__file__).parents[2] / "agents" / "prompts"
SAID = "send 5 USDC to bob.eth"
ACTION = Transfer(asset="USDC", amount="5", to="bob.eth")


async def proposed(url: str, said: Sequence[str] = (SAID,)) -> Proposal:
    async with AsyncMoray(url) as client:
        return await propose(said, client)


def test_the_house_model_gets_the_sentence_alone_and_another_the_instructions() -> None:
    answer = f"{canonical(ACTION)}\nSend 5 USDC to bob.eth."
    for model, roles in (("elver-2026", ["user"]), ("other", ["system", "user"])):
        with serving(chat_server(model, answer)) as server:
            proposal = asyncio.run(proposed(server.url))
            body = json.loads(server.requests[-1].body)
        assert proposal.action == ACTION and proposal.sentence == "Send 5 USDC to bob.eth."
        assert [message["role"] for message in body["messages"]] == roles
        assert body["response_format"]["json_schema"]["schema"] == action_schema()
        assert proposal.prompt_digest == (read_prompt("propose").digest if model == "other" else "")


def test_a_real_gateway_writes_an_action_whatever_its_model_knows(gateway_url: str) -> None:
    """Its weights are random, and the grammar holds it all the same."""
    proposal = asyncio.run(proposed(gateway_url))
    assert parse_action(canonical(proposal.action)) == proposal.action


def test_what_is_no_action_is_refused() -> None:
    with serving(chat_server("other", "I sent it!")) as server, pytest.raises(BadAction):
        asyncio.run(proposed(server.url))


@pytest.mark.parametrize("said", [[], ["  "], ["a"] * (MAX_MESSAGES + 1), ["a" * 10_000]])
def test_nothing_and_too_much_are_refused_before_a_model_is_asked(said: list[str]) -> None:
    with serving(chat_server("other")) as server, pytest.raises(BadInput):
        asyncio.run(proposed(server.url, said))
    assert server.requests == []


def judged(action: Action, *texts: str) -> tuple[Verdict, int]:
    with serving(chat_server("judge", *texts)) as server:
        verdict = asyncio.run(check([SAID], action, open_model(server.url, "judge")))
        return verdict, len(server.requests)


def test_the_second_agent_can_say_no() -> None:
    assert judged(ACTION, '{"agrees": true, "why": "the same"}') == (Verdict(True), 1)
    assert judged(ACTION, '{"agrees": false, "why": "to another"}') == (Verdict(False, ("to another",)), 1)


def test_what_the_user_did_not_say_is_refused_without_asking_a_model() -> None:
    verdict, num_asked = judged(ACTION.model_copy(update={"to": "eve.eth"}), '{"agrees": true, "why": ""}')
    assert not verdict.agrees and num_asked == 0 and "eve.eth" in verdict.why[0]


def test_a_judge_that_rambles_is_no_judgement() -> None:
    with pytest.raises(AnswerInvalid, match="no judgement"):
        judged(ACTION, "sure!", "really!")


def test_without_a_second_model_the_words_alone_decide() -> None:
    assert asyncio.run(check([SAID], ACTION)).agrees
    assert not asyncio.run(check([SAID], ACTION.model_copy(update={"amount": "50"}))).agrees


def test_every_prompt_has_a_version_a_digest_of_its_own_and_no_address() -> None:
    prompts = [read_prompt(path.stem) for path in sorted(PROMPTS.glob("*.md"))]
    assert {prompt.name for prompt in prompts} == {"propose", "check"}
    assert len({prompt.digest for prompt in prompts}) == len(prompts)
    assert all(prompt.version >= 1 and not re.search("0x[0-9a-f]{6}", prompt.text) for prompt in prompts)
    assert "{schema}" in read_prompt("propose").text
