"""Who makes the signature once all is decided: a key of this process, or a service that holds one."""

from __future__ import annotations

from typing import Any, Protocol

from moray.node_key import TypedData


class KeyHolder(Protocol):
    """A moray.node_key.NodeKey, or signer/remote.py. ``address`` is EIP-55."""

    @property
    def address(self) -> str: ...

    def sign_transaction(self, fields: dict[str, Any]) -> bytes: ...

    def sign_typed_data(self, data: TypedData) -> bytes: ...
