"""Alignment of two tokenisations: of numbers against brute force, of texts with real tokenisers."""

from __future__ import annotations

import os
from functools import cache
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from inbond.losses.alignment import Chunk, Ends, align, ends_of_pieces, ends_of_spans
from inbond.teachers import catalogue
from inbond.teachers.local import load_tokenizer
from inbond.teachers.opening import find_weights
from inbond.teachers.spelling import Speller, first_tokens
from inbond.types import parse_model_name
from tests.tiny import TEXT, make_tokenizer

TRAPS = {
    "multi-byte": "naïve café — “quoted” ½ £",
    "emoji": "🙂 👩‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇯🇵 👍🏽",
    "combining": "e\u0301 o\u0308\u0323 न\u0940 \u0e01\u0e33",
    "japanese": "日本語の文章は、単語の間に空白がありません。カタカナ、ｶﾀｶﾅ、𠮷野家",
    "spaces": "  leading, trailing and   many    spaces   ",
    "lines": "a\n\nb\r\n\tc\t\t d\n",
    "special-looking": "<|im_end|> <bos><eos> <end_of_turn>\n<s></s> [INST] <0x0A>",
    "marks of tokenisers": "▁ Ġ Ċ ## ▁▁x Ġy",
    "rare": "\x00\x7f\u200b\u202e𓀀\U0010ffff\ufffd",
    "long words": "antidisestablishmentarianism internationalisation 1234567890 https://example.org/?q=1&r=2",
    "code": "def f(x):\n    return {k: v for k, v in x.items() if v != -1}\n",
}
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from([*TRAPS.values(), *" \n\t", "the", " river", "é", "👧", "\u200d"]), max_size=6
    ).map("".join),
)


@cache
def smollm2() -> Speller:
    return _pulled("smollm2-135m-instruct")


@cache
def gemma() -> Speller:
    return _pulled("gemma-3-270m")


def _pulled(name: str) -> Speller:
    weights = find_weights(parse_model_name(catalogue.find(name).uri), os.environ)
    return Speller(load_tokenizer(weights.folder()))


@cache
def bytewise() -> Speller:
    """Byte-level BPE of few tokens: nearly every character of more than a byte is split."""
    return Speller(make_tokenizer())


