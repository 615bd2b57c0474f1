"""The recipe: everything that decides what a run does, in one frozen value.

Written as YAML or made in Python; unknown fields are refused; every field is read by something, which
a test makes sure of. Defaults are what a careful person would choose; ``name`` and ``teacher`` have none.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from inbond.policy.places import COUNTRIES
from inbond.types import DIVERGENCES, parse_model_name

_Share = Annotated[float, Field(ge=0, le=1)]
_Positive = Annotated[int, Field(ge=1)]


def _readable(name: str) -> str:
    parse_model_name(name)
    return name


def _a_country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError(f"{code!r} is not an ISO 3166-1 code of two letters such as JP, DE or GB")
    return code


_Country = Annotated[str, AfterValidator(_a_country)]
_ModelText = Annotated[str, AfterValidator(_readable)]


class _Part(BaseModel):
    """Frozen, and strict about names: a misspelt field must never be ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Purpose(_Part):
    """What the student is for; the gate judges it. Defaults are the most demanding plan."""

    use: Literal["research", "internal", "commercial"] = "commercial"
    release: Literal["none", "service", "weights"] = "weights"
    kind: Literal["general", "classifier", "embedding"] = "general"
    name: str | None = Field(
        None,
        pattern=r"^[^\s](.{0,198}[^\s])?$",
        description="the name it is handed out under; null: the recipe's name",
    )
    competes: Literal["yes", "no", "unknown"] = "unknown"
    domains: tuple[str, ...] = Field(
        (), description="fields of use, such as medical; docs/terms.md lists them"
    )
    mau: Annotated[int, Field(ge=0, le=10**12)] | None = Field(None, description="monthly active users")
    revenue_usd: Annotated[float, Field(ge=0, le=1e15)] | None = Field(None, description="US dollars a year")
    territory: _Country | None = Field(None, description="where: ISO 3166-1 code of two letters, such as JP")
    agreements: tuple[str, ...] = Field((), description="files; relative to the recipe's own folder")


