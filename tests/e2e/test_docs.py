"""Every command that README and docs show is run, in order, in a workspace with a finished demo.

The demo is run small. What a block prints under a command must be printed by it, line by line and in
order; ``...`` stands for any lines, and digests, numbers and folders are not compared. A command that serves
is ended by Ctrl-C when it has said what the page shows. Commands in sentences are in unit/test_docs_words.py.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docs_pages import PAGES, ROOT, name_of, sessions
from tests.small_demo import run

# Shown, but not for a test: what installs, and the whole demo, which the small one stands for.
NOT_HERE = ("scripts/", "pip ", "source ")
SERVES = ("inbond ui", "inbond guard serve")
PATIENCE_S = 60

COMMANDS = [
    pytest.param(page, number, id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, _ in enumerate(sessions(page))
]


def loose(line: str) -> str:
    """A line without what differs from machine to machine."""
    line = re.sub(r"sha256:[0-9a-f]+(\.\.\.|…)?", "DIGEST", line)
    line = re.sub(r"^M[\w+/=]{40,}$", "KEY", line)
    line = re.sub(r"(not pulled|here)$", "STATE", line)
    line = re.sub(r"(~|/)[\w./-]*", "PATH", line)
    return re.sub(r"\d[\d,.:TZ-]*", "N", line).strip()


def served(command: str, shown: list[str], cwd: Path) -> str:
    """Starts what serves, on any free port, waits until it has said what is shown, and interrupts it; gives
    what it said."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said, wanted = cwd / "said.txt", {loose(line) for line in shown} - {"", "...", "…"}
    with said.open("wb") as out:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command} --port 0"], cwd=cwd, env={**os.environ, "PATH": path},
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + PATIENCE_S
        while not wanted <= {loose(line) for line in said.read_text("utf-8").splitlines()}:
            assert process.poll() is None, f"{command} ended by itself: {said.read_text('utf-8')}"
            assert time.monotonic() < until, f"{command} said no more than {said.read_text('utf-8')!r}"
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) in (0, 130), said.read_text("utf-8")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    text = said.read_text("utf-8")
    assert "Traceback" not in text
    return text


@pytest.mark.slow
@pytest.mark.parametrize(("page", "number"), COMMANDS)
def test_commands_do_what_the_page_shows(
    demo: tuple[Path, Path], page: Path, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(demo[1], tmp_path / "keys")  # a page may change them
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "keys"))
    monkeypatch.setenv("COLUMNS", "100")
    folder = tmp_path / "here"
    shutil.copytree(demo[0], folder, copy_function=_link)
    for command, shown in sessions(page)[number]:
        if command.startswith(NOT_HERE):
            continue
        if command.startswith(SERVES):
            said = served(command, shown, folder)
        else:
            said = run(command, folder)
        printed = [loose(line) for line in said.splitlines()]
        at = 0
        for line in filter(None, map(loose, shown)):
            if line in ("...", "…"):
                continue
            rest = [place for place, text in enumerate(printed[at:], at) if text == line]
            assert rest, f"{page.name}: {command!r} did not print {line!r} after line {at} of {printed}"
            at = rest[0] + 1


def _link(source: str, target: str) -> None:
    """Big files are linked; the databases that commands write to are copied."""
    if Path(source).suffix in (".safetensors", ".json") and Path(source).stat().st_size > 1 << 20:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def test_the_readme_says_the_verbs() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert all(f"inbond {verb}" in text for verb in ("run", "check", "verify", "keys", "models", "erase"))
