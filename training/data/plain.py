"""Plain sentences of the domain, so that the model writes sentences: what words mean, and how things stand."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from moray.training.data.glossary import CHINESE_TERMS, ENGLISH_TERMS, Term
from moray.training.data.grammar import Language, Piece, Split, Wording, fill
from moray.training.data.slots import Slots

MAX_SENTENCES = 4

_ENGLISH = Wording(
    "en",
    {
        "term": """
            {term} is {meaning}.
            by {term} we mean {meaning}.
            {term}: {meaning}.
            put simply, {term} is {meaning}.
            what is {term}? it is {meaning}.
            the words "{term}" stand for {meaning}.
            think of {term} as {meaning}.
            question: what is {term}? answer: {meaning}.
            somebody who says {term} means {meaning}.
            {term} is {meaning}; if {cause}, {effect}.
            about {term}: when {cause}, {effect}.
            take {term}. as soon as {cause}, {effect}.
            remember of {term} that {effect} if {cause}.
            {effect} whenever {cause}.
            if {cause}, then {effect}.
            when {cause}, {effect}.
            because {cause}, {effect}.
            {cause}, so {effect}.
            suppose that {cause}. then {effect}.
            why is it that {effect}? because {cause}.
            as long as nobody notices that {cause}, few expect that {effect}.
            it follows that {effect}, since {cause}.
            ~in one line, {term} is {meaning}.
            ~experts describe {term} as {meaning}.
            ~the moral of {term}: {effect} once {cause}.
            ~given that {cause}, it comes as no surprise that {effect}.
        """,
        "state": """
            the {asset}/{other} pool on {venue} holds {number} {asset} and {number} {other}.
            {venue} has a pool of {asset} and {other} with a fee of {value_percent}.
            the wallet of {to} holds {number} {asset} and {number} {other}.
            {to} sent {number} {asset} to {to} on {date}.
            {to} received {number} {asset} and swapped half of it for {other}.
            gas on {chain} costs {gas} gwei, so a swap costs little.
            gas on {chain} rose to {gas} gwei after {at}.
            the price of {asset} fell by {value_percent} within {horizon}.
            the price of {asset} rose by {value_percent} and then stayed there for {horizon}.
            {asset} earned {value_percent} in {horizon}, more than {other} did.
            the vault {vault} holds {number} {asset} and earns {value_percent} a year.
            {to} deposited {number} {asset} into {vault} on {date}.
            {to} withdrew {number} {asset} from {vault}, because the yield was falling.
            a swap of {number} {asset} for {other} moved the price by {value_percent}.
            the transaction failed because its slippage limit of {slippage} was too tight.
            the transaction was mined on {chain} and is final.
            the transaction waits in the mempool since {at}.
            a loan on {venue} is safe while its health factor stays above one.
            {to} repaid {number} {asset}, and the health factor rose.
            the proposal on {venue} passed and takes effect on {date}.
            the contract of {venue} emitted {event} on {date}.
            {to} staked {number} {asset} with {venue} for {horizon}.
            {to} wants to unstake {number} {asset} and has to wait for {horizon}.
            a portfolio of {asset} and {other} fell by {value_percent} in its worst month.
            the rule ran {runs} times and spent {total} in total.
            the rule stops on {until} or when gas is above {gas} gwei.
            every {every} the agent checks the price of {asset}.
            on {day} the agent buys {asset} with {other}.
            nobody has used the bridge to {chain} since {date}.
            {chain} makes blocks faster than most chains and charges less.
            the name of a token on {chain} is written by whoever made it.
            the address of {to} is known; the address of a stranger must be checked.
            an agent proposes, the policy decides, and the signer signs.
            the balance of {asset} is {number}; the balance of {other} is {number}.
            two replicas hold the same expert, so one may leave without harm.
            the operator of the node staked {number} {asset} before joining.
            ~by {date} the vault {vault} had paid out {number} {asset}.
            ~most of the {asset} on {chain} sits in a single pool on {venue}.
            ~{to} owns {number} {asset}, and {to} owns none.
        """,
    },
    {},
)
_CHINESE = Wording(
    "zh",
    {
        "term": """
            {term}是{meaning}。
            所谓{term}，就是{meaning}。
            {term}指的是{meaning}。
            简单地说，{term}是{meaning}。
            什么是{term}？它是{meaning}。
            “{term}”这个词表示{meaning}。
            可以把{term}看作{meaning}。
            问：{term}是什么？答：{meaning}。
            {term}是{meaning}；如果{cause}，{effect}。
            说到{term}：当{cause}，{effect}。
            关于{term}要记住，如果{cause}，{effect}。
            如果{cause}，{effect}。
            当{cause}的时候，{effect}。
            因为{cause}，所以{effect}。
            {cause}，于是{effect}。
            为什么{effect}？因为{cause}。
            只要{cause}，{effect}。
            ~用一句话来讲，{term}是{meaning}。
            ~{term}的道理是：{cause}之后{effect}。
            ~既然{cause}，难怪{effect}。
        """,
        "state": """
            {venue}上的{asset}/{other}池里有{number}个{asset}和{number}个{other}。
            {to}的钱包里有{number}个{asset}。
            {to}在{date}转给{to}{number}个{asset}。
            {to}收到{number}个{asset}，把一半换成了{other}。
            {chain}的gas是{gas} gwei，交易很便宜。
            {asset}的价格在{horizon}里下跌了{value_percent}。
            {asset}的价格上涨了{value_percent}，之后{horizon}没有变化。
            {vault}金库里有{number}个{asset}，年收益{value_percent}。
            {to}在{date}往{vault}存了{number}个{asset}。
            {to}从{vault}取出{number}个{asset}，因为收益在下降。
            用{number}个{asset}换{other}，价格移动了{value_percent}。
            交易失败了，因为滑点限制{slippage}太小。
            交易已经在{chain}上最终确认。
            {venue}上的借款在健康因子大于一时是安全的。
            {to}还了{number}个{asset}，健康因子上升了。
            {venue}的提案通过了，{date}生效。
            {to}在{venue}质押了{number}个{asset}，期限{horizon}。
            这个规则运行了{runs}次，一共花了{total}。
            规则在{until}停止，或者gas高于{gas} gwei时停止。
            每{every}检查一次{asset}的价格。
            每到{day}用{other}买{asset}。
            {chain}出块比多数链快，费用也低。
            代币的名字是发行人自己写的。
            智能体提出建议，策略做决定，签名器签名。
            {asset}余额是{number}，{other}余额是{number}。
            同一个专家有两个副本，所以一个离开也没有关系。
            ~到{date}，{vault}金库付出了{number}个{asset}。
            ~{chain}上大部分{asset}都在{venue}的一个池子里。
        """,
    },
    {},
)
WORDINGS: Mapping[Language, Wording] = {"en": _ENGLISH, "zh": _CHINESE}
_TERMS: Mapping[Language, Sequence[Term]] = {"en": ENGLISH_TERMS, "zh": CHINESE_TERMS}


def definition(term: Term, language: Language) -> str:
    """ "X is ...", and what follows from it."""
    if language == "zh":
        return f"{term.name}是{term.meaning}。"
    return f"{_capital(term.name)} is {term.meaning}."


def paragraph(language: Language, split: Split, rng: random.Random) -> str:
    """One to ``MAX_SENTENCES`` sentences; those held out are at least the first."""
    sentences = [
        _sentence(language, split if index == 0 else "train", rng) for index in range(rng.randint(1, MAX_SENTENCES))
    ]
    return ("" if language == "zh" else " ").join(sentences)


def _sentence(language: Language, split: Split, rng: random.Random) -> str:
    wording = WORDINGS[language]
    template = rng.choice(wording.templates("term" if rng.random() < 0.5 else "state", split))
    term = rng.choice(_TERMS[language])

    def slot(name: str) -> list[Piece]:
        if name == "term":
            return [Piece(term.name)]
        if name in ("meaning", "cause", "effect"):
            return [Piece(str(getattr(term, name)))]
        return slots(name)

    slots = Slots(wording, split, rng)
    text = "".join(piece.text for piece in fill(template, wording, split, rng, slot))
    if language == "zh":
        return text
    return re.sub(r"(^|[.?] )([a-z])", lambda start: start[1] + start[2].upper(), text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
