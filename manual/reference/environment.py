"""Environment variables: which there are is found in code and scripts, what they do is said here."""

from __future__ import annotations

import re

from manual.reference.words import MADE, SOURCE, described, said, table

_OURS = re.compile(r"\bINBOND_[A-Z_]+\b")


def page() -> str:
    scripts = [path for path in (SOURCE.parents[1] / "scripts").iterdir() if path.is_file()]
    texts = [path.read_text("utf-8") for path in (*SOURCE.rglob("*.py"), *scripts)]
    found = {name for text in texts for name in _OURS.findall(text)}
    rows = described("environment", [*said("environment"), *sorted(found - set(said("environment")))])
    return (
        f"# Environment variables\n\n{MADE}\n"
        + table(["variable", "meaning"], rows)
        + f"\n{said('pages')['environment-end'].strip()}\n"
    )
