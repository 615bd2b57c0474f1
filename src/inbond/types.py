"""The nouns that every room shares: messages, records, origins, verdicts, model names.

All are immutable values. A digest that stands for one of them covers every field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from inbond.digest import Digest, of_value
from inbond.errors import InputError

Role = Literal["author", "rewriter", "transcriber", "translator", "judge", "filter", "verifier"]
EdgeKind = Literal["weights", "outputs"]

ROLES: tuple[Role, ...] = ("author", "rewriter", "transcriber", "translator", "judge", "filter", "verifier")
DIVERGENCES = ("kl", "reverse_kl", "jsd", "skew_kl", "skew_reverse_kl", "adaptive_kl")
"""Terms of an objective that need the teacher's probabilities."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str

    def to_json(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


Prompt = str | tuple[Message, ...]
"""Raw text to continue, or a conversation to answer."""


def prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    """The part of a record's or request's JSON that holds the prompt; ``prompt_from_json`` reads it."""
    if isinstance(prompt, str):
        return {"prompt": prompt}
    return {"messages": [message.to_json() for message in prompt]}


def prompt_from_json(value: Mapping[str, Any]) -> Prompt:
    """Reads ``{"prompt": str}`` or ``{"messages": [{"role", "content"}, ...]}``.

    Raises InputError for anything else, naming what was wrong.
    """
    text, messages = value.get("prompt"), value.get("messages")
    if isinstance(text, str) and text and messages is None:
        return text
    if isinstance(messages, list) and messages and text is None:
        return tuple(_message_from_json(message) for message in messages)
    raise InputError(
        expected='either "prompt": a non-empty string, or "messages": a non-empty list',
        found=f"keys {sorted(value)}" if text is None and messages is None else f"{value!r:.200}",
        fix='write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]}',
    )


def _message_from_json(value: Any) -> Message:
    if (
        isinstance(value, Mapping)
        and isinstance(value.get("role"), str)
        and isinstance(value.get("content"), str)
    ):
        return Message(value["role"], value["content"])
    raise InputError(
        expected='a message {"role": string, "content": string}',
        found=f"{value!r:.200}",
        fix="give every message a role and a text",
    )


def without_system(prompt: Prompt) -> str:
    """What is said in a prompt, a system message left out: it is often the same everywhere."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join(message.content for message in prompt if message.role != "system")


@dataclass(frozen=True)
class Record:
    """One example. Its id is the digest of its prompt and completion and of nothing else."""

    prompt: Prompt
    completion: str

    def to_json(self) -> dict[str, Any]:
        return {**prompt_to_json(self.prompt), "completion": self.completion}

    @cached_property
    def id(self) -> Digest:
        return of_value(self.to_json())

    @cached_property
    def prompt_id(self) -> Digest:
        return of_value(prompt_to_json(self.prompt))


OWN = "own"
"""The channel of records out of a file of the user's."""
MARK = "mark"
"""In the sampling of an origin: the public description of its records' mark, with its ``id``."""


@dataclass(frozen=True)
class Origin:
    """Where records came from. Many records share one, so it is stored once and pointed to.

    ``teacher`` is a model name, or ``data:<source>`` for text that a person or a file gave;
    ``channel`` the host it was reached by (``self-hosted`` for local weights);
    ``terms`` the digest of the verdict's facts under which it was allowed.
    """

    teacher: str
    channel: str
    role: Role
    sampling: Mapping[str, Any]
    terms: Digest | None

    @property
    def own(self) -> bool:
        """Whether a person's file gave the records, and not the teacher of the run."""
        return self.channel == OWN

    def to_json(self) -> dict[str, Any]:
        return {
            "teacher": self.teacher,
            "channel": self.channel,
            "role": self.role,
            "sampling": dict(self.sampling),
            "terms": self.terms,
        }

    @cached_property
    def id(self) -> Digest:
        return of_value(self.to_json())


@dataclass(frozen=True)
class Reason:
    """One finding behind a verdict: which rule spoke, what it found, and the source of the rule.

    ``detail`` holds what a room adds (policy: stance, edge, clause, ...); it is part of the JSON.
    """

    rule: str
    finding: str
    source: str
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"rule": self.rule, "finding": self.finding, "source": self.source, **self.detail}


@dataclass(frozen=True)
class Verdict:
    """The answer to a question someone will act on.

    ``facts`` is the digest of everything the decider was given, ``decider`` its name and version;
    the same facts and decider always give the same outcome and reasons.
    """

    outcome: str
    reasons: tuple[Reason, ...]
    facts: Digest
    decider: str

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "reasons": [reason.to_json() for reason in self.reasons],
            "facts": self.facts,
            "decider": self.decider,
        }


Scheme = Literal["hf", "path", "gguf", "pypi", "api", "run"]

_FORMS: dict[str, str] = {
    "hf": "hf:org/name[@revision]",
    "path": "path:folder",
    "gguf": "gguf:file.gguf",
    "pypi": "pypi:package==version#file.gguf",
    "api": "api:host[:port]/model",
    "run": "run:name",
}
_PATTERNS: dict[str, re.Pattern[str]] = {
    "hf": re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?"),
    "path": re.compile(r"(?P<name>.+)"),
    "gguf": re.compile(r"(?P<name>.+)"),
    "pypi": re.compile(r"(?P<name>[\w.-]+)==(?P<revision>[\w.!+-]+)#(?P<file>[\w./-]+)"),
    "api": re.compile(r"(?P<host>[\w.-]+(:\d{1,5})?|\[[0-9a-fA-F:]+\](:\d{1,5})?)/(?P<name>.+)"),
    "run": re.compile(r"(?P<name>\w[\w.-]*)"),
}


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's name, as a URI. ``str()`` gives it back exactly as it was read."""

    scheme: Scheme
    name: str
    revision: str | None = None
    file: str | None = None
    host: str | None = None
    text: str = ""

    @property
    def self_hosted(self) -> bool:
        return self.scheme != "api"

    @property
    def channel(self) -> str:
        """The channel that the name itself means: its own host, or self-hosted."""
        return self.host if self.host is not None else "self-hosted"

    def __str__(self) -> str:
        return self.text


def parse_model_name(text: str) -> ModelName:
    """Reads a model URI. Raises InputError with the known forms when it is none of them."""
    scheme, colon, rest = text.partition(":")
    match = _PATTERNS[scheme].fullmatch(rest) if colon and scheme in _PATTERNS else None
    if match is None:
        known = _FORMS.get(scheme) if colon else None
        raise InputError(
            expected=f"a model name like {known}" if known else "one of " + ", ".join(_FORMS.values()),
            found=repr(text),
            fix="write the scheme first, for example hf:HuggingFaceTB/SmolLM2-135M-Instruct",
        )
    parts = match.groupdict()
    return ModelName(
        scheme,  # type: ignore[arg-type]  # it is a key of _PATTERNS
        parts["name"],
        parts.get("revision"),
        parts.get("file"),
        parts.get("host"),
        text,
    )
