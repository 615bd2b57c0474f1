"""``inbond briefing day``: the day's briefings on one page, the same event once, and as a feed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InputError
from inbond.report.text import one_line
from inbond.workspace import PRIVATE_FILE, Workspace, write_bytes, write_json

if TYPE_CHECKING:
    from inbond.briefing.briefing import Briefing
    from inbond.briefing.day import Day

_OPEN_FILE: Final = 0o644
_TITLE: Final = "Inbond briefings"
_MOST_TITLE: Final = 200
_TOLD: Final = 10


def day(
    when: Annotated[
        str,
        typer.Argument(
            metavar="[DATE]",
            help="The day on which the briefings were made, YYYY-MM-DD, by this machine's clock. "
            "Default: today.",
            show_default=False,
        ),
    ] = "",
    language: Annotated[
        str,
        typer.Option(
            "--language",
            metavar="XX",
            help="Only briefings in this language, ISO 639-1. Default: that of most of the day's.",
            show_default=False,
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Write to this folder instead, to be shown to others: without links to the briefings, which "
            "are private. Default: briefings/days/DATE in the workspace.",
            show_default=False,
        ),
    ] = None,
    title: Annotated[
        str, typer.Option("--title", metavar="TEXT", help="Of page and feed.", show_default=False)
    ] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Put a day's briefings on one page (index.html), as a feed (feed.xml, Atom) and as day.json.

    Articles on one event become one entry; the best score comes first. Nothing is asked of any model. The
    same briefings give the same bytes. None of the three holds a translation or the articles' text.

    Examples: inbond briefing day; inbond briefing day 2026-11-23 --language ja; inbond briefing day --out
    public --title "AI news"
    """
    from inbond.briefing.day_shelf import ROOT, days_folder

    output, workspace = Output(as_json, quiet), open_workspace(home)
    asked, folder = _date(when), None if out is None else _outside(out, workspace)
    found, skipped = _read(workspace)
    for each in skipped:
        output.say(f"skipped: {each}")
    made, others = _made(asked, language, one_line(title)[:_MOST_TITLE], found, workspace)
    if folder is None:
        name = f"{asked}-{made.language}" if language else f"{asked}"
        folder = days_folder(workspace) / name
        _write(made, folder, ROOT, PRIVATE_FILE)
        _write_all(workspace, made.language)
    else:
        _write(made, folder, None, _OPEN_FILE)
    _tell(made, folder, skipped, others, output)
    return 0


def _date(text: str) -> date:
    if not text:
        return date.today()
    try:
        found = date.fromisoformat(text)
        if date.min < found < date.max and found.isoformat() == text:
            return found
    except ValueError:
        pass
    raise InputError(
        expected="DATE as YYYY-MM-DD",
        found=repr(text[:40]),
        fix="for example 2026-11-23; leave it out for today",
    )


def _outside(folder: Path, workspace: Workspace) -> Path:
    """Raises InputError for a folder in the workspace, and for what is a file."""
    inside = folder.resolve().is_relative_to(workspace.home.resolve())
    if inside or (folder.exists() and not folder.is_dir()):
        raise InputError(
            expected="--out with a folder outside the workspace, whose files are private",
            found=f"{folder}, which is {'in ' + str(workspace.home) if inside else 'a file'}",
            fix="name another folder; leave it out for the workspace's own",
        )
    return folder


def _read(workspace: Workspace) -> tuple[list[Briefing], list[str]]:
    """The briefings, and what was skipped, in words."""
    from inbond.briefing import day_shelf, shelf

    problems: list[InputError] = []
    found = shelf.listed(workspace, problems.append)
    told = [f"{error.found} (expected {error.expected})" for error in problems]
    unfinished = day_shelf.unfinished(workspace)
    if unfinished:
        names = ", ".join(folder.name for folder in unfinished[:5])
        told.append(f"{len(unfinished)} without briefing.json, not finished: {names}")
    return found, told


def _made(
    asked: date, language: str, title: str, found: list[Briefing], workspace: Workspace
) -> tuple[Day, list[str]]:
    """The day, and the languages of that day's other briefings. Raises InputError for a day without any."""
    from inbond.briefing.day import made_within, main_language, of_day, span
    from inbond.briefing.prompting import check_language

    wanted = check_language(language) if language else ""
    within = span(asked, None)
    made = made_within(found, *within)
    chosen = wanted or (main_language(made) if made else "")
    kept = [each for each in made if each.language == chosen]
    others = sorted({each.language for each in made} - {chosen})
    if not kept:
        raise _nothing(asked, wanted, others, found, workspace)
    return of_day(asked, within, kept, title), others


def _nothing(
    asked: date, wanted: str, others: list[str], found: list[Briefing], workspace: Workspace
) -> InputError:
    from inbond.briefing.day import local_day

    days = sorted({f"{local_day(each.made_at)}" for each in found if not wanted or each.language == wanted})
    if others:
        fix = f"there are some in {', '.join(others)}: leave --language out, or name one of these"
    elif days:
        fix = f"the newest day with briefings is {days[-1]}"
    else:
        fix = "inbond briefing make URL_OR_FILE --model URI makes one"
    return InputError(
        expected=f"a briefing made on {asked}{' in ' + wanted if wanted else ''}",
        found=f"none in {workspace.briefings}",
        fix=fix,
    )


def _write(made: Day, folder: Path, root: str | None, mode: int) -> None:
    """Page and feed, then what says that both are complete. Raises UnwritableError."""
    from inbond.briefing import day_shelf
    from inbond.briefing.feed import feed_of
    from inbond.report.briefing_day_page import render_briefing_day

    page, feed = render_briefing_day(made, root).encode(), feed_of([made], made.title or _TITLE)
    write_bytes(folder / day_shelf.DAY_PAGE, page, mode)
    write_bytes(folder / day_shelf.FEED, feed, mode)
    write_json(folder / day_shelf.DAY, made.to_json(), mode)


def _write_all(workspace: Workspace, language: str) -> None:
    """One feed over all days that are kept in a language, for whoever follows them."""
    from inbond.briefing import day_shelf
    from inbond.briefing.feed import feed_of

    kept = [each for each in day_shelf.listed(workspace) if each.language == language]
    place = day_shelf.days_folder(workspace) / f"feed-{language}.xml"
    write_bytes(place, feed_of(kept, _TITLE), PRIVATE_FILE)


def _tell(made: Day, folder: Path, skipped: list[str], others: list[str], output: Output) -> None:
    from inbond.briefing.day_shelf import DAY, DAY_PAGE, FEED

    if others:
        output.say(f"not on it: briefings in {', '.join(others)}; --language {others[0]} shows those")
    value = {
        "day": made.day,
        "language": made.language,
        "entries": len(made.entries),
        "articles": made.articles,
        "page": str(folder / DAY_PAGE),
        "feed": str(folder / FEED),
        "content": str(folder / DAY),
        "other_languages": others,
        "skipped": skipped,
    }
    events, articles = len(made.entries), made.articles
    told = f"{events} event{'s' * (events != 1)} from {articles} article{'s' * (articles != 1)}"
    lines = [
        f"{made.day}: {told}, in {made.language}",
        *(f"{entry.score or ' – '}  {entry.title}" for entry in made.entries[:_TOLD]),
        *([f"and {events - _TOLD} more"] if events > _TOLD else []),
        "titles and scores are a machine's; a score is opinion, not fact",
        f"page: {folder / DAY_PAGE}",
    ]
    output.result(value, "\n".join(lines))
