"""A model that knows fewer tokens: rows of its embedding and its head are left out, all else is shared.

What it says is the whole model's distribution given that one of the kept tokens comes next: the head's other
logits are gone before the softmax.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from inbond.errors import InputError


def restricted(model: Any, keep: Sequence[int]) -> Any:
    """``model`` with the tokens ``keep``, numbered anew in their order. Weights but those of embedding and
    head are the very same tensors; the model itself is not touched.

    Raises InputError when the architecture has more than these two that depend on tokens.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    small = copy.deepcopy(model, shared)
    whole = model.get_input_embeddings().num_embeddings
    embedding, head = small.get_input_embeddings(), small.get_output_embeddings()
    tied = head.weight is embedding.weight
    places = torch.tensor(list(keep), device=embedding.weight.device)
    embedding.weight = _rows(embedding.weight, places)
    embedding.num_embeddings, embedding.padding_idx = len(keep), None
    head.weight = embedding.weight if tied else _rows(head.weight, places)
    head.out_features = len(keep)
    left = [name for name, x in small.named_parameters() if x.shape[:1] == (whole,)]
    if left and whole not in (len(keep), model.config.hidden_size, model.config.intermediate_size):
        raise InputError(
            expected="a model in which only embedding and head depend on the vocabulary",
            found=f"{type(model).__name__}, whose {left[0]} does too",
            fix="leave student.vocabulary out",
        )
    new = {old: number for number, old in enumerate(keep)}
    small.config.vocab_size = len(keep)
    for config in (small.config, small.generation_config):
        _renumber(config, new)
    return small


def _rows(weight: nn.Parameter, places: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach()[places].clone(), requires_grad=weight.requires_grad)


def _renumber(config: Any, new: Mapping[int, int]) -> None:
    for name, value in list(vars(config).items()):
        if not name.endswith("_token_id") or value is None:
            continue
        if isinstance(value, int):
            setattr(config, name, new.get(value))
        elif isinstance(value, (list, tuple)):
            setattr(config, name, [new[old] for old in value if old in new])
