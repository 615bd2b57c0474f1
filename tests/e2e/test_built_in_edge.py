"""The built-in recipe ``edge``, small, through the command with the real teacher: files, checks, report."""

from __future__ import annotations

import html
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import Command

SET = (
    "prompts.limit=12",
    "prompts.template='{word}'",  # a sentence around each would make so few of them near duplicates
    "held_out=0.2",
    "generate.max_tokens=12",
    "filters.truncated=false",
    "student.layers=null",
    "student.keep=[0,1,29]",
    "student.vocabulary=4096",
    "train.epochs=1",
    "evaluate.samples=1",
    "gates.diversity.action='off'",
    "gates.generality.action='off'",
    "gates.capacity.action='off'",
    "export.prompts=2",
    "export.tokens=8",
)


@pytest.mark.slow
def test_the_built_in_recipe_writes_files_that_are_the_student(
    smollm2_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("run", "edge", *(word for change in SET for word in ("--set", change)))
    run = tmp_path / "bond" / "runs" / "edge"
    assert [file["type"] for file in done["files"]] == ["q8_0", "q4_0", "onnx"]
    for file in done["files"]:
        assert (run / file["file"]).stat().st_size == file["bytes"] < 2 * smollm2_gguf.stat().st_size
        assert file["speedup"] > 1, "three layers of thirty, in the same runtime"
        assert file["student"]["energy"]
        given = tmp_path / "given" / file["type"]
        shutil.copytree((run / file["file"]).parent, given)
        assert command("verify", str(given))["ok"], "without the workspace"
    eight, four, onnx = (file["faithful"] for file in done["files"])
    assert eight["sixteen_bits"] == four["sixteen_bits"], "one sister vouches for both"
    assert eight["conversations_written"] == 2, "by the chat template of the real teacher"
    assert onnx["together"]["alike"] >= 0.99
    assert done["files"][0]["teacher"]["file"] == smollm2_gguf.name
    page = html.unescape((run / "report.html").read_text(encoding="utf-8"))
    assert "edge-q4_0.gguf under llama.cpp" in page
    assert " MB beside 98.4 MB (" in page
    assert f"by rounds, {smollm2_gguf.name})" in page
    assert command("verify")["ok"]
