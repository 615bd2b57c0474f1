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
from inbond.losses.targets import wide_product, widened

# Heads that do more than one matrix product, by the config field that switches it on.
_UNPLAIN_HEADS = ("final_logit_softcapping", "logits_scaling", "logit_scale", "lm_head_multiplier")


def broken_tensor(model: nn.Module) -> str | None:
    """The name of the first parameter that is not finite; None when all are."""
    return next((name for name, x in model.named_parameters() if not bool(torch.isfinite(x).all())), None)


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


def logit_chunks(hidden_NH: Tensor, weight_VH: Tensor, chunk: int) -> Iterator[tuple[int, Tensor]]:
    """Yields (first row, logits [<=chunk, V] in float32 or wider) one at a time; the caller may overwrite
    the logits."""
    for start in range(0, hidden_NH.shape[0], chunk):
        yield start, wide_product(hidden_NH[start : start + chunk], weight_VH.T)


def chunked_loss(hidden_NH: Tensor, weight_VH: Tensor, objective: Objective, chunk: int) -> Tensor:
    """Sum of the objective over N label tokens, differentiable in hidden states and head weight.

    Peak extra memory is one chunk of logits [chunk, V] and, where the head is learnt, one gradient of
    it [V, H], whatever N. Value and gradient are those of the unchunked computation, float32 or wider
    inside whatever the inputs (on a GPU, factors of products have the inputs' precision, sums are float32).
    Zero label tokens: a loss of 0 without gradient.
    """
    loss: Tensor = _ChunkedLoss.apply(hidden_NH, weight_VH, objective, chunk)  # type: ignore[no-untyped-call]
    return loss


class _ChunkedLoss(torch.autograd.Function):
    """Computes gradients while it computes the loss, so that logits need not be kept or redone."""

    @staticmethod
    def forward(ctx: Any, hidden_NH: Tensor, weight_VH: Tensor, objective: Objective, chunk: int) -> Tensor:
        wide = torch.promote_types(hidden_NH.dtype, torch.float32)
        rows_NH, head_VH = (widened(x.detach()) for x in (hidden_NH, weight_VH))
        grad_hidden_NH = torch.empty_like(hidden_NH)
        grad_weight_VH = torch.zeros_like(weight_VH, dtype=wide) if ctx.needs_input_grad[1] else None
        total = torch.zeros((), dtype=wide, device=hidden_NH.device)
        for start, logits_NV in logit_chunks(rows_NH, head_VH, chunk):
            total += objective.value_and_grad(logits_NV, start).sum()
            rows = slice(start, start + chunk)
            grad_hidden_NH[rows] = wide_product(logits_NV, head_VH)
            if grad_weight_VH is None:
                continue
            if rows_NH.dtype == wide:
                grad_weight_VH.addmm_(logits_NV.T, rows_NH[rows])
            else:
                grad_weight_VH += wide_product(logits_NV.T, rows_NH[rows])
        ctx.save_for_backward(grad_hidden_NH, grad_weight_VH)
        ctx.weight_dtype = weight_VH.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        assert not getattr(ctx, "spent", False), "the gradient is scaled in place: backward runs once"
        ctx.spent = True
        grad_hidden_NH, grad_weight_VH = ctx.saved_tensors
        if grad_weight_VH is not None:
            grad_weight_VH = grad_weight_VH.mul_(grads[0]).to(ctx.weight_dtype)
        return grad_hidden_NH.mul_(grads[0]), grad_weight_VH, None, None


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
        logp_NV, logq_NV = p_logits_NV.log_softmax(1), q_logits_NV.log_softmax(1)
        agree.append(logp_NV.argmax(1) == logq_NV.argmax(1))
        kl.append((logp_NV.exp() * (logp_NV - logq_NV)).sum(1))
    return torch.cat(kl), torch.cat(agree)
