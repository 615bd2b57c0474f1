"""How well the main text of a page is found: 30 pages of our own (tests/gold_pages), Japanese and English.

Precision, recall and F of words (characters for Japanese), as a multiset, over the pages with an article;
how many pages let a word of navigation, comments or scripts through; how many lists and walls were told.
``--plain`` scores trafilatura with its own defaults beside it; ``--fresh`` takes ten pages of other layouts
(tests/gold_pages_fresh) that no rule was made for.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inbond.briefing.article import open_characters
from inbond.briefing.blocks import plain
from inbond.briefing.decoding import decode
from inbond.briefing.pages import read_page
from inbond.errors import InputError

TESTS = Path(__file__).parents[1] / "tests"
PAGES, FRESH = TESTS / "gold_pages", TESTS / "gold_pages_fresh"


@dataclass(frozen=True)
class Score:
    """What came of one page. ``leaks`` are the words of navigation and the like that came along."""

    name: str
    precision: float
    recall: float
    f: float
    leaks: tuple[str, ...]
    outcome: str
    expected: str


def tokens(text: str, language: str) -> Counter[str]:
    """Words, or characters of a Japanese text."""
    if language == "ja":
        return Counter("".join(re.findall(r"\w", text)))
    return Counter(re.findall(r"\w+", text.casefold()))


def score(folder: Path, page: dict[str, Any], found: str, outcome: str) -> Score:
    """Compares a text that was found with the one that was written."""
    wanted_text = (folder / f"{page['name']}.txt").read_text(encoding="utf-8")
    wanted, got = tokens(wanted_text, page["language"]), tokens(found, page["language"])
    both = (wanted & got).total()
    precision = both / got.total() if got else float(not wanted)
    recall = both / wanted.total() if wanted else 1.0
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    leaks = tuple(word for word in page["never"] if word in found)
    return Score(page["name"], precision, recall, f, leaks, outcome, page["outcome"])


def ours(folder: Path, page: dict[str, Any]) -> Score:
    """A page as a briefing reads it."""
    data = (folder / f"{page['name']}.html").read_bytes()
    try:
        text = decode(data, source=page["name"])
        article = read_page(text, "https://gold.example/" + page["name"], source=page["name"])
    except InputError as error:
        outcome = "list" if "list of articles" in error.found else "refused"
        return score(folder, page, "", outcome)
    walled = open_characters(article.blocks) in article.notices
    return score(folder, page, plain(article.blocks), "paywall" if walled else "article")


def plainly(folder: Path, page: dict[str, Any]) -> Score:
    """A page as trafilatura reads it by default."""
    from trafilatura import extract

    found = extract((folder / f"{page['name']}.html").read_bytes(), include_comments=False) or ""
    title = page["title"]
    return score(folder, page, found.removeprefix(title), "article")


def mean(scores: list[Score], field: str) -> float:
    """The mean of one field over pages."""
    return sum(getattr(each, field) for each in scores) / len(scores)


def told(name: str, scores: list[Score]) -> dict[str, Any]:
    """Sums over all pages; F and leaks are of the pages with a text."""
    texts = [each for each in scores if each.expected != "list"]
    return {
        "reader": name,
        "pages": len(scores),
        "precision": round(mean(texts, "precision"), 4),
        "recall": round(mean(texts, "recall"), 4),
        "f": round(mean(texts, "f"), 4),
        "worst": min(texts, key=lambda each: each.f).name,
        "leaking": sum(1 for each in texts if each.leaks),
        "outcomes_right": sum(1 for each in scores if each.outcome == each.expected),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true", help="score trafilatura's defaults too")
    parser.add_argument("--pages", action="store_true", help="print each page's score")
    parser.add_argument("--fresh", action="store_true", help="the ten pages that no rule was made for")
    parser.add_argument("--small", action="store_true", help="the first four pages")
    arguments = parser.parse_args()
    folder = FRESH if arguments.fresh else PAGES
    pages = json.loads((folder / "pages.json").read_text(encoding="utf-8"))
    pages = pages[:4] if arguments.small else pages
    readers = [("briefing", ours), ("trafilatura", plainly)][: 2 if arguments.plain else 1]
    for name, reader in readers:
        scores = [reader(folder, page) for page in pages]
        if arguments.pages:
            for each in scores:
                print(json.dumps(asdict(each), ensure_ascii=False))
        print(json.dumps(told(name, scores)))


if __name__ == "__main__":
    main()
