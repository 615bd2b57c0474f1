"""The recipe: read, changed, refused with the field, its value and the fix; no field without a reader."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from inbond.errors import InputError
from inbond.recipes import reading as recipes
from inbond.recipes.reading import load, parse, to_yaml
from inbond.recipes.recipe import Recipe

SOURCE = Path(__file__).parents[2] / "src" / "inbond"
SMALL = {"name": "x", "teacher": "gguf:m.gguf", "prompts": {"items": ["a"]}}


def test_the_built_in_demo_is_whole() -> None:
    demo, folder = load("demo")
    assert demo.name == "demo"
    assert demo.prompts.file is not None
    assert (folder / demo.prompts.file).exists()
    assert demo.student.layers == 14


def test_the_built_in_recipe_across_names_two_vocabularies() -> None:
    across, folder = load("across")
    assert (across.capture.targets, across.student.init, across.prompts.chat) == ("aligned", "model", False)
    assert "gemma-3-270m" in across.teacher
    assert (folder / str(across.prompts.file)).exists()


def test_the_built_in_verified_asks_what_it_can_check() -> None:
    recipe, folder = load("verified")
    assert recipe.verify is not None
    assert recipe.prompts.file is not None
    rows = [json.loads(line) for line in (folder / recipe.prompts.file).read_text().splitlines()]
    for row in rows:
        first, _, second = row["messages"][-1]["content"].split()
        assert row[recipe.verify.answers] == int(first) + int(second)
    asked = [row["messages"][-1]["content"] for row in rows]
    assert len(set(asked)) == len(asked) > (recipe.prompts.limit or 0)


def test_name_and_teacher_are_all_that_has_no_default_but_the_prompts() -> None:
    assert [name for name, field in Recipe.model_fields.items() if field.is_required()] == [
        "name",
        "teacher",
        "prompts",
    ]


def test_a_recipe_survives_being_written_and_read() -> None:
    demo, _ = load("demo")
    assert parse(yaml.safe_load(to_yaml(demo)), "again") == demo


def test_a_recipe_is_frozen() -> None:
    demo, _ = load("demo")
    with pytest.raises(ValidationError, match="frozen"):
        demo.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "expected", "found", "fix"),
    [
        ("train.epoch=3", "only fields that a recipe has, in demo", "train.epoch = 3", "mean 'epochs'?"),
        ("colour=red", "only fields that a recipe has", "colour = 'red'", "known: name, teacher"),
        ("train.epochs=0", "train.epochs in demo: input should be", "train.epochs = 0", "--set train.ep"),
        ("train.lr=fast", "train.lr in demo", "train.lr = 'fast'", "correct train.lr"),
        ("train.lr=.nan", "train.lr in demo", "train.lr = nan", "correct train.lr"),
        ("teacher=foo", "teacher in demo: one of hf:org/name", "teacher = 'foo'", "write the scheme first"),
        ("teacher=null", "teacher in demo", "teacher = None", "correct teacher"),
        ("name=../x", "name in demo", "name = '../x'", "correct name"),
        ("prompts.items=[a]", "prompts in demo: exactly one of file, items, dataset", "prompts =", "correct"),
        ("student.base=hf:a/b", "student in demo: base is for init: model", "student =", "correct student"),
        ("student={init: model}", "student in demo: init: model needs base", "student =", "correct student"),
        ("train={kl: 0, ce: 0}", "train in demo: every term of the", "train =", "correct train"),
        ("own_data=[{}]", "own_data.0 in demo: exactly one of file", "own_data.0 =", "correct own_data"),
        ("own_data=[{file: a, wait: 2}]", "only fields", "own_data.0.wait = 2", "did you mean 'weight'?"),
        ("x", "--set a.b=value", "'x'", "--set train.epochs=3"),
        ("a..b=1", "--set a.b=value", "'a..b=1'", "--set train.epochs=3"),
        ("name.first=1", "a part of the recipe that has fields, at name", "'name.first=1'", "whole list"),
        ("train.lr=[1", "a YAML value for train.lr", "ParserError", "quote it"),
        ("train.lr=2024-13-45", "a YAML value for train.lr", "month must be in 1..12", "quote it"),
        ("train.seed=!!int x", "a YAML value for train.seed", "invalid literal", "quote it"),
        ("train={lr: 1, lr: 2}", "a YAML value for train", "the field 'lr' twice", "quote it"),
        ('prompts.items=["\\ud800"]', "a YAML value for prompts.items", "surrogates not allowed", "quote"),
        ("prompts.items=&a [*a]", "a YAML value for prompts.items", "Circular", "quote it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: str, expected: str, found: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        load("demo", (change,))
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert fix in caught.value.fix
    assert caught.value.exit_code == 2


def test_changes_reach_any_depth() -> None:
    changed, _ = load(
        "demo", ("train.epochs=3", "filters.languages=[en, ja]", "channel=null", "held_out=0.2")
    )
    assert changed.train.epochs == 3
    assert changed.filters.languages == ("en", "ja")
    assert changed.held_out == 0.2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a recipe with fields (name, teacher, prompts, ...)"),
        ("- a\n", "a recipe with fields"),
        ("name: [", "YAML in "),
        ("name: x\n", "teacher in "),
        ("!!python/object/apply:os.system [ls]", "YAML in "),
        ("name: 2024-13-45\n", "YAML in "),
        ("name: !!timestamp x\n", "YAML in "),
        ("name: !!bool x\n", "YAML in "),
        ("train: {lr: 1}\ntrain: {epochs: 1}\n", "YAML in "),
    ],
)
def test_files_that_are_no_recipe_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load(str(path))
    assert expected in caught.value.expected
    assert str(path) in f"{caught.value.expected} {caught.value.found}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a recipe file, or the name of a built-in recipe \(demo"):
        load(str(tmp_path / "none.yaml"))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="a recipe file"):
        load(str(tmp_path / "binary.yaml"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*Recipe.model_fields, "x"]), inner, max_size=4)
        ),
    )
)
def test_any_value_is_a_recipe_or_an_error_of_ours(value: object) -> None:  # fmt: skip
    try:
        parse(value, "fuzz")
    except InputError as error:
        assert error.fix


@given(st.text(max_size=30))
def test_any_change_is_applied_or_refused(change: str) -> None:
    try:
        load("demo", (change,))
    except InputError as error:
        assert error.fix


def leaf_fields(model: type[BaseModel]) -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(name)
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= leaf_fields(part)
    return found


def test_every_field_is_read_by_something() -> None:
    """By its name as an attribute, or as a field of the frozen config that a whole part is poured into."""
    read: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path.parent.name == "sections":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.add(node.attr)
            elif isinstance(node, ast.Constant) and path.name == "objective.py":
                read.add(str(node.value))  # the terms of an objective are looked up by their names there
    assert leaf_fields(Recipe) - read == set()


def test_the_schema_describes_the_fields() -> None:
    schema = json.loads(recipes.schema())
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Recipe.model_fields)


def test_the_schema_for_editors_is_up_to_date(golden) -> None:  # type: ignore[no-untyped-def]
    golden("recipe.schema.json", recipes.schema())
