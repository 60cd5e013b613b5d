"""A training run in one folder: begun, or gone on with where it was saved, until the model is there.

While it runs the folder holds tokenizer.json, checkpoint.pt, log.jsonl and spent.json; at the end also model/, the
Hugging Face folder, and training.json, what it cost and came to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from tokenizers import Tokenizer

from moray.errors import BadSetting
from moray.experts.shard_journal import write_whole
from moray.training.checkpoints import CHECKPOINT, LOG, log_step, resume, save_checkpoint
from moray.training.config import TrainingConfig
from moray.training.export import export_model
from moray.training.figures import Figures, Spent, count_parameters, mean_of_last
from moray.training.tokenizer import generated_texts, train_tokenizer
from moray.training.trainer import StepReport, Trainer

TOKENIZER, SPENT, MODEL, FIGURES = "tokenizer.json", "spent.json", "model", "training.json"


class Run:
    """``is_resumed``: the folder held a part of it. Raises BadSetting when the folder is another configuration's or
    cannot be used."""

    def __init__(self, config: TrainingConfig, folder: Path, device: torch.device, num_threads: int = 1) -> None:
        self._folder, self._since = folder, _now()
        self.is_resumed = (folder / CHECKPOINT).exists()
        self._tokenizer = _read_tokenizer(folder / TOKENIZER) if self.is_resumed else _learn_tokenizer(config)
        self.trainer = Trainer(config, self._tokenizer, device, num_threads)
        self._earlier = self._spent = Spent()
        if self.is_resumed:
            resume(self.trainer, folder)
            self._earlier = self._spent = _read_spent(folder / SPENT)
        else:
            self._begin()

    def steps(self) -> Iterator[StepReport]:
        """The steps that are left, each logged when it comes; every so many are saved, and the last."""
        config = self.trainer.config
        for report in self.trainer.run():
            log_step(self._folder, report)
            if self.trainer.step % config.checkpoint_every == 0 or self.trainer.step == config.steps:
                self.save()
            yield report

    def save(self) -> None:
        """To be called between steps."""
        save_checkpoint(self.trainer, self._folder)
        now = _now()
        here = Spent(now.seconds - self._since.seconds, now.cpu_seconds - self._since.cpu_seconds)
        self._spent = self._earlier + here
        write_whole(self._folder / SPENT, json.dumps(asdict(self._spent)).encode())

    def finish(self, watts_per_core: float) -> Figures:
        """Writes the model and its figures, once all steps have been taken; a second time the same ones."""
        trainer, spent = self.trainer, self._spent
        config, device = trainer.config, trainer.device
        export_model(trainer.model, config, self._tokenizer, self._folder / MODEL)
        num_parameters, num_active = count_parameters(config.architecture())
        figures = Figures(
            name=config.name,
            num_steps=trainer.step,
            num_tokens=trainer.num_tokens,
            seconds=spent.seconds,
            cpu_seconds=spent.cpu_seconds,
            tokens_per_s=trainer.num_tokens / spent.seconds if spent.seconds else 0.0,
            watts_per_core=watts_per_core,
            energy_wh=spent.energy_wh(watts_per_core) if device.type == "cpu" else None,
            device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            torch=torch.__version__,
            num_threads=trainer.num_threads,
            num_parameters=num_parameters,
            num_active_parameters=num_active,
            **mean_of_last(self._folder / LOG, ("loss", "mtp_loss", "mtp_acceptance")),
        )
        write_whole(self._folder / FIGURES, (json.dumps(asdict(figures), indent=2) + "\n").encode())
        return figures

    def _begin(self) -> None:
        """The checkpoint of step 0 comes last: from then on tokenizer and log are known to be this run's."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in (LOG, SPENT, FIGURES):
            (self._folder / name).unlink(missing_ok=True)
        write_whole(self._folder / TOKENIZER, self._tokenizer.to_str(pretty=True).encode())
        self.save()


def _learn_tokenizer(config: TrainingConfig) -> Tokenizer:
    vocab_size = config.architecture().vocab_size
    tokenizer = train_tokenizer(generated_texts(config.data.seed, config.data.tokenizer_examples), vocab_size)
    if tokenizer.get_vocab_size() > vocab_size:
        raise BadSetting(
            f"model.vocab_size {vocab_size} has no room for the {tokenizer.get_vocab_size()} tokens "
            "that every vocabulary holds; raise it"
        )
    return tokenizer


def _read_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise BadSetting(f"{path} cannot be read ({error}); remove {path.parent} to begin anew") from None


def _read_spent(path: Path) -> Spent:
    try:
        return Spent(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        raise BadSetting(f"{path} cannot be read; put what the run has cost there, or remove the folder") from None


def _now() -> Spent:
    return Spent(time.perf_counter(), time.process_time())
