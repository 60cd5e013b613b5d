"""What a contract says when it refuses a call: every error of the committed ABIs by name, with a line for people.

Solidity's own are ``Error(string)`` (a plain ``require``) and ``Panic(uint256)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, get_args

from moray.contracts.artifacts import ContractName
from moray.contracts.interface import Entry, Parameter, decode_values, interface
from moray.contracts.revert_lines import REVERT_LINES
from moray.contracts.tasks import Status
from moray.errors import Reverted

_BUILT_IN = (
    Entry("Error", "Error(string)", (Parameter("reason", "string"),)),
    Entry("Panic", "Panic(uint256)", (Parameter("panic_code", "uint256"),)),
)
MAX_LINE_CHARACTERS = 300
_LAST_SECOND = 253402300799  # of the year 9999, the last that a date can say


@cache
def known_errors() -> Mapping[bytes, Entry]:
    """By selector. Contracts that declare the same error share its selector and mean the same."""
    errors = {entry.selector: entry for entry in _BUILT_IN}
    for name in get_args(ContractName):
        errors |= interface(name).errors
    return errors


def decode_revert(data: bytes) -> Reverted:
    """Of a refused call's return data, whatever a contract put there."""
    entry = known_errors().get(data[:4])
    if entry is None:
        shown = f"with an error that is none of Moray's (0x{data[:4].hex()})" if data else "without a reason"
        return Reverted(
            "", {}, f"the contract refused the call {shown}; check the contract's address and the arguments"
        )
    try:
        values = decode_values(entry.inputs, data[4:])
    except ValueError:
        return Reverted(
            entry.name, {}, f"the contract refused the call with {entry.name}, whose arguments cannot be read"
        )
    arguments = {parameter.name: value for parameter, value in zip(entry.inputs, values, strict=True)}
    return Reverted(entry.name, arguments, _line(entry.name, arguments))


def revert_data(error: Mapping[str, Any]) -> bytes | None:
    """The return data in a JSON-RPC error; None where the error is not a contract's refusal.

    Endpoints agree on code 3 with the data as a string; some leave the data out, or wrap it in a struct.
    """
    data = error.get("data")
    if isinstance(data, Mapping):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return None
    is_revert = error.get("code") == 3 or "execution reverted" in str(error.get("message", ""))
    return b"" if is_revert else None


def _line(name: str, arguments: Mapping[str, Any]) -> str:
    words = {key: _shown(key, value) for key, value in arguments.items()}
    line = f"{REVERT_LINES[name].format_map(words)} ({name})"
    return "".join(character if character.isprintable() else " " for character in line)[:MAX_LINE_CHARACTERS]


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if name == "status" and value in set(Status):
        return Status(value).name.lower()
    if name in ("until", "deadline", "closesAt", "validAfter", "validBefore") and 0 <= value <= _LAST_SECOND:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return str(value)
