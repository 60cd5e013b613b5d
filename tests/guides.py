"""The commands of a page of documentation, as somebody would paste them."""

from __future__ import annotations

import re
import socket
from pathlib import Path

ROOT = Path(__file__).parent.parent


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands_of(text: str) -> list[str]:
    """Every line of the bash blocks, comments cut."""
    blocks: list[str] = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def section_of(text: str, title: str) -> str:
    return text[text.index(f"## {title}\n") :].split("\n## ")[0]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
