"""Greedy answers of a model to held-out prompts, so that a reader can judge with their own eyes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


@torch.inference_mode()
def greedy(model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[str]:
    """The likeliest continuation of each prompt (token ids), decoded, special tokens left out."""
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
    width = max(len(prompt) for prompt in prompts)
    ids_BT = torch.full((len(prompts), width), pad_id, device=model.device)
    mask_BT = torch.zeros_like(ids_BT)
    for row, prompt in enumerate(prompts):
        ids_BT[row, width - len(prompt) :] = torch.tensor(prompt)
        mask_BT[row, width - len(prompt) :] = 1
    output_BT = model.generate(
        ids_BT, attention_mask=mask_BT, max_new_tokens=max_new_tokens, do_sample=False, pad_token_id=pad_id
    )
    return [tokenizer.decode(row[width:], skip_special_tokens=True).strip() for row in output_BT]
