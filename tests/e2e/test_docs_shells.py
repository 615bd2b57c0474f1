"""Commands in shell blocks of pages: they need what no test machine has, hosts, databases, files.

Each is run here with stand-ins that are named, or belongs to a page that another test runs, named too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from inbond.types import Message
from tests.briefing_model import answer
from tests.briefing_pdfs import with_text
from tests.docs_pages import PAGES, ROOT, fences, name_of
from tests.roundtable_host import broken, serving, votes
from tests.small_demo import run

PDF = (
    "The bridge over the river at Easthaven was closed on Monday.",
    "Engineers found two cracks in the northern pier, the town said.",
    "Repairs are to take six weeks and to cost 340,000 euros.",
)
HERE = ("docs/briefing.md", "docs/roundtable.md", "docs/trace.md")
ELSEWHERE = {
    "docs/edge.md": ("tests/e2e/test_edge_run.py", "test_a_finished_run_is_exported_afterwards"),
    # The examples of --help: their words are read by the command line itself.
    "docs/reference/commands.md": ("tests/unit/test_docs_words.py", "test_examples_in_the_help_are_commands"),
    "docs/ledger.md": ("tests/e2e/test_shared_ledger.py", "test_the_page_says_what_works"),
}


def shown(page: Path) -> list[str]:
    """The commands of a page's shell blocks, in order."""
    text = "\n".join(fences(page, "sh", "bash")).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith("inbond ")]


@pytest.fixture
def host() -> Iterator[str]:
    """Stands in for localhost:8080: six models at a table, one of them broken, and one for briefings."""
    models = {f"model-{letter}": votes("いいえ") for letter in "bcde"}
    models |= {"model-a": votes("はい", "いいえ"), "model-f": broken}
    models["m"] = lambda body: answer([Message(each["role"], each["content"]) for each in body["messages"]])
    with serving(models) as (place, _):
        yield place


@pytest.mark.parametrize("name", HERE)
def test_commands_work_with_what_stands_in(
    name: str, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "keys"))
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "article.pdf").write_bytes(with_text(PDF, "A bridge is closed"))
    (tmp_path / "docs").mkdir()
    stand_ins = {
        "https://example.org/news/article": str(ROOT / "tests/gold_pages/01-blog-en.html"),
        "localhost:8080": host,
        "gguf:model.gguf": f"api:{host}/m",
        "--language de": "--language ja",  # the model that stands in speaks no German
        "2026-11-23": date.today().isoformat(),
        "tests/fixtures": str(ROOT / "tests/fixtures"),
    }
    for command in shown(ROOT / name):
        for shown_word, word in stand_ins.items():
            command = command.replace(shown_word, word)
        said = run(command, tmp_path)
        assert "expected" not in said.partition("\n")[0], said


def test_every_shell_block_is_run_somewhere() -> None:
    pages = {name_of(page) for page in PAGES if shown(page)}
    assert pages == {*HERE, *ELSEWHERE}
    for place, test in ELSEWHERE.values():
        assert f"def {test}(" in (ROOT / place).read_text("utf-8"), f"{place} has no {test}"
