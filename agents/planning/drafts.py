"""What one kind of action comes to; the planner puts the rest around it."""

from __future__ import annotations

from dataclasses import dataclass

from moray.agents.plan import Bound
from moray.contracts.calls import Call

ANY = 2**256 - 1  # more than this nobody can get

@dataclass(frozen=True, slots=True)
class Draft:
    calls: tuple[Call, ...]
    bounds: tuple[Bound, ...]
    recipients: tuple[str, ...]
    summary: tuple[str, ...]
