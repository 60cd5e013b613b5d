"""The instructions that models are given: files with a version, so that a record can name what a model was told."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_VERSION = re.compile(r"<!-- version: ([1-9][0-9]*) -->\n")


@dataclass(frozen=True, slots=True)
class Prompt:
    """``digest`` is SHA-256 of the file, for the journal."""

    name: str
    version: int
    text: str
    digest: str


@cache
def read_prompt(name: str) -> Prompt:
    """``agents/prompts/NAME.md``, whose first line is its version."""
    content = files("moray.agents.prompts").joinpath(f"{name}.md").read_text(encoding="utf-8")
    head = _VERSION.match(content)
    assert head is not None, f"{name}.md begins with no version"  # a test reads them all
    digest = hashlib.sha256(content.encode()).hexdigest()
    return Prompt(name, int(head[1]), content[head.end() :], digest)
