"""Work spread over a Ray cluster: ``local:N`` workers of this machine, or a cluster's address."""

from __future__ import annotations

import contextlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any, TypeVar, final

from inbond.errors import InbondError, InputError, need_extra
from inbond.spread import HERE, Spread

T = TypeVar("T")
R = TypeVar("R")
_LOCAL = re.compile(r"local:([1-9]\d{0,3})")
_AHEAD = 2
"""Parts that wait for each worker, so that none is idle and memory is bounded."""


@contextlib.contextmanager
def spread_over(address: str | None) -> Iterator[Spread]:
    """Where a run's work is done: here without an address. Connects when there is something to do.

    Raises MissingExtraError without Ray, InputError for what is no address.
    """
    if address is None:
        yield HERE
        return
    if find_spec("ray") is None:
        raise need_extra("scale", "ray")
    if address.startswith("local") and not _LOCAL.fullmatch(address):
        raise InputError(
            expected="a number of workers, as in local:2", found=address, fix="write --ray local:2"
        )
    cluster = OnRay(address)
    try:
        yield cluster
    finally:
        cluster.close()


@final
class OnRay:
    """A Ray cluster. Implements Spread. Each part is one task; a part whose worker dies is done again, up
    to three times."""

    here = False

    def __init__(self, address: str) -> None:
        self._address = address
        self._mine = False
        self._run: Any = None
        self._workers = 1

    def map(self, function: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
        """See Spread."""
        import ray

        self._connect()
        sent = ray.put(function)
        waiting: deque[Any] = deque()
        for part in parts:
            waiting.append(self._run.remote(sent, part))
            if len(waiting) >= self._workers * _AHEAD:
                yield self._result(waiting.popleft())
        while waiting:
            yield self._result(waiting.popleft())

    def close(self) -> None:
        """Leaves the cluster, and ends it where it was started for this run."""
        if self._mine:
            import ray

            ray.shutdown()
            self._mine = False

    def _connect(self) -> None:
        import ray

        if self._run is not None:
            return
        if not ray.is_initialized():
            # Ray would start every worker anew with uv, and tell its makers what is run.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
            self._start()
            self._mine = True
        self._workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._run = ray.remote(num_cpus=1, max_retries=3)(_run)

    def _start(self) -> None:
        """Again, where a start here took longer than Ray waits: a busy machine takes its time."""
        import ray

        for left in (2, 1, 0):
            try:
                self._init()
            except InputError as error:
                if not left or "timed out during startup" not in error.found:
                    raise
                ray.shutdown()
            else:
                return

    def _init(self) -> None:
        import ray

        local = _LOCAL.fullmatch(self._address)
        quiet: dict[str, Any] = {"include_dashboard": False} if local else {}
        where: dict[str, Any] = {"num_cpus": int(local[1])} if local else {"address": self._address}
        try:
            ray.init(**where, **quiet, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # a start that takes too long is of no class of its own
            raise InputError(
                expected=f"a Ray cluster at {self._address}",
                found=f"{type(error).__name__}: {error!s:.200}",
                fix="start it (ray start --head), correct --ray, or run without it",
            ) from error

    def _result(self, waiting: Any) -> Any:
        import ray

        try:
            value, error = ray.get(waiting)
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.RaySystemError) as fault:
            raise _no_worker(fault) from fault
        except (ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError) as fault:
            raise _no_worker(fault) from fault
        if error is not None:
            kind, said = error
            raise kind(**said)
        return value


def _run(function: Callable[[Any], Any], part: Any) -> tuple[Any, Any]:
    """In a worker. Our own errors travel as values: as exceptions they could not be made again."""
    try:
        return function(part), None
    except InbondError as error:
        return None, (type(error), error.to_json())


def _no_worker(error: Exception) -> InputError:
    return InputError(
        expected="workers that live until a part is done",
        found=f"one part ended four of them ({type(error).__name__})",
        fix="give them more memory or fewer workers; what is whole is kept, and the same command goes on",
    )
