"""A guard whose Redis may throw budgets out says so when it starts and in /health."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.test_guard_gateway import callers, everything, guarding, mocked
from tests.redis_server import RedisServer


def test_a_redis_that_evicts_is_said_at_the_start_and_in_health(tmp_path: Path) -> None:
    redis = RedisServer("--maxmemory-policy", "allkeys-lru")
    try:
        with (
            mocked(everything) as host,
            guarding(tmp_path, f"http://{host.host}", callers(), state=redis.new_url()) as guard,
        ):
            said = json.loads(guard.get("/health")[1])
            assert said["state"] == "reachable"
            assert said["warning"].startswith(f"Redis at 127.0.0.1:{redis.port} evicts keys as soon as")
            assert "WARNING: Redis at 127.0.0.1" in guard.log.read_text()
            assert guard.end() == 0
    finally:
        redis.remove()
