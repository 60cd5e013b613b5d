"""One member of a resolver: judges each challenged result once, signs what it found, and brings the verdict to the
chain as soon as enough members say the same."""

from __future__ import annotations

from moray.contracts.market import TaskMarket
from moray.contracts.resolver import Resolver
from moray.contracts.sender import Sender
from moray.contracts.tasks import Outcome, Status
from moray.contracts.verdicts import SignedVerdict, VerdictFolder, signatures_of
from moray.errors import BadSetting, CallFailed
from moray.node_key import NodeKey
from moray.router.task_examiner import Examiner
from moray.router.task_following import Moment
from moray.router.task_log import KnownTask
from moray.router.task_watcher import Tell
from moray.router.watch_decisions import Submission, is_last_try, submission_of, to_judge


class Bench:
    """A resolver's committee and where its members share what they signed: nowhere, where one is enough."""

    def __init__(self, resolver: Resolver, members: tuple[str, ...], threshold: int, folder: VerdictFolder | None):
        self.resolver, self.members, self.threshold, self.folder = resolver, members, threshold, folder

    @classmethod
    async def of(cls, resolver: Resolver, member: str, folder: VerdictFolder | None) -> Bench:
        """Raises BadSetting where ``member`` is none, or could not reach the others."""
        members, threshold = await resolver.members(), await resolver.threshold()
        if member not in members:
            raise BadSetting(f"{member} is no member of the resolver {resolver.address}; use the key of one")
        if threshold > 1 and folder is None:
            raise BadSetting(f"the resolver needs {threshold} members of one opinion; give --verdicts DIR")
        return cls(resolver, members, threshold, folder)


class ResolverMember:
    def __init__(
        self, key: NodeKey, bench: Bench, market: TaskMarket, examiner: Examiner, sender: Sender, tell: Tell
    ) -> None:
        self._key, self._bench, self._market = key, bench, market
        self._examiner, self._sender, self._tell = examiner, sender, tell
        self._signed: dict[Submission, SignedVerdict] = {}
        self._brought: set[Submission] = set()  # to the chain, or it does not want them

    async def see(self, moment: Moment) -> None:
        ours = [known for known in moment.tasks.values() if known.task.resolver == self._bench.resolver.address]
        model_id, now_s = self._examiner.model_id, moment.now_s
        for known in to_judge(ours, Status.CHALLENGED, model_id, self._brought, now_s):
            submission = submission_of(known)
            if submission not in self._signed:
                judgement = await self._examiner.examine(known, is_last_try(known, now_s))
                if judgement is None:
                    continue  # to be had later, perhaps
                self._tell(known, f"judged {judgement.outcome.name.lower()}", reason=judgement.reason)
                self._signed[submission] = self._sign(submission, judgement.outcome)
            await self._bring(known, submission)

    def _sign(self, submission: Submission, outcome: Outcome) -> SignedVerdict:
        data = self._bench.resolver.verdict_typed_data(self._market.address, *submission, outcome)
        task_id, result_hash, transcript_hash = submission
        verdict = SignedVerdict(
            task_id=task_id,
            result_hash=result_hash,
            transcript_hash=transcript_hash,
            outcome=outcome,
            member=self._key.address,
            signature=self._key.sign_typed_data(data),
        )
        if self._bench.folder is not None:
            self._bench.folder.put(verdict)
        return verdict

    async def _bring(self, known: KnownTask, submission: Submission) -> None:
        own, bench = self._signed[submission], self._bench
        found = bench.folder.of(known.id) if bench.folder is not None else []
        data = bench.resolver.verdict_typed_data(self._market.address, *submission, own.outcome)
        signatures = signatures_of(own, found, bench.members, data)
        if len(signatures) < bench.threshold:
            return
        enough = dict(sorted(signatures.items())[: bench.threshold])  # more would only cost gas
        _, result_hash, transcript_hash = submission
        call = bench.resolver.resolve(known.task, self._market, result_hash, transcript_hash, own.outcome, enough)
        try:
            await self._sender.send(
                f"resolve {result_hash.hex()} of 0x{known.id.hex()} by {self._sender.address}", call
            )
        except CallFailed as error:  # another member was faster, or the time is over
            self._tell(known, "not resolved", reason=str(error))
        else:
            self._tell(known, f"resolved {own.outcome.name.lower()}")
        self._brought.add(submission)
