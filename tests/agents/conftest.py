"""One gateway with its engine for all tests of agents: what they ask of it does not depend on who asked before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_gateway import local_gateway, tiny_model


@pytest.fixture(scope="session")
def gateway_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("gateway")
    model = tiny_model(folder).rename(folder / "elver-tiny")  # the house model's name: sentences without instructions
    with local_gateway(model, folder) as url:
        yield url
