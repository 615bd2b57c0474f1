"""Files for small machines: written, run by the real runtimes, compared with the student, refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from inbond.digest import of_bytes
from inbond.edge import faithful, gguf_tokens, gguf_writer, onnx_writer, saving
from inbond.edge.architecture import read
from inbond.edge.runner import Alternatives, Child, Runner, Runtime, Steps
from inbond.edge.source import About, Source
from inbond.errors import DeniedError, InputError
from inbond.teachers.local import load_model
from tests.tiny import make_tokenizer, save_tiny

ABOUT = About("tiny", of_bytes(b""), "MIT", (("org/base", "https://example.org/base"),), "Inbond")
PROMPTS = [[1, 67, 277, 273], [1, 30, 200]]
SMALL = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "eos_token_id": 2, "bos_token_id": 1,
    "pad_token_id": 0, "initializer_range": 0.3,
}  # fmt: skip


def _llama(folder: Path) -> Path:
    return save_tiny(folder, padding=4)


def _qwen2(folder: Path) -> Path:
    return _saved(folder, Qwen2ForCausalLM(Qwen2Config(vocab_size=300, tie_word_embeddings=False, **SMALL)))


def _qwen3(folder: Path) -> Path:
    config = Qwen3Config(vocab_size=300, tie_word_embeddings=True, head_dim=16, **SMALL)
    return _saved(folder, Qwen3ForCausalLM(config))


def _saved(folder: Path, model: torch.nn.Module) -> Path:
    torch.manual_seed(3)
    for name, value in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(value)
    model.save_pretrained(folder)  # type: ignore[operator]
    make_tokenizer().save_pretrained(folder)
    return folder


FAMILIES: dict[str, Callable[[Path], Path]] = {"llama": _llama, "qwen2": _qwen2, "qwen3": _qwen3}


def _write(folder: Path, kind: str, path: Path) -> Path:
    if kind == "onnx":
        onnx_writer.write(Source(folder), ABOUT, path)
    else:
        gguf_writer.write(Source(folder), ABOUT, kind, path)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("runtime", "kind"), [("llama.cpp", "f16"), ("onnxruntime", "onnx")])
def test_a_file_says_what_its_model_says(tmp_path: Path, family: str, runtime: Runtime, kind: str) -> None:
    folder = FAMILIES[family](tmp_path / "model")
    model = load_model(folder)
    with Child(runtime, _write(folder, kind, tmp_path / f"model.{kind}"), threads=1) as child:
        said = faithful.compare(child, model, PROMPTS, 10, lambda *_: None)
        assert said.kl == pytest.approx(0, abs=1e-3)
        assert said.alike == 1
        faithful.check(said, kind)
        texts = ["a river is water", "川は 🙂\n\n x"]
        encode = make_tokenizer().encode
        assert faithful.check_tokens(child, encode, texts) == (9 if kind == "f16" else 0)
        (pace,) = saving.paces([child], [PROMPTS[0]], 4, rounds=1, powercap=tmp_path)
        assert pace.tokens_per_s > 0
        assert pace.joules_per_token is None
        assert pace.memory_bytes is None or pace.memory_bytes > 0


@pytest.mark.parametrize("kind", ["q8_0", "q4_0", "q4_1"])
def test_fewer_bits_are_fewer_bytes_and_still_close(tmp_path: Path, kind: str) -> None:
    folder = _llama(tmp_path / "model")
    wide, packed = (_write(folder, one, tmp_path / f"model.{one}") for one in ("f16", kind))
    assert packed.stat().st_size < wide.stat().st_size
    with Child("llama.cpp", packed, threads=1) as child:
        said = faithful.compare(child, load_model(folder), PROMPTS, 10, lambda *_: None)
    assert said.kl < faithful.LIMITS[kind].kl


def test_the_same_folder_gives_the_same_bytes_with_licence_and_origin(tmp_path: Path) -> None:
    import gguf

    folder = _llama(tmp_path / "model")
    for kind in ("q8_0", "onnx"):
        first, again = (_write(folder, kind, tmp_path / f"{number}.{kind}") for number in range(2))
        assert first.read_bytes() == again.read_bytes()
    fields = gguf.GGUFReader(tmp_path / "0.q8_0").fields
    assert fields["general.license"].contents() == "MIT"
    assert fields["general.base_model.0.name"].contents() == "org/base"
    assert fields["inbond.artifact"].contents() == ABOUT.artifact
    assert "<|start|>" in fields["tokenizer.chat_template"].contents()


@pytest.mark.parametrize("runtime", ["llama.cpp", "onnxruntime"])
def test_a_broken_file_is_an_error_and_ends_nothing_else(tmp_path: Path, runtime: Runtime) -> None:
    path = tmp_path / "broken"
    path.write_bytes(b"GGUF" + bytes(200))
    with (
        Child(runtime, path, threads=1) as child,
        pytest.raises(InputError, match=f"an answer of broken under {runtime}"),
    ):
        child.steps([1], 2, 4)


class _Scripted:
    """Says what it was told to. Implements Runner."""

    def __init__(self, steps: Steps, ids: Sequence[int] | None = None) -> None:
        self._steps = steps
        self._ids = ids

    def steps(self, _prompt: Sequence[int], _tokens: int, _k: int, /) -> Steps:
        return self._steps

    def tokenize(self, _text: str, /) -> tuple[int, ...] | None:
        return None if self._ids is None else tuple(self._ids)

    def template(self, _messages: Sequence[dict[str, str]], /) -> str | None:
        return "something else"

    def together(self, _prompts: Sequence[Sequence[int]], _k: int, /) -> tuple[Alternatives, ...] | None:
        return self._steps.top

    def peak_bytes(self) -> int | None:
        return None


def test_a_file_that_says_something_else_is_refused_with_the_numbers(tmp_path: Path) -> None:
    model = load_model(_llama(tmp_path / "model"))
    logits_V = model(input_ids=torch.tensor([PROMPTS[0]])).logits[0, -1].detach().double()
    worst = int(logits_V.argmin())
    q_V = (-logits_V).log_softmax(0)
    told = tuple((int(id_), float(q_V[id_])) for id_ in q_V.argsort(descending=True)[:20])
    liar: Runner = _Scripted(Steps((worst,), (told,), 1.0))
    said = faithful.compare(liar, model, [PROMPTS[0]], 1, lambda *_: None)
    assert said.alike == said.agreement == 0
    with pytest.raises(DeniedError, match=r"a q4_0 file .* found 0.0%, .* nats, over 1 tokens"):
        faithful.check(said, "q4_0")
    together = faithful.compare_together(liar, model, [PROMPTS[0]])
    assert together is not None
    assert together.alike == 0


def test_a_file_that_tells_no_likelihoods_or_nothing_at_all_is_refused(tmp_path: Path) -> None:
    model = load_model(_llama(tmp_path / "model"))
    best = int(model(input_ids=torch.tensor([PROMPTS[0]])).logits[0, -1].argmax())
    silent = _Scripted(Steps((best,), ((),), 1.0))
    said = faithful.compare(silent, model, [PROMPTS[0]], 1, lambda *_: None)
    assert (said.alike, said.told) == (1, 0)
    with pytest.raises(DeniedError, match="over 1 tokens, of which only 0 came with likelihoods"):
        faithful.check(said, "q8_0")
    mute = faithful.compare(_Scripted(Steps((), (), 1.0)), model, [PROMPTS[0]], 1, lambda *_: None)
    with pytest.raises(DeniedError, match="over 0 tokens"):
        faithful.check(mute, "q4_0")


def test_likelihoods_too_small_for_a_runtime_do_not_spoil_the_rest(tmp_path: Path) -> None:
    model = load_model(_llama(tmp_path / "model"))
    logp_V = model(input_ids=torch.tensor([PROMPTS[0]])).logits[0, -1].detach().double().log_softmax(0)
    order = logp_V.argsort(descending=True)[:20].tolist()
    told = (*((id_, float(logp_V[id_])) for id_ in order[:-1]), (order[-1], float("-inf")))
    said = faithful.compare(
        _Scripted(Steps((order[0],), (told,), 1.0)), model, [PROMPTS[0]], 1, lambda *_: None
    )
    assert np.isfinite(said.kl)


def test_a_conversation_written_in_another_way_is_refused() -> None:
    other = _Scripted(Steps((), (), 0.0))
    with pytest.raises(DeniedError, match="'something else' and not 'a talk'"):
        faithful.check_template(other, lambda _: "a talk", [])


def test_a_file_that_cuts_text_in_another_way_is_refused() -> None:
    other: Runner = _Scripted(Steps((), (), 0.0), [1, 2])
    with pytest.raises(DeniedError, match=r"'a river': \[1, 2\] and not"):
        faithful.check_tokens(other, make_tokenizer().encode, ["a river"])


def test_paces_are_medians_and_energy_is_counted_where_it_may_be_read(tmp_path: Path) -> None:
    meter = tmp_path / "intel-rapl:0" / "energy_uj"
    meter.parent.mkdir()
    meter.write_text("4000000")
    assert saving.microjoules(tmp_path) == 4_000_000
    assert saving.microjoules(tmp_path / "none") is None
    quick, slow = (_Scripted(Steps((1, 2, 3, 4), ((), (), (), ()), seconds)) for seconds in (0.5, 2.0))
    paces = saving.paces([quick, slow], [[1], [1]], 4, powercap=tmp_path)
    assert [pace.tokens_per_s for pace in paces] == [6, 1.5], "three steps: the first token cost the prompt"
    assert paces[0].joules_per_token == 0
    assert saving.speedup(*paces) == saving.Speedup(4, 4, 4)
    assert len(paces[0].rounds) == saving.ROUNDS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architectures": ["MambaForCausalLM"]}, "the architecture MambaForCausalLM"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rotary positions of the type yarn"),
        ({"hidden_act": "gelu"}, "the activation gelu"),
        ({"use_sliding_window": True}, "attention within a sliding window"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "attention within a sliding window"),
        ({"partial_rotary_factor": 0.5}, "rotary positions in a part of each head"),
        ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "differ from layer to layer"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "that is not whole: KeyError: 'factor'"),
        ({"hidden_size": None}, "a config.json that is not whole: TypeError"),
        ({"head_dim": 7}, "heads of 7 numbers"),
        ({"architectures": ["Qwen3ForCausalLM"], "attention_bias": True}, "biases in a Qwen3"),
    ],
)
def test_what_cannot_be_exported_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    config = json.loads((_llama(tmp_path / "model") / "config.json").read_text())
    with pytest.raises(InputError, match=said):
        read({**config, **change})


def test_a_tokenizer_that_llama_cpp_does_not_know_is_refused(tmp_path: Path) -> None:
    whole = dict(Source(_llama(tmp_path / "model")).tokenizer)
    assert gguf_tokens.read(whole, 304).cut == "gpt-2"
    assert gguf_tokens.read(whole, 304).types[:4] == (3, 3, 3, 1)
    assert gguf_tokens.read(whole, 304).pieces[-1] == "[PAD303]"
    for change, said in (
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "in a way of its own"),
        ({"normalizer": {"type": "NFC"}}, "changes text first"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "not of bytes"),
        ({"model": {**whole["model"], "merges": []}}, "of bytes alone, without a merge"),
        ({"model": {**whole["model"], "dropout": 0.1}}, "merges by chance"),
        ({"model": {**whole["model"], "ignore_merges": True}}, "ignore_merges = True with the cuts of gpt-2"),
        ({"added_tokens": [_added(299, "<x>", lstrip=True)]}, "'<x>', which takes in the spaces around it"),
        ({"added_tokens": [_added(304, "<x>")]}, "'<x>', token 304, without a row of the embedding"),
        ({"added_tokens": [_added(303, "a")]}, "2 tokens that are all 'a'"),
    ):
        with pytest.raises(InputError, match=said):
            gguf_tokens.read({**whole, **change}, 304)


def _added(id_: int, content: str, **flags: bool) -> dict[str, object]:
    return {"id": id_, "content": content, "special": False, **flags}


def test_rows_of_a_head_are_put_side_by_side() -> None:
    rows = np.arange(16, dtype=np.float32).reshape(8, 2)
    turned = gguf_writer._interleaved(rows, 2)
    assert turned[:, 0].tolist() == [0, 4, 2, 6, 8, 12, 10, 14]
