"""Answers of a type: the schema constrains the decoding where the server does that, and is checked where not."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from moray.errors import AnswerInvalid
from moray.faults import first_fault

T = TypeVar("T")
MAX_ANSWER_BYTES = 1 << 20
_FENCED = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?```\s*$", re.DOTALL)


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def instruction(schema: dict[str, Any]) -> str:
    """For a server that does not constrain."""
    return f"Answer with one JSON value of this JSON schema, and nothing else:\n{json.dumps(schema)}"


def read_answer(adapter: TypeAdapter[T], text: str) -> T:
    """The value in ``text``, a code block's too. Raises AnswerInvalid, which tells the model what to mend."""
    if len(text) > MAX_ANSWER_BYTES:
        raise AnswerInvalid(f"the answer has {len(text)} characters, at most {MAX_ANSWER_BYTES} are read; ask for less")
    fenced = _FENCED.match(text)
    try:
        return adapter.validate_json(fenced[1] if fenced else text)
    except ValidationError as error:
        raise AnswerInvalid(f"{first_fault(error, 'the answer')}; ask again") from None
