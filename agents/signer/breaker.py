"""When too much goes wrong, somebody should look before more is signed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breaker:
    """Halts after ``max_faults`` denials and reverted transactions within ``window_s``. Somebody who tries the policy's
    doors, or whose calls do not do what was meant, is an agent gone wrong, or one that was talked into it."""

    max_faults: int = 20
    window_s: float = 600.0

    def is_tripped(self, num_faults: int) -> bool:
        """``num_faults``: within the window that ends now."""
        return num_faults >= self.max_faults

    @property
    def reason(self) -> str:
        return f"{self.max_faults} refusals and reverts within {self.window_s:g} s"
