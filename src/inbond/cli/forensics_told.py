"""A report of a suspect on the terminal: short, plain words first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Final

from inbond.forensics.report import ALWAYS

WORDS: Final[Mapping[str, str]] = {
    "consistent-with": "evidence was found",
    "no-evidence": "no evidence was found, and some would most likely have been",
    "cannot-tell": "cannot tell",
}
_WIDTH: Final = 96


def describe(made: Mapping[str, Any], written: Mapping[str, str]) -> str:
    """What was found, what that cannot show, what was not tested; where the whole report is."""
    lines = [f"{made['suspect']['name']}: {WORDS[made['outcome']]}", ""]
    first, *rest = made["summary"]
    lines += textwrap.wrap(first, _WIDTH)
    lines += _items(rest)
    lines += ["", "What this cannot show", *_items(ALWAYS)]
    wanting = [f"{each['test']}: {each['why']}" for each in made["not_tested"] if not each["asked"]]
    lines += ["", "Not tested", *_items(wanting)] if wanting else []
    lines += ["", f"Report {made['digest']}" + (", recorded in the ledger" if made["recorded"] else "")]
    lines += [f"Written: {option} {place}" for option, place in written.items()]
    return "\n".join(lines)


def _items(texts: Iterable[str]) -> list[str]:
    return [
        line
        for text in texts
        for line in textwrap.wrap(
            text, _WIDTH, initial_indent="  - ", subsequent_indent="    ", break_long_words=False,
            break_on_hyphens=False,
        )
    ]  # fmt: skip