class Prompts(_Part):
    """Where prompts come from: exactly one of ``file`` (JSONL), ``items`` and ``dataset`` (on the Hub)."""

    file: str | None = Field(None, description="JSONL file; relative to the recipe's own folder")
    items: tuple[Any, ...] | None = Field(None, description="a list of texts, messages or objects")
    dataset: str | None = Field(None, description="name of a dataset on the Hugging Face Hub")
    split: str = Field("train", description="the dataset's split")
    limit: _Positive | None = Field(None, description="take only the first so many")
    template: str | None = Field(None, description='text with fields of a row in braces: "Define {word}."')
    system: str | None = Field(None, description="a system message before every prompt")
    licence: str | None = Field(None, description="licence of the prompts; own: they are yours")

    @model_validator(mode="after")
    def _one_source(self) -> Prompts:
        given = [name for name in ("file", "items", "dataset") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of file, items and dataset is needed, not {given or 'none'}")
        return self


class OwnData(_Part):
    """Your own examples (JSONL with prompt or messages, and completion), learnt as text."""

    file: str = Field(description="JSONL file; relative to the recipe's own folder")
    weight: Annotated[float, Field(gt=0)] = Field(1.0, description="what a token weighs beside a teacher's")
    licence: str = Field("own", description="its licence; own: it is yours")


class Generate(_Part):
    """How the teacher answers. All of it but runtime, concurrency and limits is part of a request."""

    runtime: Literal["auto", "embedded", "local", "served"] = Field(
        "auto", description="auto: llama.cpp for a GGUF file, transformers for a folder, HTTP for api:"
    )
    samples: _Positive = Field(1, description="answers to each prompt")
    max_tokens: _Positive = 256
    temperature: Annotated[float, Field(ge=0, le=5)] = 0.7
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    seed: int = 0
    attempts: _Positive = Field(5, description="askings of one request before its failure is final")
    timeout_s: Annotated[float, Field(gt=0)] = 300
    spend_cap_usd: Annotated[float, Field(ge=0)] | None = Field(None, description="for the whole run")
    retry_refused: bool = Field(False, description="ask again what was refused, empty or rejected")
    max_failed: _Share = Field(0.1, description="share of requests that may stay without an answer")
    retain_days: Annotated[float, Field(gt=0)] | None = Field(
        None, description="erase the run's older journal text, each time it has all its answers"
    )


class Filters(_Part):
    """What may not be learnt from. Empty answers never are."""

    truncated: bool = True
    refused: bool = True
    secrets: bool = True
    personal_data: bool = True
    phone_regions: tuple[str, ...] = Field(("US", "GB", "JP"), description="whose phone numbers are known")
    languages: tuple[str, ...] = Field((), description="ISO 639-1 codes to keep; none: all are kept")
    duplicates: bool = True
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None = Field(
        0.85, description="similarity from which prompt and completion count as the same; null: off"
    )


class Capture(_Part):
    """The teacher's targets: its likeliest tokens with the rest as one event, a fair sample of its
    distribution, or all of it, asked while training (nothing is stored); or what the host of a teacher
    behind an API says of its likeliest tokens (remote)."""

    targets: Literal["top-k", "sampled", "online", "remote"] = "top-k"
    k: _Positive = Field(64, description="top-k, remote: likeliest tokens kept at each label position")
    draws: Annotated[int, Field(ge=1, le=255)] = Field(16, description="sampled: tokens kept at each of them")
    seed: int = Field(0, description="sampled: what the draw depends on")
    shard: _Positive = Field(256, description="records a shard")
    reference: _ModelText | None = Field(
        None, description="remote: weights of the same teacher here, to check its host's word against"
    )
    probe: _Positive = Field(8, description="remote: prompts asked first, to check the host on")
    probe_limit: Annotated[float, Field(gt=0)] = Field(
        0.1, description="remote: most nats a token that the host may be off"
    )

    @model_validator(mode="after")
    def _fits_targets(self) -> Capture:
        if self.reference is not None and self.targets != "remote":
            raise ValueError(f"reference is for targets: remote, not for targets: {self.targets}")
        if self.reference is not None and self.reference.startswith("api:"):
            raise ValueError("reference must name weights that are here, not another API")
        return self


class Student(_Part):
    """What the student starts from."""

    init: Literal["prune", "model", "scratch"] = "prune"
    layers: _Positive | None = Field(None, description="prune: layers kept; default: half of the teacher's")
    keep: tuple[int, ...] | None = Field(None, description="prune: exactly these layers, nothing measured")
    probe: _Positive = Field(8, description="prune: records on which layers are measured")
    base: _ModelText | None = Field(None, description="model: its name; the tokenizer must be the teacher's")
    config: dict[str, int | float | bool] = Field(
        {}, description="scratch: fields of the teacher's config to change, such as num_hidden_layers"
    )

    @model_validator(mode="after")
    def _fits_init(self) -> Student:
        if self.init == "model" and self.base is None:
            raise ValueError("init: model needs base, the name of the model to start from")
        if self.init != "model" and self.base is not None:
            raise ValueError(f"base is for init: model, not for init: {self.init}")
        if self.init != "prune" and (self.layers or self.keep):
            raise ValueError(f"layers and keep are for init: prune, not for init: {self.init}")
        if self.init != "scratch" and self.config:
            raise ValueError(f"config is for init: scratch, not for init: {self.init}")
        if self.layers is not None and self.keep is not None:
            raise ValueError("layers and keep exclude each other")
        return self


class Lora(_Part):
    """Low-rank adapters: the student's weights stay as they are, pairs of small matrices are learnt and
    added to them at the end."""

    rank: _Positive = 16
    alpha: _Positive = Field(32, description="the pairs' product is scaled by alpha / rank")
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: tuple[str, ...] = Field((), description="linear layers by name, such as q_proj; none: all")


_Weight = Annotated[float, Field(ge=0)]


class Train(_Part):
    """How the student learns: the weighted sum of divergences from the teacher and cross-entropy on the
    text, over a step's label tokens, divided by the sum of their weights: only ratios of weights count."""

    kl: _Weight = Field(1.0, description="weight of KL(teacher || student)")
    reverse_kl: _Weight = Field(0.0, description="weight of KL(student || teacher)")
    jsd: _Weight = Field(0.0, description="weight of the generalised Jensen-Shannon divergence")
    skew_kl: _Weight = Field(0.0, description="weight of KL(teacher || alpha teacher + (1-alpha) student)")
    skew_reverse_kl: _Weight = Field(
        0.0, description="weight of KL(student || alpha student + (1-alpha) teacher)"
    )
    adaptive_kl: _Weight = Field(0.0, description="weight of forward and reverse KL by where the gap is")
    ce: _Weight = Field(0.0, description="weight of cross-entropy on the text, always at temperature 1")
    beta: _Share = Field(0.5, description="jsd: share of the teacher in the mixture; 0: kl, 1: reverse_kl")
    alpha: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="skew: see there")
    mu: _Share = Field(0.5, description="adaptive_kl: teacher's mass that is the head")
    temperature: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0, description="divides the logits of both models in all divergences"
    )
    temperature_scale: Literal["none", "squared"] = Field(
        "none", description="squared: divergences times temperature^2 (Hinton); none: as TRL and Liger do"
    )
    lora: Lora | None = Field(None, description="learn low-rank adapters; null: all weights")
    epochs: _Positive = 2
    batch: _Positive = Field(16, description="records a micro-batch")
    accumulate: _Positive = Field(1, description="micro-batches an optimiser step")
    lr: Annotated[float, Field(gt=0)] = 5e-4
    warmup_steps: Annotated[int, Field(ge=0)] = 10
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    chunk: _Positive = Field(256, description="label tokens whose logits exist at once")
    share_prefix: bool = Field(True, description="compute what a batch's records all begin with once")
    seed: int = 0
    checkpoint_seconds: Annotated[float, Field(gt=0)] = 60

    @property
    def divergence(self) -> float:
        """Weight of all terms that need the teacher's probabilities."""
        return float(sum(getattr(self, name) for name in DIVERGENCES))

    @model_validator(mode="after")
    def _some_objective(self) -> Train:
        if self.divergence + self.ce == 0:
            raise ValueError("every term of the objective weighs 0: nothing would be learnt")
        return self


