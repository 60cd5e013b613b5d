"""A run's folder: gone on with where it was saved, refused when it is another's, never executed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from moray.errors import BadSetting
from moray.training.checkpoints import CHECKPOINT, LOG
from moray.training.run import FIGURES, MODEL, SPENT, TOKENIZER, Run
from training_kit import tiny

CPU = torch.device("cpu")


def log_of(folder: Path) -> list[dict[str, Any]]:
    """Without what no two runs have in common."""
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "duration_s"} for line in lines]


def weights_of(folder: Path) -> bytes:
    return (folder / MODEL / "model.safetensors").read_bytes()


def take(run: Run, num_steps: int) -> None:
    for _, _ in zip(range(num_steps), run.steps(), strict=False):
        pass


def test_a_broken_run_ends_with_the_bits_of_an_unbroken_one(tmp_path: Path) -> None:
    config = tiny(steps=7)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run = Run(config, whole, CPU)
    assert not run.is_resumed
    take(run, 7)
    figures = run.finish(10.0)
    take(Run(config, broken, CPU), 6)  # of which two are not saved
    assert len(log_of(broken)) == 6
    again = Run(config, broken, CPU)
    assert again.is_resumed and again.trainer.step == 4 == len(log_of(broken))
    take(again, 3)
    again.finish(10.0)
    assert log_of(broken) == log_of(whole) and weights_of(broken) == weights_of(whole)
    assert figures.num_steps == 7 and figures.num_tokens == sum(line["num_tokens"] for line in log_of(whole))
    assert figures.loss == pytest.approx(sum(line["loss"] for line in log_of(whole)) / 7)
    assert figures.energy_wh == pytest.approx(figures.cpu_seconds * 10.0 / 3600)
    spent = json.loads((whole / SPENT).read_text())
    assert figures.cpu_seconds == spent["cpu_seconds"] > 0
    done = Run(config, whole, CPU)
    take(done, 1)
    assert done.finish(10.0) == figures  # nothing was left, and nothing more was spent
    assert json.loads((whole / FIGURES).read_text())["loss"] == figures.loss


def test_a_run_of_another_configuration_is_refused_and_kept(tmp_path: Path) -> None:
    Run(tiny(), tmp_path, CPU)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(BadSetting, match="another configuration"):
        Run(tiny(seed=2), tmp_path, CPU)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_a_run_left_that_never_began_is_not_taken_over(tmp_path: Path) -> None:
    for name in (TOKENIZER, LOG, SPENT, FIGURES):
        (tmp_path / name).write_text("of another run")
    run = Run(tiny(steps=1), tmp_path, CPU)
    take(run, 1)
    assert not run.is_resumed and len(log_of(tmp_path)) == 1
    assert run.finish(1.0).num_steps == 1


class Hostile:
    """Unpickling it would write a file."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self._target, "run")


@pytest.mark.parametrize("kind", ["pickle", "torch", "cut", "empty", "other"])
def test_a_checkpoint_that_is_hostile_or_damaged_is_refused_and_runs_nothing(kind: str, tmp_path: Path) -> None:
    folder, target = tmp_path / "run", tmp_path / "ran"
    Run(tiny(), folder, CPU)
    path = folder / CHECKPOINT
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Hostile(target)))
    elif kind == "torch":
        torch.save({"config": Hostile(target), "trainer": {}}, path)
    elif kind == "other":
        torch.save([1, 2], path)
    else:
        path.write_bytes(path.read_bytes()[: 1000 if kind == "cut" else 0])
    with pytest.raises(BadSetting, match="cannot be read") as refused:
        Run(tiny(), folder, CPU)
    assert not target.exists() and "\n" not in str(refused.value)


def test_a_tokenizer_that_is_gone_is_told(tmp_path: Path) -> None:
    Run(tiny(), tmp_path, CPU)
    (tmp_path / TOKENIZER).unlink()
    with pytest.raises(BadSetting, match=r"tokenizer\.json cannot be read"):
        Run(tiny(), tmp_path, CPU)


def test_a_vocabulary_without_room_for_the_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="vocab_size 100 has no room"):
        Run(tiny(model={"vocab_size": 100}), tmp_path / "run", CPU)
    assert not (tmp_path / "run").exists()
