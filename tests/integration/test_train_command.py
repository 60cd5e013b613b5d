"""`moray train` as a process: killed, interrupted, gone on with, done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from moray.training.checkpoints import LOG
from moray.training.run import FIGURES, MODEL, Run
from training_kit import TINY, tiny

pytestmark = pytest.mark.integration
NUM_STEPS = 40  # many more than are taken between a step's line and the signal


def start(config: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "moray.cli", "train", str(config), "--out", str(folder)]
    return subprocess.Popen(
        [*command, "--threads", "1", "--device", "cpu", "--json"],
        env=os.environ | {"RAYON_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def signalled(process: subprocess.Popen[str], last_step: int, number: int) -> tuple[int, str, str]:
    """Sends the signal as soon as the step is told. Returns the first line told, the error output and what is left."""
    assert process.stdout is not None
    first = process.stdout.readline()
    line = first
    while json.loads(line)["step"] < last_step:
        line = process.stdout.readline()
    process.send_signal(number)
    rest, errors = process.communicate(timeout=300)
    return json.loads(first)["step"], errors, rest


def log_of(folder: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "duration_s"} for line in lines]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_run_that_is_killed_and_interrupted_ends_with_the_bits_of_an_unbroken_one(tmp_path: Path) -> None:
    config, broken, whole = tmp_path / "tiny.yaml", tmp_path / "broken", tmp_path / "whole"
    config.write_text(TINY.read_text().replace("steps: 12", f"steps: {NUM_STEPS}"))
    killed = start(config, broken)
    assert signalled(killed, 5, signal.SIGKILL)[0] == 0 and killed.returncode == -signal.SIGKILL
    interrupted = start(config, broken)
    first, errors, _ = signalled(interrupted, 9, signal.SIGINT)
    assert first >= 4 and first % 4 == 0  # where it was saved last
    assert interrupted.returncode == 130 and f"go on with: moray train {config} --out {broken}" in errors
    assert "Traceback" not in errors and not (broken / MODEL).exists()
    output, errors = (last := start(config, broken)).communicate(timeout=600)
    assert last.returncode == 0, errors
    told = [json.loads(line) for line in output.splitlines()]
    assert told[0]["step"] >= 10 and told[-1]["folder"] == str(broken / MODEL)
    assert told[-1] == json.loads((broken / FIGURES).read_text()) | {"folder": str(broken / MODEL)}

    run = Run(tiny(steps=NUM_STEPS), whole, torch.device("cpu"))
    assert [report.step for report in run.steps()] == list(range(NUM_STEPS))
    run.finish(10.0)
    assert log_of(broken) == log_of(whole)
    weights = "model/model.safetensors"
    assert (broken / weights).read_bytes() == (whole / weights).read_bytes()


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(TINY.read_text().replace("steps: 12", "steps: none"))
    process = start(bad, tmp_path / "out")
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 2 and output == ""
    assert len(errors.strip().splitlines()) == 1 and "steps" in errors
    assert not (tmp_path / "out").exists()
