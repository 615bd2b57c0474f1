"""The whole input of the report, the card and the notice: frozen values, no behaviour, no I/O.

Every text here is untrusted: model names, prompts, answers and licences come from outside. The
renderers escape; nobody who fills this has to. What must not be shown (a key, a secret) must not
be put in. A number that is not known is None and never 0, and a field named ``not_measured``
beside it says why. Times are ISO 8601 texts, sizes bytes, durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from inbond.report.picture import Lineage
from inbond.report.small_file import SmallFile
from inbond.report.verified import VerifiedFacts

StageStatus = Literal["made", "found"]
"""``found``: the artifact was complete already and was not made again."""


@dataclass(frozen=True)
class ModelFacts:
    """What one model is and costs to run. ``name`` is its URI, ``label`` the short name people say."""

    name: str
    label: str
    params: int | None = None
    """Parameters, each stored tensor counted once."""
    file_bytes: int | None = None
    """Bytes of its weight files."""
    memory_bytes: int | None = None
    """Bytes of memory it takes to run, measured as ``ReportData.speed_how`` says."""
    tokens_per_s: float | None = None
    """Tokens generated a second, measured as ``ReportData.speed_how`` says."""
    licence: str | None = None
    """SPDX expression; None when it is not known."""
    channel: str | None = None
    """How it was reached: ``self-hosted`` or a host."""
    not_measured: str | None = None
    """Why a number above is None."""


@dataclass(frozen=True)
class Metrics:
    """How closely the student follows its teacher on held-out text, before and after training."""

    kl_before: float | None = None
    """KL(teacher || student), nats a token, of the student as it was initialised."""
    kl_after: float | None = None
    agreement_before: float | None = None
    """Share, 0..1, of held-out tokens where both rank the same token first."""
    agreement_after: float | None = None
    held_out_tokens: int | None = None
    """Label tokens that the numbers above are means over."""
    how: str = ""
    """One sentence: how it was measured (sparse targets, temperature, which text)."""
    not_measured: str | None = None
    """Why a number above is None."""


@dataclass(frozen=True)
class CurvePoint:
    """One logged step of training."""

    step: int
    seconds: float
    """Since training began, the time of earlier, interrupted attempts included."""
    loss: float
    lr: float | None = None
    label_tokens_per_s: float | None = None
    held_out_kl: float | None = None
    """Nats a token; None at steps without an evaluation."""
    own_entropy: float | None = None
    """Nats a token of the student's next token in its own answers; None at steps without any."""
    own_distinct: float | None = None
    """Share of these answers' pairs of neighbouring tokens that are different ones."""


@dataclass(frozen=True)
class SamplePair:
    """The same prompt put to all. None: not asked; an empty text is an empty answer."""

    prompt: str
    teacher: str | None = None
    before: str | None = None
    """The student as it was initialised."""
    after: str | None = None
    lang: str | None = None
    """BCP 47 tag when the recipe knows it; otherwise it is told from the script."""


@dataclass(frozen=True)
class VerdictView:
    """One verdict, as the ledger holds it. ``verdict`` is ``types.Verdict.to_json()``.

    The reasons may hold what policy adds: stance, edge, clause, version, read_on, evidence.
    An obligation is {kind, text, when, from}; any may be absent.
    """

    question: str
    verdict: Mapping[str, Any]
    obligations: tuple[Mapping[str, Any], ...] = ()
    missing: tuple[str, ...] = ()
    """What a person would have to find out or declare for a firmer answer."""
    accepted: str | None = None
    """The reason given with --accept by the person who decided, if one did."""
    about: Literal["terms", "host"] = "terms"
    """``terms``: what the teacher's terms allow, which decides whether the student may be used; ``host``:
    whether what its host reports may be believed (outcome agree, disagree or cannot-tell)."""


