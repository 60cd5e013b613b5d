"""The compiled contracts that are committed in ``abi/``: interface and creation bytecode."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

ContractName = Literal[
    "ModelRegistry",
    "NodeRegistry",
    "PaymentChannels",
    "Rehearsal",
    "Resolver",
    "TaskMarket",
    "TestCurrency",
    "TestMulticall",
    "TestStaking",
    "TestVault",
]

_FOLDER = Path(__file__).with_name("abi")


@dataclass(frozen=True, slots=True)
class Artifact:
    name: ContractName
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes  # that creates the contract, before its constructor's arguments


@cache
def load(name: ContractName) -> Artifact:
    stored = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Artifact(name, tuple(stored["abi"]), bytes.fromhex(stored["bytecode"].removeprefix("0x")))
