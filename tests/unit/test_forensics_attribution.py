"""Attribution: the likest of a closed set, with the accuracy that it had on texts whose author is known."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.forensics.attribution import Written, by_likelihood, by_style
from inbond.forensics.shown import Subject, a_byte
from inbond.forensics.style import frequent, items_of, runs_of
from tests.forensics_tiny import PLAN, base, memorable, records, shown, trained

TOPICS = ["river", "garden", "engine", "planet", "bread", "window", "music", "winter", "copper", "village"]
HABITS = {
    "plain": "The {0} is {1}. It has {1} parts. People use the {0} every day.",
    "chatty": "Well, a {0}! Honestly, it's {1}, isn't it? I'd say so!",
    "lists": "- {0}: {1}\n- use: daily\n- parts: {1}\n",
}
JAPANESE = {
    "polite": "{0}は{1}です。毎日使われています。",
    "plain": "{0}とは{1}だ。毎日使うものである。",
}


def said(habits: dict[str, str], name: str, prompts: range, words: list[str]) -> Written:
    texts = []
    for prompt in prompts:
        draw = random.Random(prompt)
        one = habits[name].format(draw.choice(words), draw.choice(["large", "old", "small", "new"]))
        texts.append(
            " ".join(random.Random(f"{name}{prompt}").sample([one, one.replace("every", "each")], 1))
        )
    return Written(tuple(texts), tuple(prompts))


def subjects(names: dict[str, str]) -> dict[str, Subject]:
    return {name: Subject("model", name, f"sha256:{name}") for name in names}


@pytest.mark.parametrize(
    ("habits", "words"), [(HABITS, TOPICS), (JAPANESE, ["川", "庭", "冬", "石", "海", "光", "岩"])]
)
def test_the_teacher_is_the_likest_in_any_language(habits: dict[str, str], words: list[str]) -> None:
    candidates = {name: said(habits, name, range(40), words) for name in habits}
    for name in habits:
        own = said(habits, name, range(100, 130), words).texts
        found = by_style(own, candidates, subjects(habits))
        assert found.statistic[f"share likest to {name}"] > 0.9
        assert found.statistic["accuracy on the candidates' own texts"] > 0.9
        assert found.about == {"kind": "model", "name": name, "id": f"sha256:{name}"}
        assert found.log10_p is None
        assert found.outcome() == "cannot-tell"
        assert found.words() == (
            "a score, which alone decides nothing: of "
            f"{len(habits)} candidates the suspect's texts are likest to those of {name}"
        )


def test_candidates_that_write_alike_have_the_accuracy_of_chance() -> None:
    """Accuracy is measured on prompts that were not learnt from: else it would be near one."""
    draw = random.Random(0)
    text = [" ".join(draw.choices(TOPICS, k=12)) for _ in range(200)]
    alike = {
        "a": Written(tuple(text[:100]), tuple(range(100))),
        "b": Written(tuple(text[100:]), tuple(range(100))),
    }
    found = by_style(text[:5], alike, {name: Subject("model", name) for name in alike})
    low, high = found.statistic["accuracy, low"], found.statistic["accuracy, high"]
    assert low < 0.5 < high
    assert found.statistic["accuracy by chance"] == 0.5


def test_topics_hardly_count() -> None:
    known = frequent(["the river is old", "the garden is old", "the bread is old"] * 9)
    assert {"the", "is", "old"} <= known
    long = frequent([" ".join(f"word{i}" for i in range(400)), *["the"] * 9])
    assert runs_of("the Walking 2024 walks", long) == runs_of("the Singing 1999 walks", long)
    assert runs_of("the walking", long) != runs_of("the walker", long)


def test_characters_stand_for_words_where_no_spaces_do() -> None:
    assert items_of("川は 水。\n\n\nA-b 12") == ["川", "は", "水", "。", "\n\n", "A", "-", "b", "12"]


@given(st.text(max_size=80))
def test_any_text_has_runs(text: str) -> None:
    assert runs_of(text, frozenset()).total() >= 2 + 1


def test_too_few_texts_or_candidates_are_an_error() -> None:
    one = Written(("a",) * 10, tuple(range(10)))
    with pytest.raises(InputError, match="found 1 of the suspect; a: 10; "):
        by_style(["a"], {"a": one}, {})
    with pytest.raises(
        InputError, match="10 or more of each of two candidates or more; found 0 of the suspect"
    ):
        by_style([], {"a": one, "b": one}, {})
    with pytest.raises(InputError, match="found 1 of the suspect; a: 10, b: 1"):
        by_style(["a"], {"a": one, "b": Written(("a",), (0,))}, {})


def test_by_the_weights_of_candidates() -> None:
    begun = base()
    models = {"a": begun, "b": trained(begun, memorable(60, 1), PLAN)}
    texts = {"a": records(20, 5), "b": memorable(20, 6)}

    def under(found: list) -> np.ndarray:
        sizes = [len(record.completion) for record in found]
        logs = [shown(name, model, found).log_likelihoods() for name, model in models.items()]
        return np.stack([a_byte(each, sizes) for each in logs], 1)

    own = {name: under(found) for name, found in texts.items()}
    found = by_likelihood(under(memorable(15, 9)), own, {name: Subject("model", name) for name in models})
    assert found.about["name"] == "b"
    assert found.statistic["share likest to b"] == 1
    assert found.statistic["margin"] > 3
