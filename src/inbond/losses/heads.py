"""The output head, in chunks: no [tokens, V] tensor of a whole batch ever exists.

Legend: B sequences, T positions, H hidden width, N label tokens, V real vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from inbond.errors import InputError
from inbond.losses.objectives import Objective

# Heads that do more than one matrix product, by the config field that switches it on.
_UNPLAIN_HEADS = ("final_logit_softcapping", "logits_scaling", "logit_scale", "lm_head_multiplier")


def head_weight(model: nn.Module, vocabulary: int) -> Tensor:
    """The head's first ``vocabulary`` rows [V, H]: rows that only pad the head never take part.

    Raises InputError when the head is not a plain matrix product without bias, or has too few rows.
    """
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    config: Any = model.config
    extras = [name for name in _UNPLAIN_HEADS if getattr(config, name, None) not in (None, 1, 1.0)]
    if getattr(head, "bias", None) is not None:
        extras.append("a bias")
    if extras:
        raise InputError(
            expected="a language model whose head is one matrix product",
            found=f"{type(model).__name__} with {', '.join(extras)}",
            fix="choose a teacher and a student of another family",
        )
    weight: Tensor = head.weight
    if len(weight) < vocabulary:
        raise InputError(
            expected=f"a head with a row for each of the tokenizer's {vocabulary:,} tokens",
            found=f"{type(model).__name__} with {len(weight):,}",
            fix="choose the tokenizer that belongs to the model, or a vocab_size that holds all tokens",
        )
    return weight[:vocabulary]


def label_hidden(model: nn.Module, ids_BT: Tensor, label_BT: Tensor) -> Tensor:
    """Hidden states [N, H] from which the label tokens are predicted, row-major.

    ``label_BT`` is True where ``ids_BT`` is a label; column 0 may not be one. Sequences are padded on
    the right, so a causal model needs no attention mask: no real token ever sees the padding.
    """
    decoder: Any = model.get_decoder()  # type: ignore[operator]
    hidden_BTH: Tensor = decoder(input_ids=ids_BT, use_cache=False).last_hidden_state
    return hidden_BTH[:, :-1][label_BT[:, 1:]]


def logit_chunks(hidden_NH: Tensor, weight_VH: Tensor, chunk: int) -> Iterator[tuple[int, Tensor]]:
    """Yields (first row, logits [<=chunk, V]) one at a time; the caller may overwrite the logits."""
    for start in range(0, hidden_NH.shape[0], chunk):
        yield start, hidden_NH[start : start + chunk] @ weight_VH.T


def chunked_loss(hidden_NH: Tensor, weight_VH: Tensor, objective: Objective, chunk: int) -> Tensor:
    """Sum of the objective over N label tokens, differentiable in hidden states and head weight.

    Peak extra memory is one chunk of logits [chunk, V] and one gradient of the head [V, H],
    whatever N. Value and gradient are those of the unchunked computation.
    """
    loss: Tensor = _ChunkedLoss.apply(hidden_NH, weight_VH, objective, chunk)  # type: ignore[no-untyped-call]
    return loss


class _ChunkedLoss(torch.autograd.Function):
    """Computes gradients while it computes the loss, so that logits need not be kept or redone."""

    @staticmethod
    def forward(ctx: Any, hidden_NH: Tensor, weight_VH: Tensor, objective: Objective, chunk: int) -> Tensor:
        grad_hidden_NH = torch.empty_like(hidden_NH)
        grad_weight_VH = torch.zeros(weight_VH.shape, dtype=torch.float32, device=weight_VH.device)
        total = torch.zeros((), dtype=torch.promote_types(hidden_NH.dtype, torch.float32))
        total = total.to(hidden_NH.device)
        if hidden_NH.dtype == torch.float64:
            grad_weight_VH = grad_weight_VH.double()
        for start, logits_NV in logit_chunks(hidden_NH.detach(), weight_VH.detach(), chunk):
            wide_NV = logits_NV.to(grad_weight_VH.dtype)
            total += objective.value_and_grad(wide_NV, start).sum()
            rows_NH = hidden_NH.detach()[start : start + chunk]
            grad_NV = wide_NV.to(hidden_NH.dtype)
            torch.mm(grad_NV, weight_VH.detach(), out=grad_hidden_NH[start : start + chunk])
            _add_product(grad_weight_VH, grad_NV, rows_NH)
        ctx.save_for_backward(grad_hidden_NH, grad_weight_VH.to(weight_VH.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden_NH, grad_weight_VH = ctx.saved_tensors
        return grad_hidden_NH * grads[0], grad_weight_VH * grads[0], None, None


def _add_product(total_VH: Tensor, grad_NV: Tensor, rows_NH: Tensor) -> None:
    if grad_NV.dtype == total_VH.dtype:
        total_VH.addmm_(grad_NV.T, rows_NH)
    else:  # a low-precision product, gathered in the wide total
        total_VH.add_(grad_NV.T @ rows_NH)


@torch.no_grad()
def dense_divergence(
    teacher: tuple[Tensor, Tensor], student: tuple[Tensor, Tensor], chunk: int
) -> tuple[Tensor, Tensor]:
    """Full forward KL [N] in nats and top-1 agreement [N] (bool) of two (hidden_NH, weight_VH) pairs.

    The widths H may differ, V may not. In float32 whatever the inputs.
    """
    kl, agree = [], []
    pairs = zip(logit_chunks(*teacher, chunk), logit_chunks(*student, chunk), strict=True)
    for (_, p_logits_NV), (_, q_logits_NV) in pairs:
        logp_NV = p_logits_NV.float().log_softmax(1)
        logq_NV = q_logits_NV.float().log_softmax(1)
        agree.append(logp_NV.argmax(1) == logq_NV.argmax(1))
        kl.append((logp_NV.exp() * (logp_NV - logq_NV)).sum(1))
    return torch.cat(kl), torch.cat(agree)
