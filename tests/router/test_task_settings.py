"""What an operator leaves open is not guessed, and amounts are exact."""

from __future__ import annotations

from fractions import Fraction

import pytest

from moray.errors import BadSetting
from moray.router.task_settings import read_task_settings
from worker_kit import OTHER, RESOLVER, WORKER

GIVEN = {"resolvers": f"{RESOLVER}, {OTHER}", "eth_price": "2500.5", "max_bond": "0.000001"}


def test_amounts_become_base_units_exactly() -> None:
    limits = read_task_settings(**GIVEN, margin="1.5", withdraw_above="3").limits(6, 2, WORKER)
    assert limits.resolvers == {RESOLVER, OTHER} and limits.confirmations == 2
    assert limits.currency_per_wei == Fraction(25_005, 10) * 10**6 / 10**18
    assert (limits.max_bond, limits.margin, limits.withdraw_above) == (1, 1_500_000, 3_000_000)


def test_without_a_list_the_resolver_of_the_chain_file_is_allowed() -> None:
    assert read_task_settings(eth_price="1", max_bond="1").limits(6, 2, WORKER).resolvers == {WORKER}


def test_where_a_transaction_is_confirmed_late_more_time_is_kept_for_it() -> None:
    assert read_task_settings(**GIVEN).limits(6, 0, WORKER).inclusion_s == 30
    assert read_task_settings(**GIVEN).limits(6, 12, WORKER).inclusion_s == 30 + 12 * 12
    assert read_task_settings(**GIVEN, inclusion_s=5).limits(6, 12, WORKER).inclusion_s == 5


@pytest.mark.parametrize("missing", ["eth_price", "max_bond"])
def test_what_nobody_else_can_know_must_be_given(missing: str) -> None:
    given = {name: value for name, value in GIVEN.items() if name != missing}
    with pytest.raises(BadSetting, match=f"MORAY_TASK_{missing.upper()}"):
        read_task_settings(**given).limits(6, 2, WORKER)


@pytest.mark.parametrize(
    ("name", "value"),
    [("eth_price", "-1"), ("eth_price", "1e3"), ("max_bond", "nan"), ("resolvers", OTHER.lower()), ("max_tasks", 0)],
)
def test_a_wrong_setting_is_named(name: str, value: object) -> None:
    with pytest.raises(BadSetting, match=f"MORAY_TASK_{name.upper()}"):
        read_task_settings(**{**GIVEN, name: value})


def test_the_environment_is_read_where_no_option_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORAY_TASK_MAX_TASKS", "3")
    monkeypatch.setenv("MORAY_TASK_MAX_TOKENS", "5")
    settings = read_task_settings(**GIVEN, max_tasks=None, max_tokens=7)
    assert (settings.max_tasks, settings.max_tokens) == (3, 7)
