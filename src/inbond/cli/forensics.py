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

SuspectArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUSPECT",
        help="A model (run:NAME, path:, hf:, gguf:, pypi:, or api:HOST/MODEL), or texts:FILE with what it "
        "wrote.",
    ),
]
Names = list[str] | None
File = Path | None
KeyOption = Annotated[Names, typer.Option("--key", metavar="NAME", help="A key of a mark; again for each.")]
RecordsOption = Annotated[
    str | None,
    typer.Option("--records", metavar="FILE|run:NAME", help="The marked or learnt records, if at hand."),
]
TextsOption = Annotated[
    File,
    typer.Option("--texts", metavar="FILE", help="Texts to read the suspect on.", show_default=False),
]
PromptsOption = Annotated[
    File, typer.Option("--prompts", metavar="FILE", help="What to ask the suspect.", show_default=False)
]
AlternativesOption = Annotated[
    File,
    typer.Option(
        "--alternatives", metavar="FILE", help="The answers that a choice was made among.", show_default=False
    ),
]
CanariesOption = Annotated[
    int,
    typer.Option("--canaries", metavar="N", min=1, max=10_000, help="So many of a key were planted."),
]
ParentOption = Annotated[
    str | None, typer.Option("--parent", metavar="URI", help="Whose weights it may have taken over.")
]
TokenizerOption = Annotated[
    str | None, typer.Option("--tokenizer", metavar="URI", help="Whose tokens were marked; cuts its texts.")
]
ReferenceOption = Annotated[
    str | None, typer.Option("--reference", metavar="URI", help="A model that did not see the records.")
]
SameAsOption = Annotated[
    str | None, typer.Option("--same-as", metavar="URI", help="The model that it is said to be.")
]
CandidateOption = Annotated[
    Names,
    typer.Option("--candidate", metavar="NAME=FILE", help="Texts of a possible teacher; twice or more."),
]
StageOption = Annotated[
    Names,
    typer.Option(
        "--stage", metavar="NAME=URI", help="What it was after an earlier stage; again for each, in order."
    ),
]
OnlyOption = Annotated[Names, typer.Option("--only", metavar="TEST", help="Run this test; again for each.")]
TokensOption = Annotated[
    int, typer.Option("--tokens", metavar="N", min=1, help="The most tokens to read marked text on.")
]
AlphaOption = Annotated[
    float, typer.Option("--alpha", metavar="P", help="Below this a p-value counts, after Holm.")
]
OutOption = Annotated[
    File,
    typer.Option(
        "--out", metavar="FOLDER", help="Write report.json and page.html there.", show_default=False
    ),
]
PageOption = Annotated[
    File, typer.Option("--page", metavar="FILE", help="Write the page there (HTML).", show_default=False)
]
RecordOption = Annotated[
    bool | None,
    typer.Option(
        "--record/--no-record",
        help="Whether the ledger keeps it. Default: where there is a workspace.",
        show_default=False,
    ),
]


@app.command("test")
def examine_(
    suspect: SuspectArgument,
    key: KeyOption = None,
    records: RecordsOption = None,
    texts: TextsOption = None,
    prompts: PromptsOption = None,
    alternatives: AlternativesOption = None,
    canaries: CanariesOption = 20,
    parent: ParentOption = None,
    tokenizer: TokenizerOption = None,
    reference: ReferenceOption = None,
    same_as: SameAsOption = None,
    candidate: CandidateOption = None,
    stage: StageOption = None,
    only: OnlyOption = None,
    tokens: TokensOption = 60_000,
    alpha: AlphaOption = 1e-5,
    out: OutOption = None,
    page: PageOption = None,
    record: RecordOption = None,
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
        reference, same_as, tuple(candidate or ()), tuple(stage or ()), tuple(only or ()), tokens, alpha,
        out, page, record,
    )  # fmt: skip
    return report_on(asked, open_workspace(home), Output(as_json, quiet))
