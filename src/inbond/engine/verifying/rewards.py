"""Rulings as the rewards that RL trainers read: prompt, completions, rewards, advantages. Pure.

The advantage of an answer is relative to the others of its prompt: (r - mean) / (standard deviation + 1e-4),
as in GRPO (DeepSeekMath, arXiv 2402.03300); the deviation is the sample's (n - 1), as TRL has it. What a
verifier could not tell has no reward, so that answer is left out and counted.
"""

from __future__ import annotations

import io
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import pyarrow as pa
import pyarrow.parquet as pq

from inbond.errors import InputError
from inbond.types import Prompt, prompt_to_json

EPSILON = 1e-4


@final
@dataclass(frozen=True)
class Group:
    """A prompt's answers that have a reward: 1 for one that passed, 0 for one that failed."""

    prompt: Prompt
    completions: tuple[str, ...]
    rewards: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """A line of JSONL. A conversation's answers are messages, as trainers have it; plain text is text."""
        prompt = self.prompt
        chat = not isinstance(prompt, str)
        return {
            "prompt": prompt_to_json(prompt)["messages"] if chat else prompt,
            "completions": [
                [{"role": "assistant", "content": text}] if chat else text for text in self.completions
            ],
            "rewards": list(self.rewards),
            "advantages": advantages(self.rewards),
        }


def advantages(rewards: Sequence[float]) -> list[float]:
    """Group-relative advantages. 0 for all when all are alike, and for one that is alone."""
    if len(rewards) < 2:
        return [0.0] * len(rewards)
    mean, deviation = statistics.fmean(rewards), statistics.stdev(rewards)
    return [(reward - mean) / (deviation + EPSILON) for reward in rewards]


def as_jsonl(groups: Sequence[Group]) -> bytes:
    """One group a line."""
    return "".join(json.dumps(group.to_json(), ensure_ascii=False) + "\n" for group in groups).encode()


def as_parquet(groups: Sequence[Group]) -> bytes:
    """The same columns. Raises InputError for conversations among plain text: they do not fit into one
    table."""
    chats = {not isinstance(group.prompt, str) for group in groups}
    if len(chats) > 1:
        raise InputError(
            expected="prompts of one kind, to make one table of",
            found="conversations and plain text",
            fix="write JSON lines (-o FILE.jsonl), or let all prompts of the recipe be of one kind",
        )
    messages = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    kind, numbers = messages if True in chats else pa.string(), pa.list_(pa.float64())
    columns = {"prompt": kind, "completions": pa.list_(kind), "rewards": numbers, "advantages": numbers}
    file, rows = io.BytesIO(), [group.to_json() for group in groups]
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(columns)), file)
    return file.getvalue()
