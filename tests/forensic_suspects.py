"""Small suspects for tests: text with a green-list mark, and a model that learnt it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from inbond.forensics.green import GreenKey
from inbond.forensics.mark_keys import MarkKeys
from inbond.teachers.tokens import vocabulary_digest
from tests.tiny import make_model, make_tokenizer

TOKENIZER: Any = make_tokenizer()
WINDOW = 2
LETTERS: list[int] = [TOKENIZER.encode(one)[0] for one in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]
"""Tokens that are one letter each, and that no merge of the tokenizer joins: text of them is cut as it was
made."""


def green_key(number: int = 0) -> GreenKey:
    """A key whose secret follows from ``number``."""
    secret = random.Random(number).randbytes(32)
    return GreenKey(secret, WINDOW, 0.25, 4.0, vocabulary_digest(TOKENIZER), len(TOKENIZER))


def make_key(name: str, number: int = 0) -> GreenKey:
    """The same, kept among the user's own."""
    MarkKeys.default().new(name, key := green_key(number))
    return key


def marked_text(key: GreenKey, draw: random.Random, length: int = 60) -> str:
    """Letters that are mostly green: of eight that are drawn a green one is taken, if any."""
    ids = draw.choices(LETTERS, k=key.window)
    while len(ids) < length:
        eight = draw.choices(LETTERS, k=8)
        green = [one for one in eight if key.is_green(ids[-key.window :], one)]
        ids.append((green or eight)[0])
    return str(TOKENIZER.decode(ids))


def plain_text(draw: random.Random, length: int = 60) -> str:
    """Text of nobody."""
    return str(TOKENIZER.decode(draw.choices(LETTERS, k=length)))


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def save_learnt(folder: Path, texts: Sequence[str], *, steps: int = 150, seed: int = 0) -> Path:
    """A tiny model that was trained on ``texts``, as plain transformers writes it."""
    model = make_model(len(TOKENIZER), layers=2, seed=seed).train()
    rows = [TOKENIZER.encode(text, add_special_tokens=False)[:64] for text in texts]
    size = min(len(row) for row in rows)
    ids = torch.tensor([row[:size] for row in rows])
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = model(input_ids=ids, labels=ids).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval().save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder
