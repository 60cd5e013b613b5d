"""Two tests run at a time (see the Makefile), so each process keeps to one thread; and none is judged by the clock."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

import moray.ethereum  # noqa: F401 - before a test imports what it guards against
from moray.contracts.anvil import Anvil

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when it is imported

hypothesis.settings.register_profile("moray", deadline=None)
hypothesis.settings.load_profile("moray")


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    """One development chain for the tests of a file; each deploys its own contracts on it."""
    with Anvil() as running:
        yield running


@pytest.fixture(scope="session")
def gateway_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One gateway with its engine for all tests of agents: what they ask of it does not depend on who asked before."""
    from local_gateway import local_gateway, tiny_model  # brings torch, which few tests need

    folder = tmp_path_factory.mktemp("gateway")
    model = tiny_model(folder).rename(folder / "elver-tiny")  # the house model's name: sentences without instructions
    with local_gateway(model, folder) as url:
        yield url
