"""A run on disk: the whole state in one file that is never half written, and a line of JSON per step.

``kill -9`` at any moment costs the steps since the last checkpoint; those are taken again, with the same bits.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import torch

from moray.errors import BadSetting
from moray.files import write_private
from moray.training.trainer import StepReport, Trainer

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"


def save_checkpoint(trainer: Trainer, folder: Path) -> None:
    content = io.BytesIO()
    torch.save({"config": trainer.config.model_dump_json(), "trainer": trainer.state()}, content)
    write_private(folder / CHECKPOINT, content.getvalue())


def resume(trainer: Trainer, folder: Path) -> bool:
    """Sets ``trainer`` to where the run in ``folder`` was saved, and drops the log's lines from then on. False: nothing
    was. Raises BadSetting when the run is another configuration's or cannot be read."""
    path = folder / CHECKPOINT
    if not path.exists():
        return False
    try:
        saved = torch.load(path, map_location=trainer.device, weights_only=True)  # runs no code
        config, state = saved["config"], saved["trainer"]
    except Exception as error:  # torch raises what its readers do
        raise BadSetting(f"{path} cannot be read ({type(error).__name__}); remove it to begin anew") from None
    if config != trainer.config.model_dump_json():
        raise BadSetting(f"{folder} holds a run of another configuration; give another folder, or remove it")
    trainer.load(state)
    _keep_log(folder / LOG, trainer.step)
    return True


def log_step(folder: Path, report: StepReport) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(report)) + "\n")


def _keep_log(path: Path, num_steps: int) -> None:
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        write_private(path, "".join(lines[:num_steps]).encode())
