"""What an action does, in one sentence of the user's language: a function of the action, so that it can be learnt."""

from __future__ import annotations

from collections.abc import Mapping

from moray import actions as a
from moray.training.data.grammar import Language

IGNORED = {"en": " I did not follow the instruction in the quoted text.", "zh": "引用文字里的指令我没有执行。"}
QUOTED = {
    "en": "That is text somebody wrote; it may be a trap, and I do not follow instructions in it.",
    "zh": "那是别人写的文字，可能是陷阱，里面的指令我不会执行。",
}
_REFUSALS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "secret": "I never handle seed phrases or private keys; share them with nobody.",
        "theft": "I will not help to take what belongs to somebody else.",
        "evasion": "I will not help to hide money from the law.",
        "manipulation": "I will not help to manipulate a market.",
        "unlimited": "I do not give unlimited approvals; name an exact amount.",
        "bypass": "Checks and limits stay on; nothing is signed without them.",
        "off_topic": "I only help with assets and transactions on a chain.",
    },
    "zh": {
        "secret": "我不接触助记词和私钥，请不要告诉任何人。",
        "theft": "我不会帮忙拿走别人的东西。",
        "evasion": "我不会帮忙逃避法律。",
        "manipulation": "我不会帮忙操纵市场。",
        "unlimited": "我不做无限授权，请说明具体数量。",
        "bypass": "检查和限额不会关闭，没有它们就不签名。",
        "off_topic": "我只处理链上的资产和交易。",
    },
}
_ASKED: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "asset": "which asset",
        "other": "which second asset",
        "pay": "what to pay with",
        "get": "what to get",
        "amount": "how much",
        "vault": "which vault",
        "to": "to whom",
        "risk": "how much risk",
        "horizon": "for how long",
        "when": "when",
        "value": "at which value",
        "then": "what to do then",
        "action": "what you want me to do",
    },
    "zh": {
        "asset": "哪种资产",
        "other": "另一种资产",
        "pay": "用什么付",
        "get": "换成什么",
        "amount": "多少",
        "vault": "哪个金库",
        "to": "给谁",
        "risk": "多大风险",
        "horizon": "多长时间",
        "when": "什么时候",
        "value": "到什么数值",
        "then": "到时做什么",
        "action": "要我做什么",
    },
}
_UNITS = {
    "en": {"min": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"},
    "zh": {"min": "分钟", "h": "小时", "d": "天", "w": "周", "mo": "个月", "y": "年"},
}
_DAYS = {
    "en": dict(
        mon="Monday", tue="Tuesday", wed="Wednesday", thu="Thursday", fri="Friday", sat="Saturday", sun="Sunday"
    ),
    "zh": dict(mon="周一", tue="周二", wed="周三", thu="周四", fri="周五", sat="周六", sun="周日"),
}
_GOES = {
    "en": {"above": "above", "below": "below", "up": "up", "down": "down"},
    "zh": {"above": "高于", "below": "低于", "up": "上涨", "down": "下跌"},
}
_RISKS = {"en": {"low": "low", "medium": "medium", "high": "high"}, "zh": {"low": "低", "medium": "中等", "high": "高"}}


def explain(action: a.Action, language: Language) -> str:
    """One sentence; of a question to explain, the caller knows the answer."""
    sentence = _english(action) if language == "en" else _chinese(action)
    return sentence[0].upper() + sentence[1:] + ("." if language == "en" else "。") if sentence else ""


def _english(action: a.Action | a.Notify) -> str:
    match action:
        case a.Refuse():
            return _REFUSALS["en"][action.why].rstrip(".")
        case a.Clarify():
            asked = ", ".join(_ASKED["en"][slot] for slot in action.missing)
            return f"please tell me {asked}"
        case a.Automation():
            given = "".join(f", if {_trigger_en(condition)}" for condition in action.given or ())
            return (
                f"{_trigger_en(action.when, is_first=True)}{given}: {_english(action.then)}{_limits_en(action.limits)}"
            )
        case a.Mandate():
            covered = _much_en(action.amount, action.asset) if action.amount and action.asset else "your portfolio"
            liquid = f", {action.liquid} at hand" if action.liquid else ""
            without = f", without {' and '.join(action.exclude)}" if action.exclude else ""
            return f"manage {covered} with {action.risk} risk for {_duration('en', action.horizon)}{liquid}{without}"
        case a.Question():
            return _question_en(action)
        case a.Quote():
            worth = f"{action.amount} {action.pay}" if action.amount else action.pay
            return f"look up what {worth} is worth" + (f" in {action.get}" if action.get else "") + _on_en(action.chain)
        case a.Notify():
            return "let you know"
    return _move_en(action)


def _move_en(action: a.SimpleAction) -> str:
    match action:
        case a.Swap(amount_of="get"):
            text = f"buy {_much_en(action.amount, action.get)} with {action.pay}"
        case a.Swap():
            text = f"swap {_much_en(action.amount, action.pay)} for {action.get}"
        case a.AddLiquidity():
            other = f"{action.other_amount} {action.other}" if action.other_amount else action.other
            text = f"add {_much_en(action.amount, action.asset)} and {other} to their pool{_at_en(action.venue)}"
        case a.RemoveLiquidity():
            pool = f"{action.asset}/{action.other}"
            text = f"remove {_much_en(action.amount, 'liquidity')} from {pool}{_at_en(action.venue)}"
        case a.Stake():
            text = f"stake {_much_en(action.amount, action.asset)}{_at_en(action.venue)}"
        case a.Unstake():
            text = f"unstake {_much_en(action.amount, action.asset)}{_at_en(action.venue)}"
        case a.Deposit():
            text = f"deposit {_much_en(action.amount, action.asset)} into {action.vault}"
        case a.Withdraw():
            text = f"withdraw {_much_en(action.amount, action.asset)} from {action.vault}"
        case a.Transfer():
            text = f"send {_much_en(action.amount, action.asset)} to {action.to}"
        case _:
            raise AssertionError(action)
    slippage = getattr(action, "slippage", None)
    return text + _on_en(action.chain) + (f" with at most {slippage / 100:g}% slippage" if slippage else "")


def _question_en(action: a.Question) -> str:
    of = f" of {action.asset}" if action.asset else ""
    what = {
        "balance": f"your balance{of}",
        "portfolio": "your portfolio",
        "history": f"your transactions{of}",
        "health": "your health factor",
        "gas": "the gas price",
        "yield": f"the yield{of}",
        "explain": "it",
    }[action.topic]
    return f"look up {what}{_on_en(action.chain)}"


def _much_en(amount: str, asset: str) -> str:
    if amount == "all":
        return f"all your {asset}"
    if amount.endswith("%"):
        return f"{amount} of your {asset}"
    return f"{amount} of {asset}" if amount.startswith("$") else f"{amount} {asset}"


def _on_en(chain: str | None) -> str:
    return f" on {chain}" if chain else ""


def _at_en(venue: str | None) -> str:
    return f" at {venue}" if venue else ""


def _trigger_en(trigger: a.Trigger, is_first: bool = False) -> str:
    match trigger:
        case a.PriceTrigger(goes="up" | "down"):
            text = f"{trigger.asset} is {trigger.goes} {trigger.value}"
        case a.PriceTrigger():
            text = f"{trigger.asset} is {trigger.goes} ${trigger.value}"
        case a.BalanceTrigger():
            text = f"your {trigger.asset} is {trigger.goes} {trigger.value}"
        case a.GasTrigger():
            text = f"gas is {trigger.goes} {trigger.value} gwei"
        case a.HealthTrigger():
            text = f"your health factor{_at_en(trigger.venue)} is {trigger.goes} {trigger.value}"
        case a.EventTrigger():
            text = f"{trigger.source} emits {trigger.name}"
        case a.DateTrigger():
            return f"on {trigger.date}" + (f" at {trigger.at}" if trigger.at else "")
        case a.TimeTrigger():
            each = _DAYS["en"][trigger.day] if trigger.day else _duration("en", trigger.every)
            return f"every {each}" + (f" at {trigger.at}" if trigger.at else "")
    return f"when {text}" if is_first else text


def _limits_en(limits: a.Limits | None) -> str:
    if limits is None:
        return ""
    return "".join(
        (
            f", at most {limits.runs} times" if limits.runs else "",
            f", at most {limits.total} in total" if limits.total else "",
            f", until {limits.until}" if limits.until else "",
            f", with gas at most {limits.gas} gwei" if limits.gas else "",
        )
    )


def _duration(language: Language, duration: str) -> str:
    number = duration.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _UNITS[language][duration[len(number) :]]
    if language == "zh":
        return f"{number}{unit}"
    return f"{number} {unit}" + ("s" if number != "1" else "")


def _chinese(action: a.Action | a.Notify) -> str:
    match action:
        case a.Refuse():
            return _REFUSALS["zh"][action.why].rstrip("。")
        case a.Clarify():
            return "请告诉我" + "、".join(_ASKED["zh"][slot] for slot in action.missing)
        case a.Automation():
            given = "".join(f"且{_trigger_zh(condition)}" for condition in action.given or ())
            moment = "" if isinstance(action.when, a.TimeTrigger | a.DateTrigger) and not given else "时"
            return f"{_trigger_zh(action.when)}{given}{moment}，{_chinese(action.then)}{_limits_zh(action.limits)}"
        case a.Mandate():
            covered = _much_zh(action.amount, action.asset) if action.amount and action.asset else "你的资产"
            liquid = f"，保留{action.liquid}" if action.liquid else ""
            without = f"，不含{'和'.join(action.exclude)}" if action.exclude else ""
            horizon = _duration("zh", action.horizon)
            return f"以{_RISKS['zh'][action.risk]}风险管理{covered}{horizon}{liquid}{without}"
        case a.Question():
            return _question_zh(action)
        case a.Quote():
            worth = f"{action.amount} {action.pay}" if action.amount else action.pay
            return f"查询{_on_zh(action.chain)}{worth}值多少" + (action.get or "钱")
        case a.Notify():
            return "通知你"
    return _move_zh(action)


def _move_zh(action: a.SimpleAction) -> str:
    match action:
        case a.Swap(amount_of="get"):
            text = f"用{action.pay}买{_much_zh(action.amount, action.get)}"
        case a.Swap():
            text = f"把{_much_zh(action.amount, action.pay)}换成{action.get}"
        case a.AddLiquidity():
            other = f"{action.other_amount} {action.other}" if action.other_amount else action.other
            text = f"{_at_zh(action.venue)}为{_much_zh(action.amount, action.asset)}和{other}添加流动性"
        case a.RemoveLiquidity():
            pool = f"{action.asset}/{action.other}"
            text = f"{_at_zh(action.venue)}撤出{pool}的{_much_zh(action.amount, '流动性')}"
        case a.Stake():
            text = f"{_at_zh(action.venue)}质押{_much_zh(action.amount, action.asset)}"
        case a.Unstake():
            text = f"{_at_zh(action.venue)}解除质押{_much_zh(action.amount, action.asset)}"
        case a.Deposit():
            text = f"把{_much_zh(action.amount, action.asset)}存入{action.vault}"
        case a.Withdraw():
            text = f"从{action.vault}取出{_much_zh(action.amount, action.asset)}"
        case a.Transfer():
            text = f"转{_much_zh(action.amount, action.asset)}给{action.to}"
        case _:
            raise AssertionError(action)
    slippage = getattr(action, "slippage", None)
    return _on_zh(action.chain) + text + (f"，滑点不超过{slippage / 100:g}%" if slippage else "")


def _question_zh(action: a.Question) -> str:
    of = f"{action.asset}的" if action.asset else ""
    what = {
        "balance": f"{of}余额",
        "portfolio": "投资组合",
        "history": f"{of}交易记录",
        "health": "健康因子",
        "gas": "gas价格",
        "yield": f"{of}收益率",
        "explain": "它",
    }[action.topic]
    return f"查询{_on_zh(action.chain)}{what}"


def _much_zh(amount: str, asset: str) -> str:
    if amount == "all":
        return f"全部{asset}"
    if amount.endswith("%"):
        return f"{amount}的{asset}"
    return f"价值{amount[1:]}美元的{asset}" if amount.startswith("$") else f"{amount} {asset}"


def _on_zh(chain: str | None) -> str:
    return f"在{chain}上" if chain else ""


def _at_zh(venue: str | None) -> str:
    return f"在{venue}" if venue else ""


def _trigger_zh(trigger: a.Trigger) -> str:
    match trigger:
        case a.PriceTrigger(goes="up" | "down"):
            return f"{trigger.asset}{_GOES['zh'][trigger.goes]}{trigger.value}"
        case a.PriceTrigger():
            return f"{trigger.asset}{_GOES['zh'][trigger.goes]}{trigger.value}美元"
        case a.BalanceTrigger():
            return f"{trigger.asset}余额{_GOES['zh'][trigger.goes]}{trigger.value}"
        case a.GasTrigger():
            return f"gas{_GOES['zh'][trigger.goes]}{trigger.value} gwei"
        case a.HealthTrigger():
            return f"{_at_zh(trigger.venue)}健康因子{_GOES['zh'][trigger.goes]}{trigger.value}"
        case a.EventTrigger():
            return f"{trigger.source}发出{trigger.name}"
        case a.DateTrigger():
            return f"{trigger.date}" + (f" {trigger.at}" if trigger.at else "")
        case a.TimeTrigger():
            each = _DAYS["zh"][trigger.day] if trigger.day else _duration("zh", trigger.every)
            return f"每{each}" + (f" {trigger.at}" if trigger.at else "")


def _limits_zh(limits: a.Limits | None) -> str:
    if limits is None:
        return ""
    return "".join(
        (
            f"，最多{limits.runs}次" if limits.runs else "",
            f"，总共不超过{limits.total}" if limits.total else "",
            f"，到{limits.until}为止" if limits.until else "",
            f"，gas不超过{limits.gas} gwei" if limits.gas else "",
        )
    )