@dataclass(frozen=True)
class GateMeasure:
    """One thing that a gate measured. Its limit is held against ``ratio``; ``ratio_of`` says of what."""

    label: str
    teacher: float | None = None
    before: float | None = None
    """The student as it was initialised."""
    after: float | None = None
    ratio: float | None = None
    low: float | None = None
    """Lower end of the ratio's 95% interval."""
    high: float | None = None
    """Upper end of the ratio's 95% interval."""
    unit: str = ""
    """Of teacher, before and after, e.g. ``nats a token``; the ratio has none."""
    note: str = ""
    """What has to be known to read it, or why a number is None."""
    limit: float | None = None
    """What the ratio was held against; None: measured, but nothing hung on it."""
    fails: Literal["below", "above"] = "below"
    """The side of the limit that is the bad one."""
    ratio_of: str = ""
    """Said after the ratio: ``of the teacher’s``, ``of what it was before training``, ``times KL inside``."""


SeriesStyle = Literal["teacher", "before", "after", "train", "held-out", "outside"]


@dataclass(frozen=True)
class Series:
    """One line of a chart: (x, y) points; a y of None or NaN is left out."""

    label: str
    points: tuple[tuple[float, float | None], ...]
    style: SeriesStyle


@dataclass(frozen=True)
class GateView:
    """One quality gate: what it asked, what it found, what followed from it, what to do."""

    name: Literal["diversity", "generality", "capacity"]
    question: str
    verdict: Mapping[str, Any]
    """``types.Verdict.to_json()``; its outcome is pass, fail or cannot-tell. Empty when it was off."""
    action: Literal["off", "warn", "stop", "strict"] = "warn"
    """What the recipe asked for: stop stops on fail, strict on cannot-tell as well."""
    stopped: bool = False
    """This gate kept the student from being handed out."""
    measures: tuple[GateMeasure, ...] = ()
    series: tuple[Series, ...] = ()
    """Learning curves by step, all in one picture, in nats a token."""
    advice: tuple[str, ...] = ()
    """What to try, in sentences, the best first."""
    how: str = ""
    """How it was measured, its error rate included."""
    accepted: str | None = None
    """The reason given with --accept by the person who went on in spite of it."""
    headline: str = ""
    """One line for the first screen, with the number that decided; made from the measure that
    decided, or the first reason, when empty."""


@dataclass(frozen=True)
class RunRow:
    """One run of the same recipe on the same teacher and prompts: this one, or another to compare with."""

    name: str
    completed: str
    """ISO 8601."""
    current: bool = False
    """This is the run that the report is about."""
    outcome: str = "done"
    changes: tuple[tuple[str, str], ...] = ()
    """Recipe fields that differ from this run's: dotted name, that run's value."""
    kl_before: float | None = None
    """Held-out, nats a token, as in ``Metrics``."""
    kl_after: float | None = None
    agreement_after: float | None = None
    """Share, 0..1."""
    diversity_ratio: float | None = None
    student_params: int | None = None
    speedup: float | None = None
    """The student's tokens a second over its teacher's."""
    seconds: float | None = None
    """Of all stages together."""
    held_out: str | None = None
    """Digest of the text that KL was measured on: only runs with the same one compare."""


@dataclass(frozen=True)
class HostTargets:
    """What is missing of targets that a teacher's host reported."""

    dropped: Mapping[str, int]
    """Answers without targets, by reason (``teachers.mapping``)."""
    silent: int
    """Label tokens of which the host said nothing: no divergence learns them."""
    unknown_share: float
    """Mean probability, 0..1, of alternatives that are not tokens of the student."""


@dataclass(frozen=True)
class LearningFacts:
    """What was minimised, on which targets, at what speed."""

    objective: str
    """In words, with the formula."""
    targets: str
    """What was kept of the teacher's distribution, in words."""
    target_bytes_per_token: float | None = None
    """Bytes on disk for one label token."""
    temperature: float = 1.0
    prefix_tokens_shared: int | None = None
    """Tokens of a batch's common prefix that were computed once instead of once a row; 0: none."""
    label_tokens: int | None = None
    """Learnt from, repetitions included."""
    label_tokens_per_s: float | None = None
    """Of the median step, measuring and saving left out."""
    adapter: str | None = None
    """The adapter in words; None when all weights were learnt."""
    lessons: str | None = None
    """In words, what was learnt from beside or instead of the training records; None: nothing."""
    host: HostTargets | None = None
    """None when the targets are not those that a host reported."""


