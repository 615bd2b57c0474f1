"""The flat example and a served teacher, with the real small model."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.real_model import save_pruned, server_apart
from tests.standards import check_cyclonedx

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_flat_example_learns(smollm2_gguf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("flat_distill", ROOT / "examples" / "flat_distill.py")
    assert spec is not None
    assert spec.loader is not None
    flat = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(flat)
    before, after = flat.main(str(smollm2_gguf), words=16, epochs=1, max_new_tokens=16)
    assert after < 0.9 * before
    assert "held-out KL" in capsys.readouterr().out


def test_the_flat_example_says_how_it_is_called() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "flat_distill.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "python examples/flat_distill.py path/to/model" in done.stderr


QUESTIONS = [
    "What is a river?", "Name three colours.", "Why do birds sing?", "How many days has a week?",
    "Tell me about Paris.", "Is ice cold?", "Who was Newton?", "Write a line of a poem.",
]  # fmt: skip


@pytest.mark.slow
def test_learning_from_a_served_teacher_by_text_alone(
    smollm2_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real llama.cpp server behind an api: name; the student starts from other weights."""
    save_pruned(smollm2_gguf, tmp_path / "small", [0, 1, 28, 29])
    with server_apart(smollm2_gguf) as address:
        recipe = {
            "name": "served",
            "teacher": f"api:{address}/smollm2",
            "prompts": {"items": QUESTIONS},
            "generate": {"max_tokens": 12, "attempts": 1},
            "filters": {"truncated": False},
            "student": {"init": "model", "base": "path:small"},
            "train": {"kl": 0, "ce": 1, "epochs": 1, "batch": 4},
            "evaluate": {"samples": 1, "sample_tokens": 4},
        }
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        monkeypatch.chdir(tmp_path)
        command = [
            sys.executable,
            "-c",
            "from inbond.cli.main import main; main()",
            "run",
            "recipe.yaml",
            "--json",
        ]
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert refused.returncode == 3, "the terms of a host that nobody has named are a review"
        done = subprocess.run(
            [*command, "--accept", "my own server"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result = json.loads(done.stdout)
        assert result["metrics"]["kl_after"] is None
        assert result["metrics"]["text_loss_after"] < result["metrics"]["text_loss_before"]
        page = (tmp_path / "bond/runs/served/report.html").read_text()
        assert "not measured" in page
        bom = [*command[:-3], "export", "cyclonedx", "run:served"]
        check_cyclonedx(subprocess.run(bom, capture_output=True, text=True, check=True).stdout, "1.6")
