"""Which device experts are computed on, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from integer_kit import any_weights
from moray.cli.launch import LaunchOptions, device_of_experts
from moray.config import Settings, read_settings
from moray.errors import BadSetting
from moray.experts.deployment import ExpertSpec, NodeNames, actor_options
from moray.experts.device import choose_device
from moray.experts.integer import IntegerExpert
from moray.experts.integer_torch import TorchIntegerExpert
from moray.experts.random_checkpoint import TINY_CONFIG, write_random_checkpoint
from moray.experts.sharding import write_shards
from moray.experts.source import open_model
from moray.experts.weights import pack_expert
from moray.types import AskedDevice, Device, NumericClass


@pytest.mark.parametrize(
    ("asked", "numeric_class", "has_gpu", "chosen"),
    [
        ("cpu", "float32", True, "cpu"),
        ("cpu", "int8", True, "cpu"),
        ("cuda", "int8", True, "cuda"),
        ("cuda", "int4", True, "cuda"),
        ("auto", "int8", True, "cuda"),
        ("auto", "int4", False, "cpu"),
        ("auto", "float32", True, "cpu"),
    ],
)
def test_the_device_follows_the_setting_the_class_and_the_machine(
    asked: AskedDevice, numeric_class: NumericClass, has_gpu: bool, chosen: Device
) -> None:
    assert choose_device(asked, numeric_class, has_gpu) == chosen


@pytest.mark.parametrize(
    ("numeric_class", "has_gpu", "line"),
    [("float32", True, "quantise"), ("float32", False, "quantise"), ("int8", False, "no GPU")],
)
def test_what_cannot_be_is_refused_in_one_line(numeric_class: NumericClass, has_gpu: bool, line: str) -> None:
    with pytest.raises(BadSetting, match=f"^MORAY_EXPERT_DEVICE .*{line}") as refused:
        choose_device("cuda", numeric_class, has_gpu)
    assert "\n" not in str(refused.value)


def test_the_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().expert_device == "cpu"
    monkeypatch.setenv("MORAY_EXPERT_DEVICE", "auto")
    assert read_settings().expert_device == "auto"
    monkeypatch.setenv("MORAY_EXPERT_DEVICE", "tpu")
    with pytest.raises(BadSetting, match="MORAY_EXPERT_DEVICE"):
        read_settings()


def test_float32_on_a_gpu_is_refused_before_anything_starts(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "model", TINY_CONFIG, seed=0)
    write_shards(tmp_path / "model", tmp_path / "int8", numeric_class="int8")
    settings = Settings(expert_device="cuda")
    options = LaunchOptions(tmp_path, 1, 1, 1, "127.0.0.1", 0, 0, None, ray_address="127.0.0.1:6379")
    with pytest.raises(BadSetting, match="quantise"):
        device_of_experts(options, settings, open_model(tmp_path / "model"))
    assert device_of_experts(options, settings, open_model(tmp_path / "int8")) == "cuda"


SERVED: list[tuple[Device, type]] = [("cpu", IntegerExpert)]
if torch.cuda.is_available():
    SERVED.append(("cuda", TorchIntegerExpert))


@pytest.mark.parametrize(("device", "kind"), SERVED)
def test_integers_are_packed_for_their_device(device: Device, kind: type) -> None:
    assert type(pack_expert({1: any_weights(np.random.default_rng(0), 8, 4, is_wild=False)}, device)[1]) is kind


@pytest.mark.parametrize(("device", "num_gpus"), [("cpu", 0), ("auto", 0), ("cuda", 0.25)])
def test_only_a_replica_on_cuda_asks_ray_for_a_gpu(device: AskedDevice, num_gpus: float) -> None:
    spec = ExpertSpec("model", (0,), (), "token", "incarnations", 1, device, gpu_share=0.25)
    assert actor_options(spec, ["node-0"], NodeNames("label", "VARIABLE", "slot"))["num_gpus"] == num_gpus
