"""The command line in this process, so that torch is loaded once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inbond.cli.main import run as inbond
from tests.small_demo import run as run_line

Command = Callable[..., dict[str, Any]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: str, code: int = 0) -> dict[str, Any]:
        """Returns the JSON object, once the exit code is the one expected."""
        capsys.readouterr()
        found = inbond([*arguments, "--json"])
        out, err = capsys.readouterr()
        assert found == code, f"{out}\n{err}"
        value: dict[str, Any] = json.loads(out)
        return value

    return run


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with ./bond in it, holding a small finished demo with the real teacher; its keys."""
    folder, config = tmp_path_factory.mktemp("demo"), tmp_path_factory.mktemp("keys")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CONFIG_HOME", str(config))
    run_line("inbond run demo", folder)
    patch.undo()
    return folder, config
