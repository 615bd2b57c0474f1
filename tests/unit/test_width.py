"""Narrower layers: what is kept is what does most, and keeping all changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from inbond.errors import InputError
from inbond.losses.batches import Batch, make_batch
from inbond.recipes.sections.student import Student
from inbond.teachers.protocols import TokenSequence
from inbond.train import width
from tests.tiny import make_model

IDS = torch.tensor([[1, 9, 30, 77, 5]])


def _batches() -> list[Batch]:
    sequences = [TokenSequence((1, 5, 9, 30, 77, seed), 2) for seed in range(6)]
    return [make_batch(sequences, 0, torch.device("cpu"))]


def test_keeping_all_is_the_same_model() -> None:
    model = make_model(300)
    found = width.importance(model, _batches())
    same = width.narrow(model, found.most(2, 48, range(4)))
    torch.testing.assert_close(same(input_ids=IDS).logits, model(input_ids=IDS).logits)


def test_parts_that_do_nothing_go_first_and_cost_nothing() -> None:
    model = make_model(300)
    for layer in model.model.layers:
        layer.mlp.down_proj.weight.data[:, 5:20] = 0
        layer.self_attn.o_proj.weight.data[:, :16] = 0  # the first group of two heads of 8
    found = width.importance(model, _batches()).most(1, 33, range(4))
    assert found.groups == ((1,),) * 4
    assert found.neurons == ((*range(5), *range(20, 48)),) * 4
    small = width.narrow(model, found)
    torch.testing.assert_close(small(input_ids=IDS).logits, model(input_ids=IDS).logits)
    config = small.config
    assert (config.num_attention_heads, config.num_key_value_heads, config.intermediate_size) == (2, 1, 33)
    assert config.head_dim == 8
    assert model.config.num_attention_heads == 4


@pytest.mark.parametrize(
    ("heads", "neurons", "kept"),
    [(None, None, (2, 48)), (2, 10, (1, 10)), (0.5, 0.5, (1, 24)), (4, 48, (2, 48)), (0.01, 0.01, (1, 1))],
)
def test_sizes_are_counts_or_shares(
    heads: int | float | None, neurons: int | float | None, kept: tuple[int, int]
) -> None:
    assert width.sizes(make_model(300).config, heads, neurons) == kept


@pytest.mark.parametrize(
    ("heads", "neurons", "said"),
    [
        (3, None, "student.heads in whole groups of 2, .* as transformers reads them: 2, 4; found 3"),
        (6, None, "found 6"),
        (None, 49, "student.neurons from 1 to 48; found 49"),
    ],
)
def test_sizes_that_cannot_be_had_are_refused(heads: int | None, neurons: int | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        width.sizes(make_model(300).config, heads, neurons)


SIZES: dict[str, Any] = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 8, "max_position_embeddings": 64,
    "initializer_range": 0.3,
}  # fmt: skip


def _llama() -> Any:
    return LlamaForCausalLM(LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True))


def _qwen2() -> Any:
    return Qwen2ForCausalLM(Qwen2Config(**SIZES))


def _qwen3() -> Any:
    return Qwen3ForCausalLM(Qwen3Config(**SIZES))


@pytest.mark.parametrize("make", [_llama, _qwen2, _qwen3])
def test_whatever_sizes_gives_is_a_model_that_transformers_loads_again(make: Any, tmp_path: Path) -> None:
    model = make()
    for name, value in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(value)
    found = width.importance(model, _batches())
    for share in (0.1, 0.4, 0.9):
        groups, neurons = width.sizes(model.config, share, share)
        small = width.narrow(model, found.most(groups, neurons, range(2)))
        small.save_pretrained(tmp_path / str(share))
        again = AutoModelForCausalLM.from_pretrained(tmp_path / str(share))
        torch.testing.assert_close(again(input_ids=IDS).logits, small(input_ids=IDS).logits)


def test_heads_that_a_llama_could_not_be_loaded_with_are_refused_and_shares_go_beside_them() -> None:
    config = LlamaConfig(**SIZES)
    with pytest.raises(InputError, match="as transformers reads them: 1, 2, 4, 8; found 3"):
        width.sizes(config, 3, None)
    assert [width.sizes(config, share, None)[0] for share in (0.01, 0.375, 0.6, 0.99)] == [1, 2, 4, 8]
    assert width.sizes(Qwen2Config(**SIZES), 3, None)[0] == 3


@pytest.mark.parametrize("value", [1.0, True, 0, 0.0, -2, 2.5])
def test_a_number_that_could_be_read_as_a_share_is_neither(value: float) -> None:
    with pytest.raises(ValidationError):
        Student(heads=value)


def test_layers_built_otherwise_are_refused() -> None:
    model = make_model(300)
    model.model.layers[1].mlp.up_proj = torch.nn.Identity()
    with pytest.raises(InputError, match="layers built as Llama's"):
        width.check_built(model)
