"""The file formats and their versions: which there are is found in the code, what they are is said here."""

from __future__ import annotations

import re

from manual.reference.words import SOURCE, code, described, opening, said, table

_NAME = re.compile(r"inbond\.([a-z-]+)/([0-9]+)")


def page() -> str:
    found: dict[str, int] = {}
    for path in SOURCE.rglob("*.py"):
        for name, version in _NAME.findall(path.read_text("utf-8")):
            found[name] = max(found.get(name, 0), int(version))
    rows = [
        [code(f"inbond.{name}/{found[name]}"), *words[1:]]
        for name, words in zip(sorted(found), described("formats", sorted(found)), strict=True)
    ]
    return (
        opening("File formats", "formats")
        + table(["format", "what it is", "where"], rows)
        + f"\n## In other words\n\n{said('pages')['formats-end'].strip()}\n"
    )
