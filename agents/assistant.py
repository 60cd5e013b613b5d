"""From a user's sentence to an action, and a second look at it by another agent. Neither can sign anything.

The house model was trained on sentences alone and needs no instructions; any other gets them with the schema. The look
has two halves: ``objections``, which no text can talk round, and a model's judgement, which can only say no.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.models import Model

from moray.actions import Action, action_schema, canonical, parse_action, parse_answer
from moray.agents.objections import objections
from moray.agents.prompt_files import read_prompt
from moray.agents.sdk.answers import Message, Sampling
from moray.agents.sdk.client import AsyncMoray
from moray.agents.sdk.typed import response_format
from moray.agents.words.own import MAX_SAID_CHARS, shown_words
from moray.errors import AnswerInvalid, BadAction, BadInput, GatewayRefused
from moray.quoting import quoted

HOUSE_MODEL = "elver"
MAX_MESSAGES = 16  # of the user's in one conversation
ANSWER_TOKENS = 1024  # the longest action is shorter
HOUSE_ANSWER_TOKENS = 256  # its context is 1,024, the longest action some 80
MAX_WHY_CHARS = 400


@dataclass(frozen=True, slots=True)
class Proposal:
    """``sentence`` is what the model says about the action: a model's words, shown and never acted on."""

    action: Action
    sentence: str
    model_id: str
    prompt_digest: str  # of the instructions that the model was given; "" without


@dataclass(frozen=True, slots=True)
class Verdict:
    """``why`` is one line each, empty where it agrees."""

    agrees: bool
    why: tuple[str, ...] = ()


class Judgement(BaseModel):
    """What the second agent answers with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agrees: bool
    why: str = Field(max_length=MAX_WHY_CHARS)


async def propose(said: Sequence[str], client: AsyncMoray) -> Proposal:
    """The action that the user's messages ``said`` ask for, as the model understands them. It is not shown what they
    quote of others.

    Raises BadInput for messages that are too long, none, or quotations alone, BadAction for an answer that is no
    action, and what the client raises.
    """
    _check_size(said)
    shown = list(filter(None, map(shown_words, said)))
    if not shown:
        raise BadInput("only somebody else's words are quoted; write in your own what you want to do")
    model = await client.model()
    is_house = HOUSE_MODEL in model.lower()
    prompt = read_prompt("propose")
    messages: list[Message] = [{"role": "user", "content": text} for text in shown]
    if not is_house:
        instructions = prompt.text.replace("{schema}", json.dumps(action_schema()))
        messages = [{"role": "system", "content": instructions}, *messages]
    sampling = Sampling(max_tokens=HOUSE_ANSWER_TOKENS if is_house else ANSWER_TOKENS)
    try:
        answer = await client.chat(messages, sampling, response_format=response_format(action_schema()))
    except GatewayRefused as error:
        if error.param != "response_format":
            raise
        answer = await client.chat(messages, sampling)  # a server that does not constrain
    action, sentence = _read(answer.text.strip())
    return Proposal(action, quoted(sentence), answer.model, "" if is_house else prompt.digest)


async def check(said: Sequence[str], action: Action, model: Model | None = None) -> Verdict:
    """Whether ``action`` is what the user's messages ``said`` ask for. ``model``: the second agent's, none to leave the
    judgement to the user. It is asked only where there are no objections, and may be wrong: it can forbid, never allow.
    """
    _check_size(said)
    against = objections(action, said)
    if against:
        return Verdict(False, against)
    if model is None:
        return Verdict(True)
    asked = json.dumps({"user": list(said), "action": json.loads(canonical(action))}, ensure_ascii=False)
    agent = Agent(model, output_type=NativeOutput(Judgement), instructions=read_prompt("check").text, retries=1)
    try:
        judgement = (await agent.run(asked, model_settings={"temperature": 0.0, "max_tokens": 512})).output
    except AgentRunError as error:
        raise AnswerInvalid(f"the second check gave no judgement: {quoted(str(error))}; ask again") from None
    return Verdict(True) if judgement.agrees else Verdict(False, (quoted(judgement.why) or "it does not say why",))


def _read(text: str) -> tuple[Action, str]:
    """A constrained answer is the action alone, line ends in its JSON too; another goes on behind its first line."""
    try:
        return parse_action(text), ""
    except BadAction:
        return parse_answer(text)


def _check_size(said: Sequence[str]) -> None:
    if not said or not all(text.strip() for text in said):
        raise BadInput("nothing was said; write what you want to do")
    if len(said) > MAX_MESSAGES or max(map(len, said)) > MAX_SAID_CHARS:
        raise BadInput(f"at most {MAX_MESSAGES} messages of {MAX_SAID_CHARS} characters are read; say it shorter")
