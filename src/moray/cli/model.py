"""``moray model``: cut a checkpoint into shards, and look at a model folder.

Results go to stdout, progress to stderr. A MorayError propagates: the root app prints its one line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from moray.cli import register
from moray.errors import BadSetting

if TYPE_CHECKING:
    from moray.experts.inspection import ModelReport
    from moray.experts.manifest import Manifest
    from moray.types import NumericClass

# torch takes seconds to import, so what needs it is imported where it is used.

app = typer.Typer(name="model", help="Models: shard a checkpoint, inspect a folder, register it.", no_args_is_help=True)
app.command("register")(register.register)

CheckpointArgument = Annotated[Path, typer.Argument(help="Folder in Hugging Face format (config.json, *.safetensors).")]
ShardsArgument = Annotated[Path, typer.Argument(help="Folder to write the shards into; run again to continue.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and no progress.")]


@app.command("shard")
def shard(
    checkpoint: CheckpointArgument,
    out: ShardsArgument,
    as_json: JsonOption = False,
) -> None:
    """Cut a checkpoint into a backbone and one shard per expert, as stored, with a manifest."""
    _write(checkpoint, out, "float32", as_json)


@app.command("quantize")
def quantize(
    checkpoint: CheckpointArgument,
    out: ShardsArgument,
    bits: Annotated[int, typer.Option("--bits", help="Bits of a weight: 8, or 4 for half the size.")] = 8,
    as_json: JsonOption = False,
) -> None:
    """Cut a checkpoint like `shard`, with experts of exact integers: the same answer on every machine."""
    if bits not in (8, 4):
        raise BadSetting(f"weights of {bits} bits are not made; give --bits 8 or --bits 4")
    _write(checkpoint, out, "int8" if bits == 8 else "int4", as_json)


def _write(checkpoint: Path, out: Path, numeric_class: NumericClass, as_json: bool) -> None:
    from moray.experts.sharding import write_shards

    with _progress(is_shown=not as_json) as bar:
        task = bar.add_task("reading headers", total=None)

        def advance(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, completed=done, total=total)

        manifest = write_shards(checkpoint, out, advance, numeric_class=numeric_class)
    if as_json:
        print(json.dumps(_shard_result(out, manifest)))
        return
    console = Console()
    console.print(f"{len(manifest.files)} files in {out}", highlight=False)
    console.print(f"model id {manifest.model_id}", highlight=False)
    if not any(file.name == "tokenizer.json" for file in manifest.files):
        console.print("the checkpoint has no tokenizer.json: add one and shard again before serving", highlight=False)


@app.command("inspect")
def inspect(
    folder: Annotated[Path, typer.Argument(help="A Hugging Face checkpoint or a sharded folder.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every file that the manifest lists, and integer weights row by row.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a model's architecture, sizes and files. Exits 1 when --verify finds a corrupt file."""
    from moray.experts.inspection import inspect_model

    with _progress(is_shown=verify and not as_json) as bar:
        task = bar.add_task("verifying", total=_manifest_bytes(folder) if verify else None)
        report = inspect_model(folder, verify, lambda name, size: bar.update(task, description=name, advance=size))
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        _print_report(report)
    if not report.is_intact:
        raise typer.Exit(1)


@app.command("random")
def random_model(
    out: Annotated[Path, typer.Argument(help="Folder to write the checkpoint into.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same weights.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make a small model with random weights and a real tokenizer, to try a network with."""
    from moray.experts.random_checkpoint import DEMO_CONFIG, write_random_checkpoint

    if out.exists():
        raise BadSetting(f"{out} exists already; give a folder that does not")
    write_random_checkpoint(out, DEMO_CONFIG, seed)
    if as_json:
        print(json.dumps({"folder": str(out), "seed": seed}))
    else:
        Console().print(f"a random model in {out}; its answers mean nothing", highlight=False)


def _progress(is_shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not is_shown,
    )


def _manifest_bytes(folder: Path) -> int | None:
    from moray.experts.manifest import MAX_MANIFEST_BYTES, read_manifest

    path = folder / "manifest.json"
    if not path.is_file() or path.stat().st_size > MAX_MANIFEST_BYTES:
        return None
    return sum(file.size_bytes for file in read_manifest(folder).files)


def _shard_result(out: Path, manifest: Manifest) -> dict[str, object]:
    return {
        "folder": str(out),
        "model_id": manifest.model_id,
        "numeric_class": manifest.numeric_class,
        "weight_root": manifest.weight_root,
        "num_experts": manifest.architecture.num_experts,
        "num_files": len(manifest.files),
        "size_bytes": sum(file.size_bytes for file in manifest.files),
        "has_tokenizer": any(file.name == "tokenizer.json" for file in manifest.files),
    }


def _print_report(report: ModelReport) -> None:
    a = report.architecture
    console = Console()
    table = Table.grid(padding=(0, 2))
    rows = [
        ("folder", f"{report.folder} ({'sharded' if report.is_sharded else 'Hugging Face checkpoint'})"),
        ("model id", report.model_id),
        ("numeric class", report.numeric_class),
        ("weight root", report.weight_root or "none: experts are not integers"),
        (
            "layers",
            f"{a.num_layers} ({a.num_dense_layers} dense), {a.num_mtp_layers} MTP, hidden {a.hidden_size}",
        ),
        ("experts", f"{a.num_experts}, {a.experts_per_token} per token, {a.num_shared_experts} shared"),
        ("context", f"{a.max_position} tokens, vocabulary {a.vocab_size}"),
        ("parameters", f"{_millions(report.num_parameters)} in all"),
        (
            "backbone",
            f"{_millions(report.num_backbone_parameters)}, {_megabytes(report.backbone_bytes)} stored",
        ),
        (
            "one expert",
            f"{_millions(report.num_expert_parameters)}, {_megabytes(report.expert_bytes)} stored",
        ),
    ]
    for label, value in rows:
        table.add_row(label, value)
    console.print(table, highlight=False)
    if not report.files:
        return
    files = Table("file", "size", "SHA-256", "state")
    for file in report.files:
        files.add_row(file.name, _megabytes(file.size_bytes), file.sha256[:16], file.state)
    console.print(files, highlight=False)


def _millions(count: int) -> str:
    return f"{count / 1e9:,.2f} B" if count >= 1e9 else f"{count / 1e6:,.2f} M"


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:,.2f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:,.2f} MB"
