"""What a task worker does next: pure functions of what is known, with the clock and the chain's state passed in.

``next_step`` looks at one task alone; ``plan`` then shares out what all of them need: money, ETH, places.

The chain is the truth. A step is planned because the chain's state asks for it, so one that was done is not planned
again, whatever this process remembers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from moray.contracts.tasks import MAX_INLINE_BYTES, NOBODY, Status
from moray.router.task_costs import GAS_WITHDRAW, Size, gas_of_task, profit
from moray.router.task_log import KnownTask

# -- what is known ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """Of the network that answers for this worker, as its gateway tells now."""

    model_id: bytes
    model_name: str
    context_length: int  # tokens, prompt and answer together


@dataclass(frozen=True, slots=True)
class Exam:
    """What reading a task's specification found. ``refusal`` says why it can never be served; empty: it can."""

    size: Size
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows. Money is base units of the currency."""

    resolvers: frozenset[str]  # addresses; tasks that name another judge are refused
    currency_per_wei: Fraction  # what ETH is worth
    gas_price_headroom: Fraction  # gas may cost so many times what it does now before a task loses money
    margin: int  # that must be left of a fee
    max_bond: int
    max_tokens: int  # of one answer
    max_lock_s: int  # challenge window and the resolver's time together: so long a bond may be bound
    max_tasks: int  # accepted and not delivered
    max_generating: int  # answers that the gateway is asked for at a time; and so many specifications are examined
    confirmations: int  # chain blocks on top of a creation before it is believed
    inclusion_s: int  # until a transaction is confirmed, at worst
    seconds_per_token: Fraction  # of one answer, at worst
    seconds_per_prompt_token: Fraction  # likewise, until the answer begins
    withdraw_above: int


@dataclass(frozen=True, slots=True)
class Situation:
    """One moment. ``busy`` tasks are being worked on, ``resting`` ones failed and wait for their next try."""

    account: str
    now_s: int
    head_block: int
    gas_price_wei: int
    balance_wei: int
    balance: int
    allowance: int  # of the market over the account's currency
    owed: int
    gateway: GatewayFacts | None  # None: it does not answer
    exams: Mapping[bytes, Exam]
    delivered: Mapping[bytes, int]  # result and transcript are stored; bytes of the result
    called_back: frozenset[bytes]  # tried once, with whatever outcome
    busy: Mapping[bytes, Step]
    resting: frozenset[bytes]
    is_paying: bool = False  # an approval or a withdrawal is under way


# -- what can be done -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing to do for this account. Judged anew each time: gas can become cheaper."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    reason: str


@dataclass(frozen=True, slots=True)
class Examine:
    """Read the specification and count its prompt's tokens."""


@dataclass(frozen=True, slots=True)
class Accept:
    pass


@dataclass(frozen=True, slots=True)
class Generate:
    pass


@dataclass(frozen=True, slots=True)
class Submit:
    pass


@dataclass(frozen=True, slots=True)
class Close:
    pass


@dataclass(frozen=True, slots=True)
class CallBack:
    pass


@dataclass(frozen=True, slots=True)
class Approve:
    amount: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    amount: int


Act = Examine | Accept | Generate | Submit | Close | CallBack
Step = Ignore | Wait | Act
Payment = Approve | Withdraw


@dataclass(frozen=True, slots=True)
class Plan:
    steps: Mapping[bytes, Step]
    payment: Payment | None


# -- one task ---------------------------------------------------------------------------------------------------------


def next_step(known: KnownTask, now: Situation, limits: Limits) -> Step:
    """As if this task were the only one."""
    if known.id in now.busy:
        return Wait("at work")
    if known.id in now.resting:
        return Wait("tried again soon")
    if known.status == Status.FUNDED:
        return _funded(known, now, limits)
    if known.provider != now.account:
        return Ignore("another provider's")
    if known.status == Status.ACCEPTED:
        return _accepted(known, now)
    if known.status in (Status.SUBMITTED, Status.CHALLENGED):
        return Close() if now.now_s > known.until else Wait(f"{known.status.name.lower()} until {known.until}")
    return _ended(known, now)