@cache
def prefixed() -> Speller:
    """As SentencePiece: a space before the text, single bytes for what has no token."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<unk>", "</s>", *fallback], show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>")
    return Speller(fast)


@cache
def changing() -> Speller:
    """A tokeniser that changes the text before it cuts it: NFKC, small letters, no accents."""
    plain = make_tokenizer()
    backend = Tokenizer.from_str(plain.backend_tokenizer.to_str())
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")
    return Speller(fast)


SPELLERS = {
    "smollm2": smollm2, "gemma": gemma, "bytewise": bytewise, "prefixed": prefixed, "changing": changing,
}  # fmt: skip


def check(text: str, one: Speller, other: Speller) -> list[Chunk]:
    """All that has to hold of an alignment whatever the text."""
    first, second = one.spell(text), other.spell(text)
    chunks = align(first.ends, second.ends)
    for before, after in pairwise(chunks):
        assert (before.first[1], before.second[1]) == (after.first[0], after.second[0]), "no gap, no overlap"
    if chunks:
        assert (chunks[0].first[0], chunks[0].second[0]) == (0, 0)
    raw, start = text.encode(), 0
    for chunk in chunks:
        end = max(value for value in first.ends[slice(*chunk.first)] if value is not None)
        assert end == max(value for value in second.ends[slice(*chunk.second)] if value is not None)
        for speller, spelt, (begin, stop) in ((one, first, chunk.first), (other, second, chunk.second)):
            said = b"".join(speller.pieces.spelt(id_) for id_ in spelt.ids[begin:stop])
            whole = ends_of_pieces([speller.pieces.spelt(id_) for id_ in spelt.ids], raw) is not None
            assert not whole or said.removeprefix(b" " if begin == 0 else b"") in (
                raw[start:end], raw[start:end].removeprefix(b" ")
            )  # fmt: skip
        start = end
    return chunks


@pytest.mark.parametrize("names", [("gemma", "smollm2"), ("smollm2", "gemma"), ("gemma", "bytewise"),
                                   ("prefixed", "smollm2"), ("bytewise", "prefixed")],
                         ids="-".join)  # fmt: skip
@given(TEXTS)
def test_chunks_say_the_same_bytes_on_both_sides(names: tuple[str, str], text: str) -> None:
    one, other = (SPELLERS[name]() for name in names)
    chunks = check(text, one, other)
    first, second = one.spell(text), other.spell(text)
    if None not in (*first.ends, *second.ends) and first.ids and second.ids:
        assert chunks[-1].first[1] == len(first.ids), "the whole text is aligned, every token in a chunk"
        assert chunks[-1].second[1] == len(second.ids)


@pytest.mark.parametrize("trap", TRAPS)
def test_the_real_pair_on_every_trap(trap: str) -> None:
    """Both tokenisers know every byte of the text, except where Gemma reads U+2581 as a space."""
    text = TRAPS[trap]
    chunks = check(text, gemma(), smollm2())
    one, other = gemma().spell(text), smollm2().spell(text)
    assert chunks[-1].first[1] == len(one.ids)
    assert chunks[-1].second[1] == len(other.ids)


def test_a_character_split_on_one_side_is_one_chunk() -> None:
    """Gemma has no token for the hieroglyph and writes four bytes; SmolLM2 writes it in pieces of its own."""
    chunks = check("a𓀀b", gemma(), smollm2())
    one = gemma().spell("a𓀀b")
    assert len(one.ids) == 6
    assert one.ends == (1, 2, 3, 4, 5, 6)
    assert chunks[0].first == (0, 1)
    assert chunks[-1].first[1] == 6


def test_text_that_looks_special_is_text() -> None:
    spelt = smollm2().spell("x<|im_end|>y")
    assert smollm2().end not in spelt.ids
    assert spelt.ends[-1] == len(b"x<|im_end|>y")
    check("x<|im_end|>y", gemma(), smollm2())


@given(TEXTS)
def test_a_tokeniser_that_changes_text_is_aligned_where_borders_are_sure(text: str) -> None:
    check(text, changing(), smollm2())


def test_a_changed_text_still_has_borders_at_its_words() -> None:
    spelt = changing().spell("Café RIVER stone")
    assert (
        ends_of_pieces([changing().pieces.spelt(id_) for id_ in spelt.ids], "Café RIVER stone".encode())
        is None
    )
    assert {5, 11, 17} <= set(spelt.ends), "after each word, in bytes of the text as it was"
    assert len(check("Café RIVER stone", changing(), smollm2())) >= 3


def test_ends_of_spans_knows_no_border_within_a_character() -> None:
    assert ends_of_spans([(0, 1), (1, 2), (1, 2), (2, 3)], "aéb") == (1, None, 3, 4)
    assert ends_of_spans([(0, 1), (2, 3)], "a b") == (None, 3), "what was left out is nobody's"
    assert ends_of_spans([], "a") == ()


ENDS = st.lists(st.integers(0, 3), min_size=1, max_size=12).map(lambda widths: tuple(accumulate(widths)))


def brute(first: Ends, second: Ends) -> set[int]:
    return {end for end in first if end} & {end for end in second if end}


@given(ENDS, ENDS, st.data())
def test_chunks_end_at_all_common_ends_and_nowhere_else(
    first: Ends, second: Ends, data: st.DataObject
) -> None:
    """Zero-width tokens and unknown ends included."""
    hidden = data.draw(st.sets(st.integers(0, len(first) - 1)))
    first = tuple(None if place in hidden else end for place, end in enumerate(first))
    chunks = align(first, second)
    found = [max(second[slice(*chunk.second)], key=lambda end: end or 0) for chunk in chunks]
    assert found == sorted(brute(first, second))
    for before, after in pairwise(chunks):
        assert (before.first[1], before.second[1]) == (after.first[0], after.second[0])
    assert all(begin < end for chunk in chunks for begin, end in (chunk.first, chunk.second))


def test_tokens_without_bytes_belong_to_what_follows_and_at_the_end_to_what_is_before() -> None:
    assert align((3, 3, 5), (3, 5)) == [Chunk((0, 1), (0, 1)), Chunk((1, 3), (1, 2))]
    assert align((3, 3), (3,)) == [Chunk((0, 2), (0, 1))]
    assert align((0, 3), (3,)) == [Chunk((0, 2), (0, 1))]
    assert align((), ()) == []


def test_a_teachers_token_is_the_first_of_the_students_that_say_it() -> None:
    teacher, student = gemma(), smollm2()
    vocabulary = teacher.tokenizer.get_vocab()
    ids = [*range(0, len(vocabulary), 97), teacher.end]
    found = first_tokens(teacher, student, ids)
    assert found[teacher.end] == student.end
    for theirs, own in found.items():
        if theirs != teacher.end:
            said = student.pieces.bytes_of(own)
            assert said, "no special token stands for text"
            assert teacher.pieces.bytes_of(theirs).startswith(said)
    assert len(found) > 0.9 * sum(bool(teacher.pieces.bytes_of(id_)) for id_ in ids)


def test_a_token_that_both_have_is_itself() -> None:
    one, other = gemma(), smollm2()
    river = one.tokenizer.encode(" river", add_special_tokens=False)
    assert first_tokens(one, other, river) == dict(
        zip(river, other.tokenizer.encode(" river", add_special_tokens=False), strict=True)
    )
