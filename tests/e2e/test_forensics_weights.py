"""Weight derivation of a real model: its pruned, narrowed, merged and quantised children, and a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from inbond.digest import Digest, of_file, of_value
from inbond.errors import InputError
from inbond.forensics.derivation import Matrices, judge
from inbond.forensics.finding import Finding
from inbond.forensics.neurons import read_matrices
from inbond.teachers.convert import converted
from inbond.teachers.local import load_model
from inbond.train.student import from_scratch
from inbond.train.width import Width, narrow
from tests.real_model import save_pruned

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(smollm2_gguf: Path) -> Path:
    return converted(smollm2_gguf, of_file(smollm2_gguf))


@pytest.fixture(scope="module")
def parent(folder: Path) -> Matrices:
    return matrices(folder)


def matrices(folder: Path) -> Matrices:
    return read_matrices(folder.name, Digest(of_value(str(folder))), folder)


def held(folder: Path, parent: Matrices) -> Finding:
    return judge(matrices(folder), parent)


def changed(model: Any, scale: float) -> Any:
    """Every weight moved by noise of so many of its own standard deviations: as far as long training goes."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight += scale * weight.std() * torch.randn(weight.shape, generator=generator)
    return model


def kept_order(found: Finding) -> Sequence[int | None]:
    assert found.outcome() == "consistent-with"
    assert found.log10_p is not None
    assert found.log10_p < -300
    return list(found.facts["whose"])


def test_children_are_found(smollm2_gguf: Path, parent: Matrices, tmp_path: Path) -> None:
    assert len(parent.layers) == 30
    save_pruned(smollm2_gguf, tmp_path / "pruned", [0, 7, 29])
    assert kept_order(held(tmp_path / "pruned", parent)) == [0, 7, 29]

    pruned = load_model(tmp_path / "pruned")
    changed(load_model(tmp_path / "pruned"), 0.5).save_pretrained(tmp_path / "trained")
    assert kept_order(held(tmp_path / "trained", parent)) == [0, 7, 29]

    width = Width(((0, 1, 2),) * 3, (tuple(range(3, 1536, 2)),) * 3)
    narrow(load_model(tmp_path / "pruned"), width).save_pretrained(tmp_path / "narrowed")
    assert kept_order(held(tmp_path / "narrowed", parent)) == [0, 7, 29]

    other = from_scratch(pruned.config, {}, seed=1)
    with torch.no_grad():
        for mine, theirs in zip(pruned.parameters(), other.parameters(), strict=True):
            mine.copy_((mine + theirs) / 2)
    pruned.save_pretrained(tmp_path / "merged")
    assert kept_order(held(tmp_path / "merged", parent)) == [0, 7, 29]


def test_strangers_are_not(folder: Path, parent: Matrices, tmp_path: Path) -> None:
    config = load_model(folder).config
    stranger = from_scratch(config, {"num_hidden_layers": 3}, seed=1)
    stranger.save_pretrained(tmp_path / "stranger")
    found = held(tmp_path / "stranger", parent)
    assert found.outcome() == "no-evidence"
    assert found.log10_p is not None
    assert found.log10_p > -5
    assert found.size > 64


def test_narrower_hidden_layers_are_held_by_their_channels(
    folder: Path, parent: Matrices, tmp_path: Path
) -> None:
    assert parent.channels_HV is not None
    kept = parent.channels_HV[torch.arange(0, 576, 3).numpy()]
    child = Matrices("child", parent.digest, (parent.layers[0][:, :192],), kept)
    found = judge(child, parent)
    assert found.facts["by"] == "channels"
    assert found.log10_p is not None
    assert found.log10_p < -100
    config = load_model(folder).config
    small = {"hidden_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 3}
    from_scratch(config, small, seed=1).save_pretrained(tmp_path / "small")
    stranger = held(tmp_path / "small", parent)
    assert stranger.log10_p is not None
    assert stranger.log10_p > -5
    alone = Matrices("alone", parent.digest, child.layers, None)
    with pytest.raises(InputError, match="neither neurons nor channels can be compared"):
        judge(alone, parent)
