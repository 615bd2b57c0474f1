"""What a green-list mark costs: marked answers of the real small teacher beside its unmarked ones.

    python benchmarks/mark_cost.py [--prompts 24] [--samples 2] [--tokens 80] [--deltas 1 2 4] [--gamma 0.25]
                                   [--keys 1] [--temperature 0.7] [--top-p 0.95] [--out FILE.json] [--small]

Each part of the prompts is answered with every setting in turn, each part beginning with another one, and
with the same random numbers. Of each setting: nats a token that the unmarked teacher finds in the answers
(how unlikely they are to it), variety beside the unmarked ones (distinct-2 at equal counts, as the diversity
gate has it), length, share that ended, share of green tokens, log10 p of one answer (the median) and of all
together, and seconds a token beside unmarked. Detection reads the text anew, as a test of a suspect's own
texts would; every answer is a test with one key, so that the row of delta 0 shows what chance does.

Some minutes on one core. ``--small`` is a tiny random model, for tests: its figures mean nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from setting import Setting, table

from inbond.digest import of_value
from inbond.evaluate.diversity import Answers, measure
from inbond.evaluate.generality import built_in_prompts
from inbond.evaluate.samples import sample_answers
from inbond.forensics.exact import log10_upper_tail
from inbond.forensics.green import GreenKey
from inbond.forensics.marking import Marking
from inbond.forensics.radioactivity import Written, tally_closed
from inbond.forensics.reading import Reader
from inbond.losses.decoding import Pick
from inbond.teachers import catalogue
from inbond.teachers.local import Local
from inbond.teachers.opening import Weights, open_local
from inbond.teachers.protocols import TokenSequence
from inbond.teachers.tokens import encode_answer, encode_prompt, vocabulary_digest
from inbond.types import Message
from inbond.workspace import cache_folder, write_json

PART = 8
"""Prompts answered with one setting before the next one's turn."""


@dataclass
class Said:
    """What came of one setting so far."""

    delta: float
    parts: list[Answers] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def answers(self) -> Answers:
        return Answers(
            tuple(row for part in self.parts for row in part.tokens),
            tuple(row for part in self.parts for row in part.texts),
            tuple(row for part in self.parts for row in part.entropy),
            tuple(row for part in self.parts for row in part.ended),
        )

    @property
    def tokens(self) -> int:
        return sum(len(one) for part in self.parts for row in part.tokens for one in row)


def key_of(teacher: Local, gamma: float, delta: float, number: int) -> GreenKey:
    """The same each time: a benchmark's key is no secret."""
    secret = bytes.fromhex(of_value(f"mark_cost {number}").removeprefix("sha256:"))
    return GreenKey(
        secret, 2, gamma, delta or 1.0, vocabulary_digest(teacher.tokenizer), teacher.vocabulary_size
    )


def around(key: GreenKey, delta: float) -> Callable[[Pick], Pick]:
    return (lambda pick: Marking(key, pick)) if delta else (lambda pick: pick)


def say(teacher: Local, prompts: Sequence[Sequence[int]], options: argparse.Namespace) -> list[Said]:
    """Answers of all settings, interleaved."""
    found = [Said(delta) for delta in (0.0, *options.deltas)]
    for turn, start in enumerate(range(0, len(prompts), PART)):
        for one in (*found[turn % len(found) :], *found[: turn % len(found)]):
            key = key_of(teacher, options.gamma, one.delta, turn % options.keys)
            began = time.perf_counter()
            one.parts.append(
                sample_answers(
                    teacher.model, teacher.tokenizer, prompts[start : start + PART], options.samples,
                    max_new_tokens=options.tokens, temperature=options.temperature, top_p=options.top_p,
                    seed=turn, around=around(key, one.delta),
                )
            )  # fmt: skip
            one.seconds += time.perf_counter() - began
        print(f"{min(start + PART, len(prompts))} of {len(prompts)} prompts", flush=True)
    return found


