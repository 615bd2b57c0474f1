"""What an exported file must know of a model, read from its config: the families that Inbond writes.

Llama, Qwen2 and Qwen3, dense, with plain rotary positions, or those that Llama 3.1 stretched. Everything else
is an InputError: a file that loads and says something else is worse than none.
"""

from __future__ import annotations

import math
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
    ``context`` in tokens; ``tied``: the head is the embedding; ``slowed``: what each of a head's rotations is
    divided by, empty where none is; ``biases``: the layers' linear parts that have one."""

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
    slowed: tuple[float, ...] = ()
    biases: tuple[str, ...] = ()

    @property
    def group(self) -> int:
        """Query heads that share one key and value."""
        return self.heads // self.kv_heads

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor that a model of these sizes has, by transformers' name."""
        query, shared = self.heads * self.head_width, self.kv_heads * self.head_width
        linear = {
            "self_attn.q_proj": (query, self.hidden),
            "self_attn.k_proj": (shared, self.hidden),
            "self_attn.v_proj": (shared, self.hidden),
            "self_attn.o_proj": (self.hidden, query),
            "mlp.gate_proj": (self.neurons, self.hidden),
            "mlp.up_proj": (self.neurons, self.hidden),
            "mlp.down_proj": (self.hidden, self.neurons),
        }
        inside: dict[str, tuple[int, ...]] = {f"{name}.weight": shape for name, shape in linear.items()}
        inside |= {f"{name}.bias": linear[name][:1] for name in self.biases}
        norms = ["input_layernorm", "post_attention_layernorm"]
        inside |= {f"{name}.weight": (self.hidden,) for name in norms}
        if self.family == "qwen3":
            inside |= {f"self_attn.{part}_norm.weight": (self.head_width,) for part in "qk"}
        rows = (self.vocabulary, self.hidden)
        outside = {"model.embed_tokens.weight": rows, "model.norm.weight": (self.hidden,)}
        outside |= {} if self.tied else {"lm_head.weight": rows}
        layers = range(self.layers)
        return outside | {f"model.layers.{n}.{name}": shape for n in layers for name, shape in inside.items()}


def read(config: Mapping[str, Any]) -> Architecture:
    """From a config.json as a mapping. Raises InputError for what cannot be exported."""
    named = config.get("architectures") or ["none"]
    family = FAMILIES.get(str(named[0]))
    if family is None:
        raise _unsupported(f"the architecture {named[0]}")
    _refuse_unplain(config, family)
    try:
        shape = _read(config, family)
    except (KeyError, TypeError, ValueError) as error:
        raise _unsupported(
            f"a config.json that is not whole: {type(error).__name__}: {error!s:.80}"
        ) from error
    if shape.head_width % 2:
        raise _unsupported(f"heads of {shape.head_width} numbers, which cannot be rotated in pairs")
    return shape


def _read(config: Mapping[str, Any], family: str) -> Architecture:
    heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
    head_width = int(config.get("head_dim") or hidden // heads)
    rope_base = float(_rope(config).get("rope_theta") or config.get("rope_theta") or 10_000.0)
    return Architecture(
        family=family,
        layers=int(config["num_hidden_layers"]),
        hidden=hidden,
        neurons=int(config["intermediate_size"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_width=head_width,
        vocabulary=int(config["vocab_size"]),
        context=int(config["max_position_embeddings"]),
        epsilon=float(config["rms_norm_eps"]),
        rope_base=rope_base,
        tied=bool(config.get("tie_word_embeddings")),
        slowed=_slowed(_rope(config), rope_base, head_width) if _kind(config) == "llama3" else (),
        biases=_biases(config, family),
    )


def _biases(config: Mapping[str, Any], family: str) -> tuple[str, ...]:
    attention = [f"self_attn.{part}_proj" for part in "qkvo"]
    if family == "qwen2":
        return tuple(attention[:3])
    mlp = [f"mlp.{part}_proj" for part in ("gate", "up", "down")] if config.get("mlp_bias") else []
    return (*(attention if config.get("attention_bias") else ()), *mlp)


def _slowed(rope: Mapping[str, Any], base: float, head_width: int) -> tuple[float, ...]:
    """Llama 3.1's way to a longer context: slow rotations are made slower by a factor, quick ones stay, and
    those between are blended (transformers' modeling_rope_utils, rope_type llama3)."""
    factor, low, high = (float(rope[key]) for key in ("factor", "low_freq_factor", "high_freq_factor"))
    turns = float(rope["original_max_position_embeddings"]) / (2 * math.pi)
    found = []
    for pair in range(head_width // 2):
        within = turns * base ** (-2 * pair / head_width)
        kept = min(1.0, max(0.0, (within - low) / (high - low)))
        found.append(1 / ((1 - kept) / factor + kept))
    return tuple(found)


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return rope if isinstance(rope, Mapping) else {}


def _kind(config: Mapping[str, Any]) -> str:
    return str(_rope(config).get("rope_type") or _rope(config).get("type") or "default")


def _refuse_unplain(config: Mapping[str, Any], family: str) -> None:
    known = ("default", "llama3") if family == "llama" else ("default",)  # llama.cpp reads them for no other
    if _kind(config) not in known:
        raise _unsupported(f"rotary positions of the type {_kind(config)}")
    if any(isinstance(value, Mapping) for value in _rope(config).values()):
        raise _unsupported("rotary positions that differ from layer to layer")
    for part in (_rope(config), config):
        if part.get("partial_rotary_factor") not in (None, 1, 1.0):
            raise _unsupported("rotary positions in a part of each head")
    if config.get("hidden_act", "silu") != "silu":
        raise _unsupported(f"the activation {config['hidden_act']}")
    if config.get("use_sliding_window") or "sliding_attention" in (config.get("layer_types") or ()):
        raise _unsupported("attention within a sliding window")
    if family == "qwen3" and config.get("attention_bias"):
        raise _unsupported("biases in a Qwen3's attention")


def _unsupported(found: str) -> InputError:
    return InputError(
        expected=f"a student of {', '.join(sorted(FAMILIES))}, as they are published, to export",
        found=found,
        fix="leave export out of the recipe, or choose a teacher of one of these families",
    )
