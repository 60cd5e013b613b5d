"""Every error that Moray raises on purpose, one tree.

::

    MorayError
    ├── BadInput                 the caller's mistake; retrying the same input cannot help
    │   ├── BadCheckpoint        a model folder that cannot be used as it is
    │   │   ├── UnsupportedArchitecture
    │   │   └── ShardCorrupt     a file missing, cut short or not of its manifest's digest
    │   ├── BadAction            text that is no typed action (``moray.actions``)
    │   ├── BadPolicy            a policy that cannot be read, or that says two things
    │   ├── BadRequest           a request that the gateway refuses (HTTP 400)
    │   │   ├── ContextTooLong
    │   │   └── GrammarStuck     an answer that no token of the vocabulary can go on with
    │   ├── BadSetting           a command-line option or an environment variable
    │   │   └── PortTaken
    │   ├── BadTaskSpec          a task's specification that says nothing which could be served
    │   ├── BadTranscript        what a provider shows with a result, and nobody can read
    │   ├── UnsafeFile           a file of secrets that is not its owner's alone
    │   ├── UnsafeAddress        a network that points into private address space
    │   ├── TermsRefused         a task that a client does not pay for
    │   │   ├── BalanceTooLow
    │   │   └── AuthorizationExpired
    │   ├── TaskUnknown          an id that no task of the market has
    │   └── BadKey               a private key or a password that cannot be used
    │       ├── BadKeystore      a file that holds no key, or not as it should
    │       ├── KeyExists        nothing overwrites a key
    │       └── WrongPassword
    ├── WireError                bytes from a peer that break the protocol; the connection closes
    │   ├── FrameTooLarge
    │   └── FrameMalformed
    ├── BadSignature             65 bytes that nobody signed with
    ├── StakeRefused             what an operator asks of its stake cannot be
    ├── JoinRefused              the router turned an uplink away, with a code
    ├── ManifestRefused          a network manifest that is not to be believed, with a code
    ├── DownloadFailed           no source gave a file, or none the right one (retryable)
    ├── ExpertUnavailable        no replica answered in time (HTTP 503, retryable)
    ├── Overloaded               a bounded queue is full (HTTP 429, retryable)
    │   └── UserQueueFull        one user's part of it is
    ├── EngineStopped            the router is going down (HTTP 503, retryable)
    ├── ChainError               a chain, or a contract on it, did not do what it was asked
    │   ├── ChainUnreachable     an endpoint does not answer, or not as one does (retryable)
    │   ├── ChainRefused         an endpoint answered with an error of its own
    │   ├── WrongChain           an endpoint of another chain
    │   ├── EndpointsDisagree    endpoints say different things of one block
    │   ├── ContractMissing      no contract at an address, or another one
    │   └── Reverted             a contract refused a call, and said why
    ├── CallFailed               a call of a contract that did not happen, and cannot any more
    │   ├── CallReverted         the contract refuses it
    │   ├── EventMissing         it was mined and did not do what it is for
    │   ├── EmptyWallet          the account cannot pay for its gas (retryable)
    │   └── SignatureRefused     whoever holds the key does not sign it
    ├── GatewayError             a server of a model did not do what it was asked
    │   ├── GatewayRefused       it answered with an error of its own
    │   ├── GatewayUnreachable   it does not answer (retryable)
    │   ├── StreamBroken         an answer broke off and cannot be taken up again (retryable)
    │   └── AnswerInvalid        a model's answer is not of the type that was asked for
    ├── OutboxConflict           one key for two calls
    ├── PlanRefused              an action that is not turned into calls, or whose calls are not sent
    │   ├── NotPlanned           of a kind that is not carried out
    │   ├── NameUnknown          the user's address book does not have a name: a question back
    │   ├── LookAlike            an address that can be mistaken for another one
    │   ├── FundsTooLow          less is there than the action needs
    │   ├── CodeUnexpected       a contract's code is not what the address book says
    │   ├── PriceDoubtful        no price that money may be staked on
    │   ├── PlanStale            its deadline has passed: plan again
    │   ├── PlanConflict         one key for two plans
    │   └── SimulationDisagrees  what would happen is not what the plan says
    ├── TaskNotReady             a task's clock runs, or its result is still to come (retryable)
    ├── NoResult                 a task ended without a result that stands
    ├── NothingToRefund          a task's provider delivered
    ├── SigningRefused           the signer did not sign, on purpose
    │   ├── PolicyDenied         its policy says no, with the decision's code
    │   ├── ApprovalNeeded       a person must agree first
    │   └── DryRun               it would have signed; the chain is not live
    ├── ApprovalRefused          an approval that permits nothing
    ├── SignerUnreachable        the signer does not answer, or could not record what it would do (retryable)
    ├── JournalUnusable          the journal cannot be written or read now
    │   └── JournalBroken        it is not what was written
    ├── ContentUnavailable       nobody gives the bytes that a task names by their hash (retryable)
    └── ClusterError             a local process did not do what it was told

A message is one line, states the fact and says what to do.
"""