def nats(teacher: Local, prompts: Sequence[Sequence[int]], said: Said) -> float:
    """The unmarked teacher's nats a token on the answers, at temperature 1."""
    pad = teacher.tokenizer.pad_token_id or 0
    reader = Reader(
        "teacher", of_value("t"), vocabulary_digest(teacher.tokenizer), teacher.model, teacher.tokenizer, pad
    )
    sequences = [
        TokenSequence((*prompt, *answer), len(prompt))
        for prompt, row in zip(prompts, said.answers.tokens, strict=True)
        for answer in row
        if answer
    ]
    return -sum(float(one.sum()) for one in reader.log_likelihoods(sequences)) / said.tokens


def detection(teacher: Local, said: Said, options: argparse.Namespace) -> dict[str, Any]:
    """As a test of texts alone has it: cut anew, windows and tokens that repeat counted once."""
    each, pairs, green = [], 0, 0
    by_key: dict[int, list[Written]] = {}
    for turn, part in enumerate(said.parts):
        key = key_of(teacher, options.gamma, said.delta, turn % options.keys)
        written = [Written(encode_answer(teacher.tokenizer, text)) for row in part.texts for text in row]
        by_key.setdefault(turn % options.keys, []).extend(written)
        for one in written:
            tally = tally_closed(key, [one])
            each.append(log10_upper_tail(tally.green, tally.pairs, options.gamma))
    for number, texts in by_key.items():
        tally = tally_closed(key_of(teacher, options.gamma, said.delta, number), texts)
        pairs, green = pairs + tally.pairs, green + tally.green
    return {
        "pairs": pairs,
        "green": green / max(pairs, 1),
        "log10_p_median": statistics.median(each),
        "found": sum(one < -5 for one in each) / len(each),
        "log10_p_all": log10_upper_tail(green, pairs, options.gamma),
    }


def row_of(
    teacher: Local, prompts: Sequence[Sequence[int]], said: Said, plain: Said, options: argparse.Namespace
) -> dict[str, Any]:
    varied = measure(plain.answers, said.answers, {})
    distinct = next(one for one in varied.measures if one.name == "distinct-2")
    answers = [one for row in said.answers.ended for one in row]
    return {
        "delta": said.delta,
        "nats": nats(teacher, prompts, said),
        "distinct_2": statistics.fmean(distinct.student),
        "distinct_2_ratio": distinct.ratio.to_json() if distinct.ratio else None,
        "tokens": said.tokens / len(answers),
        "ended": sum(answers) / len(answers),
        "ms_a_token": 1000 * said.seconds / said.tokens,
        **detection(teacher, said, options),
    }


def shown(row: dict[str, Any]) -> list[str]:
    ratio = row["distinct_2_ratio"]
    return [
        f"{row['delta']:g}",
        f"{row['nats']:.3f}",
        f"{row['distinct_2']:.3f}",
        "" if ratio is None else f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]",
        f"{row['tokens']:.0f}",
        f"{row['ended']:.0%}",
        f"{row['green']:.1%}",
        f"{row['log10_p_median']:.1f}",
        f"{row['found']:.0%}",
        f"{row['log10_p_all']:.0f}",
        f"{row['ms_a_token']:.0f}",
    ]


HEAD = [
    "delta", "nats a token", "distinct-2", "of unmarked", "tokens", "ended", "green", "log10 p, one answer",
    "found at 1e-5", "log10 p, all", "ms a token",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=80)
    parser.add_argument("--deltas", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--gamma", type=float, default=0.25)
    parser.add_argument("--keys", type=int, default=1)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    if options.small:
        setting = Setting.small(options.prompts, 0)
        teacher, prompts = setting.teacher, [list(one.ids[:44]) for one in setting.train]
    else:
        here = catalogue.resolve(catalogue.LISTED[0].uri, cache_folder(os.environ))
        assert here.digest is not None, "a listed model is pinned"
        teacher = open_local(Weights(str(here.name), "gguf", here.path, here.digest))
        asked = built_in_prompts()[: options.prompts]
        prompts = [encode_prompt(teacher.tokenizer, (Message("user", one.prompt),)) for one in asked]
    found = say(teacher, prompts, options)
    rows = [row_of(teacher, prompts, one, found[0], options) for one in found]
    print(table(HEAD, [shown(row) for row in rows]))
    if options.out is not None:
        write_json(options.out, {"options": {**vars(options), "out": str(options.out)}, "rows": rows}, 0o644)


if __name__ == "__main__":
    main()
