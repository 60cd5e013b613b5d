"""``moray eval``: how good a model is, asked through a network as its users ask it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from moray.cli.launch import LaunchOptions, launch
from moray.cli.network import JsonOption, terminated_as_interrupt
from moray.errors import BadSetting
from moray.nodes.network import stop_network
from moray.quoting import quoted

if TYPE_CHECKING:
    from moray.experts.source import ModelSource
    from moray.training.evaluation.report import Report

T = TypeVar("T")

QUICK = 50
MAX_SHOWN_CHARACTERS = 600  # of a wrong answer


def evaluate(
    model: Annotated[Path, typer.Argument(help="A checkpoint in Hugging Face format or a sharded folder.")],
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="A gateway that serves MODEL already; otherwise one is started.")
    ] = "",
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="LABEL=DIR", help="Another model on the same examples, without a network."),
    ] = None,
    mtp: Annotated[
        Path | None,
        typer.Option("--mtp", metavar="DIR", help="Measure the MTP head of this float checkpoint."),
    ] = None,
    examples: Annotated[
        int, typer.Option("--examples", min=1, max=1_000_000, help="Requests of each language.")
    ] = 1000,
    wording: Annotated[
        Literal["held-out", "known"],
        typer.Option("--wording", help="Templates and words never trained on, or fresh examples of those that were."),
    ] = "held-out",
    is_quick: Annotated[bool, typer.Option("--quick", help=f"{QUICK} of them.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same examples.")] = 0,
    nodes: Annotated[int, typer.Option("--nodes", min=1, max=64, help="Expert nodes to start.")] = 2,
    replicas: Annotated[int, typer.Option("--replicas", min=1, help="Running copies of each expert.")] = 1,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=64, help="Requests at a time.")] = 32,
    show_errors: Annotated[
        int, typer.Option("--show-errors", min=0, metavar="N", help="Wrong answers to show of each decoding.")
    ] = 5,
    card: Annotated[
        Path | None, typer.Option("--card", metavar="FILE", help="Also write the tables there, in Markdown.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure MODEL on requests, bad input and text, with its experts on the nodes of a network."""
    from moray.training.evaluation.evaluation import Plan, evaluate_model
    from moray.training.evaluation.measuring import open_measurable, open_with_mtp
    from moray.training.evaluation.tables import markdown

    if card is not None and not card.absolute().parent.is_dir():
        raise BadSetting(f"{card.absolute().parent} is not a folder; give --card a file in one that exists")
    source = open_measurable(model)
    plan = Plan(
        per_language=QUICK if is_quick else examples,
        seed=seed,
        wording=wording,
        others={label: open_measurable(folder) for label, folder in labelled(against or ()).items()},
        mtp=open_with_mtp(mtp) if mtp is not None else None,
        num_shown=show_errors,
        concurrency=concurrency,
    )
    console = Console(stderr=True, quiet=as_json)
    with (
        terminated_as_interrupt(),
        _gateway(source, url, nodes, replicas, console) as (gateway_url, through),
        _progress(console) as progress,
    ):

        def track(items: Iterable[T], what: str, total: int) -> Iterable[T]:
            return progress.track(items, total=total, description=what)

        report = evaluate_model(source, gateway_url, through, plan, track)
    if card is not None:
        card.write_text(markdown(report), encoding="utf-8")
    if as_json:
        print(report.model_dump_json())
    else:
        show(report)


def labelled(texts: Sequence[str]) -> dict[str, Path]:
    """Raises BadSetting for what is not LABEL=DIR, or has a label twice."""
    folders = dict[str, Path]()
    for text in texts:
        label, _, folder = text.partition("=")
        if not label or not folder or label in folders:
            raise BadSetting(f"--against {text}: give LABEL=DIR, such as float=checkpoint, each label once")
        folders[label] = Path(folder)
    return folders


@contextmanager
def _gateway(source: ModelSource, url: str, nodes: int, replicas: int, console: Console) -> Iterator[tuple[str, str]]:
    """Its URL and what it stands for: ``url``, or a network that ends with the block and leaves nothing."""
    if url:
        yield url, "a running network"
        return
    with tempfile.TemporaryDirectory(prefix="moray-eval-") as scratch:
        experts_each = -(-source.architecture.num_experts // nodes)
        state_dir = Path(scratch) / "state"
        options = LaunchOptions(source.folder, nodes, replicas, experts_each, "127.0.0.1", 0, 0, state_dir)
        with console.status("starting a network") as line:
            record = launch(options, line.update)
        try:
            with terminated_as_interrupt():  # again: Ray has put a handler of its own in its place
                yield record.url, f"a network of {nodes} nodes"
        finally:
            with console.status("stopping the network"):
                stop_network(record)


def show(report: Report) -> None:
    from moray.training.evaluation.tables import tables

    console = Console()
    for made in tables(report):
        table = Table(*made.columns, title=made.title, title_justify="left", box=None, padding=(0, 2))
        for row in made.rows:
            table.add_row(*map(escape, row))
        console.print(table, "", highlight=False)
    for mistake in report.mistakes:
        lines = (f"{mistake.decoding}, {mistake.kind}: {mistake.request}", mistake.expected, mistake.got)
        asked, expected, got = (quoted(line, MAX_SHOWN_CHARACTERS) for line in lines)
        console.print(f"{asked}\n  expected {expected}\n  got      {got}", markup=False, highlight=False)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)
