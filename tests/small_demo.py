"""The demo with the real teacher, but small: what tests of the whole command share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SET = [
    "prompts.limit=40",
    "train.epochs=1",
    "student.probe=2",
    "generate.max_tokens=32",
    "evaluate.samples=2",
]
SMALL = [word for change in SET for word in ("--set", change)]
LESS = {
    "inbond run demo": SMALL,
    "inbond run reasoned": [
        word for change in SET if "max_tokens" not in change for word in ("--set", change)
    ],
}


def run(command: str, cwd: Path) -> str:
    """Runs a command line as a user would, those of ``LESS`` small; gives what it printed."""
    command = " ".join(
        [command, *next((less for start, less in LESS.items() if command.startswith(start)), ())]
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, shell=True, cwd=cwd, env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 3, 4), f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr
