"""Cutting a checkpoint into the backbone and one shard per expert.

Everything is copied as stored, tensor by tensor, so neither the checkpoint nor a shard needs to fit into
memory. A run may be killed at any moment and started again: finished files are kept, and the result has the
same bytes as an undisturbed run's. ``manifest.json`` is written last; without it the folder is not a model.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from moray.errors import BadCheckpoint, BadSetting
from moray.experts.checkpoint import Checkpoint
from moray.experts.manifest import MANIFEST_FILE, Manifest, ManifestFile, build_manifest, encode_manifest
from moray.experts.quantising import WEIGHT_BITS, expert_root, integer_chunks, plan_integer_expert
from moray.experts.shard_journal import (
    JOURNAL_FILE,
    PARTIAL_SUFFIX,
    ShardJournal,
    flush_to_disk,
    put_in_place,
    write_whole,
)
from moray.experts.shard_plan import BACKBONE_FILE_BYTES, PlannedFile, plan_backbone, plan_shards
from moray.experts.shard_writer import digest_chunks, file_chunks
from moray.experts.tokenizer_files import TOKENIZER_FILES
from moray.types import NumericClass

# name of the file being written, bytes done of the whole run, bytes of the whole run
Progress = Callable[[str, int, int], None]

SPARE_BYTES = 64 << 20  # journal, manifest, tokenizer, and room for the file system's own needs


def write_shards(
    source: Path | str,
    out: Path | str,
    progress: Progress | None = None,
    backbone_file_bytes: int = BACKBONE_FILE_BYTES,
    numeric_class: NumericClass = "float32",
) -> Manifest:
    """Shard the Hugging Face checkpoint ``source`` into the folder ``out``, made if need be.

    ``float32`` copies experts as they are stored; ``int8`` and ``int4`` quantise them. The output is a function of the
    checkpoint's tensors and configuration files and of ``backbone_file_bytes``. Raises what Checkpoint.open
    raises; BadSetting when ``out`` holds something else, is another run's, or its disk is too small or fails.
    """
    if (Path(source) / MANIFEST_FILE).exists():
        raise BadCheckpoint(f"{source} is sharded already; give the checkpoint that it was made from")
    checkpoint = Checkpoint.open(source)
    out = Path(out)
    _require_apart(checkpoint.folder, out)
    run_id = str(checkpoint.model_id)
    bits = WEIGHT_BITS.get(numeric_class)
    if bits is None:
        plan = plan_shards(checkpoint.entries, checkpoint.architecture, backbone_file_bytes)
    else:
        arch = checkpoint.architecture
        plan = plan_backbone(checkpoint.entries, arch, backbone_file_bytes)
        plan += [plan_integer_expert(arch, expert_id, bits) for expert_id in range(arch.num_experts)]
        run_id = hashlib.sha256(f"{run_id} {numeric_class}".encode()).hexdigest()
    copies = [checkpoint.folder / name for name in ("config.json", *TOKENIZER_FILES)]
    copies = [path for path in copies if path.is_file()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _only_run(out):
            journal = ShardJournal.open(out, run_id)
            _require_ours(out, {file.name for file in plan} | {path.name for path in copies})
            _require_space(out, plan, journal)
            journal.save()
            files = _write_weights(plan, checkpoint, bits, journal, progress)
            files += [_copy_small(path, out) for path in copies]
            manifest = build_manifest(checkpoint.architecture, files, numeric_class)
            write_whole(out / MANIFEST_FILE, encode_manifest(manifest))
            return manifest
    except OSError as exc:
        raise BadSetting(
            f"{out} cannot be written ({exc.strerror or exc}); free space or choose another folder"
        ) from None


def _write_weights(
    plan: list[PlannedFile],
    checkpoint: Checkpoint,
    bits: int | None,
    journal: ShardJournal,
    progress: Progress | None,
) -> list[ManifestFile]:
    """``bits`` of an expert's weight; None: as they are stored."""
    total = sum(file.size_bytes for file in plan)
    done = 0
    files: list[ManifestFile] = []
    for planned in plan:
        file = journal.finished(planned.name, planned.size_bytes)
        if file is None:
            meter = _Meter(progress, planned.name, done, total)
            if bits is None or planned.expert is None:
                file = _write_file(planned, file_chunks(planned), journal.folder, meter)
            else:
                chunks = integer_chunks(planned, checkpoint.tensor, bits)
                file = _write_file(planned, chunks, journal.folder, meter)
                root = expert_root(journal.folder / planned.name, checkpoint.architecture, planned.expert, bits)
                file = file.model_copy(update={"weight_root": root.hex()})
            journal.record(file)
        done += planned.size_bytes
        if progress is not None:
            progress(planned.name, done, total)
        files.append(file)
    return files


