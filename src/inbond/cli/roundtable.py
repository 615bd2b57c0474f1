"""``inbond roundtable``: put a question to a panel of models, and keep what they said in the open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, check_place, open_workspace
from inbond.cli.roundtable_finding import find_session
from inbond.cli.roundtable_judge import judge
from inbond.errors import InputError
from inbond.workspace import Workspace, write_bytes

if TYPE_CHECKING:
    from inbond.roundtable.session import Session

app = typer.Typer(no_args_is_help=True, help="Put a question to a panel of models that decides in the open.")
_PUBLIC: Final = 0o644
_NO_WINNER: Final = 3

PageOption = Annotated[
    Path | None,
    typer.Option("--page", metavar="FILE", help="Write the page there too (HTML).", show_default=False),
]
MarkdownOption = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="FILE", help="Write it as Markdown too.", show_default=False),
]


@app.command()
def ask(
    question: Annotated[
        str | None, typer.Argument(help="What is to be decided, in any language.", show_default=False)
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="LABEL", help="An answer to choose from; give two or more."),
    ] = None,
    seat: Annotated[
        list[str] | None,
        typer.Option(
            "--seat",
            metavar="NAME=URI",
            help="Who sits there, again for each: a name, and a model (api:, gguf:, hf:, pypi:, run:). "
            "Default: three seats of small local models.",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, max=2, help="1: a blind vote alone. 2: then one round of answers. Default: 2."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="One seat's whole round. Default: 120; of local models 600.",
            show_default=False,
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option(metavar="XX", help="Of the question, as ISO 639-1. Default: told from it.")
    ] = None,
    abstain: Annotated[
        bool | None,
        typer.Option(
            "--abstain/--no-abstain",
            help="Whether a seat may vote for none. Default: it may, but for small local models.",
            show_default=False,
        ),
    ] = None,
    writer: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help='Who words the summary, without a vote; "code": no model. Default: the first seat\'s model.',
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="YAML", help="The same in a file; options go before what it says."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the session. Default: the day and the question's digest.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Ask a panel: a blind vote, one anonymous round of answers, an honest count, a page.

    Seats that fail stay in the count as what they are; no vote is made up. Kill it whenever you like: the
    same command goes on. Personas and temperatures are for --file (docs/roundtable.md). Exit code 3: no
    option won (a tie, or no quorum).

    Examples: inbond roundtable ask "Tabs or spaces?" --option tabs --option spaces; inbond roundtable ask
    "AIに対する蒸留攻撃は許されるか" --option はい --option いいえ --seat Ada=api:localhost:8080/m --seat
    Kai=gguf:model.gguf; inbond roundtable ask --file question.yaml --json
    """
    from inbond.cli.roundtable_running import Asked, hold, understood

    given = Asked(
        question,
        tuple(option or ()),
        tuple(seat or ()),
        rounds,
        timeout,
        language,
        abstain,
        writer,
        file,
        name,
    )
    output = Output(as_json, quiet)
    workspace = open_workspace(home)
    session = hold(understood(given), name, workspace, output)
    return _tell(session, workspace.session(session.id), output)


@app.command()
def show(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="Its name, or its folder.")],
    page: PageOption = None,
    markdown: MarkdownOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Show a session that was held, from its transcript; export it as JSON, Markdown or a page.

    Exit code 3: no option won, or it is not finished.

    Examples: inbond roundtable show 2026-11-22-3f9a1c44; inbond roundtable show 2026-11-22-3f9a1c44
    --markdown session.md --json
    """
    from inbond.cli.roundtable_signed import read_session

    workspace = open_workspace(home)
    _check_places(workspace, {"--page": page, "--markdown": markdown})
    folder = find_session(session, workspace)
    found = read_session(folder, workspace)
    _write(found, page, markdown)
    return _tell(found, folder, Output(as_json, quiet), page)


@app.command()
def replay(
    transcript: Annotated[
        str, typer.Argument(help="A transcript (.jsonl), its folder, or a session's name.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the page there (HTML).", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Rebuild a session from its transcript: no model, no network, the same page byte for byte.

    A transcript that was changed is refused, with the line; so is one of which this workspace's ledger has
    another digest. Exit code 3: no option won.

    Example: inbond roundtable replay bond/sessions/2026-11-22-3f9a1c44/transcript.jsonl --out page.html
    """
    from inbond.cli.roundtable_signed import read_session

    workspace = open_workspace(home)
    _check_places(workspace, {"--out": out})
    folder = find_session(transcript, workspace)
    found = read_session(folder, workspace)
    _write(found, out, None)
    return _tell(found, folder, Output(as_json, quiet), out)


app.command()(judge)


def _write(session: Session, page: Path | None, markdown: Path | None) -> None:
    from inbond.report.roundtable_markdown import render_roundtable_markdown
    from inbond.report.roundtable_page import render_roundtable_page

    if page is not None:
        write_bytes(page, render_roundtable_page(session).encode(), _PUBLIC)
    if markdown is not None:
        write_bytes(markdown, render_roundtable_markdown(session).encode(), _PUBLIC)


def _check_places(workspace: Workspace, places: dict[str, Path | None]) -> None:
    """Raises InputError for files that cannot be written, before anything is read."""
    for option, place in places.items():
        if place is None:
            continue
        check_place(option, place, workspace)
        if not place.parent.is_dir():
            raise InputError(
                expected=f"{option} with a file in a folder that exists",
                found=f"{place}, and no folder {place.parent}",
                fix="make the folder, or name another file",
            )


def _tell(session: Session, place: Path, output: Output, page: Path | None = None) -> int:
    from inbond.cli.roundtable_told import lines
    from inbond.report.roundtable_export import session_json

    folder = place if place.is_dir() else place.parent
    transcript = folder / "transcript.jsonl" if place.is_dir() else place
    kept = page or folder / "page.html"
    shown = str(kept) if kept.exists() else ""
    told = "\n".join(lines(session, shown, str(transcript)))
    output.result(session_json(session, shown, str(transcript)), told)
    won = session.closed_at is not None and session.result is not None and session.result.winner is not None
    return 0 if won else _NO_WINNER
