"""The whole evaluation: one model through a gateway, others beside it, on the same examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from moray.experts.source import ModelSource
from moray.router.tokenizer import ModelTokenizer
from moray.training.data.bad_input import bad_inputs
from moray.training.evaluation.bad_answers import count_bad_input, unasked
from moray.training.evaluation.exact_match import differences, mistakes
from moray.training.evaluation.held_out import HeldOut, held_out
from moray.training.evaluation.local_gateway import local_gateway
from moray.training.evaluation.measuring import (
    Answered,
    Track,
    ask_bad_input,
    ask_requests,
    find_gateway,
    mtp_acceptance,
    read_and_report,
)
from moray.training.evaluation.report import DECODINGS, Difference, ModelReport, Report, Wording
from moray.training.model import load_model


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured, beside the model: all that a report depends on."""

    per_language: int
    seed: int
    wording: Wording
    others: Mapping[str, ModelSource]  # by label, answered in this process
    mtp: ModelSource | None  # a float checkpoint whose MTP head is measured
    num_shown: int  # wrong answers of each decoding
    concurrency: int  # requests at a time


def evaluate_model(source: ModelSource, url: str, through: str, plan: Plan, track: Track) -> Report:
    """``url`` is of a gateway that serves ``source``; ``through`` says what it stands for. Raises BadSetting when it
    serves something else, DownloadFailed when it fails, and what loading a model raises."""
    chosen = held_out(plan.seed, plan.per_language, "train" if plan.wording == "known" else "heldout")
    gateway = find_gateway(url, source, plan.concurrency)
    name, cases = source.folder.absolute().name, list(bad_inputs(plan.seed))
    answered = ask_requests(gateway, chosen, name, track)
    to_bad_input = ask_bad_input(gateway, cases, track)
    models = [read_and_report(source, chosen, answered, name, through, track)]
    apart = list[Difference]()
    for label, other in plan.others.items():
        theirs, measured = _measure_other(label, other, chosen, plan.concurrency, track)
        models.append(measured)
        apart += _differences(chosen, answered, theirs, label)
    acceptance = None
    if plan.mtp is not None:
        tokenizer = ModelTokenizer.load(plan.mtp.folder)
        acceptance = mtp_acceptance(load_model(plan.mtp.folder), chosen, tokenizer, track)
    return Report(
        seed=plan.seed,
        per_language=plan.per_language,
        wording=plan.wording,
        models=tuple(models),
        differences=tuple(apart),
        bad_input=tuple(
            count for decoding in DECODINGS for count in count_bad_input(cases, to_bad_input[decoding], decoding)
        ),
        mtp_acceptance=acceptance,
        mistakes=tuple(
            mistake
            for decoding in DECODINGS
            for found in (
                mistakes(chosen.requests, answered.replies[decoding], answered.are_right[decoding], decoding),
                unasked(cases, to_bad_input[decoding], decoding),
            )
            for mistake in islice(found, plan.num_shown)
        ),
    )


def _measure_other(
    label: str, other: ModelSource, chosen: HeldOut, concurrency: int, track: Track
) -> tuple[Answered, ModelReport]:
    with local_gateway(other.folder) as url:
        theirs = ask_requests(find_gateway(url, other, concurrency), chosen, label, track)
    return theirs, read_and_report(other, chosen, theirs, label, "one process", track)


def _differences(chosen: HeldOut, this: Answered, other: Answered, label: str) -> Iterator[Difference]:
    for decoding in DECODINGS:
        yield from differences(chosen.requests, this.are_right[decoding], other.are_right[decoding], label, decoding)
