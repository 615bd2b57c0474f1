"""A shared prefix is exact: hidden states and gradients are those of rows read whole, family by family."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from inbond.digest import of_bytes, of_file
from inbond.losses import hidden
from inbond.losses.batches import Batch, make_batch
from inbond.losses.hidden import can_share, check_sharing, label_hidden, prove
from inbond.teachers.convert import converted
from inbond.teachers.local import Local, load_model, load_tokenizer
from inbond.teachers.protocols import Keep, TokenSequence
from inbond.teachers.tokens import encode_record
from inbond.train.student import layer_importance
from inbond.types import Message, Record
from inbond.workspace import cache_folder
from tests.tiny import make_model, make_tokenizer

V = 60
CPU = torch.device("cpu")
PREFIX = tuple(range(3, 43))
ROWS = [
    TokenSequence((*PREFIX, 5, 9, 7, 8, 2), 42),
    TokenSequence((*PREFIX, 6, 11, 12, 13, 14, 15, 16, 17, 2), 41),
    TokenSequence((*PREFIX, 7, 2), 41),
]

SIZES: dict[str, Any] = {
    "vocab_size": V, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
    "initializer_range": 0.3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
IMPLEMENTATIONS = ("attn_implementation", "experts_implementation")
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
GROWING = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
SHARING = {
    "llama": ("Llama", {}),
    "llama, eager": ("Llama", {"attn_implementation": "eager"}),
    "qwen2": ("Qwen2", {}),
    "qwen3": ("Qwen3", {"head_dim": 8}),
    "qwen3 experts": ("Qwen3Moe", {"head_dim": 8, "experts_implementation": "eager", **EXPERTS}),
    "mistral": ("Mistral", {"sliding_window": None}),
    "mistral, a window that holds all": ("Mistral", {"sliding_window": 48}),
    "gpt-neox": ("GPTNeoX", {}),
    "gemma": ("Gemma", {"head_dim": 8}),
    "gemma2, eager": ("Gemma2", {"head_dim": 8, "attn_implementation": "eager"}),
    "smollm3": ("SmolLM3", {"no_rope_layers": [1, 0, 1]}),
}
READ_WHOLE = {
    "mistral, a window shorter than a row": ("Mistral", {"sliding_window": 47}),
    "gemma2, some windows shorter": (
        "Gemma2",
        {"head_dim": 8, "sliding_window": 16, "attn_implementation": "eager"},
    ),
    "linear attention": ("Mamba", {}),
    "both kinds": ("Qwen3Next", {"head_dim": 8, "shared_expert_intermediate_size": 16, **EXPERTS}),
    "no key and value at all": ("Rwkv", {}),
    "positions that grow": ("Llama", {"rope_parameters": GROWING, "max_position_embeddings": 16}),
}


def make(family: str, changes: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    sizes = {**SIZES, **changes}
    chosen = {name: sizes.pop(name) for name in IMPLEMENTATIONS if name in sizes}
    config = getattr(hf, f"{family}Config")(**sizes)
    return hf.AutoModelForCausalLM.from_config(config, **chosen).eval()


def batch(rows: list[TokenSequence] = ROWS, *, share: bool = True) -> Batch:
    return make_batch(rows, 0, CPU, share=share)


def gradients(model: Any, inputs: Batch, rows: slice = slice(None)) -> dict[str, torch.Tensor]:
    """Of a loss that weighs every label's hidden state differently."""
    model.zero_grad(set_to_none=True)
    found_NH = label_hidden(model, inputs)[rows]
    weights = torch.linspace(-1, 2, found_NH.numel(), dtype=found_NH.dtype).view_as(found_NH)
    (found_NH * weights).sum().backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def assert_close(
    ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], relative: float = 1e-5
) -> None:
    """Each gradient within ``relative`` of its own largest value."""
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        off = (ours[name] - value).abs().max().item()
        assert off <= relative * value.abs().max().item() + 1e-12, name


class Positions:
    """Counts the positions that a model's layers ran over."""

    def __init__(self, model: Any) -> None:
        self.shapes: list[tuple[int, int]] = []
        model.get_input_embeddings().register_forward_hook(self._see)

    def _see(self, _: Any, inputs: Any, __: Any) -> None:
        self.shapes.append(tuple(inputs[0].shape))


