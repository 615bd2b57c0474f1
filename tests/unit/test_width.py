"""Narrower layers: what is kept is what does most, and keeping all changes nothing."""

from __future__ import annotations

import pytest
import torch

from inbond.errors import InputError
from inbond.losses.batches import Batch, make_batch
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
        (3, None, "student.heads in steps of 2, which share a key and a value, up to 4; found 3"),
        (6, None, "found 6"),
        (None, 49, "student.neurons from 1 to 48; found 49"),
    ],
)
def test_sizes_that_cannot_be_had_are_refused(heads: int | None, neurons: int | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        width.sizes(make_model(300).config, heads, neurons)
