"""Gates, runs and learning facts as the reports of the tests show them: plain, stopped, hostile."""

from __future__ import annotations

import math
from dataclasses import replace

from inbond.report.data import GateMeasure, GateView, LearningFacts, RunRow, Series


def verdict(outcome: str, *found: str, facts: int = 0x61) -> dict[str, object]:
    source = "inbond.evaluate, limits of the recipe"
    return {
        "outcome": outcome,
        "reasons": [{"rule": "gate", "finding": finding, "source": source} for finding in found],
        "facts": "sha256:" + f"{facts:02x}" * 32,
        "decider": "inbond.gates 1",
    }


def diversity() -> GateView:
    def measure(label: str, teacher: float, after: float, low: float, high: float) -> GateMeasure:
        return GateMeasure(
            label, teacher, None, after, after / teacher, low, high, limit=0.8, ratio_of="of the teacher’s"
        )

    return GateView(
        "diversity",
        "Does the student still say as many different things as its teacher?",
        verdict(
            "pass",
            "Every measure’s interval is at or above 0.8 of the teacher’s; the lowest is distinct-3 at 0.84.",
            "With Holm’s correction over 5 measures the gate fails a student as diverse as its teacher in at "
            "most 5% of runs.",
        ),
        "stop",
        measures=(
            measure("distinct-1", 0.412, 0.398, 0.90, 1.03),
            measure("distinct-2", 0.731, 0.684, 0.87, 1.00),
            measure("distinct-3", 0.842, 0.771, 0.84, 0.98),
            replace(measure("entropy", 1.62, 1.55, 0.89, 1.04), unit="nats a token"),
            measure("distinct answers", 0.94, 0.91, 0.92, 1.02),
        ),
        how="12 held-out prompts, 8 answers each at temperature 1 from teacher and student; distinct-n over "
        "equally many tokens; paired bootstrap over prompts.",
    )


def generality() -> GateView:
    return GateView(
        "generality",
        "Is the student closer to its teacher outside the training domain too?",
        verdict(
            "cannot-tell",
            "KL outside the domain is 0.97 of what it was before training; its interval, 0.88 to 1.07, holds "
            "the limit of 1.",
            "KL is 3.9 times as high outside the domain as inside: the student is close to its teacher on "
            "what it was trained on only.",
        ),
        "warn",
        measures=(
            GateMeasure(
                "KL outside, after ÷ before",
                None,
                4.71,
                4.57,
                0.97,
                0.88,
                1.07,
                "nats a token",
                "40 prompts",
                1.0,
                "above",
            ),
            GateMeasure(
                "KL inside, after ÷ before",
                None,
                4.74,
                1.17,
                0.247,
                0.23,
                0.264,
                "nats a token",
                "",
                1.0,
                "above",
            ),
            GateMeasure("agreement outside", None, 0.161, 0.204, 1.27, 1.04, 1.55),
            GateMeasure("KL outside ÷ inside", ratio=3.9, low=3.4, high=4.5, note="Larger is narrower."),
        ),
        advice=(
            "Add prompts of other kinds to prompts, or mix in own_data.",
            "Train for fewer epochs: train.epochs=2.",
        ),
        how="Greedy answers of the teacher to 40 built-in prompts of other kinds; paired bootstrap over "
        "prompts.",
    )


def capacity() -> GateView:
    steps = (0, 40, 80, 120, 160, 200, 240)

    def falling(end: float, start: float, pace: float) -> tuple[tuple[float, float | None], ...]:
        return tuple((float(step), end + (start - end) * math.exp(-step / pace)) for step in steps)

    return GateView(
        "capacity",
        "What limits the student: its size, its data or its training?",
        verdict(
            "fail",
            "Held-out KL is 1.17 nats a token; the recipe allows 1.00.",
            "Limited by its size: held-out KL fell by 1.2% over the last third of the steps, and training "
            "records are not followed much better (1.09).",
        ),
        "warn",
        measures=(
            GateMeasure("held-out KL", None, 4.74, 1.17, unit="nats a token"),
            GateMeasure("training KL", None, 4.71, 1.09, unit="nats a token"),
            GateMeasure("held-out KL ÷ its limit", ratio=1.17, low=1.11, high=1.24, limit=1, fails="above"),
        ),
        series=(
            Series("held-out KL", falling(1.17, 4.74, 42), "held-out"),
            Series("training KL", falling(1.09, 4.71, 40), "train"),
            Series("KL outside", falling(4.5, 4.71, 90), "outside"),
        ),
        advice=(
            "Keep more layers: student.layers=20 costs about a quarter more time a token.",
            "More data is unlikely to help before that.",
        ),
        how="Full KL on the same 56 held-out records at 7 steps, and on 56 training records.",
        headline="Limited by its size: KL 1.17 (limit 1), flat over the last third",
    )


