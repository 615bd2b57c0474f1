"""What a GGUF file says of itself, against another reader of the format: transformers' own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from inbond.digest import of_bytes
from inbond.edge import faithful, gguf_header, gguf_tokens, gguf_writer, onnx_writer
from inbond.edge.runner import Child, Runtime
from inbond.edge.source import About, Source
from inbond.errors import InputError
from inbond.teachers.local import load_model
from tests.tiny import make_tokenizer, save_tiny
from tests.unit.test_edge import FAMILIES

ABOUT = About("tiny", of_bytes(b""), "MIT", (("org/base", "https://example.org/base"), ("b", None)), "Inbond")
IDS = torch.tensor([[1, 67, 277, 273, 30]])
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip


def _fields(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


@pytest.mark.parametrize("family", ["llama", "qwen2"])  # it does not look at a Qwen3's head width
def test_transformers_reads_the_same_model_out_of_the_file(tmp_path: Path, family: str) -> None:
    folder = FAMILIES[family](tmp_path / "model")
    gguf_writer.write(Source(folder), ABOUT, "f16", tmp_path / "model.gguf")
    read = {"pretrained_model_name_or_path": str(tmp_path), "gguf_file": "model.gguf"}
    model, whole = AutoModelForCausalLM.from_pretrained(**read, dtype=torch.float32), load_model(folder)
    torch.testing.assert_close(model(input_ids=IDS).logits, whole(input_ids=IDS).logits, atol=0.02, rtol=0.02)
    same = (
        "num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size",
        "num_key_value_heads", "max_position_embeddings", "tie_word_embeddings", "bos_token_id",
        "eos_token_id",
    )  # fmt: skip
    told = AutoConfig.from_pretrained(**read)
    assert {name: getattr(told, name) for name in same} == {
        name: getattr(whole.config, name) for name in same
    }
    assert told.rms_norm_eps == pytest.approx(whole.config.rms_norm_eps)
    assert told.rope_parameters["rope_theta"] == whole.config.rope_parameters["rope_theta"]
    tokenizer, own = AutoTokenizer.from_pretrained(**read), AutoTokenizer.from_pretrained(folder)
    for text in ("a river is water", "川は 🙂\n\n x", "<|start|>user a<|end|>"):
        assert tokenizer.encode(text) == own.encode(text)
    assert tokenizer.chat_template == own.chat_template


def _stretched(folder: Path) -> Path:
    """A Llama 3.1: longer rotations, biases everywhere, three ends, a beginning before each text."""
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=256, initializer_range=0.3,
        attention_bias=True, mlp_bias=True, rope_parameters=LLAMA3, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=[2, 17, 18],
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    for name, value in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(value)
    model.generation_config.eos_token_id = [2, 17, 18]
    model.save_pretrained(folder)
    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|start|> $A", pair="<|start|> $A <|start|> $B", special_tokens=[("<|start|>", 1)]
    )
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("runtime", "kind"), [("llama.cpp", "f16"), ("onnxruntime", "onnx")])
def test_a_llama_of_the_third_generation_says_the_same_far_into_a_text(
    tmp_path: Path, runtime: Runtime, kind: str
) -> None:
    folder, path = _stretched(tmp_path / "model"), tmp_path / "model.file"
    if kind == "onnx":
        onnx_writer.write(Source(folder), ABOUT, path)
    else:
        gguf_writer.write(Source(folder), ABOUT, "f16", path)
        told = _fields(path)
        ends = [told[f"tokenizer.ggml.{name}_token_id"] for name in ("eos", "eot", "eom")]
        assert ends == [2, 17, 18]
        assert told["tokenizer.ggml.add_bos_token"] is True
        assert "rope_freqs.weight" in {tensor.name for tensor in gguf.GGUFReader(path).tensors}
    model, long = load_model(folder), np.random.default_rng(0).integers(3, 299, 150).tolist()
    with Child(runtime, path, threads=1) as child:
        said = faithful.compare(child, model, [long, IDS[0].tolist()], 10, lambda *_: None)
        faithful.check(said, kind)
        together = faithful.compare_together(child, model, [long, IDS[0].tolist(), [1]])
    assert said.kl < 1e-3
    assert (together is None) == (kind == "f16")
    if together is not None:
        assert together.kl < 1e-6
        assert together.alike == 1


@pytest.mark.parametrize(
    ("pattern", "cut"), [(gguf_tokens._LLAMA3, "llama-bpe"), (gguf_tokens._QWEN2, "qwen2")]
)
def test_text_is_cut_as_llama_3_and_qwen_2_cut_it(tmp_path: Path, pattern: str, cut: str) -> None:
    folder = save_tiny(tmp_path / "model")
    fast = make_tokenizer()
    told = json.loads(fast.backend_tokenizer.to_str())
    told["model"]["ignore_merges"] = cut == "llama-bpe"
    tokenizer = Tokenizer.from_str(json.dumps(told))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    path = tmp_path / "model.gguf"
    gguf_writer.write(Source(folder), ABOUT, "f16", path)
    assert _fields(path)["tokenizer.ggml.pre"] == cut
    with Child("llama.cpp", path, threads=1) as child:
        assert faithful.check_tokens(
            child, lambda text: tokenizer.encode(text, add_special_tokens=False).ids, ["<|start|> x"]
        )


def test_a_field_or_a_tensor_that_was_written_otherwise_is_our_fault(tmp_path: Path) -> None:
    source, path = Source(save_tiny(tmp_path / "model")), tmp_path / "model.gguf"
    gguf_writer.write(source, ABOUT, "q8_0", path)
    told = gguf_header.fields(source, ABOUT, "q8_0")
    held = {
        one.name: (one.tensor_type.name, tuple(map(int, one.shape[::-1])))
        for one in gguf.GGUFReader(path).tensors
    }
    gguf_header.check(path, "llama", told, held)
    with pytest.raises(AssertionError, match=r"other fields than meant: \['llama.rope.freq_base'\]"):
        gguf_header.check(path, "llama", told | {"llama.rope.freq_base": 5.0}, held)
    with pytest.raises(AssertionError, match=r"other tensors than meant: \['output_norm.weight'\]"):
        gguf_header.check(path, "llama", told, held | {"output_norm.weight": ("F16", (32,))})


def _with(folder: Path, name: str, **changes: object) -> Source:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return Source(folder)


def test_special_tokens_that_llama_cpp_cannot_be_told_of_are_refused(tmp_path: Path) -> None:
    many = _with(save_tiny(tmp_path / "many"), "generation_config.json", eos_token_id=[2, 5, 6, 7])
    with pytest.raises(InputError, match="4 tokens that end an answer"):
        gguf_header.fields(many, ABOUT, "f16")
    beyond = _with(save_tiny(tmp_path / "beyond"), "config.json", pad_token_id=300)
    with pytest.raises(InputError, match="'padding_token_id': 300}, which no token has"):
        gguf_header.fields(beyond, ABOUT, "f16")
    folder = save_tiny(tmp_path / "around")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|pad|> $A", special_tokens=[("<|pad|>", 0)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(InputError, match=r"puts \[0\] before and \[\] behind a text"):
        gguf_header.fields(Source(folder), ABOUT, "f16")


def test_tensors_that_are_not_those_of_the_config_are_refused(tmp_path: Path) -> None:
    untied = _with(save_tiny(tmp_path / "untied"), "config.json", tie_word_embeddings=False)
    with pytest.raises(InputError, match="found no lm_head.weight among its tensors"):
        list(untied.tensors())
    fewer = _with(save_tiny(tmp_path / "fewer"), "config.json", num_hidden_layers=3)
    with pytest.raises(InputError, match=r"found model.layers.3.input_layernorm.weight of the shape \(32,\)"):
        list(fewer.tensors())
    model = load_model(save_tiny(tmp_path / "odd"))
    model.model.norm.weight.data[3] = float("nan")
    model.save_pretrained(tmp_path / "odd")
    with pytest.raises(InputError, match=r"model.norm.weight, in which not every number is finite"):
        list(Source(tmp_path / "odd").tensors())


def test_rows_that_do_not_fit_blocks_and_large_numbers_keep_more_bits() -> None:
    narrow = np.zeros((4, 48), np.float32)
    assert gguf_writer._kept_as("blk.0.ffn_up.weight", narrow, "q8_0") == "F16"
    assert gguf_writer._kept_as("blk.0.ffn_up.weight", narrow[:, :32], "q4_0") == "Q4_0"
    assert gguf_writer._kept_as("blk.0.ffn_down.weight", narrow[:, :32], "q4_0") == "Q8_0"
    assert gguf_writer._kept_as("blk.0.ffn_up.weight", narrow[:, :32] + 70_000, "f16") == "F32"


def test_an_onnx_file_ends_at_two_gigabytes(tmp_path: Path) -> None:
    config = {"num_hidden_layers": 32, "hidden_size": 4096, "intermediate_size": 11008, "head_dim": 8}
    large = _with(save_tiny(tmp_path / "large"), "config.json", **config)
    with pytest.raises(
        InputError, match=r"an ONNX file of 2 GB; found 1\d.\d GB in float32; fix: export it as gguf"
    ):
        onnx_writer.write(large, ABOUT, tmp_path / "large.onnx")
