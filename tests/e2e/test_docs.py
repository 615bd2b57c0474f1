"""Every command that README and docs show is run, in order, in a workspace with a finished demo.

The demo is run small. What a block prints under a command must be printed by it, line by line and in
order; ``...`` stands for any lines, and digests, numbers and folders are not compared.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.small_demo import run

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Shown, but not for a test: what installs, and the whole demo, which the small one stands for.
NOT_HERE = ("scripts/", "pip ")


def blocks(path: Path) -> list[list[tuple[str, list[str]]]]:
    """For each console block, its commands with the lines shown under each."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", path.read_text("utf-8"), re.S | re.M):
        commands: list[tuple[str, list[str]]] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif commands:
                commands[-1][1].append(line)
        found.append(commands)
    return found


COMMANDS = [
    pytest.param(path, number, id=f"{path.name}-{number}")
    for path in DOCS
    for number, _ in enumerate(blocks(path))
]


def loose(line: str) -> str:
    """A line without what differs from machine to machine."""
    line = re.sub(r"sha256:[0-9a-f]+(\.\.\.|…)?", "DIGEST", line)
    line = re.sub(r"^M[\w+/=]{40,}$", "KEY", line)
    line = re.sub(r"(not pulled|here)$", "STATE", line)
    line = re.sub(r"(~|/)[\w./-]*", "PATH", line)
    return re.sub(r"\d[\d,.:TZ-]*", "N", line).strip()


@pytest.mark.slow
@pytest.mark.parametrize(("path", "number"), COMMANDS)
def test_commands_do_what_the_page_shows(
    demo: tuple[Path, Path], path: Path, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(demo[1], tmp_path / "keys")  # a page may change them
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "keys"))
    monkeypatch.setenv("COLUMNS", "100")
    folder = tmp_path / "here"
    shutil.copytree(demo[0], folder, copy_function=_link)
    for command, shown in blocks(path)[number]:
        if command.startswith(NOT_HERE):
            continue
        printed = [loose(line) for line in run(command, folder).splitlines()]
        at = 0
        for line in filter(None, map(loose, shown)):
            if line in ("...", "…"):
                continue
            rest = [place for place, text in enumerate(printed[at:], at) if text == line]
            assert rest, f"{path.name}: {command!r} did not print {line!r} after line {at} of {printed}"
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


def test_links_in_the_docs_lead_somewhere() -> None:
    broken = [
        f"{path.name}: {link}"
        for path in DOCS
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text("utf-8"))
        if "://" not in link and not (path.parent / link).exists()
    ]
    assert broken == []
