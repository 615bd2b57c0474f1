"""Exit codes, from the tree of errors."""

from __future__ import annotations

from collections.abc import Iterator

from inbond.cli.main import INTERRUPTED
from inbond.errors import InbondError
from manual.reference.words import code, described, first_sentence, opening, said, table


def page() -> str:
    codes = ["0", *sorted({str(each.exit_code) for each in _below(InbondError)} | {"1"}), str(INTERRUPTED)]
    rows = [[name.strip("`"), *words] for name, *words in described("exit-codes", codes)]
    classes: list[type[InbondError]] = [InbondError, *_below(InbondError)]
    errors = [
        [code(f"inbond.errors.{each.__name__}"), str(each.exit_code), first_sentence(each.__doc__)]
        for each in classes
    ]
    return (
        opening("Exit codes", "exit-codes")
        + table(["code", "", ""], rows)
        + f"\n## Errors\n\n{said('pages')['errors'].strip()}\n\n"
        + table(["class", "exit code", "meaning"], errors)
    )


def _below(root: type[InbondError]) -> Iterator[type[InbondError]]:
    for each in root.__subclasses__():
        if each.__module__ == "inbond.errors":
            yield each
            yield from _below(each)
