"""What pins a model: every byte that decides what it says, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from inbond.errors import InputError
from inbond.ledger import manifest
from inbond.ledger.manifest import Identity, Manifest
from inbond.policy import weights
from inbond.recipes.models import find_weights
from inbond.recipes.plan import licence_of
from inbond.types import parse_model_name
from inbond.workspace import Workspace

FILES = ("model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "vocab.json",
         "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja")  # fmt: skip


def fill(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in (*FILES, "README.md"):
        (folder / name).write_text("{}")
    return folder


def pin(folder: Path, workspace: Workspace) -> str:
    return find_weights(parse_model_name(f"path:{folder}"), workspace).digest


@pytest.mark.parametrize("name", FILES)
def test_a_folder_is_pinned_by_all_that_decides_what_it_says(name: str, tmp_path: Path) -> None:
    workspace, folder = Workspace(tmp_path / "bond"), fill(tmp_path / "model")
    before = pin(folder, workspace)
    (folder / "README.md").write_text("other words")
    assert pin(folder, workspace) == before
    (folder / name).write_text('{"changed": 1}')
    assert pin(folder, workspace) != before


def test_a_student_is_pinned_by_its_bytes_not_by_its_recipe(tmp_path: Path) -> None:
    """Trained again, it has the same identity and may have other weights: answers are not theirs."""
    workspace = Workspace(tmp_path / "bond")
    folder = fill(workspace.run("tiny") / "student")
    name = parse_model_name("run:tiny")
    identity = Identity("export", 1, {}, {})
    manifest.write(folder, Manifest(identity, manifest.digest_files(folder)))
    before = find_weights(name, workspace).digest
    assert before == pin(folder, workspace)
    (folder / "model.safetensors").write_text("other weights")
    (folder / "manifest.json").unlink()
    manifest.write(folder, Manifest(identity, manifest.digest_files(folder)))
    assert find_weights(name, workspace).digest != before


def test_the_gate_reads_the_very_folder_that_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (fill(tmp_path / "model") / "README.md").write_text("---\nlicense: mit\n---\n")
    name, workspace = parse_model_name("path:~/model"), Workspace(tmp_path / "bond")
    assert find_weights(name, workspace).path == tmp_path / "model"
    assert licence_of(name, workspace, weights.shipped()).licence == "MIT"


def test_weights_in_a_form_that_can_run_code_are_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="weights in safetensors form"):
        pin(folder, Workspace(tmp_path / "bond"))
