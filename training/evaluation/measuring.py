"""One model measured whole: what it answers to held-out requests and bad input, and how well it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from moray.agents.words.own import shown_words
from moray.errors import BadSetting
from moray.experts.source import ModelSource, open_model
from moray.router.task_gateway import TaskGateway
from moray.router.tokenizer import ModelTokenizer
from moray.training.data.bad_input import BadInput
from moray.training.evaluation.asking import PATIENCE_S, Gateway, Reply
from moray.training.evaluation.bad_answers import BadAnswer
from moray.training.evaluation.exact_match import count_matches, is_match
from moray.training.evaluation.held_out import HeldOut
from moray.training.evaluation.mtp import MtpModel, guesses
from moray.training.evaluation.passages import passages
from moray.training.evaluation.reading import Reader, perplexities
from moray.training.evaluation.report import DECODINGS, Decoding, ModelReport, Rate
from moray.training.tokenizer import messages_of

T = TypeVar("T")


class Track(Protocol):
    """The same items, and somebody sees how far it is."""

    def __call__(self, items: Iterable[T], what: str, total: int) -> Iterable[T]: ...


@dataclass(frozen=True, slots=True)
class Answered:
    """To each of the held-out requests, in their order."""

    replies: Mapping[Decoding, Sequence[Reply]]
    are_right: Mapping[Decoding, Sequence[bool]]


def open_measurable(folder: Path) -> ModelSource:
    """Raises BadCheckpoint, and BadSetting for a model that was not taught to chat."""
    source = open_model(folder)
    if not ModelTokenizer.load(folder).can_chat:
        raise BadSetting(f"{folder} has no chat template, so nobody can ask it for an action; add chat_template.jinja")
    return source


def open_with_mtp(folder: Path) -> ModelSource:
    """Raises BadSetting for a model without the head, or whose weights are no floats, and as ``open_measurable``."""
    source = open_measurable(folder)
    if not source.architecture.num_mtp_layers or source.numeric_class != "float32":
        raise BadSetting(f"{folder} is no float checkpoint with an MTP layer; give --mtp the one that was trained")
    return source


def find_gateway(url: str, source: ModelSource, concurrency: int) -> Gateway:
    """Raises BadSetting when it serves another model than the one that is read here, DownloadFailed."""

    async def ask() -> Gateway:
        asked = TaskGateway(url, PATIENCE_S)
        try:
            facts = await asked.facts()
        finally:
            await asked.close()
        if facts.model_id.hex() != source.model_id:
            raise BadSetting(
                f"{url} serves {facts.model_name}, which is not the model in {source.folder}; give its folder"
            )
        return Gateway(asked.url, facts.model_name, concurrency)

    return asyncio.run(ask())


def ask_requests(gateway: Gateway, held_out: HeldOut, label: str, track: Track) -> Answered:
    conversations = [messages_of(example)[:-1] for example in held_out.requests]
    replies = {
        decoding: list(
            track(gateway.ask_all(conversations, decoding), f"{label}: requests, {decoding}", len(conversations))
        )
        for decoding in DECODINGS
    }
    are_right = {
        decoding: [is_match(*pair, decoding) for pair in zip(held_out.requests, replies[decoding], strict=True)]
        for decoding in DECODINGS
    }
    return Answered(replies, are_right)


def ask_bad_input(gateway: Gateway, cases: Sequence[BadInput], track: Track) -> dict[Decoding, list[BadAnswer]]:
    """To each of the cases, in their order."""
    whole = [case.text for case in cases]
    shown = [shown_words(case.text) for case in cases]
    apart = sorted({text for text, original in zip(shown, whole, strict=True) if text not in ("", original)})
    found = dict[Decoding, list[BadAnswer]]()
    for decoding in DECODINGS:
        asked = [[{"role": "user", "content": text}] for text in (*whole, *apart)]
        replies = list(track(gateway.ask_all(asked, decoding), f"bad input, {decoding}", len(asked)))
        by_text = {"": Reply(refusal="nothing was said")} | dict(zip(apart, replies[len(whole) :], strict=True))
        found[decoding] = [
            BadAnswer(reply, by_text.get(text, reply)) for reply, text in zip(replies, shown, strict=False)
        ]
    return found


def read_and_report(
    source: ModelSource, held_out: HeldOut, answered: Answered, label: str, through: str, track: Track
) -> ModelReport:
    texts = list(passages(held_out, ModelTokenizer.load(source.folder)))
    reader = Reader(source)
    read = list(track(reader.read(texts), f"{label}: reading", len(texts)))
    return ModelReport(
        label=label,
        model_id=source.model_id,
        numeric_class=source.numeric_class,
        through=through,
        matches=tuple(
            match
            for decoding in DECODINGS
            for match in count_matches(held_out.requests, answered.are_right[decoding], decoding)
        ),
        perplexity=tuple(perplexities(texts, read)),
        load=reader.load(),
    )


def mtp_acceptance(model: MtpModel, held_out: HeldOut, tokenizer: ModelTokenizer, track: Track) -> Rate:
    """On the answers."""
    answers = [passage for passage in passages(held_out, tokenizer) if passage.text == "answers"]
    counts = list(track(guesses(model, answers), "MTP head: guessing", len(answers)))
    return Rate(hits=sum(hits for hits, _ in counts), num=sum(num for _, num in counts))
