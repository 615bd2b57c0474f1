"""The student: which layers are kept, that a pruned model is the teacher without the others."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from inbond.digest import of_bytes
from inbond.errors import InputError
from inbond.losses.batches import Batch, make_batch
from inbond.losses.heads import dense_divergence, head_weight
from inbond.losses.hidden import label_hidden
from inbond.teachers.protocols import TokenSequence
from inbond.train import student
from tests.tiny import make_model

V = 60
IDS = torch.tensor([[1, 5, 9, 30, 2, 7, 8]])


def batch() -> Batch:
    rows = [TokenSequence((1, 5, 9, 30, 2), 2), TokenSequence((1, 4, 2), 1)]
    return make_batch(rows, 0, torch.device("cpu"))


@pytest.mark.parametrize("keep", [[0], [1, 3], [0, 1, 2]])
def test_a_pruned_model_computes_what_the_teacher_does_without_those_layers(keep: list[int]) -> None:
    teacher = make_model(V)
    before = copy.deepcopy(teacher.state_dict())
    small = student.prune_layers(teacher, keep)
    whole = teacher.model.layers
    teacher.model.layers = nn.ModuleList([whole[i] for i in keep])
    with torch.inference_mode():
        expected = teacher(IDS, use_cache=False).logits
        torch.testing.assert_close(small(IDS).logits, expected)
    teacher.model.layers = whole
    assert small.config.num_hidden_layers == len(keep)
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    generated = small.generate(IDS, max_new_tokens=4, do_sample=False, attention_mask=torch.ones_like(IDS))
    assert generated.shape[1] > IDS.shape[1], "its layers know their own places in the cache"


def test_training_the_student_leaves_the_teacher_alone() -> None:
    teacher = make_model(V)
    before = copy.deepcopy(teacher.state_dict())
    small = student.prune_layers(teacher, [0, 2])
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.add_(1.0)
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())


def test_layer_types_follow_the_kept_layers() -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    kinds = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
    config = Qwen2Config(
        vocab_size=V, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, layer_types=kinds, use_sliding_window=True, sliding_window=8,
    )  # fmt: skip
    small = student.prune_layers(Qwen2ForCausalLM(config).eval(), [1, 2])
    assert small.config.layer_types == ["sliding_attention", "full_attention"]
    assert torch.isfinite(small(IDS).logits).all()


def test_importance_is_the_measured_cost_of_dropping_a_layer() -> None:
    teacher = make_model(V)
    with torch.no_grad():  # a layer that adds nothing to the residual stream costs nothing
        teacher.model.layers[2].self_attn.o_proj.weight.zero_()
        teacher.model.layers[2].mlp.down_proj.weight.zero_()
    seen: list[tuple[int, int]] = []
    importance = student.layer_importance(teacher, [batch()], V, lambda *at: seen.append(at))
    assert abs(importance[2]) < 1e-5
    assert all(value > 1e-3 for layer, value in enumerate(importance) if layer != 2)
    assert student.most_important(importance, 3) == [0, 1, 3]
    assert seen[-1] == (4, 4)
    assert len(teacher.model.layers) == 4


def hybrid(family: str) -> Any:
    """Models whose layers differ: by the attention they pay, or by whether they know positions."""
    import transformers as hf

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": V, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.3,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    if family == "sliding":
        kinds = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
        config: Any = hf.Qwen2Config(**sizes, layer_types=kinds, use_sliding_window=True, sliding_window=2)
        return hf.Qwen2ForCausalLM(config).eval()
    return hf.SmolLM3ForCausalLM(hf.SmolLM3Config(**sizes, no_rope_layers=[1, 0, 1, 1])).eval()


@pytest.mark.parametrize("family", ["sliding", "positions"])
def test_layers_that_differ_stay_what_they_are(family: str) -> None:
    """What dropping a layer was measured to cost is what the pruned model then costs."""
    teacher = hybrid(family)
    lists = {name: getattr(teacher.config, name, None) for name in ("layer_types", "no_rope_layers")}
    probe = batch()
    measured = student.layer_importance(teacher, [probe], V, lambda *_: None)
    assert {name: getattr(teacher.config, name, None) for name in lists} == lists
    with torch.inference_mode():
        whole = label_hidden(teacher, probe)
        for dropped in range(4):
            small = student.prune_layers(teacher, [layer for layer in range(4) if layer != dropped])
            pair = (label_hidden(small, probe), head_weight(small, V))
            kl, _ = dense_divergence((whole, head_weight(teacher, V)), pair, 16)
            assert kl.mean().item() == pytest.approx(measured[dropped], rel=1e-4, abs=1e-6)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=20), st.data())
def test_the_most_important_are_kept_in_order(importance: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(importance)))
    keep = student.most_important(importance, count)
    assert keep == sorted(set(keep))
    assert len(keep) == count
    dropped = [value for layer, value in enumerate(importance) if layer not in keep]
    assert not dropped or max(dropped) <= min(importance[layer] for layer in keep)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ([0, 1, 2, 3], "a student smaller than its teacher of 4 layers; found 4 layers"),
        ([], "layer numbers from 0 to 3, each once, rising"),
        ([1, 1], r"layer numbers from 0 to 3.*found \[1, 1\]"),
        ([2, 1], "layer numbers from 0 to 3"),
        ([4], "layer numbers from 0 to 3"),
        ([-1], "layer numbers from 0 to 3"),
    ],
)
def test_layers_that_cannot_be_kept_are_refused(keep: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        student.prune_layers(make_model(V), keep)


def test_from_scratch_is_seeded_and_checks_its_sizes() -> None:
    config = make_model(V).config
    changes = {"num_hidden_layers": 2, "hidden_size": 16}
    one, same, other = (student.from_scratch(config, changes, seed) for seed in (1, 1, 2))
    assert one.config.num_hidden_layers == 2
    assert one.get_input_embeddings().weight.equal(same.get_input_embeddings().weight)
    assert not one.get_input_embeddings().weight.equal(other.get_input_embeddings().weight)
    assert torch.isfinite(one(IDS).logits).all()
    with pytest.raises(InputError, match=r"a field of LlamaConfig; found student.config.hiden_size"):
        student.from_scratch(config, {"hiden_size": 8}, 0)
    for wrong in ({"hidden_size": 16.5}, {"num_attention_heads": 0}, {"num_hidden_layers": -1.5}):
        with pytest.raises(InputError, match="sizes that fit together"):
            student.from_scratch(config, wrong, 0)


def test_tokenizers_and_sizes_are_compared() -> None:
    student.check_same_tokens(of_bytes(b"a"), of_bytes(b"a"))
    with pytest.raises(InputError, match="a student whose tokenizer has the teacher's tokens"):
        student.check_same_tokens(of_bytes(b"a"), of_bytes(b"b"))
    student.check_smaller(10, 10)
    with pytest.raises(InputError, match="at most the teacher's 1,000 parameters; found 1,001"):
        student.check_smaller(1000, 1001)
