"""The built-in recipe ``across``, small: the real Gemma 3 270M teaches the real SmolLM2-135M."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest

from inbond.ledger.records import read_rows
from inbond.recipes.across import encode
from inbond.teachers.local import load_tokenizer
from tests.e2e.conftest import Command

SMALL = (
    "prompts.limit=16", "generate.max_tokens=8", "held_out=0.25", "train.epochs=3", "train.batch=4",
    "train.warmup_steps=1", "evaluate.samples=1", "evaluate.sample_tokens=2",
)  # fmt: skip


def labels(folder: Path, data: Path) -> int:
    """Label tokens of the training records under the student's own tokenizer."""
    return sum(sequence.labels for sequence in encode(load_tokenizer(folder), read_rows(data)))


@pytest.mark.slow
def test_gemma_teaches_smollm2(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("run", "across", *(word for one in SMALL for word in ("--set", one)))
    assert done["verdict"] == "permit-with-obligations"
    assert done["outcome"] == "done"
    folder = tmp_path / "bond" / "runs" / "across"
    kept: dict[str, Any] = json.loads((folder / "result.json").read_bytes())
    assert kept == done
    metrics = kept["metrics"]
    assert metrics["bits_per_byte_after"] < metrics["bits_per_byte_before"], "it learnt"
    assert metrics["bits_per_byte_teacher"] < metrics["bits_per_byte_after"], "and is not its teacher"
    assert {gate["outcome"] for gate in kept["gates"].values()} == {"cannot-tell"}

    facts = json.loads((folder / "trained" / "manifest.json").read_bytes())["facts"]["aligned"]
    own = labels(folder / "student", folder / "data" / "train")
    assert facts["label_tokens"] == own, "the training records, and no other"
    assert facts["in_chunks"] == own, "Gemma and SmolLM2 both spell every byte"
    assert facts["carried_over"] > 0.8 * facts["chunks"]

    owed = command("check", "across")
    assert owed["outcome"] == "permit-with-obligations"
    assert any("gemma" in json.dumps(each).lower() for each in owed["obligations"])
    page = html.unescape((folder / "report.html").read_text("utf-8"))
    assert "bits a byte before training" in page
    assert command("verify")["ok"]
    found = command("trace", "run:across", "--from", "gemma-3-270m")
    assert found["answer"]["outcome"] == "yes"
