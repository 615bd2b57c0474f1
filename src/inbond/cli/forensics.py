"""``inbond forensics``: marks to plant, and tests of a suspect model for traces of what it learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inbond.cli import forensics_mark
from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace

app = typer.Typer(
    no_args_is_help=True, help="Plant marks in data, and test a model for traces of what it learnt from."
)
app.add_typer(forensics_mark.app, name="mark")


@app.command("test")
def examine_(
    suspect: Annotated[
        str,
        typer.Argument(
            metavar="SUSPECT",
            help="A model (run:NAME, path:, hf:, gguf:, pypi:, or api:HOST/MODEL), or texts:FILE with what "
            "it wrote.",
        ),
    ],
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="NAME", help="A key of a mark; again for each."),
    ] = None,
    records: Annotated[
        str | None,
        typer.Option("--records", metavar="FILE|run:NAME", help="The marked records, if at hand."),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option("--texts", metavar="FILE", help="Texts to read the suspect on.", show_default=False),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", metavar="FILE", help="What to ask the suspect.", show_default=False),
    ] = None,
    alternatives: Annotated[
        Path | None,
        typer.Option(
            "--alternatives",
            metavar="FILE",
            help="The answers that a choice was made among.",
            show_default=False,
        ),
    ] = None,
    canaries: Annotated[
        int,
        typer.Option("--canaries", metavar="N", min=1, max=10_000, help="So many of a key were planted."),
    ] = 20,
    parent: Annotated[
        str | None,
        typer.Option("--parent", metavar="URI", help="Whose weights it may have taken over."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option("--tokenizer", metavar="URI", help="Whose tokens were marked; cuts its texts."),
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", metavar="URI", help="A model that did not see the records.")
    ] = None,
    same_as: Annotated[
        str | None, typer.Option("--same-as", metavar="URI", help="The model that it is said to be.")
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option("--candidate", metavar="NAME=FILE", help="Texts of a possible teacher; twice or more."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="TEST", help="Run this test; again for each.")
    ] = None,
    tokens: Annotated[
        int, typer.Option("--tokens", metavar="N", min=1, help="The most tokens to read the suspect on.")
    ] = 60_000,
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="P", help="Below this a p-value counts, after Holm.")
    ] = 1e-5,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="Write report.json and page.html there.", show_default=False
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE", help="Write the page there (HTML).", show_default=False),
    ] = None,
    record: Annotated[
        bool | None,
        typer.Option(
            "--record/--no-record",
            help="Whether the ledger keeps it. Default: where there is a workspace.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Test a model, or texts, for traces: what was found, what that cannot show, what was tested and how.

    What is given decides which tests are run; the report says which were not, and for want of what. Exit
    code 0: evidence was found, or none where some would most likely have been; 3: it cannot be told.

    Examples: inbond forensics test run:student --key autumn --records run:marked; inbond forensics test
    texts:answers.jsonl --key autumn --tokenizer run:teacher --page report.html; inbond forensics test
    path:suspect --parent hf:org/model --json
    """
    from inbond.cli.forensics_testing import Asked, report_on

    asked = Asked(
        suspect, tuple(key or ()), records, texts, prompts, alternatives, canaries, parent, tokenizer,
        reference, same_as, tuple(candidate or ()), tuple(only or ()), tokens, alpha, out, page, record,
    )  # fmt: skip
    return report_on(asked, open_workspace(home), Output(as_json, quiet))
