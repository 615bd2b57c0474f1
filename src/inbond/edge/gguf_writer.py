"""A student as a GGUF file: what llama.cpp and all that is built on it runs.

Same folder, same bytes. Quantising is that of the ``gguf`` package (llama.cpp's own reference in numpy).
Norms and biases stay float32; in a file of 4-bit weights the embedding and the head keep 8 bits, as they
carry a small model's words (llama.cpp keeps its output matrix wider too).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from inbond.edge import gguf_tokens
from inbond.edge.architecture import Architecture
from inbond.edge.source import About, Source, Tensor
from inbond.errors import need_extra

GgufType = Literal["q8_0", "q4_0", "q4_1", "f16"]
BLOCK: Final = 32
"""Numbers of a row that share a scale; a narrower rest of a row cannot be quantised."""

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


def write(source: Source, about: About, kind: GgufType, path: Path) -> None:
    """Writes ``path`` from a model folder. Raises InputError for an architecture or a tokenizer that
    llama.cpp would not run alike, MissingExtraError."""
    try:
        import gguf
    except ModuleNotFoundError as error:
        raise need_extra("train", error.name or "gguf") from error
    shape = source.architecture
    tokens = gguf_tokens.read(source.tokenizer, shape.vocabulary)
    writer = gguf.GGUFWriter(path, shape.family)
    try:
        _describe(writer, about, kind)
        _add_sizes(writer, shape)
        _add_tokens(writer, source, tokens)
        for name, values in source.tensors():
            if name == "lm_head.weight" and shape.tied:
                continue
            _add_tensor(writer, shape, name, values, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _describe(writer: Any, about: About, kind: GgufType) -> None:
    import gguf

    types = {"q8_0": "MOSTLY_Q8_0", "q4_0": "MOSTLY_Q4_0", "q4_1": "MOSTLY_Q4_1", "f16": "MOSTLY_F16"}
    writer.add_type("model")
    writer.add_name(about.name)
    writer.add_file_type(gguf.LlamaFileType[types[kind]])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    if about.licence is not None:
        writer.add_license(about.licence)
    if about.base_models:
        writer.add_base_model_count(len(about.base_models))
    for number, (name, address) in enumerate(about.base_models):
        writer.add_base_model_name(number, name)
        if address is not None:
            writer.add_base_model_repo_url(number, address)
    writer.add_string("inbond.artifact", about.artifact)
    writer.add_string("inbond.made_by", about.made_by)


def _add_sizes(writer: Any, shape: Architecture) -> None:
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.neurons)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)


def _add_tokens(writer: Any, source: Source, tokens: gguf_tokens.Tokens) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(tokens.cut)
    writer.add_token_list(list(tokens.pieces))
    writer.add_token_types(list(tokens.types))
    writer.add_token_merges(list(tokens.merges))
    config = source.config
    ends = config.get("eos_token_id")
    end = ends[0] if isinstance(ends, list) else ends
    for add, number in (
        (writer.add_bos_token_id, config.get("bos_token_id")),
        (writer.add_eos_token_id, end),
        (writer.add_pad_token_id, config.get("pad_token_id")),
    ):
        if isinstance(number, int):
            add(number)
    writer.add_add_bos_token(False)  # prompts are given as the template and the tokenizer make them
    if source.template is not None:
        writer.add_chat_template(source.template)


def _add_tensor(writer: Any, shape: Architecture, name: str, values: Tensor, kind: GgufType) -> None:
    import gguf

    target = _target(name)
    if shape.family == "llama" and ".attn_q." in target:
        values = _interleaved(values, shape.heads)
    elif shape.family == "llama" and ".attn_k." in target:
        values = _interleaved(values, shape.kv_heads)
    packed = gguf.GGMLQuantizationType[_kept_as(target, values, kind)]
    writer.add_tensor(target, gguf.quants.quantize(values, packed), raw_dtype=packed)


def _kept_as(target: str, values: Tensor, kind: GgufType) -> str:
    if values.ndim < 2:
        return "F32"
    if kind == "f16" or values.shape[1] % BLOCK:
        return "F16"
    wide = target in ("token_embd.weight", "output.weight")
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
