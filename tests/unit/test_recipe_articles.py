"""Articles as a recipe's prompts: read, refused, held out by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.briefing import prompting, questions
from inbond.briefing.source import read_source
from inbond.errors import InputError
from inbond.recipes import articles, reading
from inbond.recipes.articles import Questions
from inbond.recipes.sections.data import Prompts

WORDS = ["river", "bridge", "tram", "library", "ferry", "school", "museum", "garden"]


def write(folder: Path, name: str, number: int) -> None:
    text = f"# The {name} opens\n\nThe {name} of the town opened on Monday after {number} years of work.\n"
    (folder / f"{name}.md").write_text(
        text + f"\nIt cost {number * 7} thousand, says the mayor of {name}s.\n"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "news").mkdir()
    for number, name in enumerate(WORDS, 11):
        write(tmp_path / "news", name, number)
    return tmp_path


def read(folder: Path, **section: Any) -> Questions:
    found = articles.read(Prompts.model_validate({"articles": {"path": "news", **section}}), folder)
    assert found is not None
    return found


def test_each_article_becomes_the_questions_that_a_briefing_begins_with(folder: Path) -> None:
    found = read(folder, language="ja")
    assert len(found.every) == 4 * len(WORDS)
    assert len(found.by_id) == len(found.every)
    (folder / "news" / ".hidden").write_text("no article")
    assert read(folder, language="ja").prompts == found.prompts
    one = read_source(str(folder / "news" / "bridge.md")).article
    asks = questions.first(one, "ja")
    first = [each for each in found.every if each.article == one.digest]
    assert [each.kind for each in first] == ["head", "points", "opinion", "translate"]
    for each, ask in zip(first, asks, strict=True):
        for form, described in (("held", False), ("told", True)):
            asked = read(folder, language="ja", form=form).every[found.every.index(each)]
            assert asked.prompt == prompting.messages(
                ask, one, "ja", described=described, shown=prompting.SHOWN
            )
            assert (asked.form is None) == described
        assert each.form == prompting.form(ask, bounded=True)


def test_an_article_in_the_readers_language_is_not_translated(folder: Path) -> None:
    assert {each.kind for each in read(folder, language="en").every} == {"head", "points", "opinion"}
    assert {each.kind for each in read(folder, questions=["head"]).every} == {"head"}
    with pytest.raises(InputError) as refused:
        read(folder, questions=["translate"])
    assert "are in the language 'en' already" in refused.value.found


def test_what_an_article_says_is_in_what_is_asked(folder: Path) -> None:
    before = read(folder)
    write(folder / "news", "tram", 99)
    after = read(folder)
    changed = set(before.by_id) ^ set(after.by_id)
    assert len(changed) == 6, "three questions of one article, before and after"


@pytest.mark.parametrize(
    ("path", "make", "expected", "found"),
    [
        (
            "https://example.org/a",
            None,
            "a file or a folder of articles",
            "an address: https://example.org/a",
        ),
        ("nothing", None, "or a file that can be read", "nothing: No such file or directory"),
        ("empty", "", "articles in ", "no file"),
        ("other", "notes.docx", "articles in ", "other files: notes.docx"),
        ("blank", "a.md", "an article with text", "a.md, which is empty"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    tmp_path: Path, path: str, make: str | None, expected: str, found: str
) -> None:
    if make is not None:
        (tmp_path / path).mkdir()
        if make:
            (tmp_path / path / make).write_text("")
    with pytest.raises(InputError) as refused:
        articles.read(Prompts.model_validate({"articles": {"path": path}}), tmp_path)
    assert expected in refused.value.expected
    assert refused.value.found.endswith(found)


def test_a_page_that_lists_articles_is_refused(tmp_path: Path) -> None:
    text = "".join(
        f'<article><h2><a href="/{n}">Title {n}</a></h2><p>Teaser.</p></article>' for n in range(9)
    )
    (tmp_path / "a.html").write_text(f"<html><body>{text}</body></html>")
    with pytest.raises(InputError) as refused:
        articles.read(Prompts.model_validate({"articles": {"path": "a.html"}}), tmp_path)
    assert "this is a list of articles" in refused.value.found


def test_whole_articles_are_held_out_and_no_reply_has_a_say(folder: Path) -> None:
    found = read(folder, language="ja")
    apart = found.held_out(0.25)
    assert 1 <= len(apart) < len(WORDS)
    assert apart == read(folder, language="ja", questions=["points"]).held_out(0.25)
    for prompts in (found.prompts, found.prompts[::-1], found.prompts[::2]):
        sides = found.split(prompts, apart)
        held = {found.by_id[_id(prompts[place])].article for place in sides.held_out}
        learnt = {found.by_id[_id(prompts[place])].article for place in sides.train}
        assert held <= apart
        assert not held & learnt
    with pytest.raises(InputError) as refused:
        found.split([each.prompt for each in found.every if each.article in apart], apart)
    assert refused.value.found.startswith("0 about the former")


def _id(prompt: Any) -> str:
    from inbond.types import Record

    return Record(prompt, "").prompt_id


def test_one_article_cannot_be_learnt_and_measured_on(folder: Path) -> None:
    with pytest.raises(InputError) as refused:
        read(folder, limit=1).held_out(0.5)
    assert refused.value.expected.startswith("at least two articles")


BASE: dict[str, Any] = {"name": "x", "teacher": "path:t", "prompts": {"articles": {"path": "news"}}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"own_data": [{"file": "a.jsonl"}]}, "no own_data, no further teachers"),
        ({"teachers": [{"teacher": "path:u"}]}, "no own_data, no further teachers"),
        ({"verify": {"kind": "number", "answers": "a"}}, "prompts.articles has no rows"),
        ({"verify": {"kind": "briefing", "expect": 1}}, "expects what the articles say"),
        ({"capture": {"targets": "remote", "k": 5}}, "needs prompts.articles.form: told"),
        ({"prompts": {"items": ["a"]}, "verify": {"kind": "briefing"}}, "judges what is said of"),
        ({"prompts": {"articles": {"path": "a"}, "template": "{x}"}}, "words of their own"),
        ({"prompts": {"articles": {"path": "a"}, "file": "b"}}, "exactly one of file, items"),
        ({"prompts": {"articles": {"path": "a", "questions": []}}}, "prompts.articles.questions"),
        ({"prompts": {"articles": {"path": "a", "language": "english"}}}, "prompts.articles.language"),
    ],
)
def test_what_does_not_go_with_articles_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        reading.parse({**BASE, **changes}, "recipe.yaml")
    assert said in refused.value.expected


def test_articles_of_a_moved_recipe_mean_the_same(tmp_path: Path) -> None:
    recipe = reading.rooted(reading.parse(BASE, "recipe.yaml"), tmp_path)
    assert recipe.prompts.articles is not None
    assert recipe.prompts.articles.path == str(tmp_path / "news")


def test_an_unknown_language_is_refused(folder: Path) -> None:
    with pytest.raises(InputError) as refused:
        read(folder, language="qq")
    assert refused.value.expected.startswith("a language by its code")


@given(st.permutations(range(len(WORDS))), st.floats(0.05, 0.9))
@settings(max_examples=25, deadline=None)
def test_the_order_of_articles_does_not_decide_which_are_held_out(order: list[int], share: float) -> None:
    texts = {f"sha256:{n}": f"{WORDS[n]} " * 30 for n in order}
    assert Questions((), texts).held_out(share) == Questions((), dict(sorted(texts.items()))).held_out(share)


def test_the_articles_that_come_with_the_built_in_recipe_can_be_asked_about() -> None:
    recipe, folder = reading.load("briefing", ("prompts.articles.path=briefing-articles",))
    found = articles.read(recipe.prompts, folder)
    assert found is not None
    assert len(found.texts) == 40
    recipe, folder = reading.load("briefing")
    mine = articles.read(recipe.prompts, folder)
    assert mine is not None
    assert len(mine.texts) == len(mine.every) == 28
    assert len(mine.held_out(recipe.held_out)) >= 5
