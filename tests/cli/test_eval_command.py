"""`moray eval`: what it refuses before anything starts, and a whole run through a network that it starts and ends."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from cluster import moray
from elver_kit import Known, write_tiny_dense, write_tiny_elver
from http_kit import serving
from moray.cli.eval import labelled
from moray.errors import BadSetting
from moray.experts.sharding import write_shards
from moray.experts.source import open_model
from moray.training.evaluation.held_out import held_out
from moray.training.evaluation.report import Report


def test_models_to_compare_with_come_under_labels() -> None:
    assert labelled(["float=a/b", "dense=c=d"]) == {"float": Path("a/b"), "dense": Path("c=d")}
    assert labelled([]) == {}


@pytest.mark.parametrize("texts", [["float"], ["=a"], ["float="], ["a=b", "a=c"]])
def test_what_has_no_label_or_one_twice_is_refused(texts: list[str]) -> None:
    with pytest.raises(BadSetting, match="LABEL=DIR"):
        labelled(texts)


@pytest.fixture(scope="module")
def elver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_elver(folder / "whole")
    write_shards(folder / "whole", folder / "elver")
    return folder / "elver"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("missing",), "not a folder"),
        (("{elver}", "--against", "float"), "LABEL=DIR"),
        (("{elver}", "--against", "float=missing"), "not a folder"),
        (("{elver}", "--mtp", "{dense}"), "no float checkpoint with an MTP layer"),
        (("{elver}", "--card", "missing/card.md"), "--card"),
    ],
)
def test_what_cannot_work_is_one_line_and_exit_code_2(
    elver: Path, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    dense = write_tiny_dense(tmp_path / "dense")
    done = moray("eval", *(option.format(elver=elver, dense=dense) for option in options))
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("moray: ") and told in line


@pytest.mark.integration
def test_a_gateway_that_runs_is_measured_and_the_tables_go_to_the_card(elver: Path, tmp_path: Path) -> None:
    card, known = tmp_path / "card.md", Known(open_model(elver).model_id, held_out(5, 4).requests)
    with serving(known.answer) as server:
        options = ("--url", server.url, "--concurrency", "4", "--card", str(card), "--show-errors", "1")
        done = moray("eval", str(elver), "--examples", "4", "--seed", "5", *options)
    assert done.returncode == 0, done.stderr
    assert "Exact match of the whole action" in done.stdout and "expected nothing that moves anything" in done.stdout
    assert "| elver | a running network | free | zh | 100.0% (51.0 to 100.0)" in card.read_text()


def _ray_pids() -> set[int]:
    return {process.pid for process in psutil.process_iter() if process.name() in ("raylet", "gcs_server")}


@pytest.mark.integration
@pytest.mark.long
def test_a_network_is_started_measured_and_ended(elver: Path) -> None:
    """A sharded model against the checkpoint it was made of: through a network or not, they agree to the bit."""
    before = _ray_pids()
    whole_folder = elver.parent / "whole"
    options = ("--against", f"whole={whole_folder}", "--mtp", str(whole_folder), "--concurrency", "64", "--json")
    done = moray("eval", str(elver), "--examples", "2", *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = Report.model_validate_json(done.stdout)
    assert json.loads(done.stdout) == json.loads(report.model_dump_json())
    sharded, whole = report.models
    assert sharded.through == "a network of 2 nodes"
    assert sharded.perplexity == whole.perplexity and sharded.load == whole.load
    assert all(one.only_this == one.only_other == 0 for one in report.differences)
    assert sum(count.num for count in report.bad_input) >= 400
    assert _ray_pids() <= before
