"""Fewer tokens: what is kept, that any text still comes back, and that kept text is cut as before."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from inbond.errors import InputError
from inbond.evaluate.vocabulary import measure
from inbond.teachers.protocols import TokenSequence
from inbond.train import vocabulary
from inbond.train.restricted import restricted
from tests.tiny import TEXT, make_model, make_tokenizer

HOSTILE = [
    "", " ", "\n\n\t ",
    "\x00\x7f", "🙂👩‍👩‍👧", "川は水の流れです", "é e\u0301", "<|end|>x<|start|>", "[PAD3]", "a" * 300,
    "\ud7ff\ue000\U0010ffff", "‮abc", "it's 1234567", "Ġriver",
]  # fmt: skip


def _trained(size: int = 420) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<|pad|>", "<|start|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator([*TEXT, *(f"{text} {text[::-1]}" for text in TEXT)], trainer)
    return tokenizer


WHOLE = _trained()
AS_JSON: dict[str, Any] = json.loads(WHOLE.to_str())


def _pruned(counts: dict[int, int], size: int | None = None) -> tuple[Tokenizer, list[int]]:
    keep = vocabulary.choose(AS_JSON, counts, size)
    return Tokenizer.from_str(json.dumps(vocabulary.prune(AS_JSON, keep))), keep


def _counts(texts: list[str]) -> Counter[int]:
    return Counter(id_ for text in texts for id_ in WHOLE.encode(text).ids)


@given(text=st.one_of(st.sampled_from(HOSTILE), st.text()), seed=st.sampled_from(range(len(TEXT))))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_comes_back_and_no_id_is_too_large(text: str, seed: int) -> None:
    small, keep = _pruned(_counts([TEXT[seed]]))
    ids = small.encode(text).ids
    assert all(0 <= id_ < len(keep) for id_ in ids)
    assert small.get_vocab_size() == len(keep)
    text = text.encode("utf-8", "replace").decode()
    assert small.decode(ids, skip_special_tokens=False) == WHOLE.decode(
        WHOLE.encode(text).ids, skip_special_tokens=False
    )


@given(texts=st.lists(st.one_of(st.sampled_from([*TEXT, *HOSTILE]), st.text()), min_size=1, max_size=4))
@settings(max_examples=80, deadline=None)
def test_text_whose_tokens_are_kept_is_cut_as_before(texts: list[str]) -> None:
    small, keep = _pruned(_counts(texts))
    for text in texts:
        assert [keep[id_] for id_ in small.encode(text).ids] == WHOLE.encode(text).ids


def test_every_kept_token_can_be_reached() -> None:
    small, keep = _pruned(_counts(TEXT[:2]))
    whole = {id_: piece for piece, id_ in AS_JSON["model"]["vocab"].items()}
    for number, old in enumerate(keep):
        text = WHOLE.decode([old], skip_special_tokens=False)
        if "�" not in text and WHOLE.encode(text).ids == [old]:
            assert small.encode(text).ids == [number], whole.get(old)


@pytest.mark.parametrize("size", [300, 350, 419])
def test_a_size_is_kept_to_with_the_most_frequent_first(size: int) -> None:
    counts = _counts(TEXT)
    small, keep = _pruned(counts, size)
    assert len(keep) == small.get_vocab_size() == size
    assert set(vocabulary.choose(AS_JSON, {}, 300)) <= set(range(420))
    most = max((id_ for id_ in counts if id_ not in range(3)), key=lambda id_: counts[id_])
    assert most in keep


@pytest.mark.parametrize("size", [3, 420])
def test_a_size_that_cannot_be_had_is_refused(size: int) -> None:
    with pytest.raises(InputError, match=r"from 259, its bytes and special tokens, to 419"):
        vocabulary.choose(AS_JSON, {}, size)


def test_a_tokenizer_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="a tokenizer of the type Unigram"):
        vocabulary.choose({"model": {"type": "Unigram", "vocab": []}}, {}, None)
    with pytest.raises(InputError, match="one that has no tokens for bytes"):
        vocabulary.choose({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}, {}, None)


def test_what_is_put_around_a_text_is_numbered_anew() -> None:
    around = {"type": "TemplateProcessing", "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [2]}}}
    told = {**AS_JSON, "post_processor": around, "added_tokens": [{"id": 2, "content": "<|end|>"}]}
    keep = vocabulary.choose(told, {}, None)
    assert vocabulary.prune(told, keep)["post_processor"]["special_tokens"]["<|end|>"]["ids"] == [
        keep.index(2)
    ]


@pytest.mark.parametrize("tied", [True, False])
def test_a_restricted_model_is_the_whole_one_given_a_kept_token(tied: bool) -> None:
    tokenizer = make_tokenizer()
    model = make_model(len(tokenizer), padding=5)
    if not tied:
        model.config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    keep = [0, 1, 2, *range(7, 200, 3)]
    small = restricted(model, keep)
    ids_BT = torch.tensor([[1, 5, 9, 30]])
    expected = model(input_ids=torch.tensor(keep)[ids_BT]).logits[..., keep].log_softmax(-1)
    torch.testing.assert_close(small(input_ids=ids_BT).logits.log_softmax(-1), expected)
    assert (small.config.vocab_size, model.config.vocab_size) == (len(keep), len(tokenizer) + 5)
    assert small.config.eos_token_id == 2
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer) + 5
    assert (
        small.get_decoder().layers[0].mlp.up_proj.weight is model.get_decoder().layers[0].mlp.up_proj.weight
    )


def test_what_is_left_out_is_measured_on_the_whole_teacher() -> None:
    model, keep = make_model(300), [0, 1, 2, *range(3, 150)]
    small = restricted(model, keep)
    found = measure((model, small), keep, [TokenSequence((5, 9, 12, 40), 2)], 0)
    logp = model(input_ids=torch.tensor([[5, 9, 12]])).logits[0, 1:].detach().double().softmax(1)
    assert found.mass == pytest.approx(float(1 - logp[:, keep].sum(1).mean()), abs=1e-5)
    assert found.agreement == pytest.approx(float((logp.argmax(1) < 150).double().mean()))


def test_a_tokenizer_without_some_bytes_loses_no_more() -> None:
    """Bytes that are in no UTF-8, or that nobody had in training, have no token in some tokenizers."""
    told = json.loads(WHOLE.to_str())
    missing = vocabulary.byte_letters()[0xF5]
    del told["model"]["vocab"][missing]
    keep = vocabulary.choose(told, {}, None)
    assert len(keep) == 3 + 255
    small = Tokenizer.from_str(json.dumps(vocabulary.prune(told, keep)))
    assert small.decode(small.encode("川 🙂 é\n").ids) == "川 🙂 é\n"


def test_what_is_put_around_batches_goes_with_its_old_ids() -> None:
    told = {**AS_JSON, "padding": {"strategy": "BatchLongest", "pad_id": 400, "pad_token": "x"}}
    told["truncation"] = {"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    small = vocabulary.prune(told, vocabulary.choose(told, {}, None))
    assert (small["padding"], small["truncation"]) == (None, None)
    assert told["padding"]["pad_id"] == 400