@dataclass
class _Meter:
    progress: Progress | None
    name: str
    done: int
    total: int

    def add(self, num_bytes: int) -> None:
        self.done += num_bytes
        if self.progress is not None:
            self.progress(self.name, self.done, self.total)


def _write_file(planned: PlannedFile, chunks: Iterable[memoryview], out: Path, meter: _Meter) -> ManifestFile:
    path = out / planned.name
    partial = out / (planned.name + PARTIAL_SUFFIX)
    with partial.open("wb") as file:

        def write(chunk: memoryview) -> None:
            file.write(chunk)
            meter.add(len(chunk))

        sha256 = digest_chunks(chunks, write)
        file.flush()
        flush_to_disk(file.fileno())
    put_in_place(partial, path)
    return ManifestFile(
        name=planned.name,
        size_bytes=planned.size_bytes,
        sha256=sha256,
        role="backbone" if planned.expert is None else "expert",
        expert=planned.expert,
    )


def _copy_small(path: Path, out: Path) -> ManifestFile:
    content = path.read_bytes()
    write_whole(out / path.name, content)
    return ManifestFile(
        name=path.name,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        role="config" if path.name == "config.json" else "tokenizer",
    )


@contextmanager
def _only_run(out: Path) -> Iterator[None]:
    """Hold a lock on the folder itself; the system drops it when the process dies, however it dies."""
    descriptor = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadSetting(f"another process is sharding into {out}; wait for it or choose another folder") from None
        yield
    finally:
        os.close(descriptor)


def _require_apart(source: Path, out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise BadSetting(f"{out} is a file; name a folder for the shards")
    if out.resolve() == source.resolve():
        raise BadSetting(f"{out} is the checkpoint itself; name another folder for the shards")


def _require_ours(out: Path, planned: set[str]) -> None:
    found = {path.name for path in out.iterdir()}
    own = planned | {JOURNAL_FILE, MANIFEST_FILE}
    foreign = sorted(found - own - {name + PARTIAL_SUFFIX for name in own})
    if not foreign and found and not found & {JOURNAL_FILE, JOURNAL_FILE + PARTIAL_SUFFIX}:
        foreign = sorted(found)  # a planned name without a journal was put there by somebody else
    if foreign:
        raise BadSetting(f"{out} holds {foreign[0]}, which is not of this run; choose an empty folder")


def _require_space(out: Path, plan: list[PlannedFile], journal: ShardJournal) -> None:
    todo = [file for file in plan if journal.finished(file.name, file.size_bytes) is None]
    if not todo:
        return
    # Half-written files are written over; whole ones without a record stay until a new one replaces them.
    reused = sum(_size(out / (file.name + PARTIAL_SUFFIX)) for file in todo)
    needed = sum(file.size_bytes for file in todo) + SPARE_BYTES - reused
    free = shutil.disk_usage(out).free
    if free < needed:
        raise BadSetting(
            f"{out} needs {needed / 1e9:.1f} GB more and its disk has {free / 1e9:.1f} GB free; "
            "free space or choose another folder"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
