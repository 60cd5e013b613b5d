"""Every error that Moray raises on purpose, one tree.

::

    MorayError
    ├── BadInput                 the caller's mistake; retrying the same input cannot help
    │   ├── BadCheckpoint        a model folder that cannot be used as it is
    │   │   ├── UnsupportedArchitecture
    │   │   └── ShardCorrupt     a file missing, cut short or not of its manifest's digest
    │   ├── BadRequest           a request that the gateway refuses (HTTP 400)
    │   │   ├── ContextTooLong
    │   │   └── GrammarStuck     an answer that no token of the vocabulary can go on with
    │   ├── BadSetting           a command-line option or an environment variable
    │   │   └── PortTaken
    │   ├── UnsafeFile           a file of secrets that is not its owner's alone
    │   ├── UnsafeAddress        a network that points into private address space
    │   └── BadKey               a private key or a password that cannot be used
    │       ├── BadKeystore      a file that holds no key, or not as it should
    │       ├── KeyExists        nothing overwrites a key
    │       └── WrongPassword
    ├── WireError                bytes from a peer that break the protocol; the connection closes
    │   ├── FrameTooLarge
    │   └── FrameMalformed
    ├── BadSignature             65 bytes that nobody signed with
    ├── JoinRefused              the router turned an uplink away, with a code
    ├── ManifestRefused          a network manifest that is not to be believed, with a code
    ├── DownloadFailed           no source gave a file, or none the right one (retryable)
    ├── ExpertUnavailable        no replica answered in time (HTTP 503, retryable)
    ├── Overloaded               a bounded queue is full (HTTP 429, retryable)
    │   └── UserQueueFull        one user's part of it is
    ├── EngineStopped            the router is going down (HTTP 503, retryable)
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


class UnsafeFile(BadInput):
    code = "unsafe_file"


class UnsafeAddress(BadInput):
    code = "unsafe_address"


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


class ClusterError(MorayError):
    code = "cluster_error"
