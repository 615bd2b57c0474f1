"""A server's cache of prompts, which all tenants share unless somebody keeps them apart. Pure.

Whoever guesses the beginning of another's prompt and is told that it was in the cache already has learnt it
(Gu et al., "Auditing prompt caching in language model APIs", 2025). So names of caches are made the tenant's
own, and what tells of a cache that is shared is left out of answers. How long an answer takes still tells.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, final

from inbond.guard.body import Body
from inbond.guard.wire import Asked

PromptCache = Literal["shared", "vllm", "apart"]
"""Whether tenants share it; ``vllm`` keeps them apart by a salt that the guard writes."""
_KEY: Final = "prompt_cache_key"
_SALT: Final = "cache_salt"
_TELLING: Final = frozenset(
    {
        "cached_tokens", "cache_n", "prompt_n", "prompt_ms", "prompt_per_token_ms", "prompt_per_second",
        "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cache_read_input_tokens",
        "cache_creation_input_tokens",
    }
)  # fmt: skip
"""OpenAI's and vLLM's, llama.cpp's, DeepSeek's, Anthropic's."""
_NAMES: Final = "|".join(sorted(_TELLING)).encode()
_FIELD: Final = re.compile(
    rb',\s*"(?:%(names)s)"\s*:\s*[-+.\w]+|"(?:%(names)s)"\s*:\s*[-+.\w]+\s*,?' % {b"names": _NAMES}
)
"""One of them with a comma, as JSON writes it: never within a string, where its quotes are escaped."""


@final
@dataclass(frozen=True)
class Caches:
    """``secret`` is the guard's own, the same on all replicas."""

    secret: bytes
    kind: PromptCache

    @property
    def told(self) -> bool:
        """Whether answers may say what was in a cache."""
        return self.kind != "shared"

    def named(self, asked: Asked, tenant: str) -> Asked:
        """The request with the names of its caches made the tenant's own."""
        salted = self.kind == "vllm" and asked.route != "embeddings"
        names = {_KEY, _SALT} & asked.value.keys() | ({_SALT} if salted else set())
        if not names:
            return asked
        own = {name: self._own(tenant, asked.value.get(name)) for name in names}
        return replace(asked, value={**asked.value, **own})

    def _own(self, tenant: str, name: Any) -> str:
        said = f"inbond prompt cache\0{tenant}\0{name if isinstance(name, str) else ''}"
        return hmac.digest(self.secret, said.encode("utf-8", "surrogatepass"), "sha256").hex()[:48]


def untold(data: bytes) -> bytes:
    """Events of a stream without what tells of a cache."""
    usage, timings = data.find(b'"usage"'), data.find(b'"timings"')
    if usage < 0 and timings < 0:
        return data
    at = usage if timings < 0 else timings if usage < 0 else min(usage, timings)
    return data[:at] + _FIELD.sub(b"", data[at:])


def untold_body(body: Body) -> Body:
    """A whole answer without it; itself where there is nothing of it."""
    data = untold(body.data)
    return body if data == body.data else Body.of(data)
