"""Hidden states at the positions that predict labels, with a batch's common prefix computed once.

The prefix runs as one row; every row of the batch then attends to its keys and values. That is exact,
and so are its gradients, which flow back through the shared keys and values, for models whose attention
sees a prefix alike whether it comes in one piece with the rest or before it. ``can_share`` says for which;
all others read every row whole. Legend: B rows, P prefix tokens, T suffix positions, H hidden width,
N label tokens.
"""

from __future__ import annotations

import inspect
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from inbond.losses.batches import Batch

_PROVEN: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()
"""What ``prove`` found, for as long as the model lives."""


def label_hidden(model: nn.Module, batch: Batch) -> Tensor:
    """Hidden states [N, H] from which the batch's labels are predicted, row by row.

    Sequences are padded on the right, so a causal model needs no attention mask: no real token ever
    sees the padding.
    """
    return _shared(model, batch) if _is_shared(model, batch) else _whole(model, batch)


def spared(model: nn.Module, batch: Batch) -> int:
    """Input tokens that ``label_hidden`` computes once instead of again for each row."""
    return len(batch.prefix_P) * (len(batch.ids_BT) - 1) if _is_shared(model, batch) else 0


def _is_shared(model: nn.Module, batch: Batch) -> bool:
    return bool(len(batch.prefix_P)) and can_share(model, batch.longest) and prove(model, batch)


def prove(model: nn.Module, batch: Batch) -> bool:
    """Tries sharing on a few rows of a model's first batch, and remembers: whatever ``can_share`` knows of an
    architecture, the numbers decide. True when sharing changes no more than rounding does."""
    if model not in _PROVEN:
        few = _first_rows(batch, 4)
        dtype = next(model.parameters()).dtype
        _PROVEN[model] = check_sharing(model, few) <= max(1e-4, 8 * torch.finfo(dtype).eps)
    return _PROVEN[model]


def _first_rows(batch: Batch, rows: int) -> Batch:
    lengths = batch.lengths[:rows]
    labels_N = batch.labels_N[: sum(lengths)]
    return Batch(batch.prefix_P, batch.ids_BT[:rows], batch.predicts_BT[:rows], labels_N, lengths)


def can_share(model: Any, tokens: int) -> bool:
    """Whether a prefix of sequences of ``tokens`` tokens can be shared exactly.

    Not when layers keep something else than plain keys and values of all tokens (linear attention, a
    window shorter than the sequence, layers that share a cache), positions are scaled by the length of
    what is read at once, dropout would fall on all rows alike, or gradient checkpointing throws
    caches away.
    """
    config = model.config.get_text_config(decoder=True)
    return (
        not config.is_encoder_decoder
        and getattr(config, "is_causal", True)
        and "past_key_values" in inspect.signature(model.get_decoder().forward).parameters
        and _plain_cache(config, tokens)
        and not _scaled_by_length(getattr(config, "rope_parameters", None))
        and not (model.training and (_is_random(model, config) or _forgets_caches(model)))
    )


def check_sharing(model: nn.Module, batch: Batch) -> float:
    """Largest difference that sharing the prefix makes to a hidden state, relative to the largest value of
    the same state: some 1e-6 in float32 where ``can_share`` is right. 0.0 where nothing is shared."""
    if not len(batch.prefix_P) or not can_share(model, batch.longest):
        return 0.0
    with torch.no_grad():
        shared_NH, whole_NH = _shared(model, batch).double(), _whole(model, batch).double()
        if not len(whole_NH):
            return 0.0
        return float(((shared_NH - whole_NH).abs().amax(1) / whole_NH.abs().amax(1)).max())


def _whole(model: Any, batch: Batch) -> Tensor:
    rows, prefix = batch.ids_BT.shape[0], len(batch.prefix_P)
    ids_BT = torch.cat([batch.prefix_P.expand(rows, -1), batch.ids_BT], dim=1)
    hidden_BTH: Tensor = model.get_decoder()(input_ids=ids_BT, use_cache=False).last_hidden_state
    return hidden_BTH[:, prefix:][batch.predicts_BT]


def _shared(model: Any, batch: Batch) -> Tensor:
    from transformers import DynamicCache

    decoder, cache = model.get_decoder(), DynamicCache()
    decoder(input_ids=batch.prefix_P[None], past_key_values=cache, use_cache=True)
    _expand(cache, batch.ids_BT.shape[0])
    output = decoder(input_ids=batch.ids_BT, past_key_values=cache, use_cache=True)
    hidden_BTH: Tensor = output.last_hidden_state
    return hidden_BTH[batch.predicts_BT]


def _expand(cache: Any, rows: int) -> None:
    """Lets ``rows`` rows see the one row of the cache. Nothing is copied, and gradients add up."""
    filled = [layer for layer in cache.layers if layer.is_initialized]
    if not filled:  # all layers were left out for a trial
        return
    for layer in cache.layers:
        source = layer if layer.is_initialized else filled[0]  # left out for a trial: it only tells a length
        layer.keys = source.keys.expand(rows, -1, -1, -1)
        layer.values = source.values.expand(rows, -1, -1, -1)
        layer.is_initialized = True


def _plain_cache(config: Any, tokens: int) -> bool:
    """Whether every layer's cache holds just the keys and values of up to ``tokens`` tokens."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    return all(
        type(layer) is DynamicLayer
        or (type(layer) is DynamicSlidingWindowLayer and layer.sliding_window >= tokens)
        for layer in DynamicCache(config=config).layers
    )


def _scaled_by_length(rope: Any) -> bool:
    """Whether rotary positions depend on how much is read at once. Settings may be nested, by layer type."""
    if not isinstance(rope, dict):
        return False
    kind = rope.get("rope_type", "default")
    return kind == "longrope" or "dynamic" in kind or any(map(_scaled_by_length, rope.values()))


def _is_random(model: nn.Module, config: Any) -> bool:
    """Whether a model in training draws something for each position."""
    set_up = any(
        isinstance(value, float) and value > 0
        for name, value in vars(config).items()
        if name.endswith(("dropout", "drop", "dropout_prob", "pdrop", "jitter_noise"))
        and not name.startswith(("classifier", "summary"))  # of heads that are not ours
    )
    return set_up or any(isinstance(part, nn.Dropout) and part.p > 0 for part in model.modules())


def _forgets_caches(model: nn.Module) -> bool:
    return any(getattr(part, "gradient_checkpointing", False) for part in model.modules())
