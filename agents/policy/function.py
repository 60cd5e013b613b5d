"""A function by the text of its signature, with or without names of its arguments, and calls of it read strictly.

    transfer(address to, uint256 amount)
    exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))

An argument is named by its path: "amount", "params.recipient", or by places, "0.3".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from moray.contracts.interface import Entry, Parameter, decode_values

MAX_SIGNATURE_CHARACTERS = 1000
_MAX_DEPTH = 4
_HEAD = re.compile(r"([A-Za-z_$][0-9A-Za-z_$]{0,63})\((.*)\)")
_ARGUMENT = re.compile(
    r"(?P<kind>\(.*\)|[a-z0-9]+)(?P<array>(\[[0-9]{0,2}\]){0,2})(\s+(?P<name>[A-Za-z_][0-9A-Za-z_]*))?"
)
_SIMPLE = re.compile(r"address|bool|string|bytes([1-9]|[12][0-9]|3[0-2])?|u?int([0-9]+)")

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """``places``: where each path leads; ``kinds``: the ABI's type there."""

    entry: Entry
    places: Mapping[str, Place]
    kinds: Mapping[Place, str]

    @property
    def signature(self) -> str:
        return self.entry.signature

    @property
    def selector(self) -> bytes:
        return self.entry.selector

    def read(self, data: bytes) -> tuple[Any, ...]:
        """The arguments of a call. Raises ValueError unless the same arguments make the same bytes again: no dirty
        upper bytes, no odd offsets, nothing missing and nothing behind."""
        if data[:4] != self.selector:
            raise ValueError("another function")
        values = decode_values(self.entry.inputs, data[4:])
        if self.entry.encode(*values) != data:
            raise ValueError("not the one encoding of its arguments")
        return values

    def kind(self, path: str) -> str | None:
        place = self.places.get(path)
        return None if place is None else self.kinds[place]


def argument(function: Function, values: tuple[Any, ...], path: str) -> Any:
    value: Any = values
    for step in function.places[path]:
        value = value[step]
    return value


@lru_cache(maxsize=4096)
def parse_function(text: str) -> Function:
    """Raises ValueError with what is wrong."""
    match = _HEAD.fullmatch(text.strip()) if len(text) <= MAX_SIGNATURE_CHARACTERS else None
    if match is None:
        raise ValueError(f"{text[:80]!r} is no function's signature; write it as transfer(address to, uint256 amount)")
    places: dict[str, Place] = {}
    kinds: dict[Place, str] = {}
    inner = ",".join(_read_arguments(match[2], (), "", places, kinds))
    inputs = tuple(Parameter(str(place[0]), kind) for place, kind in kinds.items() if len(place) == 1)
    entry = Entry(match[1], f"{match[1]}({inner})", tuple(sorted(inputs, key=lambda each: int(each.name))))
    return Function(entry, places, kinds)


def _read_arguments(
    text: str, parent: Place, prefix: str, places: dict[str, Place], kinds: dict[Place, str]
) -> Iterator[str]:
    """The kinds of a list of arguments, each noted with its paths on the way."""
    if len(parent) >= _MAX_DEPTH:
        raise ValueError("structs are nested too deeply")
    for index, piece in enumerate(_split(text)):
        match = _ARGUMENT.fullmatch(piece.strip())
        if match is None:
            raise ValueError(f"{piece.strip()[:80]!r} is no argument; write its type and, if you like, a name")
        place, array, kind = (*parent, index), match["array"], match["kind"]
        paths = [".".join(map(str, place))] + ([prefix + match["name"]] if match["name"] else [])
        if kind.startswith("("):
            fields: dict[str, Place] = places if not array else {}  # what is within an array has no one place
            within: dict[Place, str] = kinds if not array else {}
            name = f"{paths[-1]}."
            kind = f"({','.join(_read_arguments(kind[1:-1], place, name, fields, within))})"
            if kind == "()":
                raise ValueError("a struct has fields")
        elif not (simple := _SIMPLE.fullmatch(kind)) or int(simple[2] or 8) % 8 or not 8 <= int(simple[2] or 8) <= 256:
            raise ValueError(f"{kind!r} is no type; write integers with their size, as uint256")
        for path in paths:
            if places.setdefault(path, place) != place:
                raise ValueError(f"two arguments are named {path}")
        kinds[place] = kind + array
        yield kind + array


def _split(text: str) -> list[str]:
    """At the commas that are in no brackets."""
    pieces, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            raise ValueError("brackets do not match")
        if character == "," and not depth:
            pieces.append(text[start:place])
            start = place + 1
    if depth:
        raise ValueError("brackets do not match")
    return [*pieces, text[start:]] if text.strip() else []
