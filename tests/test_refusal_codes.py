"""Every code of a refusal that a node may see is explained to its operator."""

from __future__ import annotations

import re

from guides import ROOT, page, section_of

FOLDERS = ("src/moray", "nodes", "router", "experts")
RAISED = re.compile(r"\b(?:JoinRefused|ManifestRefused)\(\s*\"([a-z_]+)\"")


def test_the_guide_explains_every_code_and_no_other() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    raised = {code for path in files for code in RAISED.findall(path.read_text(encoding="utf-8"))}
    assert len(raised) > 20
    rows = [
        line for line in section_of(page("docs/operate-a-node.md"), "Refusals").splitlines() if line.startswith("| `")
    ]
    explained = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert explained == raised | {"rate_limited", "overloaded"}  # HTTP 429, which is no refusal
