"""The text of a PDF, read in a process of its own.

A small file can ask for minutes and for any memory: its pages may share one stream, and a stream swells. What
reads it is ended when its time or its memory is up, whatever it was at. Its pages are not looked at, so a
scanned one has no text.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, final

from inbond.errors import InputError, need_extra

if TYPE_CHECKING:
    import pypdf

MOST_PAGES: Final = 500
MOST_CHARACTERS: Final = 2_000_000
SECONDS: Final = 60
MOST_MEMORY: Final = 2 << 30
"""Bytes of address space."""


@final
@dataclass(frozen=True)
class PdfText:
    """What a PDF says; "" for what it does not say of itself."""

    text: str
    title: str
    author: str


@final
class _Bad(Exception):
    """No PDF to be read: what was found, and what to do."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found, fix)
        self.found, self.fix = found, fix


def text_of(data: bytes, *, source: str, seconds: int = SECONDS) -> PdfText:
    """The text of the PDF in these bytes. Raises InputError for one that is broken, locked, too long, takes
    too much to read, or holds no text; MissingExtraError."""
    if importlib.util.find_spec("pypdf") is None:
        raise need_extra("briefing", "pypdf")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "inbond.briefing.pdf", f"{seconds}"],
        input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    try:
        if done.returncode == -signal.SIGALRM:
            raise _Bad(f"one that takes more than {seconds} s to read", "save its text to a file")
        if done.returncode != 0:
            raise _Bad(f"one that ends its reader ({done.returncode})", "save its text to a file")
        said = json.loads(done.stdout)
        if "found" in said:
            raise _Bad(**said)
    except _Bad as error:
        raise InputError(expected=f"a PDF with text in {source}", found=error.found, fix=error.fix) from None
    return PdfText(**said)


def _read(data: bytes) -> PdfText:
    """Raises _Bad."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _Bad("one that is locked with a password", "unlock it, and save it without one")
        if len(reader.pages) > MOST_PAGES:
            raise _Bad(f"{len(reader.pages):,} pages", f"give at most {MOST_PAGES} of them")
        text = _text(reader)
        said = reader.metadata or {}
        return PdfText(text, str(said.get("/Title", "") or ""), str(said.get("/Author", "") or ""))
    except _Bad:
        raise
    except MemoryError:
        found = f"one that takes more than {MOST_MEMORY >> 30} GB of memory to read"
        raise _Bad(found, "save its text to a file") from None
    except Exception as error:  # a stranger's file: pypdf raises what its parser comes across
        raise _Bad(f"one that cannot be read ({error!r:.100})", "save its text to a file") from error


def _text(reader: pypdf.PdfReader) -> str:
    pages: list[str] = []
    left = MOST_CHARACTERS
    for page in reader.pages:
        pages.append(page.extract_text())
        left -= len(pages[-1])
        if left < 0:
            raise _Bad(f"more than {MOST_CHARACTERS:,} characters of text", "give a part of it")
    text = "\n\n".join(pages)
    if not text.strip():
        raise _Bad("pages without text: they may be pictures", "have the text recognised first")
    return text


def main() -> None:
    """The reader's own side: a PDF on standard input, the text or what is wrong with it as JSON on the other.
    The first argument is how many seconds it may take."""
    signal.alarm(int(sys.argv[1]))
    with contextlib.suppress(ImportError, ValueError, OSError):  # not everywhere: the clock still holds
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    try:
        said = asdict(_read(sys.stdin.buffer.read()))
    except _Bad as error:
        said = {"found": error.found, "fix": error.fix}
    json.dump(said, out)
    out.flush()


if __name__ == "__main__":
    main()
