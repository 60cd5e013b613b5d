"""web3, imported in one place and after moray.ethereum, which keeps the process's recursion limit as it was."""

from __future__ import annotations

import moray.ethereum  # noqa: F401 - before web3 imports what raises the limit

# isort: split
from web3 import AsyncWeb3
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

__all__ = ["AsyncJSONBaseProvider", "AsyncWeb3", "RPCEndpoint", "RPCResponse"]