class Evaluate(_Part):
    """What is measured on the held-out records."""

    samples: Annotated[int, Field(ge=0)] = Field(6, description="held-out prompts answered side by side")
    sample_tokens: _Positive = 40


Action = Literal["off", "warn", "stop", "strict"]


class DiversityGate(_Part):
    """Does the student still say as many different things as its teacher?"""

    action: Action = Field(
        "stop", description="off; warn; stop: a fail ends the run; strict: doubt ends it too"
    )
    min_ratio: _Share = Field(0.8, description="least share of its teacher's variety, in each measure")
    prompts: Annotated[int, Field(ge=1)] = Field(16, description="held-out prompts asked")
    samples: Annotated[int, Field(ge=2)] = Field(8, description="answers to each")
    tokens: _Positive = Field(24, description="most tokens of an answer")


class GeneralityGate(_Part):
    """Did training make the student worse where nobody looked?"""

    action: Action = Field(
        "stop", description="off; warn; stop: a fail ends the run; strict: doubt ends it too"
    )
    max_ratio: Annotated[float, Field(gt=0)] = Field(
        1.0, description="most that KL outside the domain may be, as a multiple of what it was before"
    )
    max_gap: Annotated[float, Field(gt=0)] | None = Field(
        None, description="most that KL outside may be, as a multiple of KL inside; null: only reported"
    )
    file: str | None = Field(None, description="your own prompts from outside the domain (JSONL); null: ours")
    tokens: _Positive = Field(32, description="most tokens of the teacher's answers to them")


class CapacityGate(_Part):
    """Is the student limited by its size, its data or its training?"""

    action: Action = Field(
        "warn", description="off; warn; stop: a fail ends the run; strict: doubt ends it too"
    )
    max_kl: Annotated[float, Field(gt=0)] | None = Field(
        None, description="most held-out KL in nats a token that will do; null: only the finding"
    )
    points: _Positive = Field(6, description="times held-out KL is measured in training")
    records: _Positive = Field(24, description="held-out records, and as many learnt ones, it is measured on")


class Gates(_Part):
    """What a student must pass before it is handed out. They need the teacher's weights."""

    diversity: DiversityGate = DiversityGate()
    generality: GeneralityGate = GeneralityGate()
    capacity: CapacityGate = CapacityGate()


class Recipe(_Part):
    """One distillation."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")] = Field(
        description="the run's name: small letters, digits, dot, dash, underscore"
    )
    teacher: _ModelText = Field(
        description="hf:org/name, path:dir, gguf:file, pypi:..., api:host/model, run:name"
    )
    channel: str | None = Field(None, description="the host it is reached by; default: what its name says")
    prompts: Prompts
    purpose: Purpose = Purpose()
    own_data: tuple[OwnData, ...] = ()
    generate: Generate = Generate()
    filters: Filters = Filters()
    held_out: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="share of prompts held out")
    capture: Capture = Capture()
    student: Student = Student()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    gates: Gates = Gates()
