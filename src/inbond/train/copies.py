"""The student as it is amid its training, written as a folder that others can load and serve."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Set
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import Tensor

from inbond.digest import Digest, of_file
from inbond.workspace import PRIVATE_DIR, sync_folder, writing

WEIGHTS: Final = "model.safetensors"


@torch.no_grad()
def write(
    model: Any, tokenizer: Any, ends: Set[int], vocabulary: int, parent: Path, prefix: str
) -> tuple[Path, Digest]:
    """Config, tokenizer and weights in a folder below ``parent``, which the ``prefix`` and the weights name:
    no copy is taken for another one. Returns it with the weights' digest.

    Adapters are merged into a copy; rows that only pad the head are left out, so that whoever samples cannot
    draw them. The folder is there when it is whole, and not before. Raises UnwritableError.
    """
    from transformers import GenerationConfig

    plain = _merged(model)
    config = copy.deepcopy(plain.config)
    config.vocab_size, config.architectures = vocabulary, [type(plain).__name__]
    if config.eos_token_id is None:  # llama.cpp would take some other token for the end
        config.eos_token_id = min(ends, default=None)
    temporary = parent / f".{prefix}new"
    with writing(parent):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True, mode=PRIVATE_DIR)
        save_file(_tensors(plain, vocabulary), str(temporary / WEIGHTS), {"format": "pt"})
        config.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        GenerationConfig(
            eos_token_id=sorted(ends), bos_token_id=config.bos_token_id, pad_token_id=config.pad_token_id
        ).save_pretrained(temporary)
        digest = of_file(temporary / WEIGHTS)
        _settle(temporary)
        folder = parent / f"{prefix}{digest.removeprefix('sha256:')[:16]}"
        if folder.exists():
            shutil.rmtree(temporary)
        else:
            temporary.rename(folder)
        sync_folder(parent)
    return folder, digest


def _merged(model: Any) -> Any:
    """The model without adapters: itself, or a copy in which those of its layers that have some (peft puts
    them into the model that is trained) are the plain layers that they come to."""
    if not any(hasattr(part, "get_base_layer") for part in model.modules()):
        return model
    plain = copy.deepcopy(model)
    for name, part in list(plain.named_modules()):
        if hasattr(part, "get_base_layer"):
            part.merge()
            plain.set_submodule(name, part.get_base_layer())
    return plain


def _tensors(model: Any, vocabulary: int) -> dict[str, Tensor]:
    """By name, the head only where it is not the embedding."""
    into, out = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    found: dict[str, Tensor] = {}
    for name, value in model.named_parameters():
        rows = value[:vocabulary] if value is into or value is out else value
        found[name] = rows.detach().contiguous()
    return found


def _settle(folder: Path) -> None:
    """On the disk before the folder gets its name: a machine elsewhere may read it at once."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
