"""How an agent asks: what it gets is a signature or a typed refusal, never a key."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from moray.agents.signer.approvals import ApprovalFile
from moray.agents.signer.messages import (
    MAX_FRAME_BYTES,
    Approve,
    Done,
    Kill,
    Refused,
    Request,
    SignTypedData,
    Status,
    decode_reply,
    encode,
    transaction_message,
    typed_text,
)
from moray.errors import (
    ApprovalNeeded,
    ApprovalRefused,
    DryRun,
    MorayError,
    PolicyDenied,
    SignerUnreachable,
    WireError,
)
from moray.node_key import TypedData
from moray.wire import FrameReader

TIMEOUT_S = 30.0  # others may be before us; the decision itself takes milliseconds


class SignerClient:
    """A contracts.writer.TransactionSigner whose key is in another process. One connection per request."""

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        self._path, self._timeout_s = path, timeout_s
        self._address = ""

    @property
    def address(self) -> str:
        """The account. Raises SignerUnreachable when it is asked for the first time."""
        self._address = self._address or str(self.status()["address"])
        return self._address

    def sign_transaction(self, fields: dict[str, Any]) -> bytes:
        """The signed bytes. Raises PolicyDenied, ApprovalNeeded, DryRun, SignerUnreachable."""
        return self._ask(transaction_message(fields)).result

    def sign_typed_data(self, data: TypedData) -> bytes:
        """A signature's 65 bytes. Raises as ``sign_transaction``."""
        return self._ask(SignTypedData(text=typed_text(data))).result

    def approve(self, file: ApprovalFile) -> None:
        """Hand in what approvers signed. Raises ApprovalRefused, SignerUnreachable."""
        self._ask(Approve(approval=file.approval.model_dump_json(), signatures=list(file.signatures)))

    def status(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self._ask(Status()).facts)
        return facts

    def kill(self) -> None:
        """Nothing more is signed until an operator revives it."""
        self._ask(Kill())

    def _ask(self, request: Request) -> Done:
        reply = self._exchange(encode(request))
        if isinstance(reply, Refused):
            raise _as_error(reply)
        return reply

    def _exchange(self, frame: bytes) -> Done | Refused:
        reader = FrameReader(MAX_FRAME_BYTES)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout_s)
                connection.connect(str(self._path))
                connection.sendall(frame)
                while data := connection.recv(65536):
                    for payload in reader.feed(data):
                        return decode_reply(payload)
        except OSError as error:
            raise SignerUnreachable(
                f"the signer at {self._path} does not answer ({error.strerror or type(error).__name__}); "
                "start it with `moray agent signer run`"
            ) from None
        except WireError as error:
            raise SignerUnreachable(f"what answers at {self._path} is no signer: {error}") from None
        raise SignerUnreachable(f"the signer at {self._path} hung up: this user may not ask it, or it ended")


def _as_error(reply: Refused) -> MorayError:
    match reply.error:
        case "denied":
            return PolicyDenied(reply.code, reply.reason, reply.rule)
        case "approval_needed":
            return ApprovalNeeded(reply.reason, reply.rule)
        case "dry_run":
            return DryRun(reply.reason, reply.rule)
        case "approval_refused":
            return ApprovalRefused(reply.reason)
        case "failed":
            return SignerUnreachable(reply.reason)