def _funded(known: KnownTask, now: Situation, limits: Limits) -> Step:
    refusal = refusal_of_terms(known, now, limits)
    if refusal:
        return Ignore(refusal)
    if now.head_block < known.created_at_block + limits.confirmations:
        return Wait("for chain blocks on top of its creation")
    if now.gateway is None:
        return Wait("the gateway does not answer")
    if known.task.model_id != now.gateway.model_id:
        return Ignore("of another model")
    exam = now.exams.get(known.id)
    if exam is None:
        return Examine()
    refusal = exam.refusal or refusal_of_size(known, exam.size, now, limits)
    return Ignore(refusal) if refusal else Accept()


def refusal_of_terms(known: KnownTask, now: Situation, limits: Limits) -> str:
    """Why not, by the terms alone; empty: nothing against it."""
    task = known.task
    if task.provider not in (NOBODY, now.account):
        return "for another provider"
    if task.resolver not in limits.resolvers:
        return f"its resolver {task.resolver} is not among those allowed"
    if task.bond > limits.max_bond:
        return "its bond is above the highest allowed"
    if task.challenge_window + task.resolve_within > limits.max_lock_s:
        return "its bond would be bound for too long"
    if now.now_s + limits.inclusion_s > task.accept_by:
        return "too late to accept it"
    if profit(task, gas_of_task(task, Size(0, 1)), _gas_price(now, limits), limits.currency_per_wei) < limits.margin:
        return "its fee does not pay for the gas"
    return ""


def refusal_of_size(known: KnownTask, size: Size, now: Situation, limits: Limits) -> str:
    """Why not, now that the specification is known."""
    task, num_tokens = known.task, size.num_prompt_tokens + size.max_tokens
    if size.max_tokens > limits.max_tokens:
        return f"it asks for {size.max_tokens} tokens, more than allowed"
    if now.gateway is not None and num_tokens > now.gateway.context_length:
        return f"its {num_tokens} tokens do not fit the context of {now.gateway.context_length}"
    if profit(task, gas_of_task(task, size), _gas_price(now, limits), limits.currency_per_wei) < limits.margin:
        return "its fee does not pay for the gas"
    if expected_s(size, Fraction(0), limits) > task.submit_within:
        return "too little time to deliver it"
    return ""


def expected_s(size: Size, ahead_s: Fraction, limits: Limits) -> int:
    """From the acceptance to the confirmed submission, at worst, when the answers that were promised before take
    ``ahead_s`` one behind the other. They go in the order of their acceptance, so what comes later delays nobody."""
    return ceil(ahead_s / limits.max_generating + work_s(size, limits)) + 2 * limits.inclusion_s


def work_s(size: Size, limits: Limits) -> Fraction:
    """Of the gateway for one answer, at worst. A long prompt takes its time however short the answer is."""
    return limits.seconds_per_token * size.max_tokens + limits.seconds_per_prompt_token * size.num_prompt_tokens


def _accepted(known: KnownTask, now: Situation) -> Step:
    if now.now_s > known.until:
        return Ignore("not delivered in time: fee and bond are the client's")
    if known.id in now.delivered:
        return Submit()
    if now.gateway is None:
        return Wait("the gateway does not answer")
    if known.task.model_id != now.gateway.model_id:
        return Wait("the gateway has another model now")
    exam = now.exams.get(known.id)
    if exam is None:
        return Examine()  # the store was lost
    return Wait(f"accepted, but {exam.refusal}") if exam.refusal else Generate()


def _ended(known: KnownTask, now: Situation) -> Step:
    result_bytes = now.delivered.get(known.id, MAX_INLINE_BYTES + 1)
    is_told = known.status not in (Status.VALID, Status.INCONCLUSIVE) or known.id in now.called_back
    if known.task.callback != NOBODY and not is_told and result_bytes <= MAX_INLINE_BYTES:
        return CallBack()  # of a longer result the gas was not reckoned with
    return Ignore(f"ended: {known.status.name.lower()}")


# -- all of them ------------------------------------------------------------------------------------------------------


