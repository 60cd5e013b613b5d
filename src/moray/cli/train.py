"""``moray train``: make a model from its configuration, or go on making it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from moray.errors import BadSetting

if TYPE_CHECKING:
    import torch

    from moray.training.figures import Figures
    from moray.training.run import Run
    from moray.training.trainer import StepReport

# torch takes seconds to import, so what needs it is imported where it is used.

INTERRUPTED = 130
SPEED_PERIOD_S = 600.0  # that the time left is estimated from; a step takes seconds


def train(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="A model's YAML, as in training/configs.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run; build/NAME if not given. Run again to go on.")
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", min=1, max=64, help="CPU threads; another number gives other bits.")
    ] = 2,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device")] = "auto",
    watts_per_core: Annotated[
        float, typer.Option("--watts-per-core", min=0.0, help="What the energy estimate takes a busy core to draw.")
    ] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per step and one at the end, and no progress.")
    ] = False,
) -> None:
    """Train a model, resuming what its folder holds; at the end the model is in OUT/model. Ctrl-C saves first."""
    os.environ["RAYON_NUM_THREADS"] = str(threads)  # the tokenizer's; read when it starts its own
    import torch

    from moray.training.config import read_config
    from moray.training.run import MODEL, Run

    torch.set_num_threads(1)  # of each thread that computes a batch
    console = Console(stderr=True, quiet=as_json, highlight=False, soft_wrap=True)
    config = read_config(config_file)
    folder = out if out is not None else Path("build") / config.name
    try:
        with console.status("reading the run, or learning a vocabulary to begin one"):
            chosen = _choose_device(device)
            run = Run(config, folder, chosen, num_threads=threads if chosen.type == "cpu" else 1)
        if run.is_resumed:
            console.print(f"going on in {folder}: {run.trainer.step} of {config.steps} steps are there", markup=False)
        is_done = _take_steps(run, console, as_json)
        if not is_done:
            console = Console(stderr=True, highlight=False, soft_wrap=True)
            command = shlex.join(["moray", "train", str(config_file), "--out", str(folder)])
            console.print(f"saved at step {run.trainer.step} of {config.steps}; go on with: {command}", markup=False)
            raise typer.Exit(INTERRUPTED)
        figures = run.finish(watts_per_core)
    except OSError as error:
        raise BadSetting(f"{folder} cannot be used ({error.strerror or error}); free space or give --out") from None
    if as_json:
        print(json.dumps(asdict(figures) | {"folder": str(folder / MODEL)}))
    else:
        _show(figures, folder / MODEL)


def _choose_device(asked: str) -> torch.device:
    import torch

    has_gpu = torch.cuda.is_available()
    if asked == "cuda" and not has_gpu:
        raise BadSetting("no CUDA device is here; give --device cpu")
    if asked == "cpu" or not has_gpu:
        return torch.device("cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses to be deterministic
    return torch.device("cuda")


def _take_steps(run: Run, console: Console, as_json: bool) -> bool:
    """False: asked to stop before the last one, and saved."""
    trainer = run.trainer
    with _progress(console) as bar, _stopping() as is_asked:
        task = bar.add_task("", total=trainer.config.steps, completed=trainer.step, told="first step")
        for report in run.steps():
            if as_json:
                print(json.dumps(asdict(report)), flush=True)
            bar.update(task, completed=trainer.step, told=_tell(report))
            if is_asked.is_set() and trainer.step < trainer.config.steps:
                run.save()
                return False
    return True


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM: a step is never left half taken. A second Ctrl-C ends the process at once; the last
    checkpoint stays."""
    is_asked = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        is_asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield is_asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _progress(console: Console) -> Progress:
    return Progress(
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=SPEED_PERIOD_S,
        disable=console.quiet,
    )


def _tell(report: StepReport) -> str:
    return (
        f"loss {report.loss:.3f}  mtp {report.mtp_loss:.3f}, {report.mtp_acceptance:.0%} accepted  "
        f"busiest expert {report.load:.1f}x  {report.num_tokens / report.duration_s:,.0f} tokens/s"
    )


def _show(figures: Figures, folder: Path) -> None:
    energy = "not known: a GPU computed"
    if figures.energy_wh is not None:
        energy = f"{figures.energy_wh:,.1f} Wh, estimated at {figures.watts_per_core:g} W per busy core"
    rows = [
        ("model", str(folder)),
        ("parameters", f"{figures.num_parameters:,}, {figures.num_active_parameters:,} active per token"),
        ("read", f"{figures.num_tokens:,} tokens in {figures.num_steps:,} steps"),
        ("time", f"{figures.seconds:,.0f} s, {figures.cpu_seconds:,.0f} CPU s, {figures.tokens_per_s:,.0f} tokens/s"),
        ("energy", energy),
        ("loss", f"{figures.loss:.4f}, MTP {figures.mtp_loss:.4f}, {figures.mtp_acceptance:.0%} accepted"),
        ("made by", f"{figures.device}, {figures.num_threads} threads, torch {figures.torch}"),
    ]
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    Console().print(table, highlight=False, markup=False)
