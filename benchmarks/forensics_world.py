"""What the forensic benchmarks share: a teacher, questions to it, a key, and answers drawn with and without
its mark, all kept under the benchmarks' cache folder.

The key's secret stands in this file: it is for measuring, never for records that anyone hands out.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any, final

import torch
from setting import Setting, cache
from torch.nn import functional

from inbond.digest import of_value
from inbond.forensics.green import GreenKey
from inbond.forensics.marking import marks
from inbond.losses.batches import epoch_batches, make_batch
from inbond.losses.decoding import decode
from inbond.losses.heads import head_weight
from inbond.losses.hidden import label_hidden
from inbond.recipes.reading import load
from inbond.teachers.protocols import TokenSequence
from inbond.teachers.tokens import end_ids, vocabulary_digest
from inbond.train.loop import Plan, learning_rate
from inbond.train.restricted import restricted

TEMPLATES = (
    "In one sentence, define the word '{word}'.",
    "Explain to a child what the word '{word}' means.",
    "Write one sentence about this: {word}.",
    "What do people know about this: {word}?",
)
REWORD = "Say this again in quite other words: {text}"
CHAT = "<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
"""The real teacher's turns, without the preface of its own template: it would be most of a record."""
TEMPERATURE = 0.7
OTHERS = 2000
"""Tokens by lot that a student's softmax has beside those of its records while it learns: with all 49,152 a
step takes five times as long."""
PLAN = Plan(
    epochs=1, batch=16, accumulate=1, lr=1e-3, warmup_steps=8, weight_decay=0.0, chunk=256, seed=0,
    checkpoint_seconds=1e9,
)  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """``records`` a student learns from, prompts ``held_out`` from all of them, ``tokens`` of an answer at
    most, ``epochs`` over the records, the teacher's ``layers`` that students keep."""

    records: int = 480
    held_out: int = 240
    tokens: int = 32
    epochs: int = 6
    layers: tuple[int, ...] = (0, 1, 29)
    window: int = 2
    gamma: float = 0.25
    delta: float = 2.0


def fresh_key(about: str, world: World) -> GreenKey:
    """The key of that name: another name gives an independent one."""
    sizes, secret = world.sizes, hashlib.sha256(about.encode()).digest()
    return GreenKey(
        secret, sizes.window, sizes.gamma, sizes.delta, world.vocabulary, world.setting.vocabulary
    )


