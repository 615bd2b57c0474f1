"""What the guard writes while it runs: a line of JSON for each request and for each thing that went wrong.

No line has a word of a request. The libraries below quote what they could not read, a head with its key, a
body with its prompt: here an error is its kind and the place in the program where it came up. A line that
cannot be written, because the disk is full or nobody reads, is lost, and no request with it.
"""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any, Final, TextIO, final

from inbond.guard.seen import Seen

_MOST_SAID: Final = 120


@final
class Lines:
    """Lines of a log. ``lost`` is how many could not be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0

    def write(self, text: str) -> None:
        """Never raises."""
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.lost += 1

    def seen(self, seen: Seen) -> None:
        """One request that is over."""
        self.write(json.dumps(seen.to_json()))


@final
class Faults(logging.Handler):
    """Takes what libraries log, and what nobody caught."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises. What was to be put into the message is left out."""
        said = str(record.msg).partition("\n")[0][:_MOST_SAID]
        value: dict[str, Any] = {"fault": record.name, "said": said}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            value |= {"error": type(error).__name__, "at": _place(error)}
        self._lines.write(json.dumps(value))


def _place(error: BaseException) -> str:
    """The innermost place, as file:line."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
