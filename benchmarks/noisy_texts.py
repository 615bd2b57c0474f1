"""Makes the short noisy texts of the built-in pipeline ``cleaned`` out of the sentences of our own docs.

    python benchmarks/noisy_texts.py

Noise is of the kind that scanning and hurried typing leave: swapped and lost letters, doubled spaces,
words run together, lost capitals. The same sentences always get the same noise. The files are in the
repository; this is how they were made.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "src/inbond/recipes/builtin"
EXAMPLES, TEXTS = 90, 60


def sentences() -> list[str]:
    """Whole plain sentences of 40 to 130 characters: no code, links, tables or lists."""
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.S | re.M)
        for block in text.split("\n\n"):
            if block.lstrip()[:1] in "#|>":
                continue
            block = re.sub(r"^- ", "", block)
            for sentence in re.split(r"(?<=[.!?]) ", " ".join(block.split())):
                if 40 <= len(sentence) <= 130 and re.fullmatch(r"[A-Z][a-zA-Z ,;:'’()-]+[.]", sentence):
                    found.append(sentence)
    return list(dict.fromkeys(found))


def noisy(text: str, dice: random.Random) -> str:
    """The text with about one fault in every two words."""
    words = []
    for word in text.split():
        kind = dice.random()
        if len(word) > 3 and kind < 0.2:
            at = dice.randrange(1, len(word) - 2)
            word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        elif len(word) > 4 and kind < 0.3:
            at = dice.randrange(1, len(word) - 1)
            word = word[:at] + word[at + 1 :]
        elif kind < 0.4:
            word = f" {word}"
        words.append(word.lower() if kind > 0.9 else word)
    joined = " ".join(words)
    places = [match.start() for match in re.finditer(" ", joined)]
    at = dice.choice(places)
    return joined[:at] + joined[at + 1 :]


def main() -> None:
    dice = random.Random(0)
    clean = sentences()
    dice.shuffle(clean)
    print(f"{len(clean)} sentences")
    parts = {"cleaned-examples": clean[:EXAMPLES], "cleaned-texts": clean[EXAMPLES : EXAMPLES + TEXTS]}
    for name, part in parts.items():
        lines = [json.dumps({"text": noisy(one, dice), "clean": one}, ensure_ascii=False) for one in part]
        (TARGET / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