class MorayError(Exception):
    """Base of the tree. ``code`` is the stable machine-readable name used in JSON and metrics."""

    code = "moray_error"
    is_retryable = False


class BadInput(MorayError):
    code = "bad_input"


class BadCheckpoint(BadInput):
    code = "bad_checkpoint"


class UnsupportedArchitecture(BadCheckpoint):
    code = "unsupported_architecture"


class ShardCorrupt(BadCheckpoint):
    code = "shard_corrupt"


class BadAction(BadInput):
    code = "bad_action"


class BadPolicy(BadInput):
    code = "bad_policy"


class BadRequest(BadInput):
    """``param`` names the offending field of the request, as OpenAI's error objects do."""

    code = "invalid_request"

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class ContextTooLong(BadRequest):
    code = "context_length_exceeded"


class GrammarStuck(BadRequest):
    code = "grammar_stuck"


class BadSetting(BadInput):
    code = "bad_setting"


class PortTaken(BadSetting):
    code = "port_taken"


class BadTaskSpec(BadInput):
    code = "bad_task_spec"


class BadTranscript(BadInput):
    code = "bad_transcript"


class UnsafeFile(BadInput):
    code = "unsafe_file"


class UnsafeAddress(BadInput):
    code = "unsafe_address"


class TermsRefused(BadInput):
    code = "terms_refused"


class BalanceTooLow(TermsRefused):
    code = "balance_too_low"


class AuthorizationExpired(TermsRefused):
    code = "authorization_expired"


class TaskUnknown(BadInput):
    code = "task_unknown"


class BadKey(BadInput):
    code = "bad_key"


class BadKeystore(BadKey):
    code = "bad_keystore"


class KeyExists(BadKey):
    code = "key_exists"


class WrongPassword(BadKey):
    code = "wrong_password"


class WireError(MorayError):
    code = "wire_error"


class FrameTooLarge(WireError):
    code = "frame_too_large"


class FrameMalformed(WireError):
    code = "frame_malformed"


class BadSignature(MorayError):
    code = "bad_signature"


class StakeRefused(MorayError):
    code = "stake_refused"


class JoinRefused(MorayError):
    """``reason_code`` is the ``Reject`` message's code, for example ``wrong_model``."""

    code = "join_refused"

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(f"{reason_code}: {message}")
        self.reason_code = reason_code


class ManifestRefused(MorayError):
    """``reason_code``: malformed, wrong_owner, wrong_network, bad_signature, expired, not_yet_valid or rolled_back."""

    code = "manifest_refused"

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(f"{reason_code}: {message}")
        self.reason_code = reason_code


class DownloadFailed(MorayError):
    """``status`` is HTTP's, of a server that answered with an error."""

    code = "download_failed"
    is_retryable = True

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ExpertUnavailable(MorayError):
    """``experts`` are the ids that nobody answered for."""

    code = "expert_unavailable"
    is_retryable = True

    def __init__(self, experts: frozenset[int], message: str) -> None:
        super().__init__(message)
        self.experts = experts


class Overloaded(MorayError):
    """``retry_after_s``: when there will be room, as far as the router can tell."""

    code = "overloaded"
    is_retryable = True

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UserQueueFull(Overloaded):
    code = "user_queue_full"


class EngineStopped(MorayError):
    code = "engine_stopped"
    is_retryable = True


class CallFailed(MorayError):
    code = "call_failed"


