"""A contract's ABI made ready: bytes of calls, and values out of replies, events and errors.

Structs are tuples in the order of their fields. Addresses come out as EIP-55.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import encode
from eth_abi.codec import ABIDecoder
from eth_abi.decoding import StringDecoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import BaseEquals, registry
from eth_utils.abi import abi_to_signature, collapse_if_tuple
from eth_utils.crypto import keccak

from moray.contracts.artifacts import ContractName, load
from moray.contracts.log import Log
from moray.ethereum import to_checksum_address


class _AnyString(StringDecoder):
    """No contract looks whether a string is UTF-8, so a stranger's need not be: what is none becomes U+FFFD."""

    def __init__(self) -> None:
        super().__init__(handle_string_errors="replace")  # type: ignore[no-untyped-call]


_REGISTRY = registry.copy()  # type: ignore[no-untyped-call]
_REGISTRY.unregister_decoder("string")
_REGISTRY.register_decoder(BaseEquals("string"), _AnyString, label="string")  # type: ignore[no-untyped-call]
_DECODER = ABIDecoder(_REGISTRY)


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str  # as in signatures: "uint256", "(address,bytes)"
    is_indexed: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A function, an event or an error."""

    name: str
    signature: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...] = ()

    @property
    def topic(self) -> bytes:
        return keccak(text=self.signature)

    @property
    def selector(self) -> bytes:
        return self.topic[:4]

    def encode(self, *arguments: Any) -> bytes:
        """Selector and arguments. Raises ValueError for those that do not fit."""
        return self.selector + encode_values(self.inputs, *arguments)


@dataclass(frozen=True, slots=True)
class Interface:
    name: ContractName
    functions: Mapping[str, Entry]  # by signature, and by name where that says which
    events: Mapping[str, Entry]  # by name
    events_by_topic: Mapping[bytes, Entry]
    errors: Mapping[bytes, Entry]  # by selector
    constructor: tuple[Parameter, ...]


@cache
def interface(name: ContractName) -> Interface:
    abi = load(name).abi
    functions = [_entry(each) for each in abi if each["type"] == "function"]
    events = [_entry(each) for each in abi if each["type"] == "event"]
    names = [function.name for function in functions]
    return Interface(
        name,
        functions={f.signature: f for f in functions} | {f.name: f for f in functions if names.count(f.name) == 1},
        events={event.name: event for event in events},
        events_by_topic={event.topic: event for event in events},
        errors={error.selector: error for each in abi if each["type"] == "error" and (error := _entry(each))},
        constructor=next((_parameters(each["inputs"]) for each in abi if each["type"] == "constructor"), ()),
    )


def encode_values(parameters: Sequence[Parameter], *values: Any) -> bytes:
    """Raises ValueError for values that do not fit."""
    try:
        return encode([parameter.kind for parameter in parameters], values)
    except EncodingError as error:
        raise ValueError(str(error)) from None


def decode_values(parameters: Sequence[Parameter], data: bytes) -> tuple[Any, ...]:
    """Raises ValueError for bytes that are no such values."""
    kinds = [parameter.kind for parameter in parameters]
    try:
        values = _DECODER.decode(kinds, data)
    except (DecodingError, OverflowError) as error:
        raise ValueError(str(error)) from None
    return tuple(_readable(kind, value) for kind, value in zip(kinds, values, strict=True))


def decode_event(event: Entry, log: Log) -> dict[str, Any]:
    """Arguments by name; an indexed one without a fixed size is its hash. Raises ValueError for another's log."""
    indexed = [parameter for parameter in event.inputs if parameter.is_indexed]
    plain = [parameter for parameter in event.inputs if not parameter.is_indexed]
    if len(log.topics) != len(indexed) + 1 or log.topics[0] != event.topic:
        raise ValueError(f"no log of {event.signature}")
    in_topics = [Parameter(p.name, "bytes32" if _is_hashed(p.kind) else p.kind) for p in indexed]
    values = dict(zip([p.name for p in plain], decode_values(plain, log.data), strict=True))
    values |= dict(zip([p.name for p in in_topics], decode_values(in_topics, b"".join(log.topics[1:])), strict=True))
    return {parameter.name: values[parameter.name] for parameter in event.inputs}


def _entry(abi: dict[str, Any]) -> Entry:
    outputs = _parameters(abi.get("outputs", []))
    return Entry(abi["name"], abi_to_signature(abi), _parameters(abi["inputs"]), outputs)  # type: ignore[arg-type]


def _parameters(inputs: list[dict[str, Any]]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(each["name"] or str(place), collapse_if_tuple(each), each.get("indexed", False))
        for place, each in enumerate(inputs)
    )


def _is_hashed(kind: str) -> bool:
    return kind in ("string", "bytes") or kind.endswith((")", "]"))


def _readable(kind: str, value: Any) -> Any:
    """Addresses as EIP-55, also within structs and arrays."""
    if kind == "address":
        return to_checksum_address(value)
    if kind.endswith("]"):
        return tuple(_readable(kind[: kind.rindex("[")], each) for each in value)
    if kind.endswith(")"):
        return tuple(_readable(inner, each) for inner, each in zip(_fields(kind), value, strict=True))
    return value


def _fields(struct: str) -> list[str]:
    """The kinds in "(address,(bytes32,bytes),uint8[])"."""
    fields, depth, start = [], 0, 1
    for place, character in enumerate(struct):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if (character == "," and depth == 1) or depth == 0:
            fields.append(struct[start:place])
            start = place + 1
    return fields