@final
class World:
    """Everything that is made is made once, and the same each time."""

    def __init__(self, small: bool, sizes: Sizes) -> None:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        self.small, self.sizes = small, sizes
        self.setting = (Setting.small if small else Setting.real)(0, 0)
        self.tokenizer = self.setting.teacher.tokenizer
        self.vocabulary = vocabulary_digest(self.tokenizer)
        drawn = {name: value for name, value in asdict(sizes).items() if name not in ("epochs", "layers")}
        about = [self.setting.teacher.identity, str(drawn), *TEMPLATES, REWORD, CHAT, TEMPERATURE]
        self.folder = cache() / f"forensics-{of_value(about)[7:19]}"
        self.course = of_value([sizes.epochs, list(sizes.layers), OTHERS, str(PLAN)])[7:15]
        """Names how students learn."""
        self.folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def key(self) -> GreenKey:
        return fresh_key("the benchmarks' own", self)

    @cached_property
    def prompts(self) -> list[list[int]]:
        """Those to learn from, then those held out; no two are alike."""
        recipe, folder = load("demo")
        words = [json.loads(line)["word"] for line in (folder / recipe.prompts.file).read_text().splitlines()]
        texts = [template.format(word=word) for template, word in product(TEMPLATES, words)]
        random.Random(0).shuffle(texts)
        wanted = self.sizes.records + self.sizes.held_out
        assert wanted <= len(texts), f"there are {len(texts)} prompts"
        return [self.ask(text) for text in texts[:wanted]]

    def ask(self, text: str) -> list[int]:
        """A question as the model reads it."""
        ids: list[int] = self.tokenizer.encode(text if self.small else CHAT.format(text=text))
        return ids

    @cached_property
    def drawing(self) -> Any:
        """The teacher as it draws: rounded to bfloat16, which takes a third of the time."""
        return copy.deepcopy(self.setting.teacher.model).to(torch.bfloat16)

    def draw(
        self, model: Any, prompts: Sequence[Sequence[int]], seed: int, key: GreenKey | None = None,
        samples: int = 1,
    ) -> list[TokenSequence]:  # fmt: skip
        """Answers to prompts, marked where there is a key; an answer that ended has its end."""
        generator = torch.Generator().manual_seed(seed)

        def pick(logits_BV: torch.Tensor, _rows: torch.Tensor, _step: int) -> torch.Tensor:
            chances_BV = (logits_BV / TEMPERATURE).softmax(1)
            return torch.multinomial(chances_BV, 1, generator=generator).squeeze(1)

        ends = end_ids(self.setting.teacher.model, self.tokenizer)
        answers = decode(
            model, self.setting.vocabulary, ends, prompts, samples, self.sizes.tokens,
            pick if key is None else marks(key, pick),
        )  # fmt: skip
        return [
            TokenSequence(
                (*prompts[number // samples], *answer.tokens, *([] if answer.end is None else [answer.end])),
                len(prompts[number // samples]),
            )
            for number, answer in enumerate(answers)
        ]

    def kept(self, name: str, make: Callable[[], Sequence[TokenSequence]]) -> list[TokenSequence]:
        """Sequences under a name, made where they are not there."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            rows = [[list(row.ids), row.prompt_length] for row in make()]
            half = path.with_suffix(".half")
            half.write_text(json.dumps(rows))
            half.replace(path)
        return [TokenSequence(tuple(ids), first) for ids, first in json.loads(path.read_text())]

    @property
    def asked(self) -> list[list[int]]:
        return self.prompts[: self.sizes.records]

    @property
    def held_out(self) -> list[list[int]]:
        return self.prompts[self.sizes.records :]

    @cached_property
    def marked(self) -> list[TokenSequence]:
        return self.kept("marked", lambda: self.draw(self.drawing, self.asked, 1, self.key))

    @cached_property
    def unmarked(self) -> list[TokenSequence]:
        return self.kept("unmarked", lambda: self.draw(self.drawing, self.asked, 2))

    @cached_property
    def strange(self) -> list[TokenSequence]:
        """The teacher's unmarked answers to prompts that no student saw."""
        return self.kept("held-out", lambda: self.draw(self.drawing, self.held_out, 3))

    @cached_property
    def reworded(self) -> list[TokenSequence]:
        """The marked answers, said in other words by the teacher itself, without a mark."""

        def make() -> list[TokenSequence]:
            texts = [self.tokenizer.decode(answer(row), skip_special_tokens=True) for row in self.marked]
            asked = [self.ask(REWORD.format(text=text))[-self.most :] for text in texts]
            said = self.draw(self.drawing, asked, 4)
            return [
                TokenSequence((*row.ids[: row.prompt_length], *answer(other)), row.prompt_length)
                for row, other in zip(self.marked, said, strict=True)
            ]

        return self.kept("reworded", make)

    @property
    def most(self) -> int:
        """Tokens of a prompt for which the teacher has room."""
        return int(self.setting.teacher.model.config.max_position_embeddings) - self.sizes.tokens - 1


def answer(row: TokenSequence) -> tuple[int, ...]:
    """Its label tokens."""
    return row.ids[row.prompt_length :]


def teach(world: World, model: Any, rows: Sequence[TokenSequence], seed: int, lr: float = PLAN.lr) -> Any:
    """Trains ``model`` in place on the answers of ``rows``, in bfloat16 over a part of the vocabulary."""
    spare = random.Random(0).sample(
        range(world.setting.vocabulary), min(OTHERS, world.setting.vocabulary // 2)
    )
    keep = sorted({token for row in rows for token in row.ids}.union(spare))
    place = {token: number for number, token in enumerate(keep)}
    small = restricted(model, keep).train()
    own = [TokenSequence(tuple(place[token] for token in row.ids), row.prompt_length) for row in rows]
    lengths = [len(row.ids) for row in own]
    optimizer = torch.optim.AdamW(small.parameters(), lr=lr, weight_decay=0.0, fused=True)
    batches = [
        part
        for epoch in range(world.sizes.epochs)
        for part in epoch_batches(lengths, PLAN.batch, seed, epoch)
    ]
    for step, places in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, len(batches), PLAN) * lr / PLAN.lr
        batch = make_batch([own[number] for number in places], 0, torch.device("cpu"), share=False)
        with torch.autocast("cpu", torch.bfloat16):
            logits_NV = label_hidden(small, batch) @ head_weight(small, len(keep)).T
        loss = functional.cross_entropy(logits_NV.float(), batch.labels_N)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(small.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 30 == 0 or step + 1 == len(batches):
            print(f"  step {step + 1} of {len(batches)}: loss {loss.item():.3f}", flush=True)
    with torch.no_grad():
        model.get_input_embeddings().weight[keep] = small.get_input_embeddings().weight
        if not model.config.tie_word_embeddings:
            model.get_output_embeddings().weight[keep] = small.get_output_embeddings().weight
    return model.eval()
