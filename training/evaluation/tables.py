"""A report as tables of text: for the terminal, and in Markdown for a model card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from moray.training.evaluation.report import Rate, Report

FIRST_GROUPS = ("all", "clarify", "refuse")


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(report: Report) -> Iterator[Table]:
    """Without those that would be empty."""
    made = (_matches(report), _kinds(report), _differences(report), _bad_input(report), _perplexity(report),
            _load(report), _mtp(report))  # fmt: skip
    yield from (table for table in made if table.rows)


def markdown(report: Report) -> str:
    return "\n\n".join(map(_in_markdown, tables(report))) + "\n"


def percent(rate: Rate | None) -> str:
    """With its interval; of nothing, a dash."""
    if rate is None:
        return "-"
    return f"{rate.share:.1%} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def _matches(report: Report) -> Table:
    rows = [
        (model.label, model.through, match.decoding, match.language,
         *(percent(match.groups.get(group)) for group in FIRST_GROUPS), str(match.groups["all"].num))
        for model in report.models
        for match in model.matches
    ]  # fmt: skip
    title = f"Exact match of the whole action on {report.wording} wording (95 % interval)"
    return Table(title, ("model", "through", "decoding", "language", *FIRST_GROUPS, "examples"), tuple(rows))


def _kinds(report: Report) -> Table:
    matches = report.models[0].matches
    kinds = sorted({group for match in matches for group in match.groups if group not in FIRST_GROUPS})
    columns = tuple(f"{match.language} {match.decoding}" for match in matches)
    rows = tuple((kind, *(percent(match.groups.get(kind)) for match in matches)) for kind in kinds)
    return Table(f"Exact match of {report.models[0].label} by kind of example", ("kind", *columns), rows)


def _differences(report: Report) -> Table:
    rows = tuple(
        (one.against, one.decoding, one.language, f"{one.points_lost:+.2f} ± {one.margin:.2f}",
         str(one.only_this), str(one.only_other))
        for one in report.differences
    )  # fmt: skip
    title = f"Percentage points that {report.models[0].label} is below another model (below 0: above it)"
    return Table(title, ("against", "decoding", "language", "points", "only it is right", "only the other is"), rows)


def _bad_input(report: Report) -> Table:
    rows = list[tuple[str, ...]]()
    for decoding in dict.fromkeys(count.decoding for count in report.bad_input):
        counts = [count for count in report.bad_input if count.decoding == decoding]
        for kind, part in [*((count.kind, [count]) for count in counts), ("all", counts)]:
            num, unasked = sum(count.num for count in part), sum(count.unasked for count in part)
            past_agents = sum(count.past_agents for count in part)
            refused, no_action = sum(count.refused for count in part), sum(count.no_action for count in part)
            rate = percent(Rate(hits=unasked, num=num))
            counted = map(str, (past_agents, refused, no_action))
            rows.append((decoding, kind, str(num), str(unasked), rate, *counted))
    columns = (
        "decoding", "kind", "cases", "unasked", "rate", "past the agents' check", "refused by the gateway", "no action"
    )  # fmt: skip
    return Table("Bad input: actions that the user did not ask for", columns, tuple(rows))


def _perplexity(report: Report) -> Table:
    rows = tuple(
        (model.label, one.text, one.language, f"{one.per_token:,.3f}", f"{one.per_byte:,.3f}", str(one.num_tokens))
        for model in report.models
        for one in model.perplexity
    )
    columns = ("model", "text", "language", "per token", "per byte", "tokens")
    return Table(f"Perplexity on text of {report.wording} wording", columns, rows)


def _load(report: Report) -> Table:
    rows = tuple(
        (model.label, str(layer.layer), f"{layer.busiest_to_mean:.2f}", str(layer.rows.index(max(layer.rows))))
        for model in report.models
        for layer in model.load
    )
    columns = ("model", "layer", "busiest expert to the mean", "which")
    return Table(f"Expert load on text of {report.wording} wording", columns, rows)


def _mtp(report: Report) -> Table:
    rate = report.mtp_acceptance
    rows = ((percent(rate), str(rate.num)),) if rate is not None else ()
    return Table("MTP head: the token after next as the model chooses it", ("accepted", "guesses"), rows)


def _in_markdown(table: Table) -> str:
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return f"**{table.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
