"""What a student learns from: the sections ``prompts``, ``own_data``, ``generate`` and ``filters``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from inbond.recipes.sections.articles import Articles
from inbond.recipes.sections.base import Positive, Section, Share
from inbond.types import Role

RunName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
MarkName = RunName


def records_of(run: str) -> str:
    """How lineage and gate name the records that a run kept."""
    return f"data:runs/{run}/data/train"


class Prompts(Section):
    """Where prompts come from: exactly one of ``file`` (JSONL), ``items``, ``dataset`` (on the Hub), ``run``
    (an earlier run's records) and ``articles`` (the questions of a briefing)."""

    file: str | None = Field(
        None, description="JSONL, Parquet, a saved dataset; relative to the recipe's folder"
    )
    items: tuple[Any, ...] | None = Field(None, description="a list of texts, messages or objects")
    dataset: str | None = Field(None, description="name of a dataset on the Hugging Face Hub")
    run: RunName | None = Field(
        None, description="an earlier run: its kept records, whose fields a template may name ({completion})"
    )
    articles: Articles | None = Field(None, description="articles, of which a briefing's questions are asked")
    split: str = Field("train", description="the dataset's split")
    limit: Positive | None = Field(None, description="take only the first so many")
    template: str | None = Field(None, description='text with fields of a row in braces: "Define {word}."')
    system: str | None = Field(None, description="a system message before every prompt")
    chat: bool = Field(
        True, description="ask in a conversation; false: plain text to go on from, as pretrained models do"
    )
    context: str | None = Field(
        None, description="what the teacher sees before every prompt and the student does not"
    )
    context_file: str | None = Field(None, description="the same out of a text file, relative to the recipe")
    licence: str | None = Field(None, description="licence of the prompts; own: they are yours")

    @model_validator(mode="after")
    def _one_source(self) -> Prompts:
        sources = ("file", "items", "dataset", "run", "articles")
        given = [name for name in sources if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(sources)} is needed, not {given or 'none'}")
        if self.articles is not None and (self.template or self.system or not self.chat):
            raise ValueError(
                "articles are asked about in words of their own: no template, no system, chat: true"
            )
        if self.system is not None and not self.chat:
            raise ValueError("a system message is for conversations: leave it out, or chat at true")
        if self.context is not None and self.context_file is not None:
            raise ValueError("context and context_file exclude each other")
        if self.contextual and not self.chat:
            raise ValueError("a context is for conversations: leave it out, or chat at true")
        if self.context is not None and not self.context.strip():
            raise ValueError("a context says something: leave it out, or fill it in")
        return self

    @property
    def named(self) -> str | None:
        """What the gate calls them; None for a list in the recipe."""
        if self.articles is not None:
            return self.articles.path
        return records_of(self.run) if self.run is not None else self.file or self.dataset

    @property
    def contextual(self) -> bool:
        """Whether the teacher sees more than the student."""
        return self.context is not None or self.context_file is not None


class OwnData(Section):
    """Your own examples (JSONL with prompt or messages, and completion), or the records that an earlier run
    kept, learnt as text: exactly one of ``file`` and ``run``."""

    file: str | None = Field(
        None, description="JSONL, Parquet, a saved dataset; relative to the recipe's folder"
    )
    run: RunName | None = Field(None, description="an earlier run, whose kept records are learnt")
    weight: Annotated[float, Field(gt=0)] = Field(1.0, description="what a token weighs beside a teacher's")
    licence: str = Field("own", description="its licence; own: it is yours")

    @model_validator(mode="after")
    def _one_source(self) -> OwnData:
        if (self.file is None) == (self.run is None):
            raise ValueError("exactly one of file and run is needed")
        return self

    @property
    def named(self) -> str:
        """What the gate calls it."""
        return records_of(self.run) if self.run is not None else str(self.file)


class Generate(Section):
    """How the teacher answers. All of it but runtime, concurrency and limits is part of a request."""

    runtime: Literal["auto", "embedded", "local", "served"] = Field(
        "auto", description="auto: llama.cpp for a GGUF file, transformers for a folder, HTTP for api:"
    )
    role: Role = Field(
        "author", description="author: it answers; rewriter, transcriber, ...: it works on the prompts' text"
    )
    reasoning: Literal["drop", "keep", "only-if-permitted"] = Field(
        "drop",
        description="what the teacher says before it answers; keep: learnt too, judged by the gate",
    )
    samples: Positive = Field(1, description="answers to each prompt")
    mark: MarkName | None = Field(
        None, description="a key of inbond forensics mark: answers are marked with it; null: they are not"
    )
    max_tokens: Positive = Field(256, description="longest answer, in the teacher's tokens")
    temperature: Annotated[float, Field(ge=0, le=5)] = Field(
        0.7, description="how freely answers are drawn; 0: always the likeliest token"
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        0.95, description="draws among the likeliest tokens that together have this probability"
    )
    seed: int = Field(0, description="what the draw depends on; another one asks anew")
    attempts: Positive = Field(5, description="askings of one request before its failure is final")
    timeout_s: Annotated[float, Field(gt=0)] = Field(300, description="longest wait for one answer")
    spend_cap_usd: Annotated[float, Field(ge=0)] | None = Field(None, description="for the whole run")
    retry_refused: bool = Field(False, description="ask again what was refused, empty or rejected")
    max_failed: Share = Field(0.1, description="share of requests that may stay without an answer")
    retain_days: Annotated[float, Field(gt=0)] | None = Field(
        None, description="erase the run's older journal text, each time it has all its answers"
    )


class Filters(Section):
    """What may not be learnt from. Empty answers never are."""

    truncated: bool = Field(True, description="drop answers that were cut off at max_tokens")
    refused: bool = Field(True, description="drop answers in which the teacher refuses")
    secrets: bool = Field(True, description="drop what holds keys or passwords")
    personal_data: bool = Field(True, description="drop what holds personal data, such as phone numbers")
    phone_regions: tuple[str, ...] = Field(("US", "GB", "JP"), description="whose phone numbers are known")
    languages: tuple[str, ...] = Field((), description="ISO 639-1 codes to keep; none: all are kept")
    duplicates: bool = Field(True, description="keep one of those that are the same")
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None = Field(
        0.85, description="similarity from which prompt and completion count as the same; null: off"
    )
