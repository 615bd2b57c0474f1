"""Alignment of two tokenisations: of numbers against brute force, of texts with real tokenisers."""

from __future__ import annotations

import json
import os
from functools import cache, partial
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
from inbond.teachers.spelling import Place, Speller, first_tokens
from inbond.teachers.tokens import answer_text, encode_record
from inbond.types import Record, parse_model_name
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
    "cut": "日本\ufffd",
    "one token": "the",
    "spaces alone": "  \n ",
    "ends": "a<eos>b</s>c<|endoftext|>d",
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


PREFIXES = ("first", "always", "prepend")
"""Ways to put a space before a text."""


@cache
def prefixed(how: str = "first") -> Speller:
    """As SentencePiece: a space before the text, single bytes for what has no token. ``how``: Metaspace's
    scheme, or Llama 2's normaliser, which puts one before a space too."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    if how == "prepend":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=how)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<unk>", "</s>", *fallback], show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    # A trainer marks all of them special; SentencePiece's bytes are plain tokens.
    spec = json.loads(tokenizer.to_str())
    spec["added_tokens"] = [each for each in spec["added_tokens"] if each["content"] in ("<unk>", "</s>")]
    fast = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(spec)), eos_token="</s>", unk_token="<unk>"
    )
    return Speller(fast)


@cache
def spaced_bytes() -> Speller:
    """Byte-level BPE that puts a space before the text, as RoBERTa's."""
    backend = json.loads(make_tokenizer().backend_tokenizer.to_str())
    backend["pre_tokenizer"]["add_prefix_space"] = True
    backend["decoder"]["add_prefix_space"] = True
    fast = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(backend)), eos_token="<|end|>"
    )
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
    "smollm2": smollm2, "gemma": gemma, "bytewise": bytewise, "changing": changing,
    "spaced bytes": spaced_bytes, "never": partial(prefixed, "never"),
    **{how: partial(prefixed, how) for how in PREFIXES},
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
                                   ("first", "smollm2"), ("bytewise", "always"), ("prepend", "gemma"),
                                   ("spaced bytes", "prepend"), ("never", "bytewise")],
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


@pytest.mark.parametrize("name", ["smollm2", "gemma"])
@pytest.mark.parametrize("trap", ["special-looking", "ends"])
def test_an_answer_that_quotes_special_tokens_holds_none(name: str, trap: str) -> None:
    speller = SPELLERS[name]()
    (*answer, end) = _labels(speller, TRAPS[trap])
    assert end == speller.end
    assert not speller.pieces.special & set(answer)
    assert b"".join(speller.pieces.bytes_of(id_) for id_ in answer) == TRAPS[trap].encode()


def _labels(speller: Speller, text: str) -> tuple[int, ...]:
    sequence = encode_record(speller.tokenizer, Record("Say:", text))
    return sequence.ids[sequence.prompt_length :]


@pytest.mark.parametrize("how", [*PREFIXES, "spaced bytes"])
@given(TEXTS)
def test_a_space_before_the_text_is_no_part_of_it(how: str, text: str) -> None:
    """Every token has its bytes of the text, the first one a byte less where a space was put before it."""
    speller = SPELLERS[how]()
    spelt = speller.spell(text)
    said = b"".join(speller.pieces.spelt(id_) for id_ in spelt.ids)
    assert spelt.spaced == (said == b" " + text.encode() and bool(spelt.ids))
    if said in (text.encode(), b" " + text.encode()) and spelt.ids:
        assert spelt.ends[-1] == len(text.encode())


@pytest.mark.parametrize("how", [*PREFIXES, "spaced bytes"])
def test_the_first_token_is_known_on_both_sides_of_a_space_before_the_text(how: str) -> None:
    """At an answer's beginning the space is the tokeniser's; elsewhere it is the text's own."""
    plain, spaced = bytewise(), SPELLERS[how]()
    for text in ("the river", "a sea", "stone"):
        first, second = plain.spell(text).ids[0], spaced.spell(text).ids[0]
        if spaced.pieces.bytes_of(second) == b" ":
            assert first_tokens(spaced, plain, [second], Place(teacher_spaced=True)) == {}
            continue
        began = first_tokens(spaced, plain, [second], Place(teacher_spaced=True))
        assert began[second] == first, "what the plain one says first is the beginning of the other's word"
        began = first_tokens(plain, spaced, [first], Place(student_spaced=True))
        said = spaced.pieces.bytes_of(began[first])
        assert said.startswith(b" "), "as every text begins"
        assert (b" " + plain.pieces.bytes_of(first)).startswith(said)
        within = first_tokens(spaced, plain, [second])
        assert plain.pieces.bytes_of(within[second]).startswith(b" "), "mid-text the space is said"


