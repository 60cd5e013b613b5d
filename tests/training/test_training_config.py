"""Configurations: those that ship can be trained, bad ones are refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from moray.errors import BadInput
from moray.training.config import read_config
from moray.training.figures import count_parameters
from moray.training.model import DeepSeekModel
from training_kit import CONFIGS, TINY


def test_the_dense_twin_has_elvers_active_parameters_and_differs_in_nothing_but_its_experts() -> None:
    elver, dense = read_config(CONFIGS / "elver.yaml"), read_config(CONFIGS / "elver-dense.yaml")
    total, active = count_parameters(elver.architecture())
    total_dense, active_dense = count_parameters(dense.architecture())
    assert active_dense == pytest.approx(active, rel=0.01) and total > 2 * total_dense
    differing = {name for name in elver.model | dense.model if elver.model.get(name) != dense.model.get(name)}
    assert differing == {"n_routed_experts", "num_experts_per_tok", "n_shared_experts", "moe_intermediate_size"}
    same = {"name", "model"}
    assert elver.model_dump(exclude=same) == dense.model_dump(exclude=same)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_parameters_are_counted_once(path: Path) -> None:
    model = DeepSeekModel(read_config(path).architecture())
    assert count_parameters(model.architecture)[0] == sum(tensor.numel() for tensor in model.state_dict().values())


@pytest.mark.parametrize(
    ("said", "instead", "told"),
    [
        ("steps: 12", "steps: 0", "steps"),
        ("steps: 12", "step: 12", "step"),
        ("name: tiny", "name: ../tiny", "name"),
        ("  vocab_size: 512\n", "", "vocab_size"),
        ("  hidden_size: 48\n", "", "hidden_size"),
        ("num_experts_per_tok: 2", "num_experts_per_tok: 3", "num_experts_per_tok"),
        ("learning_rate: 0.01", "learning_rate: fast", "optimiser.learning_rate"),
        ("optimiser:", "optimiser: [", "YAML"),
        ("checkpoint_every: 4", "momentum: 0.5", "momentum"),
    ],
)
def test_a_bad_configuration_is_refused_in_one_line_that_names_what_is_wrong(
    said: str, instead: str, told: str, tmp_path: Path
) -> None:
    text = TINY.read_text()
    assert said in text
    path = tmp_path / "bad.yaml"
    path.write_text(text.replace(said, instead))
    with pytest.raises(BadInput) as refused:
        read_config(path)
    assert told in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_is_no_mapping_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1")
    for name in ("none.yaml", "list.yaml"):
        with pytest.raises(BadInput) as refused:
            read_config(tmp_path / name)
        assert name in str(refused.value) and "\n" not in str(refused.value)
