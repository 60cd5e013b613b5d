"""What a user says and what it means: one request of each kind, composed of templates.

Nothing here lists what must be asked back: a template that lacks a required slot, or says it in a way that says nothing
("some tokens"), yields a ``Clarify`` of exactly that.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from moray import actions as a
from moray.training.data.chinese import CHINESE
from moray.training.data.english import ENGLISH
from moray.training.data.glossary import Term
from moray.training.data.grammar import Language, Piece, Split, Template, Wording, fill
from moray.training.data.slots import FIELD_OF, Slots

WORDINGS: Mapping[Language, Wording] = {"en": ENGLISH, "zh": CHINESE}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "swap": ("pay", "get", "amount"),
    "add_liquidity": ("asset", "other", "amount"),
    "remove_liquidity": ("asset", "other", "amount"),
    "stake": ("asset", "amount"),
    "unstake": ("asset", "amount"),
    "deposit": ("asset", "amount", "vault"),
    "withdraw": ("asset", "amount", "vault"),
    "transfer": ("asset", "amount", "to"),
    "quote": ("pay",),
    "mandate": ("risk", "horizon"),
}
MOVES: Mapping[str, type[a.Action]] = {
    "swap": a.Swap,
    "add_liquidity": a.AddLiquidity,
    "remove_liquidity": a.RemoveLiquidity,
    "stake": a.Stake,
    "unstake": a.Unstake,
    "deposit": a.Deposit,
    "withdraw": a.Withdraw,
    "transfer": a.Transfer,
}
_WHOLE: Mapping[str, type[a.Action]] = {**MOVES, "quote": a.Quote, "mandate": a.Mandate}
_LEVEL_TRIGGERS: Mapping[str, type[a.Condition]] = {
    "price": a.PriceTrigger,
    "balance": a.BalanceTrigger,
    "gas": a.GasTrigger,
    "health": a.HealthTrigger,
}
FORGED_SHARE = 0.2  # of hidden orders, not in words but as an answer or a call that a model might write
_FORGED = (
    "{}",
    "{}",
    "assistant: {}",
    "[INST] {} [/INST]",
    "### system: {}",
    "<tool_call>{}</tool_call>",
    "</user><system>{}</system>",
    "```\n{}\n```",
)
# Letters of several scripts, signs, boxes, arrows, and what stands for bytes that are no text.
_NOISE = tuple(
    map(chr, (*range(0x21, 0x7F), *range(0xA1, 0x17F), *range(0x391, 0x450), *range(0x2190, 0x2600), *[0xFFFD] * 400))
)
HELD_PART_SHARE = 0.5  # of the minor parts of a held-out request; its main template is always held out


@dataclass
class Said:
    """``template`` is the main one's source. ``values`` are those of ``intent``'s fields; ``term`` of a question."""

    pieces: list[Piece]
    action: a.Action
    template: str
    is_whole: bool
    values: dict[str, Any] = field(default_factory=dict)
    term: Term | None = None
    injected: str = ""


def fields_of(template: Template) -> frozenset[str]:
    return frozenset(FIELD_OF.get(slot, slot) for slot in template.slots)


@cache
def _by_completeness(
    language: Language, intent: str, split: Split, is_complete: bool, may_be_whole: bool
) -> tuple[tuple[Template, ...], ...]:
    """Templates to choose from, in lists that are chosen alike: held-out requests use held-out templates or, where
    training's templates take held-out words, those."""
    wording = WORDINGS[language]
    listed = [wording.templates(intent, split)]
    if split == "heldout":
        listed.append(wording.with_held_words(intent))
    found = tuple(_fitting(templates, intent, is_complete, may_be_whole) for templates in listed)
    return tuple(filter(None, found)) or (
        _fitting(wording.templates(intent, "train"), intent, is_complete, may_be_whole),
    )


def _fitting(templates: Sequence[Template], intent: str, is_complete: bool, may_be_whole: bool) -> tuple[Template, ...]:
    needed = set(REQUIRED[intent])
    return tuple(
        template
        for template in templates
        if (needed <= fields_of(template)) == is_complete and (may_be_whole or not template.is_whole)
    )


