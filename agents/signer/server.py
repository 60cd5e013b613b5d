"""The signer's socket: who may ask, how much, for how long. What is answered stands in desk.py."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from moray.agents.policy.decision import Refusal
from moray.agents.policy.request import SignRequest, TypedDataRequest, transaction_request
from moray.agents.signer.approvals import Approval
from moray.agents.signer.desk import Desk
from moray.agents.signer.messages import (
    MAX_FRAME_BYTES,
    Approve,
    Done,
    Kill,
    Refused,
    Reply,
    Request,
    SignTransaction,
    SignTypedData,
    Status,
    decode_request,
    encode,
    transaction_fields,
)
from moray.agents.signer.sight import Sight
from moray.errors import (
    ApprovalNeeded,
    ApprovalRefused,
    BadSetting,
    DryRun,
    JournalUnusable,
    MorayError,
    PolicyDenied,
    SignerUnreachable,
    WireError,
)
from moray.quoting import quoted
from moray.wire import FrameReader

PATIENCE_S = 10.0  # for a request to come whole
MAX_CONNECTIONS = 16
MAX_SOCKET_PATH_BYTES = 107  # of Linux

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visitors:
    """Whose processes may ask, by user or by group. The signer's own user always may."""

    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()

    def may_ask(self, user: int, group: int) -> bool:
        return user == os.geteuid() or user in self.users or group in self.groups


class SignerServer:
    def __init__(self, path: Path, desk: Desk, visitors: Visitors, sights: Mapping[int, Sight] | None = None) -> None:
        """``sights``: by chain, what looks anew where a request needs it. Raises BadSetting for a path that the system
        has no room for."""
        if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
            raise BadSetting(f"{path} is too long for a socket, {MAX_SOCKET_PATH_BYTES} bytes; give a shorter --socket")
        self._path, self._desk, self._visitors, self._sights = path, desk, visitors, sights or {}
        self._num_connections = 0

    async def listen(self) -> asyncio.Server:
        """Raises BadSetting where the socket cannot be made."""
        try:
            listening = _listen(self._path, self._visitors)
        except OSError as error:
            raise BadSetting(f"cannot listen at {self._path}: {error.strerror}; give another --socket") from None
        return await asyncio.start_unix_server(self._visit, sock=listening)

    def end(self) -> None:
        self._path.unlink(missing_ok=True)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._num_connections += 1
        try:
            user, group = _peer(writer.get_extra_info("socket"))
            if not self._visitors.may_ask(user, group):
                logger.warning("user %d may not ask, it is turned away", user)
            elif self._num_connections <= MAX_CONNECTIONS:
                with suppress(WireError, TimeoutError):  # whoever asks so badly gets no answer
                    request = await asyncio.wait_for(_read(reader), PATIENCE_S)
                    if (sight := self._sight(request)) is not None:
                        await sight.refresh()
                    # To its end even if the visitor hangs up: what is decided is recorded whole.
                    reply = await asyncio.shield(asyncio.to_thread(self.answer, request, user))
                    writer.write(encode(reply))
                    await asyncio.wait_for(writer.drain(), PATIENCE_S)
        except OSError:
            pass  # it hung up
        finally:
            self._num_connections -= 1
            writer.close()

    def _sight(self, request: Request) -> Sight | None:
        if not isinstance(request, SignTransaction):
            return None
        return self._sights.get(int(request.numbers.get("chainId", "0")))

    def answer(self, request: Request, user: int) -> Reply:
        """Never raises: what goes wrong here is told, and nothing is signed."""
        try:
            return self._answered(request, user)
        except PolicyDenied as error:
            return _refused("denied", error, error.rule)
        except ApprovalNeeded as error:
            return _refused("approval_needed", error, error.rule)
        except DryRun as error:
            return _refused("dry_run", error, error.rule)
        except ApprovalRefused as error:
            return _refused("approval_refused", error)
        except (SignerUnreachable, JournalUnusable) as error:
            logger.error("not signed: %s", error)
            return _refused("failed", error)
        except Exception as error:
            # Its words are not passed on: a library's may quote what it was given.
            logger.error("not signed, a fault of the signer's: %s", type(error).__name__)
            return Refused(error="failed", code="failed", reason="the signer failed; its log says where")

    def _answered(self, request: Request, user: int) -> Reply:
        match request:
            case SignTransaction() | SignTypedData():
                return Done(result=self._desk.sign(self._sign_request(request, user), user))
            case Approve(approval=text, signatures=signatures):
                self._desk.approve(_approval(text), tuple(signatures), user)
            case Kill():
                self._desk.kill(user)
            case Status():
                return Done(facts=json.dumps(self._desk.status()))
        return Done()

    def _sign_request(self, message: SignTransaction | SignTypedData, user: int) -> SignRequest:
        try:
            return _parsed(message)
        except Refusal as refusal:
            self._desk.turn_away(refusal, user)


def _parsed(message: SignTransaction | SignTypedData) -> SignRequest:
    """Raises Refusal for what is no request at all."""
    if isinstance(message, SignTransaction):
        return transaction_request(transaction_fields(message))
    try:
        data = json.loads(message.text)
    except (ValueError, RecursionError):
        raise Refusal("bad_request", "typed data must be JSON") from None
    if not isinstance(data, dict):
        raise Refusal("bad_request", "typed data must be an object")
    return TypedDataRequest(data)


def _approval(text: str) -> Approval:
    try:
        return Approval.model_validate_json(text)
    except ValidationError:
        raise ApprovalRefused("that is no approval; make one with `moray agent approve`") from None


def _refused(kind: str, error: MorayError, rule: str | None = None) -> Refused:
    return Refused.model_validate(
        {"error": kind, "code": error.code[:64], "reason": quoted(str(error)), "rule": rule and rule[:256]}
    )


async def _read(reader: asyncio.StreamReader) -> Request:
    """Raises WireError where the peer hangs up or sends anything that is no request."""
    frames = FrameReader(MAX_FRAME_BYTES)
    while data := await reader.read(65536):
        for payload in frames.feed(data):
            return decode_request(payload)
    raise WireError("it hung up")


def _listen(path: Path, visitors: Visitors) -> socket.socket:
    """Connecting needs write permission: the group's only where one is named, everybody's where single users are, whom
    their credentials then tell apart."""
    path.unlink(missing_ok=True)  # of a signer that was killed; the journal's lock says that none runs
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))  # under the umask 077
        if len(visitors.groups) == 1 and not visitors.users:
            os.chown(path, -1, next(iter(visitors.groups)))
            path.chmod(0o660)
        elif visitors.users or visitors.groups:
            path.chmod(0o666)
        else:
            path.chmod(0o600)
    except BaseException:
        listening.close()
        raise
    return listening


def _peer(connection: socket.socket) -> tuple[int, int]:
    """The user and group of whoever connected, as the kernel noted them then."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, group = struct.unpack("3i", packed)
    return user, group
