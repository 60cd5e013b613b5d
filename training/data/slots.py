"""What stands in a template's slots: a value drawn at random, and one of the ways to write it."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from moray.training.data import names, numerals
from moray.training.data.glossary import CHINESE_TERMS, ENGLISH_TERMS
from moray.training.data.grammar import Piece, Split, Wording

UNKNOWN_TICKER_SHARE = 0.15
ADDRESS_SHARE = 0.05  # of recipients, vaults and event sources: addresses cost some eighty tokens an example
_PERCENTS = (10, 15, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90)
_DURATIONS = ("30min", "1h", "4h", "6h", "12h", "1d", "2d", "3d", "1w", "2w", "1mo", "3mo")
_HORIZONS = ("1w", "2w", "30d", "90d", "1mo", "3mo", "6mo", "9mo", "1y", "18mo", "2y", "3y", "5y", "10y")
_UNITS_EN = {"min": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_UNITS_ZH = {"min": "分钟", "h": "小时", "d": "天", "w": "周", "mo": "个月", "y": "年"}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_EN = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ADVERBS = {"1h": "hourly", "1d": "daily", "1w": "weekly", "2w": "fortnightly", "1mo": "monthly", "1y": "yearly"}
_MONTHS_EN = ("January February March April May June July August September October November December").split()
_BPS = (5, 10, 20, 25, 30, 50, 75, 100, 150, 200, 300)
_LABELS = {
    "en": ("cold wallet", "hot wallet", "savings", "ledger", "treasury", "trezor", "multisig", "burner", "main wallet"),
    "zh": ("冷钱包", "热钱包", "金主", "主钱包", "小号", "多签钱包", "储蓄账户"),
}
UNKNOWN_BRAND_SHARE = 0.15  # of venues
VENUES = {
    "add_liquidity": names.EXCHANGES,
    "remove_liquidity": names.EXCHANGES,
    "stake": names.STAKING,
    "unstake": names.STAKING,
}
_LEVELS: dict[str, Callable[[random.Random], Decimal]] = {
    "balance": lambda rng: Decimal(rng.choice((1, 2, 5))) * 10 ** rng.randint(0, 4),
    "gas": lambda rng: Decimal(rng.choice((1, 3, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 80, 100))),
    "health": lambda rng: Decimal(rng.randint(21, 60)) / 20,
}


class Slots:
    """Draws slots for one action and remembers their values by the names of the action's fields."""

    def __init__(self, wording: Wording, split: Split, rng: random.Random, subject: str = "") -> None:
        self.values: dict[str, Any] = {}
        self.vague: str | None = None  # the field that is to be said in a way that says nothing
        self._wording, self._split, self._rng, self._subject = wording, split, rng, subject
        self._is_english = wording.language == "en"

    def __call__(self, name: str) -> list[Piece]:
        field = FIELD_OF.get(name, name)
        if field == self.vague:
            return [Piece(self._word(f"vague_{'asset' if field in _ASSET_FIELDS else field}"))]
        draw = self._DRAWERS.get(name)
        text = self._asset(field) if draw is None else draw(self)
        return [Piece(text, is_wording=False)]

    def _word(self, name: str) -> str:
        return self._wording.word(name, self._split, self._rng)

    def _number(self, value: Decimal) -> str:
        return (numerals.english if self._is_english else numerals.chinese)(value, self._rng)

    # Assets

    def _asset(self, field: str) -> str:
        rng = self._rng
        if field in self.values:
            symbol: str = self.values[field]  # a template that names it twice
            return symbol.lower() if rng.random() < 0.2 and symbol.upper() in names.ASSETS else symbol
        taken = {self.values.get(other) for other in _ASSET_FIELDS}
        symbol = rng.choice(names.COMMON_ASSETS)
        kind = rng.random()
        if kind < UNKNOWN_TICKER_SHARE:
            symbol = names.ticker(rng)
            while symbol.lower() in self._wording.held_words:
                symbol = names.ticker(rng)
        elif kind < 0.4 or symbol in taken:
            symbol = rng.choice([asset for asset in names.ASSETS if asset not in taken])
        elif kind > 0.99:
            symbol = names.address(rng)
        self.values[field] = symbol
        style = rng.random()
        if kind < UNKNOWN_TICKER_SHARE or symbol not in names.ASSETS or style < 0.6:
            return symbol
        spoken = names.SPOKEN[self._wording.language].get(symbol)
        if spoken and style < 0.75:
            return rng.choice(spoken)
        return symbol.lower()

    # Amounts

    def _amount(self, field: str = "amount", is_bare: bool = False, is_absolute: bool = False) -> str:
        rng, kind = self._rng, self._rng.random()
        if not is_absolute and kind < 0.14:
            self.values[field] = "all"
            return self._all(is_bare)
        if not is_absolute and kind < 0.32:
            percent = 50 if kind < 0.22 else rng.choice(_PERCENTS)
            self.values[field] = f"{percent}%"
            return self._share(percent, is_bare)
        if kind < 0.44:
            value = Decimal(
                rng.choice((5, 10, 20, 25, 40, 50, 75, 100, 150, 200, 250, 300, 500, 750, 1000, 2500, 10_000))
            )
            self.values[field] = f"${numerals.plain(value)}"
            return self._dollars(value, is_bare)
        value = numerals.draw(rng)
        self.values[field] = numerals.plain(value)
        if value == Decimal("0.5") and not is_bare and rng.random() < 0.5:
            return "half a" if self._is_english else "半个"
        counted = "" if self._is_english or is_bare or rng.random() < 0.6 else "个"
        return self._number(value) + counted

    def _all(self, is_bare: bool) -> str:
        if self._is_english:
            return self._word("all_bare" if is_bare else "all")
        return self._rng.choice(("全部", "所有", "全都") if is_bare else ("全部的", "全部", "所有的", "所有"))

    def _share(self, percent: int, is_bare: bool) -> str:
        rng = self._rng
        if self._is_english:
            shares = [f"{percent}%", f"{percent} percent", f"{percent}%"]
            shares += {50: ["half"] * 3, 25: ["a quarter"] * 2, 75: ["three quarters"], 10: ["a tenth"]}.get(
                percent, []
            )
            return rng.choice(shares) + rng.choice((" of it", "") if is_bare else (" of my", " of my", " of the"))
        shares = [f"{percent}%", f"百分之{numerals.in_chinese(percent)}", f"{percent}%"]
        shares += {50: ["一半"] * 3, 25: ["四分之一"] * 2, 75: ["四分之三"]}.get(percent, [])
        if percent % 10 == 0:
            shares.append(f"{numerals.in_chinese(percent // 10)}成")
        return rng.choice(shares) + ("" if is_bare else "的")

    def _dollars(self, value: Decimal, is_bare: bool) -> str:
        rng, number = self._rng, self._number(value)
        if self._is_english:
            text = rng.choice((f"${number}", f"${number}", f"{number} dollars", f"{number} bucks"))
            return text + rng.choice((" worth", "") if is_bare else (" of", " worth of"))
        text = number + rng.choice(("美元", "美金", "刀"))
        return text if is_bare else rng.choice((f"{text}的", f"价值{text}的"))

    def _amount_get(self) -> str:
        self.values["amount_of"] = "get"
        return self._amount(is_absolute=True)

    def _plain_amount(self, field: str) -> str:
        value = numerals.draw(self._rng)
        self.values[field] = numerals.plain(value)
        return self._number(value)

    # Names

    def _who(self, field: str, known: Callable[[], str]) -> str:
        name = names.address(self._rng) if self._rng.random() < ADDRESS_SHARE else known()
        self.values[field] = name
        return name

    def _person(self) -> str:
        rng, kind = self._rng, self._rng.random()
        if kind < 0.3:
            return names.ens_name(rng)
        person = names.person(self._wording.language, rng)
        return person.lower() if kind < 0.5 else person

    def _to(self) -> str:
        if self._subject != "refuse" and self._rng.random() < 0.08:
            label = self._rng.choice(_LABELS[self._wording.language])
            self.values["to"] = label
            return ("my " if self._is_english else "我的") + label
        return self._who("to", self._person)

    def _vault(self) -> str:
        return self._who("vault", lambda: names.vault(self._rng))

    def _source(self) -> str:
        return self._who("source", lambda: self._rng.choice(names.LENDERS + names.EXCHANGES))

    def _venue(self) -> str:
        known = VENUES.get(self._subject, names.LENDERS)
        return self._pick("venue", (names.brand(self._rng),) if self._rng.random() < UNKNOWN_BRAND_SHARE else known)

    def _pick(self, field: str, choices: tuple[str, ...]) -> str:
        self.values[field] = self._rng.choice(choices)
        return str(self.values[field])

    def _chain(self) -> str:
        chain = self._rng.choice(tuple(names.CHAINS))
        self.values["chain"] = chain
        if not self._is_english and chain == "ethereum" and self._rng.random() < 0.5:
            return "以太坊主网"
        return self._rng.choice(names.CHAINS[chain])

    def _exclude(self) -> str:
        chosen = tuple(self._rng.sample(names.ASSETS[20:], self._rng.randint(1, 2)))
        self.values["exclude"] = chosen
        return (" and " if self._is_english else "和").join(chosen)

    def _term(self) -> str:
        term = self._rng.choice(ENGLISH_TERMS if self._is_english else CHINESE_TERMS)
        self.values["term"] = term
        return term.name

    def _risk(self) -> str:
        return self._word(self._pick("risk", ("low", "medium", "high")))

    def _seed(self) -> str:
        return " ".join(self._rng.choices(("apple", "river", "stone", "cloud", "tiger", "lamp", "fog", "arrow"), k=12))

    # Levels and times

    def _value_usd(self) -> str:
        rng = self._rng
        value = Decimal(rng.choice((1, 2, 3, 15, 18, 25, 32, 4, 5, 75, 9))) * Decimal(10) ** rng.randint(-1, 4)
        self.values["value"] = numerals.plain(value)
        number = self._number(value)
        if self._is_english:
            return rng.choice((number, f"${number}", f"${number}", f"{number} usd", f"{number} dollars"))
        return number + rng.choice(("", "美元", "美金", "u"))

    def _value_percent(self) -> str:
        percent = self._rng.choice((1, 2, 3, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50))
        self.values["value"] = f"{percent}%"
        words = f"{percent} percent" if self._is_english else f"百分之{numerals.in_chinese(percent)}"
        return self._rng.choice((f"{percent}%", f"{percent}%", words))

    def _value(self) -> str:
        value = _LEVELS[self._subject](self._rng)
        self.values["value"] = numerals.plain(value)
        return numerals.plain(value) if value < 10 else self._number(value)

    def _slippage(self) -> str:
        bps = self._rng.choice(_BPS)
        self.values["slippage"] = bps
        percent = f"{numerals.plain(Decimal(bps) / 100)}%"
        return self._rng.choice((percent, percent, f"{bps} bps" if self._is_english else f"{bps}个基点"))

    def _span(self, field: str, choices: tuple[str, ...]) -> str:
        text = self._pick(field, choices)
        number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
        unit = text[len(number) :]
        if self._is_english:
            if number == "1":
                return _UNITS_EN[unit] if field == "every" else f"{self._rng.choice(('1', 'one'))} {_UNITS_EN[unit]}"
            return f"{number} {_UNITS_EN[unit]}s"
        if text == "6mo" and self._rng.random() < 0.5:
            return "半年"
        if number == "1" and field == "every":
            return {"个月": "月"}.get(_UNITS_ZH[unit], _UNITS_ZH[unit])
        spoken = numerals.in_chinese(int(number)).replace("二", "两") if int(number) < 10 else number
        return self._rng.choice((number, spoken)) + _UNITS_ZH[unit]

    def _every(self) -> str:
        return self._span("every", _DURATIONS)

    def _regularly(self) -> str:
        self.values["every"] = every = self._rng.choice(tuple(_ADVERBS))
        return _ADVERBS[every]

    def _horizon(self) -> str:
        return self._span("horizon", _HORIZONS)

    def _day(self) -> str:
        index = self._rng.randrange(7)
        self.values.update(every="1w", day=_DAYS[index])
        if self._is_english:
            return _DAYS_EN[index]
        return self._rng.choice(("周", "星期", "礼拜")) + "一二三四五六日"[index]

    def _at(self) -> str:
        rng = self._rng
        hour, minute = rng.randrange(24), rng.choice((0, 0, 0, 30, 15))
        self.values["at"] = clock = f"{hour:02}:{minute:02}"
        tail = f":{minute:02}" if minute else ""
        if self._is_english:
            half = f"{(hour - 1) % 12 + 1}{tail}{rng.choice(('', ' '))}{'am' if hour < 12 else 'pm'}"
            return rng.choice((clock, half, half))
        part = "凌晨" if hour < 6 else "早上" if hour < 12 else "下午" if hour < 18 else "晚上"
        spoken = f"{part}{(hour - 1) % 12 + 1}点" + {0: "", 30: "半", 15: "一刻"}[minute]
        return clock if hour in (0, 12) else rng.choice((clock, spoken))

    def _on_date(self, field: str) -> str:
        rng = self._rng
        year, month, day = rng.randint(2026, 2030), rng.randint(1, 12), rng.randint(1, 28)
        self.values[field] = iso = f"{year}-{month:02}-{day:02}"
        if self._is_english:
            name = _MONTHS_EN[month - 1]
            return rng.choice((iso, f"{name} {day}, {year}", f"{day} {name} {year}", f"{name[:3]} {day} {year}"))
        return rng.choice((iso, f"{year}年{month}月{day}日", f"{year}年{month}月{day}号"))

    def _runs(self) -> str:
        self.values["runs"] = runs = self._rng.choice((2, 3, 4, 5, 6, 8, 10, 12, 20, 24, 30, 50, 52, 100))
        return str(runs)

    def _total(self) -> str:
        value = Decimal(self._rng.choice((1, 2, 3, 5))) * 10 ** self._rng.randint(2, 5)
        is_dollars = self._rng.random() < 0.5
        self.values["total"] = f"{'$' if is_dollars else ''}{numerals.plain(value)}"
        if not is_dollars:
            return self._number(value)
        return f"${self._number(value)}" if self._is_english else f"{self._number(value)}美元"

    def _gas(self) -> str:
        value = _LEVELS["gas"](self._rng)
        self.values["gas"] = numerals.plain(value)
        return numerals.plain(value)

    def _liquid(self) -> str:
        if self._rng.random() < 0.5:
            percent = self._rng.choice(_PERCENTS)
            self.values["liquid"] = f"{percent}%"
            return self._share(percent, is_bare=True).removesuffix(" of it")
        value = Decimal(self._rng.choice((1, 2, 5))) * 10 ** self._rng.randint(2, 4)
        self.values["liquid"] = f"${numerals.plain(value)}"
        return self._dollars(value, is_bare=True).removesuffix(" worth")

    def _distraction(self) -> str:
        return f"{self._rng.randint(2, 9999)}"

    _DRAWERS: ClassVar[dict[str, Callable[[Slots], str]]] = {
        "amount": lambda self: self._amount(),
        "amount_bare": lambda self: self._amount(is_bare=True),
        "amount_get": _amount_get,
        "amount_pay": lambda self: self._plain_amount("amount"),
        "other_amount": lambda self: self._plain_amount("other_amount"),
        "to": _to,
        "vault": _vault,
        "source": _source,
        "venue": _venue,
        "chain": _chain,
        "exclude": _exclude,
        "term": _term,
        "risk": _risk,
        "seed": _seed,
        "value_usd": _value_usd,
        "value_percent": _value_percent,
        "value": _value,
        "slippage": _slippage,
        "every": _every,
        "regularly": _regularly,
        "horizon": _horizon,
        "day": _day,
        "at": _at,
        "date": lambda self: self._on_date("date"),
        "until": lambda self: self._on_date("until"),
        "event": lambda self: self._pick("name", names.EVENTS),
        "runs": _runs,
        "total": _total,
        "gas": _gas,
        "liquid": _liquid,
        "number": _distraction,
    }


_ASSET_FIELDS = ("asset", "other", "pay", "get")
FIELD_OF = {
    "amount_bare": "amount",
    "amount_get": "amount",
    "amount_pay": "amount",
    "value_usd": "value",
    "value_percent": "value",
    "day": "every",
    "regularly": "every",
}
