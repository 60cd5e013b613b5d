"""OpenAI's ``response_format``: text, any JSON object, or JSON that a schema describes.

Source: OpenAI's API reference, "Structured Outputs". A schema holds as it is written, ``strict`` or not: what it does
not forbid is allowed, ``additionalProperties`` too. Properties come in the order of the schema.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from moray.errors import BadRequest

MAX_SCHEMA_BYTES = 32 * 1024
MAX_SCHEMA_DEPTH = 64  # lists and objects inside each other; a level of an answer takes two of them or three
ANY_OBJECT: dict[str, Any] = {"type": "object"}
PARAM = "response_format"


class _Format(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class TextFormat(_Format):
    type: Literal["text"]


class JsonObjectFormat(_Format):
    type: Literal["json_object"]


class NamedSchema(_Format):
    name: str = Field(pattern="^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    strict: bool | None = None
    # OpenAI's name is taken in pydantic. Without a schema, OpenAI too lets any object pass.
    json_schema: dict[str, Any] = Field(ANY_OBJECT, alias="schema")


class JsonSchemaFormat(_Format):
    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


def schema_text(response_format: ResponseFormat | None) -> str | None:
    """The schema that an answer must fit, as JSON text; None when it may be any text. Raises BadRequest when it is too
    large or too deep."""
    match response_format:
        case JsonObjectFormat():
            schema = ANY_OBJECT
        case JsonSchemaFormat():
            schema = response_format.json_schema.json_schema
        case _:
            return None
    return checked_schema(schema, PARAM)


def checked_schema(schema: dict[str, Any], param: str) -> str:
    """As JSON text; ``param`` is the request's field. Raises BadRequest when it is too large or too deep."""
    if _depth(schema) > MAX_SCHEMA_DEPTH:
        raise BadRequest(f"{param}: the schema is more than {MAX_SCHEMA_DEPTH} levels deep; make it flatter", param)
    try:
        text = json.dumps(
            schema, ensure_ascii=False, allow_nan=False
        )  # properties keep their order, which has a meaning
    except ValueError:
        raise BadRequest(f"{param}: the schema has a number that JSON does not know; change it", param) from None
    if len(text.encode()) > MAX_SCHEMA_BYTES:
        raise BadRequest(f"{param}: the schema is larger than {MAX_SCHEMA_BYTES} bytes; make it smaller", param)
    return text


def _depth(value: object) -> int:
    """Without recursion, since others write the schema."""
    depth, level = 0, [value]
    while level := [entry for entry in level if isinstance(entry, dict | list)]:
        depth += 1
        level = [inner for entry in level for inner in (entry.values() if isinstance(entry, dict) else entry)]
    return depth
