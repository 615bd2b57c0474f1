"""Loading a model: whole, or refused in words; foreign files never end in a surprise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from inbond.errors import InputError
from inbond.losses.heads import head_weight
from inbond.teachers.local import load_model, load_tokenizer
from tests.tiny import make_model, save_tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "model", layers=2)


def test_a_whole_model_loads_with_its_tied_head(folder: Path) -> None:
    model = load_model(folder)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert not model.training


def test_missing_weights_are_refused_and_never_made_up(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    gone = sorted(name for name in tensors if ".layers.1." in name)
    save_file({name: value for name, value in tensors.items() if name not in gone}, path, {"format": "pt"})
    with pytest.raises(InputError, match=rf"all weights of LlamaForCausalLM.*found {len(gone)} missing"):
        load_model(folder)


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "changes",
    [{"model_type": "no-such"}, {"hidden_size": "wide"}, {"num_attention_heads": 0}, {"hidden_size": 64}],
)
def test_a_config_that_does_not_fit_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    change_config(folder, **changes)
    with pytest.raises(InputError, match=r"a causal language model in safetensors form|all weights of"):
        load_model(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("text", ["", "{", "[]", "\0\1\2"])
def test_broken_files_of_a_model_are_refused(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(InputError, match="a causal language model in safetensors form"):
        load_model(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "1.0"}'])
def test_a_broken_tokenizer_is_refused(folder: Path, text: str) -> None:
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(InputError, match=r"a tokenizer \(tokenizer.json\)"):
        load_tokenizer(folder)


def test_a_head_smaller_than_the_tokenizer_is_refused() -> None:
    model = make_model(60, padding=4)
    assert len(head_weight(model, 60)) == 60
    with pytest.raises(
        InputError, match="a row for each of the tokenizer's 65 tokens; found Llama.* with 64"
    ):
        head_weight(model, 65)
