"""A tool's call taken out of an answer's text while it comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moray.router.stop_strings import StopStrings
from moray.router.tool_format import AFTER_ARGUMENTS, BEFORE_ARGUMENTS, BEFORE_NAME, MARK


@dataclass(frozen=True, slots=True)
class CallPart:
    """Some consecutive characters of a call's arguments, or none where a call begins."""

    name: str
    arguments: str
    is_first: bool


def join_calls(parts: Sequence[CallPart | None]) -> CallPart | None:
    """Parts in order as one; None of none."""
    calls = [part for part in parts if part is not None]
    if not calls:
        return None
    return CallPart(calls[0].name, "".join(part.arguments for part in calls), calls[0].is_first)


class CallReader:
    """Fed the text of an answer that a grammar for calls has constrained: so much as may be the beginning of a mark is
    held back, and the call, once begun, is in order."""

    def __init__(self, must_call: bool) -> None:
        self._must_call = must_call
        self._content, self._head = StopStrings([MARK + BEFORE_NAME]), StopStrings([BEFORE_ARGUMENTS])
        self._arguments = StopStrings([AFTER_ARGUMENTS])
        self._name, self._is_told = "", False

    @property
    def has_called(self) -> bool:
        """To the call's end."""
        return self._arguments.is_stopped

    def push(self, text: str) -> tuple[str, CallPart | None]:
        """What is said beside the call, and of the call."""
        content = arguments = ""
        for character in text:  # a mark may begin anywhere
            if not self._content.is_stopped:
                content += self._content.push(character)
            elif not self._head.is_stopped:
                self._name += self._head.push(character)
            else:
                arguments += self._arguments.push(character)
        return content, self._part(arguments)

    def finish(self) -> tuple[str, CallPart | None]:
        """What was held back, when the text ends: a call that is cut off has what there is of its arguments."""
        content = "" if self._must_call else self._content.finish()
        return content, self._part(self._arguments.finish())

    def _part(self, arguments: str) -> CallPart | None:
        is_first = self._head.is_stopped and not self._is_told
        if not arguments and not is_first:
            return None
        self._is_told = True
        return CallPart(self._name, arguments, is_first)
