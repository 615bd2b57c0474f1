"""What a GGUF file says of itself, field by field, as llama.cpp names it; and whether a file says just that.

Sources: the GGUF specification, and llama.cpp's convert_hf_to_gguf for what each family is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from inbond.edge import gguf_tokens
from inbond.edge.source import About, Source
from inbond.errors import InputError

GgufType = Literal["q8_0", "q4_0", "q4_1", "f16"]
_FILE_TYPES: Final = {
    "q8_0": "MOSTLY_Q8_0",
    "q4_0": "MOSTLY_Q4_0",
    "q4_1": "MOSTLY_Q4_1",
    "f16": "MOSTLY_F16",
}
_ENDS: Final = ("eos", "eot", "eom")
"""llama.cpp's names for what ends an answer: it stops at each of them."""


def fields(source: Source, about: About, kind: GgufType) -> dict[str, Any]:
    """Every field but the family's name, which the file's writer sets. A whole number is an unsigned one of
    32 bits, but for types of tokens. Raises InputError for what llama.cpp would not run alike."""
    import gguf

    told: dict[str, Any] = {
        "general.type": "model",
        "general.name": about.name,
        "general.file_type": int(gguf.LlamaFileType[_FILE_TYPES[kind]]),
        "general.quantization_version": gguf.GGML_QUANT_VERSION,
        "inbond.artifact": about.artifact,
        "inbond.made_by": about.made_by,
    }
    if about.licence is not None:
        told["general.license"] = about.licence
    if about.base_models:
        told["general.base_model.count"] = len(about.base_models)
    for number, (name, address) in enumerate(about.base_models):
        told[f"general.base_model.{number}.name"] = name
        if address is not None:
            told[f"general.base_model.{number}.repo_url"] = address
    return told | _sizes(source) | _tokens(source)


def _sizes(source: Source) -> dict[str, Any]:
    shape = source.architecture
    told = {
        "block_count": shape.layers,
        "context_length": shape.context,
        "embedding_length": shape.hidden,
        "feed_forward_length": shape.neurons,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.head_width,
        "attention.value_length": shape.head_width,
        "attention.layer_norm_rms_epsilon": shape.epsilon,
        "rope.dimension_count": shape.head_width,
        "rope.freq_base": shape.rope_base,
        "vocab_size": shape.vocabulary,
    }
    return {f"{shape.family}.{name}": value for name, value in told.items()}


def _tokens(source: Source) -> dict[str, Any]:
    tokens = gguf_tokens.read(source.tokenizer, source.architecture.vocabulary)
    told: dict[str, Any] = {
        "model": "gpt2",
        "pre": tokens.cut,
        "tokens": list(tokens.pieces),
        "token_type": list(tokens.types),
        "merges": list(tokens.merges),
        **_around(source),
    }
    if len(source.ends) > len(_ENDS):
        raise _unsupported(f"{len(source.ends)} tokens that end an answer: {list(source.ends)}")
    told |= {f"{name}_token_id": end for name, end in zip(_ENDS, source.ends, strict=False)}
    for name, number in (("bos", source.begins), ("padding", source.config.get("pad_token_id"))):
        if isinstance(number, int):
            told[f"{name}_token_id"] = number
    beyond = {
        key: id_ for key, id_ in told.items() if key.endswith("_id") and not 0 <= id_ < len(tokens.pieces)
    }
    if beyond:
        raise _unsupported(f"{beyond}, which no token has")
    told = {f"tokenizer.ggml.{name}": value for name, value in told.items()}
    return told | ({} if source.template is None else {"tokenizer.chat_template": source.template})


def _around(source: Source) -> dict[str, bool]:
    """Whether text gets its beginning and its end put around it."""
    before, behind = source.around
    if before not in ((), (source.begins,)) or behind not in ((), source.ends[:1]):
        raise _unsupported(f"a tokenizer that puts {list(before)} before and {list(behind)} behind a text")
    return {"add_bos_token": bool(before), "add_eos_token": bool(behind)}


def check(
    path: Path, family: str, told: Mapping[str, Any], tensors: Mapping[str, tuple[str, tuple[int, ...]]]
) -> None:
    """Reads a file back. Raises AssertionError unless it says what ``told`` says, and holds the ``tensors``
    by name: (type, shape)."""
    import gguf

    reader = gguf.GGUFReader(path)
    found = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    wanted = {"general.architecture": family, **{name: _kept(value) for name, value in told.items()}}
    differ = sorted(name for name in found.keys() | wanted if found.get(name) != wanted.get(name))
    assert not differ, f"{path.name} was written with other fields than meant: {differ}"
    held = {
        tensor.name: (tensor.tensor_type.name, tuple(int(size) for size in reversed(tensor.shape)))
        for tensor in reader.tensors
    }
    odd = sorted(name for name in held.keys() | tensors if held.get(name) != tensors.get(name))
    assert not odd, f"{path.name} was written with other tensors than meant: {odd}"


def _kept(value: Any) -> Any:
    """As the file keeps it: numbers that are not whole in 32 bits."""
    return float(np.float32(value)) if isinstance(value, float) else value


def _unsupported(found: str) -> InputError:
    return InputError(
        expected="a tokenizer whose special tokens llama.cpp can be told of",
        found=found,
        fix="leave gguf out of export, or choose a teacher with a plainer tokenizer",
    )
