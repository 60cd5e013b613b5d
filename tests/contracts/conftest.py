"""One development chain for the tests of a file; each deploys its own contracts on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moray.contracts.anvil import Anvil


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with Anvil() as running:
        yield running
