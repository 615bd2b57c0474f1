"""The guard's one configuration: guard.yaml, frozen. Callers may stand in it or in a file of their own, and
are read anew when that changes; everything else takes a restart."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, final
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from inbond.errors import InputError
from inbond.guard.budget import Price
from inbond.guard.caching import PromptCache
from inbond.guard.callers import Hash
from inbond.guard.fields import NEVER
from inbond.guard.operator_files import fault, read_file, values
from inbond.guard.tags import Tags
from inbond.guard.wire import MEDIA_TOKENS, ROUTES, Route
from inbond.teachers.hosts import is_loopback

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
class UpstreamSettings(_Strict):
    """The server behind. ``url`` may be left to the command line. ``key_env`` names the environment variable
    that holds its key; ``insecure`` sends that over plain http to another machine; ``silence_s`` is the
    longest it may say nothing within an answer."""

    url: str = ""
    key_env: str | None = None
    insecure: bool = False
    limit_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="the name by which this server knows the most tokens of a chat's answer"
    )
    prompt_cache: PromptCache = Field(
        "shared", description="whether tenants share its cache of prompts: shared, vllm (salted), apart"
    )
    connect_s: _Seconds = 5.0
    silence_s: _Seconds = 300.0

    def at(self, url: str | None) -> UpstreamSettings:
        """The same at another address; with None at its own, which then must be there. Raises InputError."""
        if url is None and self.url:
            return self
        if url is None:
            raise InputError(
                expected="the address of the model server behind the guard",
                found="neither --upstream nor upstream.url in the file",
                fix="inbond guard serve --upstream http://localhost:8000 --config guard.yaml",
            )
        try:
            return UpstreamSettings.model_validate({**self.model_dump(), "url": url})
        except ValidationError as error:
            raise InputError(
                expected="--upstream as http(s)://host[:port][/v1]",
                found=f"{url!r:.100}: {fault(error).partition(': ')[2]}",
                fix="give the address of the server, without the path of one of its routes",
            ) from None

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("give http(s)://host[:port][/v1]")
        if parts.username or parts.password:
            raise ValueError("no user or password belongs there: name the variable of its key in key_env")
        if any(parts.path.rstrip("/").endswith(f"/{route}") for route in (*ROUTES, "models")):
            raise ValueError("that is one route of a server: end with its host, or with /v1")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _no_key_in_the_open(self) -> UpstreamSettings:
        parts = urlsplit(self.url)
        if self.key_env and parts.scheme == "http" and not self.insecure and not is_loopback(parts.netloc):
            raise ValueError(
                "its key would go over plain http, for anybody on the way to read: use https, or say "
                "insecure: true where the network between is yours"
            )
        return self


@final
class GuardConfig(_Strict):
    """``state``: a redis:// URL that replicas share; none: a file beside the workspace's guard folder.
    ``when_state_is_lost``: closed refuses what it cannot meter, open lets it pass and says so in /health."""

    upstream: UpstreamSettings = UpstreamSettings()
    issuer: Annotated[str, Field(min_length=1, max_length=300)] = "http://localhost:8089"
    receipts: bool = Field(True, description="whether answers carry a signed receipt of the issuer's")
    terms: str | None = Field(None, description="file with the terms of use; receipts name its digest")
    callers: str | None = Field("callers.yaml", description="file of tenants; null: tenants are in this one")
    models: dict[str, ModelPolicy] = {}
    sealing: Sealing = Sealing()
    unlisted: ModelPolicy | None = Field(None, description="policy of other models; none: they are refused")
    state: str | None = None
    when_state_is_lost: Literal["closed", "open"] = "closed"
    routes: tuple[Route, ...] = ROUTES
    fields: dict[Route, frozenset[str]] = Field(
        {}, description="fields of a request that are passed on besides those the guard knows, by route"
    )
    media_tokens: Annotated[int, Field(ge=0, le=10**7)] = Field(
        MEDIA_TOKENS, description="tokens of a part that is neither text nor picture, where nobody counts it"
    )
    metrics_for: Literal["here", "anyone", "nobody"] = Field(
        "here", description="who may read /metrics: this machine through no proxy, anyone, nobody"
    )
    body_bytes: Annotated[int, Field(ge=1_024, le=2**30)] = 32 * 2**20
    bodies_bytes: Annotated[int, Field(ge=2_048, le=2**40)] = Field(
        256 * 2**20, description="bytes of memory that all requests may take, until they are answered"
    )
    client_silence_s: _Seconds = 60.0
    grace_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        60.0, description="how long answers under way may take after SIGTERM, before they are cut"
    )
    operators: tuple[Hash, ...] = Field(
        (), description="ids of further keys whose suspensions and lifts are heeded (inbond keys show)"
    )

    @field_validator("fields")
    @classmethod
    def _no_other_model(cls, found: dict[Route, frozenset[str]]) -> dict[Route, frozenset[str]]:
        for name in sorted(frozenset[str]().union(*found.values()) & NEVER.keys()):
            raise ValueError(f"{name} cannot be allowed, since its use cannot be counted")
        return found

    @model_validator(mode="after")
    def _room_for_a_body(self) -> GuardConfig:
        if self.bodies_bytes < 2 * self.body_bytes:
            raise ValueError("bodies_bytes is less than twice body_bytes: the longest would not fit")
        return self

    def policy(self, model: str) -> ModelPolicy | None:
        """The policy of a model; None for one that is not served."""
        return self.models.get(model, self.unlisted)


def parse_config(place: str, data: bytes) -> GuardConfig:
    """Reads guard.yaml. Raises InputError naming ``place`` and the field."""
    try:
        return GuardConfig.model_validate(_without_tenants(values(data) or {}))
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise InputError(
            expected=f"a configuration of the guard in {place}",
            found=fault(error),
            fix="correct it; docs/guard.md shows every field",
        ) from None


def _without_tenants(found: Any) -> Any:
    """Tenants in this file are read as callers are: there may be many. Raises ValueError."""
    if not isinstance(found, dict) or "tenants" not in found:
        return found
    if found.get("callers") is not None:
        raise ValueError("write tenants here, or name a file of them with callers: not both")
    return {**{name: value for name, value in found.items() if name != "tenants"}, "callers": None}


def read_config(path: Path) -> GuardConfig:
    """Raises InputError as ``parse_config``, and when the file cannot be read."""
    return parse_config(str(path), read_file(path))


def people_in(path: Path, config: GuardConfig) -> Path:
    """The file that holds the tenants: the one at ``path`` itself, or the one that it names."""
    return path if config.callers is None else path.parent / config.callers