def plan(tasks: Iterable[KnownTask], now: Situation, limits: Limits) -> Plan:
    """Steps of all tasks, oldest task first, such that together they need no more than there is."""
    ordered = sorted(tasks, key=lambda known: (known.created_at_block, known.id))
    steps = {known.id: next_step(known, now, limits) for known in ordered}
    wanted = _affordable([known for known in ordered if isinstance(steps[known.id], Accept)], ordered, now, limits)
    bonds = sum(known.task.bond for known in wanted)
    # An acceptance on its way takes from the allowance at some moment. Only when there is none is its size sure.
    is_accepting = any(isinstance(step, Accept) for step in now.busy.values())
    can_accept = not now.is_paying and not is_accepting and now.allowance >= bonds
    chosen = {known.id for known in wanted}
    at_gateway = Counter(type(step) for step in now.busy.values())
    for task_id in [known.id for known in sorted(ordered, key=_accepted_at)]:
        step = steps[task_id]
        if isinstance(step, Accept) and task_id not in chosen:
            steps[task_id] = Wait("for its turn, or for money for its bond and its gas")
        elif isinstance(step, Accept) and not can_accept:
            steps[task_id] = Wait("for its bond to be approved")
        elif isinstance(step, Examine | Generate):
            at_gateway[type(step)] += 1
            if at_gateway[type(step)] > limits.max_generating:
                steps[task_id] = Wait("for its turn at the gateway")
    if now.is_paying:
        return Plan(steps, None)
    if wanted and not is_accepting and now.allowance < bonds:
        return Plan(steps, Approve(bonds))
    return Plan(steps, _withdrawal(steps, now, limits))


def _affordable(
    wanted: list[KnownTask], everything: list[KnownTask], now: Situation, limits: Limits
) -> list[KnownTask]:
    """Of ``wanted``, those for which places, time, currency and ETH last, beside what is under way. One that asks for
    too much holds up nobody behind it."""
    running = [known for known in everything if _is_running(known, now)]
    places = limits.max_tasks - sum(known.status in (Status.FUNDED, Status.ACCEPTED) for known in running)
    # What is being accepted may or may not have paid its bond: it is counted as if it had not.
    money = now.balance - sum(known.task.bond for known in running if known.status == Status.FUNDED)
    ether_wei = now.balance_wei - sum(_ether_wei(known, now, limits) for known in running)
    promised = [k for k in running if k.status in (Status.FUNDED, Status.ACCEPTED) and k.id not in now.delivered]
    ahead_s = sum((work_s(_size(known, now, limits), limits) for known in promised), Fraction(0))
    chosen: list[KnownTask] = []
    for known in wanted:
        need_wei, size = _ether_wei(known, now, limits), _size(known, now, limits)
        is_late = expected_s(size, ahead_s, limits) > known.task.submit_within
        if len(chosen) >= places or is_late or money < known.task.bond or ether_wei < need_wei:
            continue
        money, ether_wei, ahead_s = money - known.task.bond, ether_wei - need_wei, ahead_s + work_s(size, limits)
        chosen.append(known)
    return chosen


def _is_running(known: KnownTask, now: Situation) -> bool:
    """Ours and not ended, or about to be ours."""
    if known.status == Status.FUNDED:
        return isinstance(now.busy.get(known.id), Accept)
    return known.provider == now.account and not known.status.is_final


def _accepted_at(known: KnownTask) -> int:
    """The second of it; 0 for what is not accepted, or is no more."""
    return known.until - known.task.submit_within if known.status == Status.ACCEPTED else 0


def _size(known: KnownTask, now: Situation, limits: Limits) -> Size:
    exam = now.exams.get(known.id)
    return exam.size if exam is not None else Size(0, limits.max_tokens)


def _ether_wei(known: KnownTask, now: Situation, limits: Limits) -> int:
    return ceil(gas_of_task(known.task, _size(known, now, limits)) * _gas_price(now, limits))


def _withdrawal(steps: Mapping[bytes, Step], now: Situation, limits: Limits) -> Withdraw | None:
    """What is owed once it is much, or once nothing more is coming."""
    is_idle = all(isinstance(step, Ignore) for step in steps.values())
    is_worth_it = now.owed > GAS_WITHDRAW * _gas_price(now, limits) * limits.currency_per_wei
    return Withdraw(now.owed) if is_worth_it and (is_idle or now.owed >= limits.withdraw_above) else None


def _gas_price(now: Situation, limits: Limits) -> int:
    return ceil(now.gas_price_wei * limits.gas_price_headroom)
