"""Progress in words: on terminals, in pipes, and when quiet."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from inbond.cli import progress as shown
from inbond.cli.output import Output
from inbond.engine.results import Progress

HALF = Progress(120, 400, 3, 100, 5000, 194.3, 0.0123, 0.0410, 130.0)


def test_one_line_says_it_all() -> None:
    assert shown.describe(HALF) == (
        "120/400, 100 from the journal, 3 failed, 194 tokens/s, $0.0123 so far, about $0.0410 to come, "
        "about 2 min left"
    )
    assert shown.describe(Progress(0, 5, 0, 0, 0, 0.0, 0.0, None, None)) == "0/5"
    waiting = replace(HALF, waiting_s=30.0)
    assert "the host asked for 30 s of rest" in shown.describe(waiting)


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (89, "89 s"), (3000, "50 min"), (9000, "2.5 h")])
def test_durations(seconds: float, words: str) -> None:
    assert f"about {words} left" in shown.describe(replace(HALF, seconds_left=seconds))


def test_a_pipe_gets_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(shown.time, "monotonic", lambda: now[0])
    with shown.showing(Output(as_json=False, quiet=False), "generate") as show:
        for done in range(101):
            now[0] += 0.25
            show(replace(HALF, done=done, total=100))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "generate: 0/100",
        "generate: 40/100",
        "generate: 80/100",
        "generate: 100/100",
    ]


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with shown.showing(Output(as_json=False, quiet=True), "generate") as show:
        show(HALF)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_without_colour_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=160)
    monkeypatch.setattr(Output, "console", property(lambda _: console))
    with shown.showing(Output(as_json=False, quiet=False), "[generate]") as show:
        show(HALF)
    text = file.getvalue()
    assert "[generate]" in text
    assert "120/400" in text
    assert "\x1b[3" not in text, "no colours"
