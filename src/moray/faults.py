"""What is wrong with what came from outside, fit for one line of a message or a log."""

from __future__ import annotations

from pydantic import ValidationError

from moray.quoting import quoted

MAX_PLACE_CHARACTERS, MAX_FAULT_CHARACTERS = 100, 300


def first_fault(error: ValidationError, whole: str = "") -> str:
    """Where and what, of the first. ``whole`` is the name of what is wrong as a whole. Names of fields may be somebody
    else's, so there are no control characters; values may be secrets, so pydantic's copy of them is left out."""
    fault = error.errors(include_url=False, include_input=False)[0]
    place = quoted(".".join(map(str, fault["loc"])), MAX_PLACE_CHARACTERS) or whole
    what = quoted(fault["msg"].removeprefix("Value error, "), MAX_FAULT_CHARACTERS)
    return f"{place}: {what}" if place else what
