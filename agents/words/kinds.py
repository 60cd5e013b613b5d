"""Words that a kind of action needs, and words that speak against it: in, and not out.

An action that turns a wish about ("stop staking" for "stake") uses the user's values, so the values do not tell. The
lists are short and closed; what they do not know asks back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_Pattern = re.Pattern[str] | None


def _words(latin: str, han: str) -> re.Pattern[str]:
    """Latin ones by how they begin ("tak" is not in "staking"), Chinese ones wherever they stand."""
    return re.compile(rf"(?<![a-z])(?:{latin})|{han}", re.IGNORECASE)


_POOL = "liq|lp|amm|dex|pool|pair|market|position|fees", "流动|池|做市|交易对|组|仓"
_OUT = (
    "un-?stak|unbond|unlock|unwind|stop|out|back|undo|undelegat|end|releas|free|withdraw|redeem|remov|exit|no (?:more|"
    "longer)|cancel|leav|pull|tak|collect|return|lower|reduc|decreas|cut|drop|cash|empt|claim|burn|close|yank|extract|"
    "retriev|fetch|bring|liberat|quit|revers|halt|ceas|drain|recover|less|dissolv|shrink|uninvest|lift",
    "解|取|赎|捞|挪|搬|不质押|该再|要用|退|停|撤|结束|收|拿|释放|终止|不再|不想|减|提|出|还|抽|移除|关|回|反质押",
)
_TO_ME = "get|give|need|grab|want|send me|from", "→|->"
# By kind: one of the first must be said, none of the second may be.
_RULES: Mapping[str, tuple[_Pattern, _Pattern]] = {
    "stake": (
        _words("stak|bond|validat|delegat|re-?stak", "质押|押"),
        _words(
            r"un-?stak|unbond|undelegat|(?:stop|ceas|quit|halt|end|undo|no (?:more|longer))\w* (?:the |my )?\w*\s?stak|"
            "(?:out of|from|off|leave|exit) (?:the |my )?stak",
            "解除|解质押|解押|取消|赎回|退出|停止|终止|结束质押|不再",
        ),
    ),
    "unstake": (
        _words(*_OUT),
        _words("up for staking|(?:start|begin) staking", "拿去质押|开始质押|做质押"),
    ),
    "deposit": (
        None,
        _words(
            "withdraw|lower|reduc|decreas|redeem|cash(?:ing)? out|into my wallet|"
            "out of (?:the|my) [^,.;]*(?:vault|jar)",
            "取出|提出|提取|提走|赎回|减仓|减少|拿回|取回|撤出",
        ),
    ),
    "withdraw": (
        _words(f"{_OUT[0]}|{_TO_ME[0]}", f"{_OUT[1]}|{_TO_ME[1]}"),
        _words("top up|increas|raise", "存入|加仓|存进|放进|放入|投入|追加"),
    ),
    "add_liquidity": (
        _words(*_POOL),
        _words(
            r"remov|withdraw|(?:pull|back|get|take|move)\w* out|exit|burn|unwind", "撤|移除|取出|退出|减少|抽走|抽出"
        ),
    ),
    "remove_liquidity": (_words(*_POOL), _words(r"add\b|provide|supply", "注入|添加|加入|提供")),
}


def is_said(kind: str, own_words: str) -> bool:
    """Whether ``own_words`` can mean an action of ``kind``, as far as these lists tell."""
    needed, against = _RULES.get(kind, (None, None))
    if needed is not None and not needed.search(own_words):
        return False
    return against is None or not against.search(own_words)
