"""The form of an answer in llguidance's language."""

from __future__ import annotations

import json
from typing import Any

from llguidance import LLMatcher

from moray.router.answer_form import AnswerForm
from moray.router.tool_format import AFTER_ARGUMENTS, BEFORE_ARGUMENTS, BEFORE_NAME, MARK

# Between two parts of an answer: nothing, a space, or a line break and an indentation. Without a bound, a model may say
# spaces for ever.
WHITESPACE = r"( |\n[ ]{0,24})?"


def grammar_source(form: AnswerForm) -> str:
    """Raises ValueError for what is no schema."""
    if not form.tools and form.schema is not None:
        return _json_grammar(form.schema)
    calls = [
        f"{json.dumps(BEFORE_NAME + name + BEFORE_ARGUMENTS)} @arguments{place} {json.dumps(AFTER_ARGUMENTS)}"
        for place, (name, _) in enumerate(form.tools)
    ]
    sides = {f"arguments{place}": schema for place, (_, schema) in enumerate(form.tools)}
    mark = json.dumps(MARK)
    if form.must_call:
        start = f"start: {mark} call"
    elif form.schema is not None:
        start, sides = f"start: @answer | {mark} call", sides | {"answer": form.schema}
    else:  # lazy: where the mark is complete, the text before it is
        start = f"start: TEXT | before call\nTEXT: /(?s:.*)/ & ~/(?s:.*{MARK}.*)/\nbefore[lazy]: /(?s:.*{MARK})/"
    lark = f"%llguidance {{}}\n{start}\ncall: {' | '.join(calls)}"
    named = [{**json.loads(_json_grammar(schema))["grammars"][0], "name": name} for name, schema in sides.items()]
    return json.dumps({"grammars": [{"lark_grammar": lark}, *named]})


def _json_grammar(schema: str) -> str:
    # All that changes what is accepted, since a schema may bring options of its own ("x-guidance").
    overrides: Any = {
        "lenient": False,
        "coerce_one_of": False,
        "whitespace_pattern": WHITESPACE,
        "item_separator": ",",
        "key_separator": ":",
    }
    return LLMatcher.grammar_from_json_schema(schema, overrides=overrides)