def runs() -> tuple[RunRow, ...]:
    return (
        RunRow(
            "demo-10-layers", "2026-11-20T09:12:44+00:00", False, "done",
            (("student.layers", "10"), ("train.epochs", "2")),
            6.07, 1.62, 0.452, 0.88, 66_000_000, 2.05, 318.0,
        ),
        RunRow(
            "demo-narrow", "2026-11-20T18:40:02+00:00", False, "stopped: diversity",
            (("train.objective", "reverse-kl"), ("capture.keep", "sampled"), ("train.lr", "0.001")),
            4.74, 1.31, 0.471, 0.62, 84_894_912, 1.58, 402.5,
        ),
        RunRow(
            "demo-20-layers", "2026-11-21T11:03:10+00:00", False, "done",
            (("student.layers", "20"),),
            3.02, 0.94, 0.561, 0.95, 99_100_000, 1.31, 533.0,
        ),
        RunRow(
            "demo", "2026-11-21T23:41:00+00:00", True, "done",
            (), 4.74, 1.17, 0.504, 0.94, 84_894_912, 1.60, 417.0,
        ),
    )  # fmt: skip


def learning() -> LearningFacts:
    return LearningFacts(
        "forward KL: sum of P (log P − log Q), over the kept tokens and one bucket for the rest",
        "the 50 likeliest tokens of each place, in 16 bits",
        98.4,
        1.0,
        28,
        108_354,
        486.0,
    )


def stopped() -> GateView:
    """The diversity gate, failed, having kept the student back."""
    passed = diversity()
    narrow = replace(passed.measures[1], after=0.45, ratio=0.617, low=0.55, high=0.69)
    return replace(
        passed,
        verdict=verdict(
            "fail", "distinct-2 is 0.62 of the teacher’s; its whole interval, 0.55 to 0.69, lies below 0.8."
        ),
        stopped=True,
        measures=(passed.measures[0], narrow, *passed.measures[2:]),
        advice=(
            "Learn from several answers a prompt: generate.samples=4.",
            "Use forward KL or a mixture instead of reverse KL: train.objective=forward-kl.",
            "Stop earlier: train.epochs=2.",
            "Ask for more varied prompts.",
        ),
    )


def hostile_gates(texts: tuple[str, ...]) -> tuple[GateView, ...]:
    """Gates out of foreign texts and numbers that are none."""
    nan, inf = float("nan"), float("inf")
    reason = {"finding": texts[0], "rule": texts[1], "source": "javascript:document.title='owned'"}
    every = tuple(
        Series(text, ((0, nan), (1, inf), (2, 3.0), (3, None), (4, 1.0)), "train") for text in texts
    )
    return (
        GateView(
            "diversity",
            "生徒の答えは教師と同じくらい多様か " + texts[0],
            {"outcome": "cannot-tell", "reasons": [reason, texts[1], None], "facts": None},
            "strict",
            True,
            (
                GateMeasure(
                    "異なる二連語の割合" * 4 + texts[1], nan, inf, -inf, nan, 0.1, 0.2, texts[2], texts[3]
                ),
                GateMeasure(texts[4], None, None, None, 0.5, nan, inf, limit=0.8),
            ),
            every,
            texts[5],
            (texts[6], "もっと多様な質問を加える"),
            texts[7],
            texts[8],
        ),
        GateView("generality", texts[9], {}, "off"),
        GateView("capacity", texts[3], {"outcome": texts[0], "reasons": texts[1]}, headline=texts[2]),
    )


def hostile_runs(texts: tuple[str, ...]) -> tuple[RunRow, ...]:
    nan = float("nan")
    return (
        RunRow(
            "方言辞典の蒸留" * 9 + texts[0], texts[1], True, texts[2], ((texts[0], texts[1]),) * 9, nan, nan
        ),
        RunRow(texts[3], "", False, texts[4], ((texts[5], texts[6]),), None, 1.5, nan, nan, None, nan, nan),
        RunRow("方言", "2026", False, "done", (), None, 2.5, 0.5, 0.9, 5_000_000, 1.0, 10.0),
    )
