"""Counts for Prometheus: what the guard does and how fast, and nobody's name.

Labels are routes that exist and statuses, never tenants or models as a caller wrote them: their number must
not grow with what callers send.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from inbond.errors import need_extra
from inbond.guard.seen import Seen
from inbond.guard.wire import ROUTES

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
except ImportError as error:
    raise need_extra("guard", "prometheus-client") from error

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ROUTES: Final = {f"/v1/{route}": route for route in (*ROUTES, "models")}
_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


@final
class Metrics:
    """Counts since the process began. ``watch`` adds what is read when asked."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "inbond_requests", "Requests that are over.", ("route", "status"), registry=self._registry
        )
        self._refused = Counter(
            "inbond_refusals", "Requests that came to no answer, by why.", ("code",), registry=self._registry
        )
        self._tokens = Counter("inbond_tokens", "Tokens settled.", ("route", "kind"), registry=self._registry)
        self._seconds = Histogram(
            "inbond_request_seconds", "From the first byte asked to the last answered.", ("route",),
            registry=self._registry, buckets=_SECONDS,
        )  # fmt: skip
        self._first = Histogram(
            "inbond_first_byte_seconds", "Until an answer's first byte is passed on.", ("route",),
            registry=self._registry, buckets=_SECONDS,
        )  # fmt: skip

    def watch(self, name: str, what: str, read: Callable[[], float]) -> None:
        """A gauge that is read whenever somebody asks."""
        Gauge(f"inbond_{name}", what, registry=self._registry).set_function(read)

    def add(self, seen: Seen) -> None:
        """Counts one request that is over."""
        route = _ROUTES.get(seen.route.partition("?")[0], "other")
        self._requests.labels(route, str(seen.status)).inc()
        if seen.code:
            self._refused.labels(seen.code).inc()
        if seen.usage is not None:
            self._tokens.labels(route, "prompt").inc(seen.usage.prompt_tokens)
            self._tokens.labels(route, "completion").inc(seen.usage.completion_tokens)
        self._seconds.labels(route).observe(seen.ended - seen.began)
        if seen.first_byte is not None:
            self._first.labels(route).observe(seen.first_byte - seen.began)

    def text(self) -> bytes:
        """All counts as Prometheus reads them."""
        return generate_latest(self._registry)
