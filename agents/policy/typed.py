"""EIP-712 data read strictly: the one digest that it has, the text of its type, and its fields by path.

Libraries that hash typed data are lenient: a number may be a string, bytes may be text, a missing field is zero. What
could be read in two ways is refused here, so that what was decided on is what is hashed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moray.ethereum import encode_typed_data, is_checksum_address, keccak
from moray.node_key import TypedData

MAX_STRUCTS = 16
MAX_FIELDS = 32
MAX_ITEMS = 64  # of an array
MAX_TEXT = 4096  # characters or bytes of one value
_MAX_DEPTH = 6
_NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_]{0,63}")
_INTEGER = re.compile(r"(u?)int([0-9]{1,3})")
_BYTES = re.compile(r"bytes([0-9]{0,2})")
_ARRAY = re.compile(r"(.*)\[([0-9]{0,2})\]")
_STRUCT = re.compile(r"([A-Za-z_][0-9A-Za-z_]*)\(([^()]*)\)")
_DOMAIN = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}

Structs = Mapping[str, Mapping[str, str]]  # fields and their kinds, in order


@dataclass(frozen=True, slots=True)
class Typed:
    """``digest``: what is signed, hex."""

    chain_id: int
    contract: str  # EIP-55
    primary_type: str
    type_text: str
    message: Mapping[str, Any]
    digest: str

    def value(self, path: str) -> Any:
        value: Any = self.message
        for name in path.split("."):
            value = value[name]
        return value


def read_typed(data: TypedData) -> Typed:
    """Raises ValueError for what is not plain EIP-712 data of one contract on one chain."""
    if not isinstance(data, dict) or data.keys() != {"types", "primaryType", "domain", "message"}:
        raise ValueError("typed data has types, primaryType, domain and message, nothing else")
    structs = _structs(data["types"])
    primary, domain = data["primaryType"], data["domain"]
    if not isinstance(primary, str) or primary not in structs or primary == "EIP712Domain":
        raise ValueError("the primary type is none of the types")
    if not isinstance(domain, dict) or not {"chainId", "verifyingContract"} <= domain.keys() <= _DOMAIN.keys():
        raise ValueError("the domain must name a chain and a contract")
    fields = {name: kind for name, kind in _DOMAIN.items() if name in domain}
    if structs.get("EIP712Domain", fields) != fields or list(structs.get("EIP712Domain", fields)) != list(fields):
        raise ValueError("the domain is not as its type says")
    _check_struct(fields, domain, structs, 0)
    _check_struct(structs[primary], data["message"], structs, 0)
    try:
        signable = encode_typed_data(full_message=data)
    except Exception as error:  # of several libraries, which state no common one
        raise ValueError(f"the data cannot be hashed ({type(error).__name__})") from None
    digest = keccak(b"\x19" + signable.version + signable.header + signable.body).hex()
    text = type_text(primary, structs)
    return Typed(domain["chainId"], domain["verifyingContract"], primary, text, data["message"], digest)


def type_text(primary: str, structs: Structs) -> str:
    """EIP-712's encodeType. Raises ValueError for a struct that is used and not there."""
    used: set[str] = set()
    waiting = [primary]
    while waiting:
        name = waiting.pop()
        if name in used:
            continue
        used.add(name)
        waiting += [core for kind in structs[name].values() if (core := kind.split("[")[0]) in structs]
    order = [primary, *sorted(used - {primary})]
    return "".join(f"{name}({','.join(f'{kind} {each}' for each, kind in structs[name].items())})" for name in order)


def parse_type_text(text: str) -> tuple[str, Structs]:
    """The primary type and all structs of an encodeType text. Raises ValueError unless it is the one spelling."""
    structs: dict[str, dict[str, str]] = {}
    for name, inner in _STRUCT.findall(text):
        pairs = [piece.split(" ") for piece in inner.split(",")] if inner else []
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"{inner[:80]!r} is no list of fields; write `address to,uint256 value`")
        structs[name] = {field: kind for kind, field in pairs}
    if not structs or type_text(primary := next(iter(structs)), structs) != text:
        raise ValueError(f"{text[:80]!r} is no type of EIP-712; write it as encodeType does: Name(kind field,...)")
    return primary, structs


def field_kind(path: str, primary: str, structs: Structs) -> str | None:
    kind: str | None = primary
    for name in path.split("."):
        kind = structs.get(kind or "", {}).get(name)
    return kind


def _structs(types: Any) -> dict[str, dict[str, str]]:
    if not isinstance(types, dict) or not 0 < len(types) <= MAX_STRUCTS:
        raise ValueError(f"types must be from 1 to {MAX_STRUCTS} structs")
    structs = {}
    for name, fields in types.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError("a struct's name is no identifier")
        if not isinstance(fields, list) or not 0 < len(fields) <= MAX_FIELDS:
            raise ValueError(f"{name} must have from 1 to {MAX_FIELDS} fields")
        for field in fields:
            if not isinstance(field, dict) or field.keys() != {"name", "type"}:
                raise ValueError(f"a field of {name} has a name and a type, nothing else")
            if not all(isinstance(text, str) for text in field.values()) or not _NAME.fullmatch(field["name"]):
                raise ValueError(f"a field of {name} has no proper name")
        structs[name] = {field["name"]: field["type"] for field in fields}
        if len(structs[name]) != len(fields):
            raise ValueError(f"{name} has two fields of one name")
    return structs


def _check_struct(fields: Mapping[str, str], values: Any, structs: Structs, depth: int) -> None:
    if not isinstance(values, dict) or values.keys() != fields.keys():
        raise ValueError("a struct has other fields than its type says")
    for name, kind in fields.items():
        _check_value(kind, values[name], structs, depth + 1)


def _check_value(kind: str, value: Any, structs: Structs, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("the data is nested too deeply")
    if array := _ARRAY.fullmatch(kind):
        if type(value) is not list or len(value) > MAX_ITEMS or (array[2] and len(value) != int(array[2])):
            raise ValueError(f"a value is no {kind}, or has more than {MAX_ITEMS} items")
        for item in value:
            _check_value(array[1], item, structs, depth + 1)
    elif kind in structs:
        _check_struct(structs[kind], value, structs, depth)
    elif not _is_simple(kind, value):
        raise ValueError(f"a value is no {kind}: integers as such, addresses with their checksum, bytes as 0x and hex")


def _is_simple(kind: str, value: Any) -> bool:
    if kind == "address":
        return isinstance(value, str) and is_checksum_address(value)
    if kind == "bool":
        return type(value) is bool
    if kind == "string":
        return type(value) is str and len(value) <= MAX_TEXT
    if (match := _INTEGER.fullmatch(kind)) and int(match[2]) % 8 == 0 and 8 <= int(match[2]) <= 256:
        bits = int(match[2])
        low, high = (0, 2**bits) if match[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        return type(value) is int and low <= value < high
    if match := _BYTES.fullmatch(kind):
        if isinstance(value, str):
            is_hex = re.fullmatch("0x([0-9a-fA-F]{2})*", value) is not None
            value = bytes.fromhex(value[2:]) if is_hex and len(value) <= 2 * MAX_TEXT + 2 else None
        size = int(match[1]) if match[1] else None
        return type(value) is bytes and (len(value) <= MAX_TEXT if size is None else len(value) == size <= 32)
    return False