@pytest.mark.parametrize(("family", "changes"), SHARING.values(), ids=SHARING.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hidden_states_and_gradients_are_those_of_whole_rows(
    family: str, changes: dict[str, Any], dtype: torch.dtype
) -> None:
    model = make(family, changes).to(dtype).train()
    shared, whole = batch(), batch(share=False)
    assert can_share(model, shared.longest)
    assert prove(model, shared), "tried once, before anything is counted"
    seen = Positions(model)
    torch.testing.assert_close(label_hidden(model, shared), label_hidden(model, whole), rtol=1e-5, atol=1e-5)
    assert seen.shapes == [(1, 40), (3, 8), (3, 48)]
    assert_close(gradients(model, shared), gradients(model, whole))
    with torch.inference_mode():
        torch.testing.assert_close(
            label_hidden(model.eval(), shared), label_hidden(model, whole), rtol=1e-5, atol=1e-5
        )
    assert check_sharing(model, shared) < 1e-5


@pytest.mark.parametrize(("family", "changes"), READ_WHOLE.values(), ids=READ_WHOLE.keys())
def test_models_that_cannot_share_read_the_same_batch_whole(family: str, changes: dict[str, Any]) -> None:
    model = make(family, changes)
    shared, whole = batch(), batch(share=False)
    assert len(shared.prefix_P)
    assert not can_share(model, shared.longest)
    with torch.inference_mode():
        assert label_hidden(model, shared).equal(label_hidden(model, whole))
    assert check_sharing(model, shared) == 0


def test_the_check_finds_what_the_list_of_reasons_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(*READ_WHOLE["positions that grow"])
    monkeypatch.setattr(hidden, "can_share", lambda *_: True)
    assert check_sharing(model, batch()) > 1e-3


TRIALS: dict[str, Callable[[Any], None]] = {
    "attention dropout": lambda model: setattr(model.config, "attention_dropout", 0.1),
    "dropout in a module": lambda model: model.model.layers.append(torch.nn.Dropout(0.1)),
    "gradient checkpointing": lambda model: model.activation_checkpointing_enable(),
}


@pytest.mark.parametrize("change", TRIALS.values(), ids=TRIALS.keys())
def test_what_holds_in_training_alone_is_minded_in_training_alone(change: Callable[[Any], None]) -> None:
    model = make_model(V)
    change(model)
    assert can_share(model.eval(), 48)
    assert not can_share(model.train(), 48)


def test_gradient_checkpointing_gives_the_same_gradients() -> None:
    """transformers would throw the shared keys away without an error."""
    model = make_model(V).train()
    expected = gradients(model, batch())
    model.activation_checkpointing_enable()
    assert_close(gradients(model, batch()), expected)


def test_an_adapter_learns_the_same_through_a_shared_prefix() -> None:
    from peft import LoraConfig, inject_adapter_in_model

    plain = LoraConfig(
        r=4, target_modules=["q_proj", "k_proj", "v_proj", "down_proj"], init_lora_weights=False
    )
    model = inject_adapter_in_model(plain, make_model(V)).train()
    assert can_share(model, 48)
    found = gradients(model, batch())
    assert any("lora_A" in name for name in found)
    assert_close(found, gradients(model, batch(share=False)))
    dropping = LoraConfig(r=4, target_modules=["v_proj"], lora_dropout=0.1)
    model = inject_adapter_in_model(dropping, make_model(V))
    assert can_share(model.eval(), 48)
    assert not can_share(model.train(), 48)


def test_bfloat16_agrees_within_its_own_precision() -> None:
    model = make_model(V).to(torch.bfloat16)
    assert check_sharing(model, batch()) < 0.02
    shared, whole = gradients(model, batch()), gradients(model, batch(share=False))
    wide = gradients(make_model(V).double(), batch(share=False))
    for name, exact in wide.items():
        limit = (whole[name].double() - exact).norm() * 1.5 + 0.01 * exact.norm()
        assert (shared[name].double() - exact).norm() <= limit, name


def test_micro_batches_with_prefixes_of_their_own_add_up() -> None:
    model = make_model(V).double().train()
    other = [TokenSequence((*PREFIX[:20], 50, 51, 52, 2), 22), TokenSequence((*PREFIX[:36], 40, 41, 2), 37)]
    rows = [*ROWS, *other]
    model.zero_grad(set_to_none=True)
    for part in (rows[:2], rows[2:4], rows[4:]):
        label_hidden(model, batch(part)).square().sum().backward()
    added = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    label_hidden(model, batch(rows, share=False)).square().sum().backward()
    assert_close(added, {name: parameter.grad for name, parameter in model.named_parameters()})


MODEL = make_model(V, layers=2).double()


@st.composite
def rows_alike(draw: st.DrawFn) -> list[TokenSequence]:
    """Up to 4 sequences behind a common beginning of up to 40 tokens, some without any label."""
    tokens = st.lists(st.integers(3, V - 1), max_size=5)
    common = draw(st.lists(st.integers(3, V - 1), max_size=40))
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        prompt = (*common, *draw(tokens)) or (1,)
        rows.append(TokenSequence((*prompt, *draw(tokens)), len(prompt)))
    return rows


@settings(max_examples=60)
@given(rows_alike())
def test_any_prompts_and_answers(rows: list[TokenSequence]) -> None:
    """The oracle reads each sequence alone and whole, without padding."""
    with torch.inference_mode():
        expected_NH = torch.cat(
            [
                MODEL.model(torch.tensor([row.ids]), use_cache=False).last_hidden_state[
                    0, row.prompt_length - 1 : len(row.ids) - 1
                ]
                for row in rows
            ]
        )
        found_NH = label_hidden(MODEL, batch(rows))
    assert found_NH.shape == (sum(row.labels for row in rows), 32)
    torch.testing.assert_close(found_NH, expected_NH, rtol=1e-9, atol=1e-9)


def test_a_batch_without_labels_gives_no_hidden_state() -> None:
    assert label_hidden(MODEL, batch([TokenSequence((1,), 1)])).shape == (0, 32)
    assert check_sharing(MODEL, batch([TokenSequence(PREFIX, 40)] * 2)) == 0


class Wide(TorchDispatchMode):
    """Remembers whether any tensor had the vocabulary's width."""

    seen = False

    def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        tensors = [value for value in tree_leaves(made) if isinstance(value, torch.Tensor)]
        self.seen = self.seen or any(value.shape[-1:] == (V,) for value in tensors)
        return made


def test_an_architecture_that_only_seems_to_share_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the config says: the numbers of a first trial decide, once for each model."""
    model, shared = make_model(V), batch()
    monkeypatch.setattr(hidden, "_shared", lambda *_: hidden._whole(model, shared) + 1)
    assert can_share(model, shared.longest)
    assert not prove(model, shared)
    torch.testing.assert_close(label_hidden(model, shared), hidden._whole(model, shared))
    assert hidden.spared(model, shared) == 0


def test_nothing_runs_twice_nor_at_a_last_token_nor_through_the_head() -> None:
    model = make_model(V)
    prove(model, batch())
    seen = Positions(model)
    read: list[torch.Tensor] = []
    model.get_input_embeddings().register_forward_hook(lambda _, inputs, __: read.append(inputs[0]))
    with Wide() as wide, torch.inference_mode():
        found_NH = label_hidden(model, batch())
    assert seen.shapes == [(1, len(PREFIX)), (3, 8)], "the prefix once, then what follows it"
    assert read[0].tolist() == [list(PREFIX)]
    ends = [row.ids[-1] for row in ROWS]
    assert not torch.isin(read[1], torch.tensor(ends)).any()
    assert found_NH.shape[0] == sum(row.labels for row in ROWS)
    assert not wide.seen


def test_a_layer_left_out_for_a_trial_costs_the_same_with_a_shared_prefix() -> None:
    """Dropping the first layer leaves its place in the cache empty: positions must not start anew."""
    for model in (make_model(V), make(*SHARING["smollm3"])):
        shared, whole = (
            layer_importance(model, [batch(share=share)], V, lambda *_: None) for share in (True, False)
        )
        assert shared == pytest.approx(whole, rel=1e-4, abs=1e-6)
        assert min(abs(value) for value in whole) > 1e-3


def test_the_rows_of_a_shared_prefix_are_never_copied_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    expand = hidden._expand

    def watch(cache: Any, rows: int) -> None:
        expand(cache, rows)
        seen.extend(layer.keys.stride()[:1] for layer in cache.layers)

    model = make_model(V)
    prove(model, batch())
    monkeypatch.setattr(hidden, "_expand", watch)
    label_hidden(model, batch())
    assert seen == [(0,)] * 4


def test_what_a_teacher_says_does_not_depend_on_who_shares_the_batch() -> None:
    tokenizer = make_tokenizer()
    teacher = Local("path:tiny", of_bytes(b"tiny"), make_model(len(tokenizer)), tokenizer)
    keep = Keep(size=8)
    together = teacher.score(ROWS, keep)
    alone = [teacher.score([row], keep) for row in ROWS]
    np.testing.assert_array_equal(together.ids_NK, np.concatenate([scores.ids_NK for scores in alone]))
    np.testing.assert_allclose(
        together.logp_NK, np.concatenate([scores.logp_NK for scores in alone]), atol=1e-5
    )


@pytest.mark.slow
def test_the_real_teacher_agrees_with_itself(smollm2_gguf: Path) -> None:
    folder = converted(smollm2_gguf, of_file(smollm2_gguf), cache_folder(os.environ))
    tokenizer, model = load_tokenizer(folder), load_model(folder)
    asked = {
        "apple": "A round fruit.",
        "bridge": "It spans a river, so that people can cross.",
        "川": "水の流れ。",
    }
    rows = [
        encode_record(
            tokenizer,
            Record((Message("user", f"Define the word '{word}' in one sentence."),), answer),
        )
        for word, answer in asked.items()
    ]
    shared = batch(rows)
    assert len(shared.prefix_P) > 15
    assert check_sharing(model, shared) < 1e-4
    alone = [label_hidden(model, batch([row])) for row in rows]
    torch.testing.assert_close(
        label_hidden(model, shared),
        torch.cat(alone),
        rtol=1e-4,
        atol=1e-4 * torch.cat(alone).abs().max().item(),
    )