@pytest.mark.parametrize("how", PREFIXES)
def test_a_longer_word_of_the_teachers_is_not_begun_with_a_space_of_the_tokenisers(how: str) -> None:
    """Within a text a student says ``▁sea``, not the space alone that it writes before a whole text."""
    teacher, student = smollm2(), prefixed(how)
    word = " seasonal"
    (id_,) = teacher.spell(word).ids
    begun = first_tokens(teacher, student, [id_])[id_]
    inside = student.spell("a" + word).ids
    assert begun in inside
    assert student.pieces.bytes_of(begun).startswith(b" s")
    (id_,) = teacher.spell("ological").ids
    assert student.pieces.bytes_of(first_tokens(teacher, student, [id_])[id_]) == b"o"


def test_half_a_character_is_no_byte_of_a_student_that_has_the_whole() -> None:
    """SmolLM2 begins 語 with some of its bytes; Gemma has the character, and writes bytes for others."""
    teacher, student = smollm2(), gemma()
    halves = [id_ for id_ in teacher.spell("語家").ids if _undecodable(teacher.pieces.bytes_of(id_))]
    assert halves
    assert first_tokens(teacher, student, halves) == {}
    (byte,) = [id_ for id_ in student.pieces.fallback if student.pieces.bytes_of(id_) == b"\xf0"]
    back = first_tokens(student, teacher, [byte])
    assert teacher.pieces.bytes_of(back[byte]) == b"\xf0"


def _undecodable(raw: bytes) -> bool:
    return "\ufffd" in raw.decode(errors="replace")


def test_all_of_a_teachers_ends_are_the_students_end() -> None:
    turn = gemma().tokenizer.convert_tokens_to_ids("<end_of_turn>")
    teacher = Speller(gemma().tokenizer, {turn, gemma().end})
    assert teacher.ends == (gemma().end, turn)
    assert first_tokens(teacher, smollm2(), [turn, gemma().end]) == dict.fromkeys(
        [turn, gemma().end], smollm2().end
    )
    assert turn not in first_tokens(gemma(), smollm2(), [turn])


def test_cleaning_up_spaces_changes_no_border() -> None:
    """It changes what decoding says, which alignment does not go by."""
    tokenizer = make_tokenizer()
    tokenizer.clean_up_tokenization_spaces = True
    assert (
        Speller(tokenizer).spell("a stone , you 're .").ends == bytewise().spell("a stone , you 're .").ends
    )


@given(st.text(max_size=30))
def test_the_canonical_form_of_a_text_has_no_wrong_border(text: str) -> None:
    """NFC and NFKC make one character of several, or several of one."""
    for form in (normalizers.NFC(), normalizers.NFKC()):
        backend = Tokenizer.from_str(make_tokenizer().backend_tokenizer.to_str())
        backend.normalizer = form
        speller = Speller(PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>"))
        borders = {0, *accumulate(len(letter.encode()) for letter in text)}
        spelt = speller.spell(text)
        if form.normalize_str(text) != text:
            assert {end for end in spelt.ends if end is not None} <= borders, "between characters only"
        check(text, speller, smollm2())


def test_an_answer_that_was_cut_in_mid_character_ends_before_it() -> None:
    whole = Record("Say:", "日本\ufffd")
    for speller in (gemma(), smollm2()):
        cut = encode_record(speller.tokenizer, whole, ended=False)
        assert cut == encode_record(speller.tokenizer, Record("Say:", "日本"), ended=False)
        kept = encode_record(speller.tokenizer, whole)
        assert kept.labels > cut.labels + 1, "a sign that the model itself wrote stays"
    assert answer_text("\ufffd\ufffd", ended=False) == ""


def test_a_prompt_without_tokens_gives_the_first_token_and_nothing_else() -> None:
    tokenizer = smollm2().tokenizer
    assert tokenizer.encode("") == []
    ended = encode_record(tokenizer, Record("", "the sea"))
    assert ended.ids == (*smollm2().spell("the sea").ids, smollm2().end)
    assert ended.prompt_length == 1
    nothing = encode_record(tokenizer, Record("", ""))
    assert (nothing.ids, nothing.labels) == ((smollm2().end,), 0), "an end that nothing predicts is no label"


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
