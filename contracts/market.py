"""The task market: what anyone can do with a task, as calls, and what has happened, as typed events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.contract import Contract, Event, address_topic
from moray.contracts.log import Log
from moray.contracts.tasks import Content, Status, Task, short, task_id


@dataclass(frozen=True, slots=True)
class TaskState:
    """``until``: the second at which the clock of ``status`` runs out. ``submission``: keccak256 over the hashes of
    result and transcript, zeros before there are any. NOBODY stands where there is no provider or challenger."""

    status: Status
    until: int
    provider: str
    submission: bytes
    challenger: str
    is_called_back: bool


@dataclass(frozen=True, slots=True)
class TaskCreated:
    id: bytes
    task: Task
    spec: bytes  # empty: at the task's spec_uri
    log: Log


@dataclass(frozen=True, slots=True)
class TaskAccepted:
    id: bytes
    provider: str
    submit_by: int
    log: Log


@dataclass(frozen=True, slots=True)
class TaskSubmitted:
    id: bytes
    provider: str
    challenge_by: int
    result: Content
    transcript: Content
    log: Log


@dataclass(frozen=True, slots=True)
class TaskChallenged:
    id: bytes
    challenger: str
    resolve_by: int
    log: Log


@dataclass(frozen=True, slots=True)
class TaskClosed:
    """What each gets is credited; ``burned`` is nobody's."""

    id: bytes
    status: Status
    to_client: int
    to_provider: int
    to_challenger: int
    burned: int
    log: Log


TaskEvent = TaskCreated | TaskAccepted | TaskSubmitted | TaskChallenged | TaskClosed


class TaskMarket:
    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self.contract = Contract(chain, "TaskMarket", address)

    @property
    def address(self) -> str:
        return self.contract.address

    def id_of(self, task: Task) -> bytes:
        return task_id(task, self.chain.chain_id, self.address)

    # -- views --------------------------------------------------------------------------------------------------------

    async def state(self, id: bytes, *, agreed: bool = False) -> TaskState:
        """All of one block: the newest, or with ``agreed`` the newest settled one, by every endpoint."""
        at = await (self.chain.agreed_block() if agreed else self.chain.head())

        async def read(view: str) -> Any:
            return await self.contract.read(view, id, block=at, agreed=agreed)

        status, until, provider = await read("stateOf")
        return TaskState(
            status=Status(status),
            until=until,
            provider=provider,
            submission=await read("submissionOf"),
            challenger=await read("challengerOf"),
            is_called_back=await read("isCalledBack"),
        )

    async def owed(self, account: str, *, agreed: bool = False) -> int:
        return int(await self.contract.read("owed", account, agreed=agreed))

    async def currency(self) -> str:
        return str(await self.contract.read("currency"))

    # -- calls --------------------------------------------------------------------------------------------------------

    def create(self, task: Task, spec: bytes) -> Call:
        """By the client, who has approved the fee. ``spec`` is empty where the terms say at which URI it is."""
        return self._step("create", "createTask", "TaskCreated", task, spec)

    def create_with_authorization(
        self, task: Task, spec: bytes, valid_after: int, valid_before: int, signature: bytes
    ) -> Call:
        """By anyone, with the client's signature of ``Currency.authorization_typed_data``; its nonce is the id."""
        return self._step(
            "create", "createTaskWithAuthorization", "TaskCreated", task, spec, valid_after, valid_before, signature
        )

    def cancel(self, task: Task) -> Call:
        return self._step("cancel", "cancel", "TaskClosed", task)

    def accept(self, task: Task) -> Call:
        """By the provider, who has approved the bond."""
        return self._step("accept", "accept", "TaskAccepted", task)

    def submit(self, task: Task, result: Content, transcript: Content) -> Call:
        return self._step(
            "submit a result of", "submit", "TaskSubmitted", task, result.as_struct(), transcript.as_struct()
        )

    def challenge(self, task: Task, result_hash: bytes, transcript_hash: bytes) -> Call:
        """By anyone, who has approved the bond. The hashes are those of what is challenged."""
        return self._step("challenge", "challenge", "TaskChallenged", task, result_hash, transcript_hash)

    def close(self, task: Task) -> Call:
        return self._step("close", "close", "TaskClosed", task)

    def call_back(self, task: Task, result: bytes, transcript_hash: bytes) -> Call:
        """``result``: its bytes, where one was submitted and not found invalid; empty otherwise."""
        return self._step("call back for", "callBack", "CallbackCalled", task, result, transcript_hash)

    def withdraw(self, account: str) -> Call:
        return self.contract.call(
            "withdraw",
            account,
            summary=f"withdraw what the task market owes {account}",
            event="Withdrawn",
            topics=(address_topic(account),),
        )

    # -- events -------------------------------------------------------------------------------------------------------

    def event_topics(self) -> list[bytes]:
        """Of what ``events`` tells."""
        return [self.contract.event_topic(kind.__name__) for kind in get_args(TaskEvent)]

    def events(self, logs: Iterable[Log]) -> list[TaskEvent]:
        """The tasks' among ``logs``, in their order; what else is there is left out, and so is a task whose terms are
        not those of its id: its URI is no UTF-8, so that nobody here could name these terms, or an endpoint lies."""
        decoded = ((self.contract.decode_log(log), log) for log in logs)
        typed = (_typed(event, log) for event, log in decoded if event is not None)
        return [
            event
            for event in typed
            if event is not None and not (isinstance(event, TaskCreated) and self.id_of(event.task) != event.id)
        ]

    # -- inside -------------------------------------------------------------------------------------------------------

    def _step(self, verb: str, function: str, event: str, task: Task, *args: Any) -> Call:
        id = self.id_of(task)
        return self.contract.call(
            function, task.as_struct(), *args, summary=f"{verb} task {short(id)}", event=event, topics=(id,)
        )


def _typed(event: Event, log: Log) -> TaskEvent | None:
    args = event.args
    match event.name:
        case "TaskCreated":
            return TaskCreated(args["id"], Task(*args["task"]), args["spec"], log)
        case "TaskAccepted":
            return TaskAccepted(args["id"], args["provider"], args["submitBy"], log)
        case "TaskSubmitted":
            result, transcript = Content(*args["result"]), Content(*args["transcript"])
            return TaskSubmitted(args["id"], args["provider"], args["challengeBy"], result, transcript, log)
        case "TaskChallenged":
            return TaskChallenged(args["id"], args["challenger"], args["resolveBy"], log)
        case "TaskClosed":
            sums = args["toClient"], args["toProvider"], args["toChallenger"], args["burned"]
            return TaskClosed(args["id"], Status(args["status"]), *sums, log)
    return None
