"""What an exported file must know of a model, read from its config: the families that Inbond writes.

Llama, Qwen2 and Qwen3, dense, with plain rotary positions. Everything else is an InputError: a file that
loads and says something else is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.errors import InputError

FAMILIES: Final = {"LlamaForCausalLM": "llama", "Qwen2ForCausalLM": "qwen2", "Qwen3ForCausalLM": "qwen3"}
"""transformers' class: llama.cpp's name of the architecture."""


@final
@dataclass(frozen=True)
class Architecture:
    """A decoder's sizes. ``heads`` query heads of ``head_width`` numbers share ``kv_heads`` keys and values;
    ``context`` in tokens; ``tied``: the head is the embedding."""

    family: str
    layers: int
    hidden: int
    neurons: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    context: int
    epsilon: float
    rope_base: float
    tied: bool

    @property
    def group(self) -> int:
        """Query heads that share one key and value."""
        return self.heads // self.kv_heads


def read(config: Mapping[str, Any]) -> Architecture:
    """From a config.json as a mapping. Raises InputError for what cannot be exported."""
    named = config.get("architectures") or ["none"]
    family = FAMILIES.get(str(named[0]))
    if family is None:
        raise _unsupported(f"the architecture {named[0]}")
    _refuse_unplain(config)
    heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
    return Architecture(
        family=family,
        layers=int(config["num_hidden_layers"]),
        hidden=hidden,
        neurons=int(config["intermediate_size"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_width=int(config.get("head_dim") or hidden // heads),
        vocabulary=int(config["vocab_size"]),
        context=int(config["max_position_embeddings"]),
        epsilon=float(config["rms_norm_eps"]),
        rope_base=float(_rope(config).get("rope_theta") or config.get("rope_theta") or 10_000.0),
        tied=bool(config.get("tie_word_embeddings")),
    )


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return rope if isinstance(rope, Mapping) else {}


def _refuse_unplain(config: Mapping[str, Any]) -> None:
    kind = _rope(config).get("rope_type") or _rope(config).get("type") or "default"
    if kind != "default":
        raise _unsupported(f"rotary positions of the type {kind}")
    if _rope(config).get("partial_rotary_factor", 1.0) != 1.0:
        raise _unsupported("rotary positions in a part of each head")
    if config.get("hidden_act", "silu") != "silu":
        raise _unsupported(f"the activation {config['hidden_act']}")
    if config.get("use_sliding_window"):
        raise _unsupported("attention within a sliding window")


def _unsupported(found: str) -> InputError:
    return InputError(
        expected=f"a student of {', '.join(sorted(FAMILIES))}, with plain rotary positions, to export",
        found=found,
        fix="leave export out of the recipe, or choose a teacher of one of these families",
    )
