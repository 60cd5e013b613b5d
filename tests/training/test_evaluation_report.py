"""Reports: intervals as the literature has them, JSON that comes back, tables that say what was counted."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.training.evaluation.report import (
    BadInputCount,
    Difference,
    LayerLoad,
    Matches,
    Mistake,
    ModelReport,
    Perplexity,
    Rate,
    Report,
)
from moray.training.evaluation.tables import markdown, percent, tables


@pytest.mark.parametrize(
    ("hits", "num", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_of_the_literature(hits: int, num: int, low: float, high: float) -> None:
    rate = Rate(hits=hits, num=num)
    assert rate.low == pytest.approx(low, abs=5e-5) and rate.high == pytest.approx(high, abs=5e-5)


@given(num=st.integers(1, 10**6), part=st.floats(0, 1))
def test_an_interval_holds_the_share_and_mirrors_its_opposite(num: int, part: float) -> None:
    rate = Rate(hits=int(num * part), num=num)
    opposite = Rate(hits=num - rate.hits, num=num)
    assert 0 <= rate.low <= rate.share + 1e-12 and rate.share - 1e-12 <= rate.high <= 1
    assert rate.low == pytest.approx(1 - opposite.high, abs=1e-12)


def test_perplexity_is_of_the_mean_and_never_infinite() -> None:
    one = Perplexity(text="plain", language="en", nats=10 * math.log(8), num_tokens=10, num_bytes=30)
    assert one.per_token == pytest.approx(8) and one.per_byte == pytest.approx(2)
    hopeless = Perplexity(text="plain", language="en", nats=1e9, num_tokens=1, num_bytes=1)
    assert json.loads(hopeless.model_dump_json())["per_token"] > 1e300


def test_the_busiest_expert_is_held_against_the_mean() -> None:
    assert LayerLoad(layer=1, rows=(10, 10, 40, 20)).busiest_to_mean == 2
    assert LayerLoad(layer=1, rows=(0, 0)).busiest_to_mean == 0


@pytest.fixture
def report() -> Report:
    load = (LayerLoad(layer=1, rows=(10, 30)),)
    perplexity = (Perplexity(text="answers", language="en", nats=1.0, num_tokens=4, num_bytes=10),)
    groups = {"all": Rate(hits=97, num=100), "clarify": Rate(hits=9, num=10), "kind move": Rate(hits=88, num=90)}
    matches = (Matches(decoding="free", language="en", groups=groups),)
    common: dict[str, Any] = {"model_id": "00" * 32, "matches": matches, "perplexity": perplexity}
    return Report(
        seed=0,
        per_language=100,
        wording="held-out",
        models=(
            ModelReport(label="elver", numeric_class="int8", through="a network of 2 nodes", load=load, **common),
            ModelReport(label="dense", numeric_class="float32", through="one process", load=(), **common),
        ),
        differences=(Difference(against="dense", decoding="free", language="en", only_this=4, only_other=1, num=100),),
        bad_input=(
            BadInputCount(decoding="free", kind="emoji", num=30, unasked=1, past_agents=0, refused=0, no_action=2),
            BadInputCount(decoding="free", kind="huge", num=10, unasked=0, past_agents=0, refused=10, no_action=0),
        ),
        mtp_acceptance=Rate(hits=850, num=1000),
        mistakes=(Mistake(decoding="free", kind="move", request="a", expected="b", got="c"),),
    )


def test_a_report_comes_back_from_its_json_with_all_figures_in_it(report: Report) -> None:
    text = report.model_dump_json()
    assert Report.model_validate_json(text) == report
    written = json.loads(text)
    assert written["models"][0]["matches"][0]["groups"]["all"]["share"] == 0.97
    assert written["models"][0]["load"][0]["busiest_to_mean"] == 1.5
    assert written["differences"][0]["points_lost"] == -3
    assert written["mtp_acceptance"]["low"] < 0.85 < written["mtp_acceptance"]["high"]


def test_tables_have_a_cell_for_every_column_and_sum_bad_input(report: Report) -> None:
    made = {table.title.split(" (")[0]: table for table in tables(report)}
    assert len(made) == 7
    assert all(len(row) == len(table.columns) for table in made.values() for row in table.rows)
    (bad,) = [table for title, table in made.items() if title.startswith("Bad input")]
    assert bad.rows[-1] == ("free", "all", "40", "1", percent(Rate(hits=1, num=40)), "0", "10", "2")
    exact = made["Exact match of the whole action on held-out wording"]
    assert [row[0] for row in exact.rows] == ["elver", "dense"]
    assert exact.rows[0][4:] == ("97.0% (91.5 to 99.0)", percent(Rate(hits=9, num=10)), "-", "100")


def test_what_was_not_measured_has_no_table(report: Report) -> None:
    alone = report.model_copy(update={"models": report.models[1:], "differences": (), "mtp_acceptance": None})
    titles = " ".join(table.title for table in tables(alone))
    assert "MTP" not in titles and "Expert load" not in titles and "below another" not in titles


def test_markdown_has_a_table_of_each(report: Report) -> None:
    text = markdown(report)
    assert sum(line.startswith("| ---") for line in text.splitlines()) == len(list(tables(report)))
    assert "| 85.0% (82.7 to 87.1) | 1000 |" in text
