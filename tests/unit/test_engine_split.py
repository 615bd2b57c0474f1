"""Near duplication and the held-out split: errors of the estimate, stability, nothing across."""

from __future__ import annotations

import random
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.engine.similar import Index, bands, grams, plain, similarity, sketch
from inbond.engine.split import NEAR, group, split
from inbond.errors import InputError
from inbond.types import Message

LETTERS = string.ascii_lowercase + "あいうえおかきくけこ水火土木金日月山川"


def jaccard(a: str, b: str) -> float:
    one, other = set(grams(a).tolist()), set(grams(b).tolist())
    return len(one & other) / len(one | other)


def text(rng: random.Random, words: int) -> str:
    return " ".join("".join(rng.choices(LETTERS, k=rng.randint(2, 8))) for _ in range(words))


def variant(rng: random.Random, original: str) -> str:
    """The same in other clothes: case, width, punctuation, white space."""
    changed = rng.choice([original.upper(), original.replace(" ", "  "), original + "!!", f"「{original}」"])
    return changed + rng.choice(["", ".", " ?", "　"])


# Sketches -----------------------------------------------------------------------------------------------


def test_case_width_and_punctuation_do_not_count() -> None:
    assert plain("Ｄｅｆｉｎｅ　水：") == plain("define 水") == "define 水"
    assert plain("a+b = c") == "a+b = c"


def test_estimates_are_within_their_error() -> None:
    rng = random.Random(3)
    errors = []
    for _ in range(300):
        base = text(rng, 60)
        cut = rng.randint(0, len(base))
        other = base[:cut] + text(rng, max(1, (len(base) - cut) // 6))
        errors.append(similarity(sketch(grams(base)), sketch(grams(other))) - jaccard(base, other))
    assert abs(float(np.mean(errors))) < 0.01
    assert float(np.std(errors)) < 0.044
    assert max(abs(error) for error in errors) < 0.2


def test_sketches_never_change() -> None:
    """Other values would move prompts between the sides of splits that people already have."""
    assert sketch(grams("Define water. 水とは何か。"))[:4].tolist() == GOLDEN


GOLDEN = [247166366, 311961053, 287446943, 316919795]


@given(st.text(max_size=60), st.text(max_size=60))
def test_equal_forms_are_equal_and_short_texts_differ(a: str, b: str) -> None:
    same = plain(a) == plain(b)
    near = similarity(sketch(grams(a)), sketch(grams(b)))
    if same:
        assert near == 1
    elif max(len(plain(a)), len(plain(b))) <= 2:
        assert near < 1


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.85, 0.95, 1.0])
def test_bands_find_a_pair_at_the_threshold(threshold: float) -> None:
    count, width = bands(threshold)
    assert count * width <= 128
    assert 1 - (1 - threshold**width) ** count >= 0.99


def test_the_index_finds_what_comparing_all_pairs_finds() -> None:
    rng = random.Random(5)
    texts = [text(rng, 12) for _ in range(60)]
    texts += [f"{original} {text(rng, 1)}" for original in texts for _ in range(2)]
    sketches = [sketch(grams(item)) for item in texts]
    index, wanted, found = Index(0.7), 0, 0
    for row, one in enumerate(sketches):
        near = index.near((one,))
        expected = [i for i in range(row) if similarity(sketches[i], one) >= 0.7]
        assert set(near) <= set(expected)
        wanted, found = wanted + len(expected), found + len(near)
        index.add((one,))
    assert wanted > 60
    assert found >= 0.99 * wanted


# The split ----------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 40), st.sampled_from([0.05, 0.1, 0.3, 0.5]))
def test_no_near_duplicate_crosses(seed: int, size: int, fraction: float) -> None:
    rng = random.Random(seed)
    originals = [text(rng, 10) for _ in range(size)]
    prompts = originals + [variant(rng, rng.choice(originals)) for _ in range(size)]
    rng.shuffle(prompts)
    result = split(prompts, fraction)
    assert sorted(result.train + result.held_out) == list(range(len(prompts)))
    assert result.train
    assert result.held_out
    for row in result.held_out:
        for other in result.train:
            assert jaccard(prompts[row], prompts[other]) < NEAR + 0.15


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(50, 90), st.integers(1, 30))
def test_more_prompts_move_no_others(seed: int, size: int, more: int) -> None:
    """With so many, some fall below the fraction by themselves; where none does, one is held out for
    want of another, and may have to make way."""
    rng = random.Random(seed)
    prompts = [text(rng, 10) for _ in range(size)]
    added = prompts + [text(rng, 10) for _ in range(more)]
    before, after = split(prompts, 0.3), split(added, 0.3)
    side = set(after.held_out)
    moved = [row for row in range(size) if (row in before.held_out) != (row in side)]
    assert moved == []


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_order_does_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    prompts = [text(rng, 8) for _ in range(30)]
    shuffled = rng.sample(prompts, len(prompts))
    held = {prompts[row] for row in split(prompts, 0.2).held_out}
    assert held == {shuffled[row] for row in split(shuffled, 0.2).held_out}


def test_the_fraction_is_honoured() -> None:
    rng = random.Random(11)
    prompts = [text(rng, 9) for _ in range(1500)]
    for fraction in (0.05, 0.1, 0.25):
        share = len(split(prompts, fraction).held_out) / len(prompts)
        assert abs(share - fraction) < 4 * (fraction * (1 - fraction) / len(prompts)) ** 0.5


