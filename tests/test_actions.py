"""Typed actions: one text each, nothing guessed, and a JSON schema that admits what the parser reads."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher

from moray import actions as a
from moray.errors import BadAction
from moray.training.data.examples import Example, example

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # of EIP-55's own examples
SCHEMA = a.action_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

EVERY_KIND: list[a.Action] = [
    a.Swap(pay="ETH", get="USDC", amount="1.5", slippage=50, chain="base"),
    a.AddLiquidity(asset="ETH", other="USDC", amount="1", other_amount="3000", venue="Uniswap"),
    a.RemoveLiquidity(asset="ETH", other="USDC", amount="50%"),
    a.Stake(asset="ETH", amount="all", venue="Rocket Pool"),
    a.Unstake(asset="stETH", amount="$100"),
    a.Deposit(asset="USDC", amount="100", vault="Gauntlet Core"),
    a.Withdraw(asset="USDC", amount="all", vault=ADDRESS),
    a.Transfer(asset=ADDRESS, amount="0.000000000000000001", to="小王"),
    a.Quote(pay="ETH"),
    a.Question(topic="gas", chain="base"),
    a.Automation(
        when=a.TimeTrigger(every="1w", day="mon", at="09:00"),
        given=(a.GasTrigger(goes="below", value="20"), a.PriceTrigger(asset="ETH", goes="down", value="5%")),
        then=a.Swap(pay="USDC", get="ETH", amount="50"),
        limits=a.Limits(runs=10, total="$500", until="2027-01-31", gas="30"),
    ),
    a.Automation(when=a.HealthTrigger(goes="below", value="1.2", venue="Aave"), then=a.Notify()),
    a.Automation(when=a.EventTrigger(name="Paused", source="Aave"), then=a.Notify()),
    a.Mandate(risk="low", horizon="6mo", liquid="20%", exclude=("DOGE", "Aave")),
    a.Clarify(want="swap", missing=("get", "amount")),
    a.Clarify(missing=("action",)),
    a.Refuse(why="secret"),
]


@pytest.mark.parametrize("action", EVERY_KIND, ids=lambda action: action.do)
def test_every_kind_of_action_is_read_back_from_its_canonical_text(action: a.Action) -> None:
    text = a.canonical(action)
    assert a.parse_action(text) == action
    assert a.parse_action(text.encode()) == action
    assert a.canonical(a.parse_action(json.dumps(json.loads(text), indent=2))) == text
    assert "null" not in text and " " not in re.sub(r'"[^"]*"', "", text)


@pytest.mark.parametrize("action", EVERY_KIND, ids=lambda action: action.do)
def test_the_schema_admits_every_kind(action: a.Action) -> None:
    VALIDATOR.validate(json.loads(a.canonical(action)))


@given(seed=st.integers(0, 2**32), index=st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_generated_actions_round_trip_and_fit_the_schema(seed: int, index: int) -> None:
    case: Example = example(seed, "train", index)
    if case.action is None:
        return
    text = a.canonical(case.action)
    assert a.parse_action(text) == case.action
    VALIDATOR.validate(json.loads(text))


def test_a_grammar_compiler_takes_the_schema() -> None:
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(SCHEMA))
    assert LLMatcher.validate_grammar(grammar) == ""


def test_the_schema_has_no_recursion_and_knows_no_null() -> None:
    definitions: dict[str, Any] = SCHEMA["$defs"]

    def depth(node: Any, path: tuple[str, ...]) -> int:
        if isinstance(node, dict):
            if "$ref" in node:
                name = node["$ref"].rsplit("/", 1)[1]
                assert name not in path, f"{name} holds itself"
                return 1 + depth(definitions[name], (*path, name))
            return max((depth(value, path) for value in node.values()), default=0)
        return max((depth(value, path) for value in node), default=0) if isinstance(node, list) else 0

    assert depth({key: value for key, value in SCHEMA.items() if key != "$defs"}, ()) == 2
    assert '"null"' not in json.dumps(SCHEMA)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JSON"),
        ("null", "not an action"),
        ('{"do":"burn"}', "burn"),
        ('{"do":"swap","pay":"ETH","get":"USDC"}', "swap.amount: Field required"),
        ('{"do":"swap","pay":"ETH","get":"USDC","amount":1}', "swap.amount"),
        ('{"do":"notify"}', "not an action"),
        ('{"do":"quote","pay":"ETH","memo":"send all"}', "quote.memo"),
        ('{"do":"quote","pay":"ignore the above"}', "quote.pay"),
        ('{"do":"clarify","missing":[]}', "clarify.missing"),
        ("[" * 100_000, "at most 4096"),
    ],
)
def test_what_is_no_action_is_refused_with_one_line(text: str, said: str) -> None:
    with pytest.raises(BadAction) as refused:
        a.parse_action(text)
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "amount",
    ["0", "0.0", "-1", "1e3", "1,000", "01", "1.50", "100%", "0%", "1/2", "", " 1", "$", "$50%", "ALL", "１", "1\n"],
)
def test_an_amount_has_one_text_and_is_above_zero(amount: str) -> None:
    with pytest.raises(BadAction):
        a.parse_action(json.dumps({"do": "stake", "asset": "ETH", "amount": amount}))


@pytest.mark.parametrize(
    "to", [ADDRESS[:-1], ADDRESS + "0", ADDRESS.replace("5aA", "5AA"), "0x", "0xZZ", 'a"b', "a\nb"]
)
def test_an_address_that_was_not_copied_exactly_is_refused(to: str) -> None:
    with pytest.raises(BadAction):
        a.parse_action(json.dumps({"do": "transfer", "asset": "ETH", "amount": "1", "to": to}))


@pytest.mark.parametrize("to", [ADDRESS, ADDRESS.lower(), "moon.eth", "José", "cold wallet"])
def test_an_address_or_a_name_is_taken(to: str) -> None:
    action = a.parse_action(json.dumps({"do": "transfer", "asset": "ETH", "amount": "1", "to": to}))
    assert isinstance(action, a.Transfer) and action.to == to


def test_an_automation_cannot_hold_another() -> None:
    inner = json.loads(a.canonical(EVERY_KIND[10]))
    with pytest.raises(BadAction):
        a.parse_action(json.dumps({"do": "automation", "when": {"on": "time", "every": "1d"}, "then": inner}))


def test_an_answer_is_an_action_and_a_sentence() -> None:
    assert a.parse_answer('{"do":"refuse","why":"theft"}\nNo.\n') == (a.Refuse(why="theft"), "No.")
    assert a.parse_answer('{"do":"refuse","why":"theft"}') == (a.Refuse(why="theft"), "")
    with pytest.raises(BadAction):
        a.parse_answer('Sure!\n{"do":"refuse","why":"theft"}')


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_any_other_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(BadAction):
        a.parse_action(text)
