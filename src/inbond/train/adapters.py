"""Low-rank adapters (LoRA, arXiv 2106.09685) through peft: the base stays frozen, the pairs are learnt and
merged into the weights at the end, so that the student is a plain model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from inbond.errors import InputError, need_extra


@dataclass(frozen=True)
class Lora:
    """``targets`` are the last parts of module names; empty: every linear layer of the blocks."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ()


def attach(model: Any, lora: Lora, seed: int) -> Any:
    """The model with adapters in place; only they have gradients. Same seed, same adapters.

    Raises InputError when a target is not a linear layer of the blocks, MissingExtraError.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError as error:
        raise need_extra("train", error.name or "peft") from error
    check_targets(model, lora)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) or linear_names(model),
        bias="none",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)
    with warnings.catch_warnings():  # peft 0.21 asks transformers 5 by an older name
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        return get_peft_model(model, config)


def merge(adapted: Any) -> Any:
    """The plain model, with its adapters added into the weights."""
    return adapted.merge_and_unload()


def linear_names(model: Any) -> list[str]:
    """Last parts of the names of all linear layers within the decoder: the head is not among them."""
    return sorted(
        {name.rpartition(".")[2] for name, part in _decoder(model).named_modules() if type(part) is nn.Linear}
    )


def check_targets(model: Any, lora: Lora) -> None:
    """Raises InputError that names the first target that is no linear layer of the model's blocks."""
    known = linear_names(model)
    unknown = [target for target in lora.targets if target not in known]
    if unknown or not known:
        raise InputError(
            expected=f"names of linear layers of {type(model).__name__}: {', '.join(known) or 'it has none'}",
            found=f"train.lora.targets with {unknown[0]!r}" if unknown else "a model without linear layers",
            fix="correct train.lora.targets, or leave it out to adapt all of them",
        )


def _decoder(model: Any) -> nn.Module:
    decoder: nn.Module = model.get_decoder()
    return decoder