@dataclass(frozen=True)
class DataSource:
    """Where prompts or own text came from."""

    label: str
    licence: str | None = None
    records: int | None = None
    hub_id: str | None = None
    """Its name on the Hugging Face Hub, for the card's ``datasets``."""


@dataclass(frozen=True)
class Dropped:
    """Records that one filter took out, with its reason in plain words."""

    filter: str
    reason: str
    records: int


@dataclass(frozen=True)
class PreferenceFacts:
    """Pairs of answers of which one is preferred. Lengths are characters, on average."""

    source: str
    """Where they come from, in words."""
    pairs: int
    chosen: float
    rejected: float
    longer: float | None
    """Share of pairs of unequal length, 0..1, in which the longer answer is the chosen one."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What made no pair, or was dropped, by its reason in plain words."""


@dataclass(frozen=True)
class DataFacts:
    """What the student learned from. Counts are records unless the name says tokens."""

    sources: tuple[DataSource, ...] = ()
    prompts: int | None = None
    answers: int | None = None
    """Answers received from the teacher."""
    verified: VerifiedFacts | None = None
    """None when every answer could be learnt."""
    dropped: tuple[Dropped, ...] = ()
    train_records: int | None = None
    held_out_records: int | None = None
    split: str = ""
    """One sentence: how the held-out part was chosen."""
    own_records: int = 0
    """Records of the user's own data mixed in."""
    own_weight: float | None = None
    """What one own record weighs beside one of the teacher's."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    """Paid to the teacher's host; 0.0 for a teacher on one's own machine."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Requests that got no usable answer, by reason (``teachers.protocols.FAILURES``)."""
    preferences: PreferenceFacts | None = None
    """None where the recipe has none."""


@dataclass(frozen=True)
class StageFacts:
    """One stage of the run."""

    name: str
    seconds: float
    artifact: str
    """The artifact's id, a digest."""
    status: StageStatus = "made"


@dataclass(frozen=True)
class LedgerFacts:
    """The ledger's head when the report was written."""

    size: int
    """Events."""
    root: str
    """Merkle root over the events, a digest."""
    key: str
    """Id of the public key that signed the head."""
    verify_command: str = ""
    """What to type to check it, e.g. ``inbond verify run:demo``."""


@dataclass(frozen=True)
class CardFacts:
    """What only the Hugging Face card needs; taken from licences and names, never guessed."""

    licence: str | None = None
    """SPDX expression under which the student may be given on; None when nobody has said."""
    base_model: str | None = None
    """Hub id of the model whose weights the student began as; None when it began from scratch."""
    base_model_relation: Literal["finetune", "adapter", "merge", "quantized"] | None = None
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportData:
    """All that the page, the card and the notice show of one run."""

    name: str
    """The run's name."""
    created: str
    """ISO 8601."""
    inbond_version: str
    teacher: ModelFacts
    student: ModelFacts
    student_init: str
    """How the student began, e.g. ``16 of the teacher's 30 layers, chosen by measured importance``."""
    metrics: Metrics
    data: DataFacts
    ledger: LedgerFacts
    verdicts: tuple[VerdictView, ...] = ()
    curves: tuple[CurvePoint, ...] = ()
    samples: tuple[SamplePair, ...] = ()
    stages: tuple[StageFacts, ...] = ()
    lineage: Lineage = field(default_factory=Lineage)
    speed_how: str = ""
    """How memory and tokens a second were measured; the same way for both models."""
    recipe_yaml: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions, processor, threads: name to value."""
    limits: tuple[str, ...] = ()
    """What this run in particular did not do or show, in sentences."""
    card: CardFacts = CardFacts()
    gates: tuple[GateView, ...] = ()
    """The quality gates, in the order in which they are shown."""
    runs: tuple[RunRow, ...] = ()
    """This run and the others of its recipe, in any order."""
    learning: LearningFacts | None = None
    files: tuple[SmallFile, ...] = ()
    """The student in other formats."""