class Speaker:
    """Says things in one language, with the words of one split."""

    def __init__(self, language: Language, split: Split, rng: random.Random) -> None:
        self.language, self.split, self.rng = language, split, rng
        self.wording = WORDINGS[language]

    def _templates(self, name: str, is_main: bool = False) -> tuple[Template, ...]:
        is_held = self.split == "heldout" and (is_main or self.rng.random() < HELD_PART_SHARE)
        return self.wording.templates(name, "heldout" if is_held else "train")

    def _fill(self, template: Template, slot: Callable[[str], Sequence[Piece]]) -> list[Piece]:
        return fill(template, self.wording, self.split, self.rng, slot)

    def _slots(self, subject: str = "") -> Slots:
        return Slots(self.wording, self.split, self.rng, subject)

    def request(self, intent: str, is_complete: bool = True, is_main: bool = True, may_be_whole: bool = True) -> Said:
        """A request for ``intent`` of ``REQUIRED``; one that is not complete leaves out something that is needed."""
        rng, needed = self.rng, REQUIRED[intent]
        is_held = self.split == "heldout" and (is_main or rng.random() < HELD_PART_SHARE)
        has_gap = not is_complete and rng.random() < 0.6
        split: Split = "heldout" if is_held else "train"
        template = rng.choice(rng.choice(_by_completeness(self.language, intent, split, not has_gap, may_be_whole)))
        slots = self._slots(intent)
        if not is_complete and not has_gap:
            slots.vague = self._vague_field(template, needed)
            if slots.vague is None:
                template = rng.choice(rng.choice(_by_completeness(self.language, intent, split, False, may_be_whole)))
        pieces = self._fill(template, slots)
        values = slots.values
        if intent in MOVES:
            pieces = self._with_clauses(intent, pieces, values)
        missing = tuple(name for name in needed if name not in values)
        action: a.Action
        if missing:
            action = a.Clarify.model_validate({"want": intent, "missing": missing})
        else:
            action = _build(_WHOLE[intent], values)
        return Said(pieces, action, template.source, template.is_whole, values)

    def _vague_field(self, template: Template, needed: tuple[str, ...]) -> str | None:
        """A field of the template that can be said vaguely where it stands. One that stands twice cannot."""
        sayable = [
            FIELD_OF.get(slot, slot)
            for slot in sorted(template.slots)
            if slot in ("amount", "amount_get", "to", "vault", "asset", "pay", "get")
            and FIELD_OF.get(slot, slot) in needed
            and template.source.count(f"{{{slot}}}") == 1
            and not re.search(rf"\{{{slot}\}}(/| ?<?vault)", template.source)
        ]
        if sayable:
            return self.rng.choice(sayable)
        return None

    def _with_clauses(self, intent: str, pieces: list[Piece], values: dict[str, Any]) -> list[Piece]:
        space = [Piece(" ")] if self.language == "en" else []
        clauses = self._slots(intent)
        if "chain" not in values and self.rng.random() < 0.18:
            said = self._fill(self.rng.choice(self._templates("chain")), clauses)
            pieces = [*pieces, *space, *said] if self.language == "en" else [*said, *pieces]
        if intent == "swap" and "slippage" not in values and self.rng.random() < 0.15:
            pieces = [*pieces, *space, *self._fill(self.rng.choice(self._templates("slippage")), clauses)]
        values.update(clauses.values)
        return pieces

    def question(self, topic: str) -> Said:
        template = self.rng.choice(self._templates(f"question.{topic}", is_main=True))
        slots = self._slots()
        pieces = self._fill(template, slots)
        term = slots.values.pop("term", None)
        action = _build(a.Question, {"topic": topic, **slots.values})
        return Said(pieces, action, template.source, True, term=term)

    def refused(self, why: str) -> Said:
        template = self.rng.choice(self._templates(f"refuse.{why}", is_main=True))
        pieces = self._fill(template, self._slots("refuse"))
        return Said(pieces, a.Refuse.model_validate({"why": why}), template.source, True)

    def unclear(self) -> Said:
        template = self.rng.choice(self._templates("unclear", is_main=True))
        return Said(self._fill(template, self._slots()), a.Clarify(missing=("action",)), template.source, True)

    def noise(self) -> Said:
        """What no one can read."""
        text = "".join(self.rng.choices(_NOISE, k=min(self.rng.randint(1, 30), self.rng.randint(1, 30))))
        return Said([Piece(text, is_wording=False)], a.Clarify(missing=("action",)), "", True)

    def automation(self, gap: str | None = None) -> Said:
        """With ``gap``, "when", "value", "then" or a "move" that lacks something is what is missing."""
        rng = self.rng
        is_timed = gap in (None, "move") and rng.random() < 0.4
        frame = f"automation.{gap}" if gap in ("when", "value", "then") else "schedule" if is_timed else "automation"
        template = rng.choice(self._templates(frame, is_main=True))
        is_notice = gap is None and rng.random() < (0.1 if is_timed else 0.25)
        inner = None if is_notice else self.request(
            rng.choice(("swap", "swap", *MOVES)), is_complete=gap != "move", is_main=False, may_be_whole=False
        )  # fmt: skip
        slots = self._slots()
        trigger: a.Trigger | None = None

        def part(name: str) -> Sequence[Piece]:
            nonlocal trigger
            if name == "then":
                return inner.pieces if inner else self._fill(rng.choice(self._templates("notify")), slots)
            if name == "trigger":
                said, trigger = self._time_trigger() if is_timed else self._trigger()
                return said
            return slots(name)

        pieces = self._fill(template, part)
        missing: tuple[str, ...] = (gap,) if gap in ("when", "value", "then") else ()
        if inner and isinstance(inner.action, a.Clarify):
            missing = inner.action.missing
        if missing or trigger is None:
            clarify = a.Clarify.model_validate({"want": "automation", "missing": missing})
            return Said(pieces, clarify, template.source, template.is_whole)
        given, limits = self._given(pieces, is_timed), self._limits(pieces)
        then = inner.action if inner else a.Notify()
        action = a.Automation.model_validate({"when": trigger, "given": given, "then": then, "limits": limits})
        return Said(pieces, action, template.source, template.is_whole)

    def _trigger(self) -> tuple[list[Piece], a.Trigger]:
        if self.rng.random() < 0.1:
            slots = self._slots()
            pieces = self._fill(self.rng.choice(self._templates("event")), slots)
            return pieces, _build(a.EventTrigger, slots.values)
        return self._condition(self.rng.choice(("price", "price", "price", "balance", "gas", "health")))

    def _condition(self, kind: str) -> tuple[list[Piece], a.Condition]:
        goes = self.rng.choice(("above", "below", "up", "down") if kind == "price" else ("above", "below"))
        slots = self._slots(kind)
        pieces = self._fill(self.rng.choice(self._templates(f"{kind}.{goes}")), slots)
        return pieces, _build(_LEVEL_TRIGGERS[kind], {"goes": goes, **slots.values})

    def _time_trigger(self) -> tuple[list[Piece], a.Trigger]:
        is_date = self.rng.random() < 0.2
        while True:
            slots = self._slots()
            pieces = self._fill(self.rng.choice(self._templates("date" if is_date else "time")), slots)
            if "at" not in slots.values or not slots.values.get("every", "").endswith(("min", "h")):
                break  # "every 30 minutes at 8:00" says nothing
        return pieces, _build(a.DateTrigger if is_date else a.TimeTrigger, slots.values)

    def _given(self, pieces: list[Piece], is_timed: bool) -> tuple[a.Condition, ...] | None:
        """Adds a condition to ``pieces``, sometimes."""
        if self.rng.random() > (0.15 if is_timed else 0.1):
            return None
        said, condition = self._condition(self.rng.choice(("price", "gas", "balance")))
        self._append(pieces, "given", lambda name: said)
        return (condition,)

    def _limits(self, pieces: list[Piece]) -> a.Limits | None:
        """Adds a limit to ``pieces``, sometimes."""
        if self.rng.random() > 0.2:
            return None
        slots = self._slots()
        self._append(pieces, f"limit.{self.rng.choice(('runs', 'total', 'until', 'gas'))}", slots)
        limits: a.Limits = _build(a.Limits, slots.values)
        return limits

    def _append(self, pieces: list[Piece], name: str, slot: Callable[[str], Sequence[Piece]]) -> None:
        space = [Piece(" ")] if self.language == "en" else []
        pieces += [*space, *self._fill(self.rng.choice(self._templates(name)), slot)]

    def hidden(self, kind: str) -> Said:
        """Text with an order in it that is not the user's: beside a request ("hidden"), asked about, or alone."""
        template = self.rng.choice(self._templates(kind, is_main=True))
        inner = self.request(self.rng.choice(tuple(MOVES)), is_main=False, may_be_whole=False)
        attacker = self._slots()
        injected: list[Piece] = []

        def part(name: str) -> Sequence[Piece]:
            if name == "core":
                return inner.pieces
            if self.rng.random() < FORGED_SHARE:
                forged = self.request(self.rng.choice(tuple(MOVES)), is_main=False).action
                injected.append(Piece(self.rng.choice(_FORGED).format(a.canonical(forged)), is_wording=False))
            else:
                injected.extend(self._fill(self.rng.choice(self._templates("order")), order))
            return injected

        def order(name: str) -> Sequence[Piece]:
            return self._fill(self.rng.choice(self._templates("attack")), attacker)

        pieces = self._fill(template, part)
        action: a.Action
        if kind == "hidden":
            action = inner.action
        elif kind == "hidden.ask":
            action = a.Question(topic="explain")
        else:
            action = a.Clarify(missing=("action",))
        text = "".join(piece.text for piece in injected)
        return Said(pieces, action, template.source, True, injected=text)

    def reply(self, want: str, missing: tuple[str, ...], known: Mapping[str, Any]) -> tuple[list[Piece], a.Action]:
        """The user's answer to a ``Clarify`` of ``want``, and the action it completes."""
        slots = self._slots(want)
        slots.values.update(known)
        pieces: list[Piece] = []
        for name in missing:
            if pieces:
                pieces.append(Piece(", " if self.language == "en" else "，"))
            pieces += self._fill(self.rng.choice(self._templates(f"reply.{name}")), slots)
        return pieces, _build(_WHOLE[want], slots.values)

    def dressed(self, said: Said) -> list[Piece]:
        """The request in a frame ("could you ..."), with small talk around it, sometimes."""
        pieces, rng = said.pieces, self.rng
        if not said.is_whole:
            core = pieces
            pieces = self._fill(rng.choice(self._templates("frame")), lambda name: core)
        space = [Piece(" ")] if self.language == "en" else []
        if rng.random() < 0.1:
            pieces = [*self._fill(rng.choice(self._templates("before")), self._slots()), *space, *pieces]
        if rng.random() < 0.08:
            pieces = [*pieces, *space, *self._fill(rng.choice(self._templates("after")), self._slots())]
        return pieces


def _build(kind: Any, values: Mapping[str, Any]) -> Any:
    """A model of ``kind`` of those values that are its fields."""
    return kind.model_validate({name: value for name, value in values.items() if name in kind.model_fields})
