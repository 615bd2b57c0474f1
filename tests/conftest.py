"""Fixtures for all tests: no test may touch the user's keys, cache or workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.workspace import Workspace

if TYPE_CHECKING:
    from tests.postgres_server import Server

# At home every run tries other examples; what decides a landing must not be a matter of luck.
settings.register_profile("home", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")


@pytest.fixture(autouse=True)
def _own_config(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and hosts files of a test live in a folder of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    for name in ("INBOND_HOME", "INBOND_LEDGER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real PostgreSQL server; each test takes a new database of it."""
    from tests.postgres_server import Server

    running = Server()
    yield running
    running.remove()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "bond")


@pytest.fixture
def ledger(workspace: Workspace) -> Iterator[Ledger]:
    with Ledger.open(workspace, KeyStore.default()) as opened:
        yield opened


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="Write golden files anew.")


@pytest.fixture
def golden(request: pytest.FixtureRequest):
    """``golden(name, text)`` compares with tests/golden/<name>, or writes it with --update-goldens."""
    folder = Path(__file__).parent / "golden"

    def compare(name: str, text: str) -> None:
        path = folder / name
        if request.config.getoption("--update-goldens"):
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing: run pytest --update-goldens and read the diff"
        assert text == path.read_text(encoding="utf-8"), f"{name} differs: --update-goldens after a look"

    return compare


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """The real small model out of the user's own cache, so that it is fetched once a machine."""
    from inbond.teachers import catalogue
    from inbond.workspace import cache_folder

    return catalogue.pull(catalogue.LISTED[0], cache_folder(os.environ))
