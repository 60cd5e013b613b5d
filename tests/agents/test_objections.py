"""What the user's own words say against an action that is made of them."""

from __future__ import annotations

from itertools import islice

import pytest

from moray import actions as a
from moray.agents.grounding import ungrounded
from moray.agents.objections import objections
from moray.training.data.examples import examples
from moray.training.data.grammar import Split

COUNT = 2500  # examples of each split
MAX_WRONG = 0.02  # of right actions that are asked back; half of it for a word that was misspelt


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_what_was_asked_for_is_seldom_asked_back(split: Split) -> None:
    against = list[bool]()
    for case in islice(examples(31, split), COUNT):
        said = [message.text for message in case.messages if message.role == "user"]
        if case.action is not None and not ungrounded(case.action, said):
            against.append(bool(objections(case.action, said)))
    assert len(against) > 0.8 * COUNT and sum(against) <= MAX_WRONG * len(against)


@pytest.mark.parametrize(
    ("said", "action", "field"),
    [
        ("stop staking 16 ETH with Lido", a.Stake(asset="ETH", amount="16", venue="Lido"), "stake"),
        ("put 1 UNI up for staking on Frax", a.Unstake(asset="UNI", amount="1", venue="Frax"), "unstake"),
        ("lock 5 ETH in staking", a.Unstake(asset="ETH", amount="5"), "unstake"),
        ("lower my Sky vault deposit by 5 DAI", a.Deposit(asset="DAI", amount="5", vault="Sky"), "deposit"),
        ("top up the Sky vault by 5 DAI", a.Withdraw(asset="DAI", amount="5", vault="Sky"), "withdraw"),
        ("把5个DAI存入Sky金库", a.Withdraw(asset="DAI", amount="5", vault="Sky"), "withdraw"),
        ("swap 5 DAI and ETH", a.AddLiquidity(asset="DAI", other="ETH", amount="5"), "add_liquidity"),
        ("remove 5 DAI from the DAI/ETH pool", a.AddLiquidity(asset="DAI", other="ETH", amount="5"), "add_liquidity"),
        ("add 5 DAI to the DAI/ETH pool", a.RemoveLiquidity(asset="DAI", other="ETH", amount="5"), "remove_liquidity"),
        ("swap 5 DAI for ETH", a.Swap(pay="ETH", get="DAI", amount="5"), "DAI"),
        ("swap 5 DAI for ETH", a.Swap(pay="DAI", get="ETH", amount="5", amount_of="get"), "DAI"),
        ("buy 5 ether with DAI", a.Swap(pay="DAI", get="ETH", amount="5"), "ETH"),
        ("让五成的KRO变成wbtc", a.Swap(pay="WBTC", get="KRO", amount="50%"), "KRO"),
        ("swap all of my DAI for ETH", a.Swap(pay="ETH", get="DAI", amount="all"), "DAI"),
        ("add 5 DAI and 2 ETH to the pool", a.AddLiquidity(asset="DAI", other="ETH", amount="2"), "ETH"),
        ("swap 5 DAI for DAI", a.Swap(pay="DAI", get="dai", amount="5"), "same"),
        ("unstake 19 USDT at Frax", a.Unstake(asset="USDT", amount="19"), "Frax"),
        ("从Velodrome退出ETH/OP的流动性，2个", a.RemoveLiquidity(asset="ETH", other="OP", amount="2"), "Velodrome"),
        ("send 5 DAI to bob on gnosis", a.Transfer(asset="DAI", amount="5", to="bob"), "gnosis"),
        ("通过linea转5个DAI给小王", a.Transfer(asset="DAI", amount="5", to="小王"), "linea"),
    ],
)
def test_an_action_of_the_users_words_that_they_did_not_ask_for_is_asked_back(
    said: str, action: a.Action, field: str
) -> None:
    assert ungrounded(action, [said]) == ()
    (line,) = objections(action, [said])
    assert field in line


def test_a_token_is_not_sent_to_itself() -> None:
    token = "0x" + "ab" * 20
    action = a.Transfer(asset=token, amount="5", to=token)
    assert any("same" in line for line in objections(action, [f"send {token} money: 5"]))


def test_an_automations_move_is_held_to_the_same() -> None:
    trigger = a.PriceTrigger(asset="ETH", goes="below", value="2000")
    action = a.Automation(when=trigger, then=a.Stake(asset="ETH", amount="16"))
    assert objections(action, ["stop staking 16 ETH when ETH is below 2000"])
    assert objections(action, ["stake 16 ETH when ETH is below 2000"]) == ()
