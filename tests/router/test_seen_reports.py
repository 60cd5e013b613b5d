"""A report is taken once, and reports of a node in rising order."""

from __future__ import annotations

import pytest

from moray.errors import JoinRefused
from moray.router.seen_reports import SeenReports
from report_kit import a_report


def test_reports_of_a_node_are_taken_in_rising_order_only() -> None:
    seen = SeenReports(max_nodes=9)
    seen.take(a_report(reported_at=10))
    for reported_at in (10, 9):
        for refuse in (seen.check, seen.take):
            with pytest.raises(JoinRefused) as refused:
                refuse(a_report(reported_at=reported_at))
            assert refused.value.reason_code == "stale_report"
    seen.check(a_report(reported_at=11))
    seen.take(a_report(reported_at=11))


def test_nodes_and_signers_have_clocks_of_their_own_and_a_check_is_no_taking() -> None:
    seen = SeenReports(max_nodes=9)
    for others in ({}, {"node_id": "2"}, {"signer": "b"}):
        seen.check(a_report(reported_at=10, **others))
        seen.take(a_report(reported_at=10, **others))


def test_of_too_many_nodes_the_one_that_was_silent_for_longest_is_forgotten() -> None:
    seen = SeenReports(max_nodes=2)
    for node_id, reported_at in (("1", 10), ("2", 10), ("1", 11), ("3", 10)):
        seen.take(a_report(node_id=node_id, reported_at=reported_at))
    seen.check(a_report(node_id="2", reported_at=10))
    with pytest.raises(JoinRefused, match="stale_report"):
        seen.check(a_report(node_id="1", reported_at=11))
