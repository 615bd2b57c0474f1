"""Bits a byte: what is counted, and what is not."""

from __future__ import annotations

import json
import math

import pytest
import torch
from tokenizers import Tokenizer, normalizers
from transformers import PreTrainedTokenizerFast

from inbond.evaluate.bytewise import measure
from inbond.ledger.records import Row
from inbond.recipes.across import check_prompts, encode, texts_alike
from inbond.types import OWN, Message, Origin, Prompt, Record
from tests.tiny import make_model, make_tokenizer

TOKENIZER, OTHER = make_tokenizer(300), make_tokenizer(270)
MODEL = make_model(len(TOKENIZER), padding=5)
TEXTS = ["a river is water", "日本 é 🙂", "x"]


def row(prompt: str | tuple[Message, ...], text: str, finish: str = "stop") -> Row:
    return Row(Record(prompt, text), Origin("path:t", OWN, "author", {}, None), finish=finish)


def bits(rows: list[Row], texts: list[str]) -> tuple[tuple[float, ...], tuple[int, ...], float]:
    sequences = encode(TOKENIZER, rows, ended=False)
    found = measure(MODEL, sequences, texts, vocabulary=len(TOKENIZER), pad_id=0)
    return found.nats, found.sizes, found.bits_per_byte


@torch.inference_mode()
def plain(prompt: str, text: str) -> float:
    """Nats of the text, token by token, over the real vocabulary."""
    before = TOKENIZER.encode(prompt)
    ids = [*before, *TOKENIZER.encode(text, add_special_tokens=False)]
    logits = MODEL(torch.tensor([ids])).logits[0, :, : len(TOKENIZER)].double()
    logp = logits.log_softmax(1)
    return -sum(float(logp[place - 1, ids[place]]) for place in range(len(before), len(ids)))


def test_the_answer_alone_counts_each_byte_once() -> None:
    """Neither the prompt, however long, nor the end of the turn, nor rows that pad the head."""
    for prompt in ("say", "say it again and again until the river ends"):
        nats, sizes, whole = bits([row(prompt, text) for text in TEXTS], TEXTS)
        assert sizes == (16, 14, 1)
        assert nats == pytest.approx([plain(prompt, text) for text in TEXTS], rel=1e-4)
        assert whole == pytest.approx(sum(nats) / math.log(2) / 31)


def test_an_answer_that_was_cut_counts_as_one_that_ended() -> None:
    ended, cut = ([row("say", text, finish) for text in TEXTS] for finish in ("stop", "length"))
    assert bits(ended, TEXTS) == bits(cut, TEXTS)


def test_a_longer_batch_changes_nothing() -> None:
    """Each text is measured for itself, whatever stands beside it and in whatever order."""
    rows, texts = [row("say", text) for text in TEXTS], [*TEXTS]
    many = bits(rows * 7, texts * 7)
    assert many[0][:3] == pytest.approx(bits(rows, texts)[0], rel=1e-4)
    assert many[2] == pytest.approx(bits(rows[::-1], texts[::-1])[2], rel=1e-4)


def test_a_text_of_which_a_model_is_given_the_first_token_is_measured_of_none() -> None:
    """It would count bytes that were not asked for."""
    prompts: list[Prompt] = ["", "say", (Message("user", ""),)]
    rows = [row(prompt, "a river") for prompt in prompts]
    assert texts_alike((TOKENIZER, OTHER), rows) == rows[1:]


def test_a_text_that_a_tokeniser_changes_is_measured_of_none() -> None:
    """Who reads no capitals, or has no token for a byte, is asked for less."""
    backend = Tokenizer.from_str(TOKENIZER.backend_tokenizer.to_str())
    backend.normalizer = normalizers.Lowercase()
    small = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")
    rows = [row("say", text) for text in ("a river", "A river", "\x14")]
    assert texts_alike((TOKENIZER, small), rows) == [rows[0], rows[2]]
    spec = json.loads(backend.to_str())
    lost = spec["model"]["vocab"].pop("\u0113")  # how byte-level BPE writes \x13
    spec["model"]["vocab"]["unused"] = lost
    spec["normalizer"] = None
    lacking = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(spec)), eos_token="<|end|>"
    )
    rows.append(row("say", "a\x13b"))
    assert texts_alike((TOKENIZER, lacking), rows) == rows[:3]


def test_conversations_need_a_template_on_both_sides() -> None:
    from inbond.errors import InputError
    from inbond.recipes.recipe import Recipe

    base = make_tokenizer()
    base.chat_template = None
    recipe = Recipe.model_validate(
        {"name": "a", "teacher": "path:t", "prompts": {"items": ["x"]}, "student": {"init": "none"}}
    )
    check_prompts(recipe, {"path:t": TOKENIZER, "path:o": OTHER})
    with pytest.raises(InputError, match="path:o without one"):
        check_prompts(recipe, {"path:t": TOKENIZER, "path:o": base})
    plain_text = recipe.prompts.model_copy(update={"chat": False})
    check_prompts(recipe.model_copy(update={"prompts": plain_text}), {"path:o": base})
