"""A worker takes what pays, does each thing once, and knows what comes next in every state."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moray.contracts.tasks import MAX_INLINE_BYTES, NOBODY, Status
from moray.router.task_costs import Size, gas_of_task
from moray.router.task_decisions import (
    Accept,
    Approve,
    CallBack,
    Close,
    Exam,
    Examine,
    Generate,
    Ignore,
    Limits,
    Situation,
    Step,
    Submit,
    Wait,
    Withdraw,
    next_step,
    plan,
)
from moray.router.task_log import KnownTask
from worker_kit import LIMITS, MODEL_ID, NOW_S, OTHER, RESOLVER, UNIT, WORKER, a_situation, a_task, known

ID = (1).to_bytes(32)
SMALL = Exam(Size(10, 16))


def decided(task: KnownTask, **situation: object) -> Step:
    return next_step(task, a_situation(**situation), LIMITS)


# -- one task, state by state ---------------------------------------------------------------------


def test_a_good_task_is_examined_then_accepted() -> None:
    assert decided(known()) == Examine()
    assert decided(known(), exams={ID: SMALL}) == Accept()


def test_a_task_made_for_this_provider_is_accepted() -> None:
    assert decided(known(a_task(provider=WORKER)), exams={ID: SMALL}) == Accept()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"provider": OTHER}, "for another provider"),
        ({"resolver": OTHER}, "is not among those allowed"),
        ({"bond": 100 * UNIT + 1}, "above the highest allowed"),
        ({"challenge_window": 99_401}, "bound for too long"),
        ({"resolve_within": 99_401}, "bound for too long"),
        ({"accept_by": NOW_S + 29}, "too late to accept"),
        ({"model_id": bytes(32)}, "of another model"),
        ({"fee": 1 * UNIT}, "does not pay for the gas"),
        ({"submit_within": 68}, "too little time"),  # 10 tokens of 0.1 s, 16 of 0.5 s, and twice 30 s
        ({"callback": OTHER, "callback_gas": 10_000_000}, "does not pay for the gas"),
    ],
)
def test_terms_that_are_bad_are_refused(changes: dict[str, object], reason: str) -> None:
    step = decided(known(a_task(**changes)), exams={ID: SMALL})
    assert isinstance(step, Ignore) and reason in step.reason


def test_terms_at_the_edge_are_taken() -> None:
    edges = {"bond": 100 * UNIT, "challenge_window": 99_400, "accept_by": NOW_S + 30, "submit_within": 69}
    assert decided(known(a_task(**edges)), exams={ID: SMALL}) == Accept()


@pytest.mark.parametrize(
    ("exam", "reason"),
    [
        (Exam(Size(0, 0), "no task specification"), "no task specification"),
        (Exam(Size(10, 1001)), "1001 tokens, more than allowed"),
        (Exam(Size(2033, 16)), "2049 tokens do not fit the context of 2048"),
    ],
)
def test_specifications_that_cannot_be_served_are_refused(exam: Exam, reason: str) -> None:
    step = decided(known(), exams={ID: exam})
    assert isinstance(step, Ignore) and reason in step.reason


def test_a_long_prompt_takes_time_however_short_its_answer_is() -> None:
    task = known(a_task(submit_within=200))
    step = decided(task, exams={ID: Exam(Size(1500, 1))})  # 150 s, and twice 30 s
    assert isinstance(step, Ignore) and "too little time" in step.reason
    assert decided(task, exams={ID: Exam(Size(1390, 1))}) == Accept()


def test_a_creation_is_believed_with_enough_blocks_on_top() -> None:
    assert isinstance(decided(known(created_at_block=109), exams={ID: SMALL}), Wait)
    assert decided(known(created_at_block=108), exams={ID: SMALL}) == Accept()


def test_a_gateway_that_is_silent_is_waited_for_and_nothing_is_accepted_or_submitted() -> None:
    assert isinstance(decided(known(), exams={ID: SMALL}, gateway=None), Wait)
    accepted = known(status=Status.ACCEPTED, provider=WORKER, until=NOW_S)
    assert isinstance(decided(accepted, exams={ID: SMALL}, gateway=None), Wait)


def test_an_accepted_task_is_generated_then_submitted_and_given_up_when_its_time_is_over() -> None:
    accepted = known(status=Status.ACCEPTED, provider=WORKER, until=NOW_S)
    assert decided(accepted, exams={ID: SMALL}) == Generate()
    assert decided(accepted, exams={ID: SMALL}, delivered={ID: 5}) == Submit()
    assert decided(accepted, delivered={ID: 5}, gateway=None) == Submit()
    assert isinstance(decided(accepted, exams={ID: SMALL}, delivered={ID: 5}, now_s=NOW_S + 1), Ignore)


def test_an_accepted_task_whose_exam_is_lost_is_examined_again() -> None:
    assert decided(known(status=Status.ACCEPTED, provider=WORKER, until=NOW_S)) == Examine()


@pytest.mark.parametrize("status", [Status.SUBMITTED, Status.CHALLENGED])
def test_a_clock_that_ran_out_is_closed_and_not_before(status: Status) -> None:
    task = known(status=status, provider=WORKER, until=NOW_S)
    assert isinstance(decided(task), Wait)
    assert decided(task, now_s=NOW_S + 1) == Close()


def test_a_callback_is_called_once_and_only_with_a_result_that_stands() -> None:
    ended = known(a_task(callback=OTHER), status=Status.VALID, provider=WORKER)
    assert decided(ended, delivered={ID: 5}) == CallBack()
    assert decided(replace(ended, status=Status.INCONCLUSIVE), delivered={ID: 5}) == CallBack()
    assert isinstance(decided(replace(ended, status=Status.INVALID), delivered={ID: 5}), Ignore)
    assert isinstance(decided(ended, delivered={ID: 5}, called_back=frozenset({ID})), Ignore)
    assert isinstance(decided(ended, delivered={ID: MAX_INLINE_BYTES + 1}), Ignore)
    assert isinstance(decided(ended), Ignore)


# -- all tasks ------------------------------------------------------------------------------------


def planned_accepts(tasks: list[KnownTask], now: Situation, limits: Limits = LIMITS) -> list[bytes]:
    return [task_id for task_id, step in plan(tasks, now, limits).steps.items() if isinstance(step, Accept)]


def several(count: int, **changes: object) -> tuple[list[KnownTask], dict[bytes, Exam]]:
    tasks = [known(a_task(**changes), number) for number in range(count)]
    return tasks, {task.id: SMALL for task in tasks}


def test_bonds_are_approved_exactly_before_anything_is_accepted() -> None:
    tasks, exams = several(3)
    now = a_situation(exams=exams, allowance=60 * UNIT - 1)
    assert plan(tasks, now, LIMITS).payment == Approve(60 * UNIT) and planned_accepts(tasks, now) == []
    approved = replace(now, allowance=60 * UNIT)
    assert plan(tasks, approved, LIMITS).payment is None and len(planned_accepts(tasks, approved)) == 3
    assert planned_accepts(tasks, replace(approved, is_paying=True)) == []


def test_nothing_is_approved_while_an_acceptance_is_under_way() -> None:
    tasks, exams = several(3)
    now = a_situation(exams=exams, allowance=0, busy={tasks[0].id: Accept()})
    assert plan(tasks, now, LIMITS).payment is None and planned_accepts(tasks, now) == []


def test_no_more_is_accepted_than_there_are_places_and_money() -> None:
    tasks, exams = several(9)
    assert len(planned_accepts(tasks, a_situation(exams=exams))) == LIMITS.max_tasks
    assert len(planned_accepts(tasks, a_situation(exams=exams, balance=59 * UNIT))) == 2
    gas_wei = gas_of_task(tasks[0].task, SMALL.size) * 1_500_000_000
    assert len(planned_accepts(tasks, a_situation(exams=exams, balance_wei=3 * gas_wei))) == 3
    assert len(planned_accepts(tasks, a_situation(exams=exams, balance_wei=3 * gas_wei - 1))) == 2


def test_a_task_is_not_accepted_behind_answers_that_take_longer_than_it_can_wait() -> None:
    """Or a client with long tasks of small fees makes short ones of large bonds late, and wins the bonds."""
    long = [known(number=n, status=Status.ACCEPTED, provider=WORKER, until=NOW_S + 600) for n in range(2)]
    short = known(a_task(submit_within=560), number=9)
    exams = {each.id: Exam(Size(0, 1000)) for each in long} | {short.id: Exam(Size(0, 1))}
    assert planned_accepts([*long, short], a_situation(exams=exams)) == []  # 2 of 500 s, two at a time, 0.5 s, 60 s
    assert planned_accepts([*long, replace(short, task=a_task(submit_within=561))], a_situation(exams=exams)) == [
        short.id
    ]
    done = {each.id: 5 for each in long}
    assert planned_accepts([*long, short], a_situation(exams=exams, delivered=done)) == [short.id]


def test_those_accepted_together_wait_for_each_other() -> None:
    tasks, _ = several(3, submit_within=400)
    exams = {task.id: Exam(Size(0, 400)) for task in tasks}  # 200 s each, two at a time, and 60 s
    assert len(planned_accepts(tasks, a_situation(exams=exams))) == 2


def test_answers_are_generated_in_the_order_of_their_acceptance() -> None:
    late, early = (
        known(number=n, status=Status.ACCEPTED, provider=WORKER, until=NOW_S + until)
        for n, until in enumerate((300, 200))
    )
    now, one = a_situation(exams={late.id: SMALL, early.id: SMALL}), replace(LIMITS, max_generating=1)
    steps = plan([late, early], now, one).steps
    assert steps[early.id] == Generate() and isinstance(steps[late.id], Wait)


def test_a_bond_that_cannot_be_paid_holds_up_no_other_task() -> None:
    dear, cheap = known(a_task(bond=90 * UNIT), number=1), known(number=2)
    now = a_situation(exams={dear.id: SMALL, cheap.id: SMALL}, balance=80 * UNIT)
    assert planned_accepts([dear, cheap], now) == [cheap.id]


def test_no_more_is_generated_at_a_time_than_allowed() -> None:
    tasks = [known(number=n, status=Status.ACCEPTED, provider=WORKER, until=NOW_S) for n in range(5)]
    exams = {task.id: SMALL for task in tasks}
    steps = plan(tasks, a_situation(exams=exams), LIMITS).steps
    assert sum(step == Generate() for step in steps.values()) == 2
    steps = plan(tasks, a_situation(exams=exams, busy={tasks[0].id: Generate()}), LIMITS).steps
    assert sum(step == Generate() for step in steps.values()) == 1


def test_what_is_owed_is_withdrawn_when_it_is_much_or_nothing_more_comes() -> None:
    waiting = [known(status=Status.SUBMITTED, provider=WORKER, until=NOW_S)]
    assert plan(waiting, a_situation(owed=50 * UNIT), LIMITS).payment == Withdraw(50 * UNIT)
    assert plan(waiting, a_situation(owed=50 * UNIT - 1), LIMITS).payment is None
    assert plan([], a_situation(owed=50 * UNIT - 1), LIMITS).payment == Withdraw(50 * UNIT - 1)
    assert plan([], a_situation(owed=50 * UNIT, is_paying=True), LIMITS).payment is None
    assert plan([], a_situation(owed=UNIT // 100), LIMITS).payment is None, "the gas is worth more"


# -- properties -----------------------------------------------------------------------------------

amounts = st.integers(1, 200 * UNIT)
windows = st.integers(1, 200_000)
tasks_of_any_kind = st.builds(
    lambda number, status, until_in_s, provider, age, terms: known(
        a_task(**terms), number, status=status, until=NOW_S + until_in_s, provider=provider, created_at_block=110 - age
    ),
    st.integers(0, 7),
    st.sampled_from([status for status in Status if status is not Status.NONE]),
    st.integers(-100, 100),
    st.sampled_from([WORKER, OTHER, NOBODY]),
    st.integers(0, 5),
    st.fixed_dictionaries(
        {
            "fee": amounts,
            "bond": amounts,
            "provider": st.sampled_from([NOBODY, WORKER, OTHER]),
            "resolver": st.sampled_from([RESOLVER, OTHER]),
            "model_id": st.sampled_from([MODEL_ID, bytes(32)]),
            "accept_by": st.integers(NOW_S - 100, NOW_S + 1000),
            "submit_within": windows,
            "challenge_window": windows,
            "resolve_within": windows,
            "callback": st.sampled_from([NOBODY, OTHER]),
            "callback_gas": st.integers(0, 2**32 - 1),
        }
    ),
)
ids = st.integers(0, 7).map(lambda number: number.to_bytes(32))
exams = st.builds(lambda prompt, most: Exam(Size(prompt, most)), st.integers(1, 3000), st.integers(1, 2000))
busy_steps = st.sampled_from([Examine(), Accept(), Generate(), Submit(), Close(), CallBack()])
situations = st.builds(
    a_situation,
    gas_price_wei=st.integers(0, 10**12),
    balance_wei=st.integers(0, 10**18),
    balance=st.integers(0, 500 * UNIT),
    allowance=st.integers(0, 500 * UNIT),
    owed=st.integers(0, 100 * UNIT),
    gateway=st.sampled_from([None, a_situation().gateway]),
    exams=st.dictionaries(ids, exams),
    delivered=st.dictionaries(ids, st.integers(0, 20_000)),
    called_back=st.frozensets(ids),
    busy=st.dictionaries(ids, busy_steps),
    resting=st.frozensets(ids),
    is_paying=st.booleans(),
)
task_lists = st.lists(tasks_of_any_kind, max_size=8, unique_by=lambda task: task.id)


@given(task_lists, situations)
def test_what_is_accepted_earns_more_than_its_gas_costs(tasks: list[KnownTask], now: Situation) -> None:
    accepted = planned_accepts(tasks, now)
    for task in tasks:
        if task.id in accepted:
            gas = gas_of_task(task.task, now.exams[task.id].size)
            cost = Fraction(gas * now.gas_price_wei * 2000 * UNIT, 10**18)
            assert task.task.fee >= cost


@given(task_lists, situations)
def test_what_is_accepted_is_ours_to_judge_serve_and_pay(tasks: list[KnownTask], now: Situation) -> None:
    accepted = set(planned_accepts(tasks, now))
    chosen = [task for task in tasks if task.id in accepted]
    pending = [task for task in tasks if task.status == Status.FUNDED and isinstance(now.busy.get(task.id), Accept)]
    assert sum(task.task.bond for task in chosen) <= now.allowance or not chosen
    assert sum(task.task.bond for task in chosen + pending) <= now.balance or not chosen
    for task in chosen:
        assert task.status == Status.FUNDED and task.task.resolver == RESOLVER and task.task.model_id == MODEL_ID
        assert task.task.provider in (NOBODY, WORKER) and now.gateway is not None
        assert task.task.challenge_window + task.task.resolve_within <= LIMITS.max_lock_s
        size = now.exams[task.id].size
        assert size.num_prompt_tokens + size.max_tokens <= now.gateway.context_length


@given(task_lists, situations)
def test_nothing_is_done_twice_at_a_time(tasks: list[KnownTask], now: Situation) -> None:
    found = plan(tasks, now, LIMITS)
    acting = {task_id for task_id, step in found.steps.items() if not isinstance(step, Ignore | Wait)}
    assert acting.isdisjoint(now.busy) and acting.isdisjoint(now.resting)
    assert found.payment is None or not now.is_paying


@given(task_lists, situations)
def test_every_task_has_a_next_step_that_its_state_allows(tasks: list[KnownTask], now: Situation) -> None:
    steps = plan(tasks, now, LIMITS).steps
    allowed: dict[type, set[Status]] = {
        Examine: {Status.FUNDED, Status.ACCEPTED},
        Accept: {Status.FUNDED},
        Generate: {Status.ACCEPTED},
        Submit: {Status.ACCEPTED},
        Close: {Status.SUBMITTED, Status.CHALLENGED},
        CallBack: {Status.VALID, Status.INCONCLUSIVE},
    }
    assert set(steps) == {task.id for task in tasks}
    for task in tasks:
        step = steps[task.id]
        if isinstance(step, Ignore | Wait):
            assert step.reason
            continue
        assert task.status in allowed[type(step)]
        assert isinstance(step, Examine | Accept) or task.provider == WORKER


@given(tasks_of_any_kind, situations)
def test_a_bond_at_stake_is_never_left_alone_while_there_is_time(task: KnownTask, now: Situation) -> None:
    ours = replace(task, status=Status.ACCEPTED, provider=WORKER, until=NOW_S + 1)
    step = next_step(ours, now, LIMITS)
    assert not isinstance(step, Ignore)
    if ours.id in now.delivered and ours.id not in now.busy and ours.id not in now.resting:
        assert step == Submit()