class CallReverted(CallFailed):
    """``name`` is the contract's own error, for example ``WrongStatus``; empty where it gave none."""

    code = "call_reverted"

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class EventMissing(CallFailed):
    code = "event_missing"


class EmptyWallet(CallFailed):
    code = "empty_wallet"
    is_retryable = True


class GatewayError(MorayError):
    code = "gateway_error"


class GatewayRefused(GatewayError):
    """``status`` is HTTP's, 0 where there was none; ``param`` the field of the request that it is about."""

    code = "gateway_refused"

    def __init__(self, message: str, status: int, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param


class GatewayUnreachable(GatewayError):
    code = "gateway_unreachable"
    is_retryable = True


class StreamBroken(GatewayError):
    code = "stream_broken"
    is_retryable = True


class AnswerInvalid(GatewayError):
    code = "answer_invalid"


class SignatureRefused(CallFailed):
    """``name`` is the code of the error with which the signer refused, for example ``policy_denied``."""

    code = "signature_refused"

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class OutboxConflict(MorayError):
    code = "outbox_conflict"


class PlanRefused(MorayError):
    code = "plan_refused"


class NotPlanned(PlanRefused):
    code = "not_planned"


class NameUnknown(PlanRefused):
    """``slot`` is the action's field that holds the name, as in ``moray.actions.Slot``."""

    code = "name_unknown"

    def __init__(self, slot: str, message: str) -> None:
        super().__init__(message)
        self.slot = slot


class LookAlike(PlanRefused):
    code = "look_alike"


class FundsTooLow(PlanRefused):
    code = "funds_too_low"


class CodeUnexpected(PlanRefused):
    code = "code_unexpected"


class PriceDoubtful(PlanRefused):
    code = "price_doubtful"


class PlanStale(PlanRefused):
    code = "plan_stale"


class PlanConflict(PlanRefused):
    code = "plan_conflict"


class SimulationDisagrees(PlanRefused):
    code = "simulation_disagrees"


class TaskNotReady(MorayError):
    code = "task_not_ready"
    is_retryable = True


class NoResult(MorayError):
    code = "no_result"


class NothingToRefund(MorayError):
    code = "nothing_to_refund"


class SigningRefused(MorayError):
    code = "signing_refused"


class PolicyDenied(SigningRefused):
    """``code`` is the decision's, for example ``over_limit``; ``rule`` the rule that came nearest."""

    code = "policy_denied"

    def __init__(self, code: str, message: str, rule: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.rule = rule


class ApprovalNeeded(SigningRefused):
    """``rule`` asks for it."""

    code = "approval_needed"

    def __init__(self, message: str, rule: str | None = None) -> None:
        super().__init__(message)
        self.rule = rule


class DryRun(SigningRefused):
    """``rule`` would have allowed it."""

    code = "dry_run"

    def __init__(self, message: str, rule: str | None = None) -> None:
        super().__init__(message)
        self.rule = rule


class ApprovalRefused(MorayError):
    code = "approval_refused"


class SignerUnreachable(MorayError):
    code = "signer_unreachable"
    is_retryable = True


class JournalUnusable(MorayError):
    code = "journal_unusable"


class JournalBroken(JournalUnusable):
    code = "journal_broken"


class ContentUnavailable(MorayError):
    code = "content_unavailable"
    is_retryable = True


class ClusterError(MorayError):
    code = "cluster_error"


class ChainError(MorayError):
    code = "chain_error"


class ChainUnreachable(ChainError):
    code = "chain_unreachable"
    is_retryable = True


class ChainRefused(ChainError):
    """``rpc_code`` is JSON-RPC's, for example -32601 for a method that the endpoint does not have."""

    code = "chain_refused"

    def __init__(self, message: str, rpc_code: int = 0) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code


class WrongChain(ChainError):
    code = "wrong_chain"


class EndpointsDisagree(ChainError):
    code = "endpoints_disagree"


class ContractMissing(ChainError):
    code = "contract_missing"


class Reverted(ChainError):
    """``name`` of the contract's error, and its ``arguments`` by name; "" where the contract gave no reason."""

    code = "reverted"

    def __init__(self, name: str, arguments: dict[str, object], message: str) -> None:
        super().__init__(message)
        self.name = name
        self.arguments = arguments
