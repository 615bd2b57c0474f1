"""What the guard writes while it runs: a line of JSON for each request, for each thing that went wrong, and
for what an operator may want to know. Each begins with its time.

No line has a word of a request. The libraries below quote what they could not read, a head with its key, a
body with its prompt: here an error is its kind and the place in the program where it came up. A line that
cannot be written, because the disk is full or nobody reads, is lost, and no request with it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO, final

from inbond.guard.seen import Seen

_MOST_SAID: Final = 120
_APART_S: Final = 1.0


@final
class Lines:
    """Lines of a log. ``lost`` is how many could not be written."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._clock = clock
        self.lost = 0

    def write(self, value: Mapping[str, Any]) -> None:
        """One line, with the time (UTC) first. Never raises."""
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        try:
            self._stream.write(json.dumps({"ts": now, **value}) + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.lost += 1

    def seen(self, seen: Seen) -> None:
        """One request that is over."""
        self.write(seen.to_json())

    def said(self, text: str) -> None:
        """What went well and may interest an operator."""
        self.write({"said": text})

    def wrong(self, text: str) -> None:
        """What an operator has to look at."""
        self.write({"wrong": text})


@final
class Faults(logging.Handler):
    """Takes what libraries log, and what nobody caught. The same thing is written once a second at most, with
    how many ``times`` it came since: a loop without files to open says so a thousand times a second."""

    def __init__(self, lines: Lines, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines
        self._clock = clock
        self._last: tuple[str, str] = ("", "")
        self._at = 0.0
        self._times = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises. What was to be put into the message is left out."""
        said = str(record.msg).partition("\n")[0][:_MOST_SAID]
        now, again = self._clock(), (record.name, said) == self._last
        self._times = self._times + 1 if again else 1
        if again and now - self._at < _APART_S:
            return
        value: dict[str, Any] = {"fault": record.name, "said": said, "times": self._times}
        self._last, self._at, self._times = (record.name, said), now, 0
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            value |= {"error": type(error).__name__, "at": _place(error)}
        self._lines.write(value)


def _place(error: BaseException) -> str:
    """The innermost place, as file:line."""
    found = error.__traceback__
    while found is not None and found.tb_next is not None:
        found = found.tb_next
    return f"{Path(found.tb_frame.f_code.co_filename).name}:{found.tb_lineno}" if found is not None else ""
