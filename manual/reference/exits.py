"""Exit codes, from the tree of errors."""

from __future__ import annotations

from collections.abc import Iterator

from inbond.cli.main import INTERRUPTED
from inbond.errors import InbondError
from manual.reference.words import MADE, code, first_sentence, table

_SAYS = {
    0: ("done, or permitted", "Of `trace`: a yes, or a no."),
    1: ("our fault", "Something that should not happen. Please report the lines above it."),
    2: ("bad input", "Something you gave cannot be used: a recipe, a file, a name, a machine without space."),
    3: ("a person must decide", "A review, a cannot-tell, a vote without a winner. `--accept REASON` takes a review upon you."),
    4: ("the answer is no", "Denied, a gate that failed, something that was changed since it was signed."),
    INTERRUPTED: ("interrupted", "Ctrl-C. Everything received so far is kept; run the same command to go on."),
}


def page() -> str:
    rows = [[str(number), *said] for number, said in _SAYS.items()]
    errors = [
        [code(f"inbond.errors.{each.__name__}"), str(each.exit_code), first_sentence(each.__doc__)]
        for each in (InbondError, *_below(InbondError))
    ]
    return (
        f"# Exit codes\n\n{MADE}\nA script can act on these; they are the same for every command.\n\n"
        + table(["code", "", ""], rows)
        + "\n## Errors\n\nAn error says three things: what was expected, what was found, and what to do. With `--json` it is "
        "`{error: {expected, found, fix}}` on stdout. In Python each is a class, and most are of the standard library's "
        "kind too.\n\n" + table(["class", "exit code", "meaning"], errors)
    )


def _below(root: type[InbondError]) -> Iterator[type[InbondError]]:
    for each in root.__subclasses__():
        if each.__module__ == "inbond.errors":
            yield each
            yield from _below(each)
