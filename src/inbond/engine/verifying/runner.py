"""A whole program's side of a test: reads the program before its input, and becomes it. Runs confined.

The program comes as 12 digits (how many bytes it has) and its UTF-8 over standard input; the rest of that is
the program's own input. So it may be of any length, and hold what no command line could.
"""

from __future__ import annotations

import builtins
import os
import sys


def given(size: int) -> bytes:
    """So many bytes of standard input, and not one more."""
    parts = []
    while size:
        part = os.read(0, size)
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # without site, nobody else sets them
    text = given(int(given(12))).decode("utf-8", "surrogatepass")
    program = compile(text, "program.py", "exec", dont_inherit=True)
    for name in ("annotations", "builtins", "given", "os", "sys", "text", "__doc__"):
        globals().pop(name, None)
    exec(program)
