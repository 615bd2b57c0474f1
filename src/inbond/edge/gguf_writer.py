"""A student as a GGUF file: what llama.cpp and all that is built on it runs.

Same folder, same bytes. Quantising is that of the ``gguf`` package (llama.cpp's own reference in numpy).
Norms and biases stay float32. In a file of 4-bit weights some keep 8 bits: the embedding and the head, which
carry a small model's words, and the values and what writes a layer's neurons back, which rounding hurts most
(llama.cpp keeps the same ones wider in its mixed types; measured in docs/LOG.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from inbond.edge import gguf_header
from inbond.edge.architecture import Architecture
from inbond.edge.gguf_header import GgufType
from inbond.edge.source import About, Source, Tensor
from inbond.errors import need_extra

BLOCK: Final = 32
"""Numbers of a row that share a scale; a narrower rest of a row cannot be quantised."""
_HALF: Final = 65_504.0
"""The largest number in 16 bits, which scales are kept in too."""

_OUTSIDE: Final = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_INSIDE: Final = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}

_WIDE: Final = (".attn_v.", ".ffn_down.")
"""Kept in 8 bits where the others have 4."""


def write(source: Source, about: About, kind: GgufType, path: Path) -> dict[str, int]:
    """Writes ``path`` from a model folder and reads its head back; how many tensors are kept in which type.

    Raises InputError for an architecture or a tokenizer that llama.cpp would not run alike,
    MissingExtraError.
    """
    try:
        import gguf
    except ModuleNotFoundError as error:
        raise need_extra("train", error.name or "gguf") from error
    shape, told = source.architecture, gguf_header.fields(source, about, kind)
    writer = gguf.GGUFWriter(path, shape.family)
    held: dict[str, tuple[str, tuple[int, ...]]] = {}
    try:
        _describe(writer, told)
        for name, values in _tensors(source, shape):
            packed = gguf.GGMLQuantizationType[_kept_as(name, values, kind)]
            writer.add_tensor(name, gguf.quants.quantize(values, packed), raw_dtype=packed)
            held[name] = (packed.name, values.shape)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
    gguf_header.check(path, shape.family, told, held)
    types = sorted(packed for packed, _ in held.values())
    return {packed.lower(): types.count(packed) for packed in dict.fromkeys(types)}


def _describe(writer: Any, told: Mapping[str, Any]) -> None:
    for name, value in told.items():
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        elif isinstance(value, list):
            writer.add_array(name, value)
        else:
            writer.add_string(name, value)


def _tensors(source: Source, shape: Architecture) -> Iterator[tuple[str, Tensor]]:
    """As llama.cpp names them and lays them out."""
    if shape.slowed:
        yield "rope_freqs.weight", np.array(shape.slowed, np.float32)
    for name, values in source.tensors():
        target = _target(name)
        if shape.family == "llama" and ".attn_q." in target:
            values = _interleaved(values, shape.heads)
        elif shape.family == "llama" and ".attn_k." in target:
            values = _interleaved(values, shape.kv_heads)
        yield target, values


def _kept_as(target: str, values: Tensor, kind: GgufType) -> str:
    if values.ndim < 2 or float(np.abs(values).max()) > _HALF:
        return "F32"
    if kind == "f16" or values.shape[1] % BLOCK:
        return "F16"
    wide = target in ("token_embd.weight", "output.weight") or any(part in target for part in _WIDE)
    return "Q8_0" if wide else kind.upper()


def _target(name: str) -> str:
    """llama.cpp's name of a tensor."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    _, _, number, rest = name.split(".", 3)
    module, _, part = rest.rpartition(".")
    return f"blk.{number}.{_INSIDE[module]}.{part}"


def _interleaved(values: Tensor, heads: int) -> Tensor:
    """Rows of each head in the order that llama.cpp rotates them in: pairs side by side, not half by half."""
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
