"""What was stored is there after a restart, and what came first stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from moray.errors import BadSetting
from moray.router.task_costs import Size
from moray.router.task_decisions import Exam
from moray.router.task_store import Delivery, TaskStore

ID, OTHER = bytes(31) + b"\x01", bytes(31) + b"\x02"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/tasks.db"


def test_everything_is_there_after_a_restart(url: str) -> None:
    store = TaskStore(url)
    store.keep_exam(ID, b"spec", Exam(Size(3, 4)))
    store.keep_exam(OTHER, b"", Exam(Size(0, 0), "not ours"))
    store.keep_delivery(ID, Delivery(b"", b"{}"))
    store.end_attempt("close", "one", 0)
    store.close()
    again = TaskStore(url)
    assert again.exams() == {ID: Exam(Size(3, 4)), OTHER: Exam(Size(0, 0), "not ours")}
    assert again.spec(ID) == b"spec"
    assert again.delivery(ID) == Delivery(b"", b"{}") and again.result_sizes() == {ID: 0}
    assert again.attempt("close", "one") == 1 and again.attempted("close") == {"one"}


def test_what_came_first_stays(url: str) -> None:
    store = TaskStore(url)
    store.keep_delivery(ID, Delivery(b"first", b"1"))
    store.keep_delivery(ID, Delivery(b"second", b"2"))
    store.keep_exam(ID, b"first", Exam(Size(1, 1)))
    store.keep_exam(ID, b"second", Exam(Size(2, 2)))
    assert store.delivery(ID) == Delivery(b"first", b"1") and store.result_sizes() == {ID: 5}
    assert store.spec(ID) == b"first" and store.exams() == {ID: Exam(Size(1, 1))}


def test_attempts_are_counted_by_verb_and_subject_and_an_end_counts_once(url: str) -> None:
    store = TaskStore(url)
    store.end_attempt("close", "one", 0)
    store.end_attempt("close", "one", 0)
    store.end_attempt("close", "one", 1)
    store.end_attempt("accept", "one", 0)
    numbers = [store.attempt(verb, subject) for verb in ("close", "accept") for subject in ("one", "two")]
    assert numbers == [2, 0, 1, 0]


def test_what_is_not_there_is_said(url: str) -> None:
    store = TaskStore(url)
    with pytest.raises(KeyError):
        store.delivery(ID)
    with pytest.raises(KeyError):
        store.spec(ID)


def test_a_database_of_no_kind_is_refused() -> None:
    with pytest.raises(BadSetting):
        TaskStore("mysql://localhost/x")
