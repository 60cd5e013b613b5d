"""Which signers' nodes have the stake that joining requires, read from the chain and remembered for a while.

No chain call is on the way of a Join whose signer was read lately. One that is new, or that was refused a moment ago,
is read once, for at most ``READ_TIMEOUT_S`` and with bounds on how many and how often; without an answer nobody is let
in. Who has joined is read again every ``LOOK_PERIOD_S`` and put out when its stake no longer suffices. While the chain
does not answer they stay: that is no fault of theirs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from moray.contracts.standing import Standing
from moray.errors import JoinRefused, MorayError
from moray.router.rate_limit import RateLimits

if TYPE_CHECKING:
    from moray.router.directory import Directory

MAX_AGE_S = 60.0  # of a reading by which a node is let in
REFUSED_FOR_S = 3.0  # before the chain is asked again: the operator may have staked meanwhile
READ_TIMEOUT_S = 3.0  # below the handshake's 5 s
MAX_READING = 64  # signers at a time
STRANGERS_PER_S, STRANGER_BURST = 20.0, 256  # signers without stake that are read, of all: a key costs nothing
MAX_REMEMBERED = 10_000  # signers with stake, and as many without
LOOK_PERIOD_S = 15.0

logger = logging.getLogger(__name__)


class Registry(Protocol):
    async def standing(self, signer: str) -> Standing:
        """Raises MorayError where the chain does not say."""
        ...


@dataclass(frozen=True, slots=True)
class Requirement:
    min_stake: int  # base units
    shown: str  # the same for people, as "10 MTC"

    def fault(self, standing: Standing) -> JoinRefused | None:
        """Why a node of this standing may not join; None where it may."""
        node = f"node {standing.node_id}"
        if not standing.node_id:
            return JoinRefused("not_registered", "this key signs for no node; `moray node stake` registers it")
        if standing.is_jailed:
            return JoinRefused("jailed", f"{node} is jailed; its operator can `moray node unjail` it after the time")
        if standing.bonded < self.min_stake:
            return JoinRefused("stake_too_low", f"{node} has less than {self.shown} bonded; `moray node stake` more")
        return None


@dataclass(frozen=True, slots=True)
class _Reading:
    standing: Standing
    at: float


class StakeBook:
    """Owned by one event loop."""

    def __init__(self, registry: Registry, requirement: Requirement, clock: Callable[[], float] = monotonic) -> None:
        self._registry, self._requirement, self._clock = registry, requirement, clock
        # Apart, so that no flood of strangers makes it forget who has stake.
        self._good, self._refused = OrderedDict[str, _Reading](), OrderedDict[str, _Reading]()
        self._reading: dict[str, asyncio.Task[Standing]] = {}
        self._strangers = RateLimits(STRANGERS_PER_S, STRANGER_BURST, 1)

    async def check(self, signer: str, max_age_s: float = MAX_AGE_S) -> None:
        """Raises JoinRefused: not_registered, stake_too_low or jailed by a reading of at most ``max_age_s``, or
        chain_unreachable or too_many_joins where there is none; then it is worth to try again."""
        now = self._clock()
        good, refused = self._good.get(signer), self._refused.get(signer)
        if good is not None and now - good.at <= max_age_s:
            return
        if refused is not None and now - refused.at <= REFUSED_FOR_S:
            standing = refused.standing
        else:
            standing = await self._read(signer, is_stranger=good is None)
        if fault := self._requirement.fault(standing):
            raise fault

    async def _read(self, signer: str, is_stranger: bool) -> Standing:
        """One reading for all who wait for this signer's."""
        reading = self._reading.get(signer)
        if reading is None:
            is_too_much = is_stranger and not self._strangers.allow("", self._clock())
            if is_too_much or len(self._reading) >= MAX_READING:
                raise JoinRefused("too_many_joins", "this router looks up as many stakes as it can; dial again later")
            reading = self._reading[signer] = asyncio.create_task(self._ask(signer))
            reading.add_done_callback(lambda _: self._reading.pop(signer))
        return await asyncio.shield(reading)  # whoever hangs up leaves the others their answer

    async def _ask(self, signer: str) -> Standing:
        try:
            standing = await asyncio.wait_for(self._registry.standing(signer), READ_TIMEOUT_S)
        except (MorayError, TimeoutError) as error:
            logger.warning("the stake of %s could not be read: %s", signer, error or "no answer in time")
            raise JoinRefused(
                "chain_unreachable", "this router cannot read stakes from its chain now; dial again later"
            ) from None
        self._remember(signer, standing)
        return standing

    def _remember(self, signer: str, standing: Standing) -> None:
        is_refused = self._requirement.fault(standing) is not None
        for book in (self._good, self._refused):
            book.pop(signer, None)
        book = self._refused if is_refused else self._good
        book[signer] = _Reading(standing, self._clock())
        if len(book) > MAX_REMEMBERED:
            book.popitem(last=False)


class StakeDoor(Protocol):
    """A ``StakeBook``, or the way to it from another thread."""

    async def check(self, signer: str, max_age_s: float = ...) -> None: ...


async def put_out(directory: Directory, stakes: StakeDoor, period_s: float = LOOK_PERIOD_S) -> None:
    """Look at who has joined for ever; end the uplinks of those who could not join now. In the directory's loop."""
    while True:
        await asyncio.sleep(period_s)
        for signer in {key.signer for key in directory.uplinks if key.signer}:
            try:
                await stakes.check(signer, max_age_s=period_s / 2)
            except JoinRefused as refused:
                if refused.reason_code in ("chain_unreachable", "too_many_joins"):
                    continue
                for uplink in [one for key, one in directory.uplinks.items() if key.signer == signer]:
                    uplink.refuse(refused)
            except Exception:  # a mistake of ours: others are still looked at
                logger.exception("a stake could not be looked at")
