"""The reference says what the code says, of everything that is public."""

from __future__ import annotations

import pytest
from manual.reference import pages, write_all
from manual.reference.commands import commands
from manual.reference.words import described, first_sentence, plain, table
from manual.site import ROOT

FOLDER = ROOT / "docs/reference"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return {name: make() for name, make in pages().items()}


def test_the_reference_is_as_the_code_has_it(request: pytest.FixtureRequest, made: dict[str, str]) -> None:
    if request.config.getoption("--update-goldens"):
        write_all(FOLDER)
    stale = [name for name, text in made.items() if (FOLDER / name).read_text("utf-8") != text]
    assert stale == [], "run scripts/reference, and read the diff"
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(made)


def test_every_command_option_and_field_says_what_it_means(made: dict[str, str]) -> None:
    for name in ("commands.md", "recipe.md"):
        rows = [line for line in made[name].splitlines() if line.startswith("| `") or line.startswith("| [`")]
        assert len(rows) > 100
        assert [row for row in rows if row.rstrip(" |.").endswith("|") or "| . |" in row] == []


def test_options_of_the_frozen_command_line_are_all_there(made: dict[str, str]) -> None:
    frozen = (ROOT / "tests/golden/command_line.txt").read_text("utf-8").splitlines()
    sections = {each.partition("`")[0]: each for each in made["commands.md"].split("\n## `")[1:]}
    assert {line.partition(":")[0] for line in frozen} == set(sections) == {each.name for each in commands()}
    for line in frozen:
        name, _, options = line.partition(": ")
        for option in set(options.split()) - {"--home", "--json", "--quiet", "-q"}:
            assert all(flag in sections[name] for flag in option.split("/")), (name, option)


def test_what_nobody_described_is_told() -> None:
    with pytest.raises(ValueError, match=r"say what these are: run\.lost"):
        described("events", ["run.lost", "run.completed"])


def test_docstrings_become_plain_lines() -> None:
    text = "One ``name`` of\n    two lines.\n\n    And more: of it."
    assert plain(text) == "One `name` of two lines.\n\nAnd more: of it."
    assert first_sentence(text) == "One `name` of two lines."
    assert table(["a"], [["b|c"]]) == "| a |\n| --- |\n| b\\|c |\n"
