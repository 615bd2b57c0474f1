"""``inbond briefing``: an article as a briefing, from a model that the user names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from inbond.cli.briefing_day import day
from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace

if TYPE_CHECKING:
    from inbond.briefing.briefing import Briefing

app = typer.Typer(no_args_is_help=True, help="Turn articles into briefings: translated, summed up, checked.")
_NOT_WHOLE: Final = 3


@app.command()
def make(
    source: Annotated[
        str,
        typer.Argument(
            metavar="URL_OR_FILE", help="An article: a page's address, or a file (HTML, Markdown, text, PDF)."
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", metavar="URI", help="Who writes it: api:, gguf:, hf:, pypi:, run:.")
    ],
    language: Annotated[
        str, typer.Option("--language", metavar="XX", help="Of its readers, as ISO 639-1.")
    ] = "en",
    licence: Annotated[
        str,
        typer.Option(
            "--licence",
            metavar="SPDX",
            help="What the source says of itself, such as CC-BY-4.0; own for a text of yours. Changes what "
            "the page says about handing on the translation.",
            show_default=False,
        ),
    ] = "",
    shown: Annotated[
        int | None,
        typer.Option(
            "--shown",
            min=500,
            max=1_000_000,
            metavar="N",
            help="Characters of the article that the model is shown at once for the summary, wide ones "
            "counted twice. Fewer for a model with a small context. Default: 12000.",
            show_default=False,
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", min=64, max=100_000, help="Of one reply. Default: 4096."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Make a briefing of an article: title, summary, key points, an opinion, the full translation, a page.

    Everything the model says is checked against the article; what fails is asked for again, twice at most,
    then left out and told. Made again it asks nothing; killed, the same command goes on. A page of this
    machine or its network is not fetched: save it to a file.

    Exit code 0: whole. 3: something was left out, or paragraphs are left in the original; the page says what.

    Examples: inbond briefing make article.html --model api:localhost:8080/m --language ja; inbond briefing
    make https://example.org/news --model gguf:model.gguf --language de --json
    """
    from inbond.briefing.making import MAX_TOKENS, Order
    from inbond.briefing.prompting import SHOWN, check_language
    from inbond.briefing.source import read_source
    from inbond.cli.briefing_making import brief, check_model

    output, workspace = Output(as_json, quiet), open_workspace(home)
    language, declared = check_language(language), _licence(licence)
    name = check_model(model)
    found = read_source(source)
    order = Order(
        found.article,
        found.place,
        language,
        model,
        declared,
        MAX_TOKENS if max_tokens is None else max_tokens,
        shown=SHOWN if shown is None else shown,
        bounded=name.scheme != "api",
    )
    made, folder, fresh = brief(order, workspace, output)
    return _tell(made, folder, output, fresh=fresh)


def _licence(text: str) -> str:
    from inbond.briefing.licence import checked

    return checked(text)


def _tell(made: Briefing, folder: Path, output: Output, *, fresh: bool) -> int:
    from inbond.briefing import shelf

    page, kept = folder / shelf.PAGE, folder / shelf.NAME
    value = {
        "id": made.id,
        "title": made.shown_title,
        "summary": made.summary,
        "language": made.language,
        "score": made.score,
        "page": str(page),
        "briefing": str(kept),
        "whole": made.is_whole,
        "left_out": [each.model_dump() for each in made.left_out],
        "failed": [each.model_dump() for each in made.failed],
        "notices": list(made.source.notices),
        "asked": made.asked.model_dump(),
        "made": fresh,
    }
    output.result(value, "\n".join(_lines(made, page, fresh=fresh)))
    return 0 if made.is_whole else _NOT_WHOLE


def _lines(made: Briefing, page: Path, *, fresh: bool) -> list[str]:
    failed = len({each.block for each in made.failed})
    asked = made.asked
    return [
        made.shown_title,
        *([made.summary] if made.summary else []),
        *([f"score {made.score} of 5"] if made.score else []),
        *(f"note: {notice}" for notice in made.source.notices),
        *(f"left out: {each.part}: {each.why}" for each in made.left_out),
        *([f"{failed} of {len(made.blocks)} paragraphs are left in the original"] if failed else []),
        f"asked {asked.calls} questions, {asked.completion_tokens:,} tokens written"
        if fresh
        else "made before: nothing was asked",
        f"page: {page}",
    ]


app.command()(day)