@pytest.mark.parametrize("fraction", [1e-9, 0.1, 0.999999])
def test_two_prompts_are_one_and_one(fraction: float) -> None:
    result = split(["What is water made of?", "Where do penguins live?"], fraction)
    assert (len(result.train), len(result.held_out)) == (1, 1)


def test_few_prompts() -> None:
    assert split([], 0.1).train == ()
    assert split(["Only one."], 0.1).train == (0,)
    assert split(["a b c d", "e f g h"], 0).held_out == ()


def test_prompts_that_are_all_alike_cannot_be_split() -> None:
    with pytest.raises(InputError) as caught:
        split(["What is water?", "what is water", "WHAT IS WATER??"], 0.1)
    assert "found 3 prompts that are all near duplicates of one another" in str(caught.value)
    assert "add prompts of other kinds, or more: what 20 or more have in common is not compared" in str(
        caught.value
    )


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match="a held-out fraction from 0 up to, but not, 1"):
        split(["a", "b"], fraction)


FRAME = "Please write one clear and simple sentence for children that says what this word means: "
JA_FRAME = "次の言葉の意味を、小学生にもわかるように、一つの短い文でていねいに説明してください。言葉："


@pytest.mark.parametrize("frame", [FRAME, JA_FRAME])
def test_prompts_of_one_template_are_not_all_alike(frame: str) -> None:
    rng = random.Random(2)
    prompts = [frame + text(rng, 1) for _ in range(200)]
    result = split(prompts, 0.1)
    assert result.groups > 150
    assert 5 <= len(result.held_out) <= 40


def test_a_template_still_keeps_its_own_duplicates_together() -> None:
    rng = random.Random(4)
    words = [text(rng, 2) for _ in range(50)]
    prompts = [FRAME + word for word in words] + [(FRAME + word).upper() + "." for word in words]
    result = split(prompts, 0.3)
    held = set(result.held_out)
    assert all((row in held) == (row + 50 in held) for row in range(50))


def test_japanese_near_duplicates_stay_together() -> None:
    prompts = ["水は何でできていますか。", "水は何でできていますか？", "ペンギンはどこに住んでいますか。"]
    assert sorted(map(sorted, group(prompts))) == [[0, 1], [2]]


def test_the_system_message_is_not_compared() -> None:
    system = Message("system", "You are a very helpful assistant who answers all questions briefly. " * 3)
    talks = [(system, Message("user", word)) for word in ("What is water?", "Where do penguins live?")]
    assert len(group(talks)) == 2
    assert len(group([(system, Message("user", "Hi!")), (Message("user", "hi"),)])) == 1


def test_many_copies_take_no_longer() -> None:
    prompts = ["What is water made of?"] * 20_000 + ["Where do penguins live?"]
    assert [len(rows) for rows in group(prompts)] == [20_000, 1]


# Several sources ----------------------------------------------------------------------------------------

SHORT = "Say something about "


@pytest.mark.parametrize(("first", "second"), [(24, 24), (80, 160), (160, 80), (80, 80)])
@pytest.mark.parametrize("other", [SHORT, JA_FRAME])
def test_each_source_has_a_template_of_its_own(first: int, second: int, other: str) -> None:
    rng = random.Random(first)
    words = [text(rng, 1) for _ in range(first + second)]
    prompts = [FRAME + word for word in words[:first]] + [other + word for word in words[first:]]
    sources = [0] * first + [1] * second
    result = split(prompts, 0.1, sources=sources)
    assert result.groups > 0.7 * len(prompts)
    for source in (0, 1):
        mine = {row for row in range(len(prompts)) if sources[row] == source}
        held = mine & set(result.held_out)
        assert 0 < len(held) < 0.4 * len(mine)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 5), min_size=1, max_size=4), st.floats(1e-6, 0.999))
def test_no_source_is_all_on_one_side(seed: int, sizes: list[int], fraction: float) -> None:
    rng = random.Random(seed)
    sources = [source for source, size in enumerate([2, *sizes]) for _ in range(size)]
    prompts = [text(rng, 10) for _ in sources]
    result = split(prompts, fraction, sources=sources)
    assert sorted(result.train + result.held_out) == list(range(len(prompts)))
    for source in set(sources):
        mine = {row for row, one in enumerate(sources) if one == source}
        assert mine & set(result.train), "something is learnt of each"
        assert len(mine) == 1 or mine & set(result.held_out), "and something is measured"


def test_own_data_beside_a_teacher_does_not_make_its_template_vanish() -> None:
    rng = random.Random(7)
    mine, theirs = ([frame + text(rng, 1) for _ in range(60)] for frame in (SHORT, FRAME))
    result = split(theirs + mine, 0.1, own=set(range(60, 120)), sources=[0] * 60 + [1] * 60)
    assert 1 <= len([row for row in result.held_out if row < 60]) <= 20
    assert len(result.held_out) <= 25


def test_a_first_source_that_cannot_be_split_is_named() -> None:
    with pytest.raises(InputError) as caught:
        split(["What is water?", "what is water", "Where do penguins live?"], 0.1, sources=[0, 0, 1])
    assert "prompts of the first teacher that differ" in str(caught.value)
    assert "found 2 prompts that are all near duplicates of one another" in str(caught.value)
