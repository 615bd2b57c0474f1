"""The guard's one configuration: guard.yaml, frozen. Callers live in a file of their own, read anew when it
changes; everything here takes a restart."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, final
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from inbond.errors import InputError
from inbond.guard.budget import Price
from inbond.guard.fields import NEVER
from inbond.guard.tags import Tags
from inbond.guard.wire import ROUTES, Route
from inbond.policy.strict import first_fault

_Seconds = Annotated[float, Field(gt=0, le=86_400)]
_Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Tag = Annotated[str, Field(min_length=1, max_length=64)]
Reasoning = Literal["pass", "strip", "summarise", "seal"]
THINK_TAGS: Final = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis", "<|end|>"),
    ("<|channel|>analysis", "<|call|>"),
    ("<|channel|>analysis", "<|return|>"),
)
"""As Qwen, DeepSeek and most others write them, Magistral, Kimi, Seed-OSS, Command A and gpt-oss. What is
there twice may end in several ways."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class ModelPolicy(_Strict):
    """One model: what of its reasoning is shown, what a million tokens cost, and how long an answer may get
    when a request does not say. ``think_tags`` are those between which it reasons in its text;
    ``begins_inside``: its template opens the first one, so that an answer begins with reasoning."""

    reasoning: Reasoning = "strip"
    think_tags: tuple[tuple[_Tag, _Tag], ...] = THINK_TAGS
    begins_inside: bool = False
    prompt_usd: _Usd = 0.0
    completion_usd: _Usd = 0.0
    default_max_tokens: Annotated[int, Field(ge=1, le=10**7)] = 4_096

    @property
    def price(self) -> Price:
        return Price(self.prompt_usd, self.completion_usd)

    @cached_property
    def tags(self) -> Tags:
        return Tags(self.think_tags)


@final
class Sealing(_Strict):
    """Envelopes of hidden reasoning: when they expire, after how many days a new key seals, and the file of
    the keys, from the workspace's guard folder. Replicas that open each other's envelopes share it."""

    expires_s: Annotated[int, Field(ge=60, le=366 * 86_400)] = 7 * 86_400
    key_days: Annotated[float, Field(gt=0, le=3_660)] = 90.0
    keys: Annotated[str, Field(min_length=1)] = "sealing.json"


@final
class Upstream(_Strict):
    """The server behind. ``key_env`` names the environment variable that holds its key; ``silence_s`` is the
    longest it may say nothing within an answer."""

    url: str
    key_env: str | None = None
    limit_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="the name by which this server knows the most tokens of a chat's answer"
    )
    connect_s: _Seconds = 5.0
    silence_s: _Seconds = 300.0

    def at(self, url: str) -> Upstream:
        """The same at another address. Raises InputError."""
        try:
            return Upstream.model_validate({**self.model_dump(), "url": url})
        except ValidationError as error:
            raise InputError(
                expected="--upstream as http(s)://host[:port][/v1]", found=repr(url), fix="correct it"
            ) from error

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("give http(s)://host[:port][/v1]")
        return url.rstrip("/")


@final
class GuardConfig(_Strict):
    """``state``: a redis:// URL that replicas share; none: a file beside the workspace's guard folder.
    ``when_state_is_lost``: closed refuses what it cannot meter, open lets it pass and says so in /health."""

    upstream: Upstream
    issuer: Annotated[str, Field(min_length=1, max_length=300)] = "http://localhost:8089"
    receipts: bool = Field(True, description="whether answers carry a signed receipt of the issuer's")
    terms: str | None = Field(None, description="file with the terms of use; receipts name its digest")
    callers: str = "callers.yaml"
    models: dict[str, ModelPolicy] = {}
    sealing: Sealing = Sealing()
    unlisted: ModelPolicy | None = Field(None, description="policy of other models; none: they are refused")
    state: str | None = None
    when_state_is_lost: Literal["closed", "open"] = "closed"
    routes: tuple[Route, ...] = ROUTES
    fields: dict[Route, frozenset[str]] = Field(
        {}, description="fields of a request that are passed on besides those the guard knows, by route"
    )
    metrics_for: Literal["here", "anyone", "nobody"] = Field(
        "here", description="who may read /metrics: this machine through no proxy, anyone, nobody"
    )
    body_bytes: Annotated[int, Field(ge=1_024, le=2**30)] = 32 * 2**20
    client_silence_s: _Seconds = 60.0

    @field_validator("fields")
    @classmethod
    def _no_other_model(cls, found: dict[Route, frozenset[str]]) -> dict[Route, frozenset[str]]:
        for name in sorted(frozenset[str]().union(*found.values()) & NEVER.keys()):
            raise ValueError(f"{name} cannot be allowed, since its use cannot be counted")
        return found

    def policy(self, model: str) -> ModelPolicy | None:
        """The policy of a model; None for one that is not served."""
        return self.models.get(model, self.unlisted)


def parse_config(place: str, data: bytes) -> GuardConfig:
    """Reads guard.yaml. Raises InputError naming ``place`` and the field."""
    try:
        return GuardConfig.model_validate(yaml.safe_load(data.decode("utf-8")) or {})
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise InputError(
            expected=f"a configuration of the guard in {place}",
            found=first_fault(error),
            fix="correct it; docs/guard.md shows a short one",
        ) from None


def read_config(path: Path) -> GuardConfig:
    """Raises InputError as ``parse_config``, and when the file cannot be read."""
    return parse_config(str(path), read_file(path))


def read_file(path: Path) -> bytes:
    """Raises InputError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            expected=f"a file that can be read at {path}",
            found=error.strerror or str(error),
            fix="correct the path",
        ) from error
