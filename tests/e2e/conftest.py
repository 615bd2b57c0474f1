"""The command line in this process, so that torch is loaded once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from inbond.cli.main import run as inbond

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
