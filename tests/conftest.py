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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only root can be several users of the system. Elsewhere those tests are left out, and the summary says so."""
    if os.geteuid() != 0:
        left_out = [item for item in items if item.get_closest_marker("root")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.geteuid() != 0:
        terminalreporter.write_line("not root: tests marked `root`, of several users of the system, are left out")


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
