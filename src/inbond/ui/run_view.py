"""One run as its page shows it, from what lies in its folder: whole, half made, or being made just now."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, final

from inbond.ledger import manifest, records
from inbond.recipes.plan import RESULT
from inbond.report.data import CurvePoint, SamplePair
from inbond.ui.reading import Unreadable, number, open_file, read_json, read_object, text
from inbond.workspace import RUN_PROGRESS

REPORT: Final = "report.html"
_DEEP: Final = 4
_MOST_POINTS: Final = 400
_ROWS: Final = 20
_MOST_LINE: Final = 1 << 20
_OTHER_FORM: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
_T = TypeVar("_T")
_Row = tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True)
class Stage:
    """A complete artifact of a run. ``facts`` are in words."""

    stage: str
    place: str
    id: str
    at: float
    seconds: float | None
    files: int
    is_set: bool
    """Whether records lie in it."""


@final
@dataclass(frozen=True)
class Gate:
    """What a gate said: its outcome, and a line about it."""

    outcome: str
    line: str


@final
@dataclass(frozen=True)
class RunView:
    """What is known of a run; ``problems`` say what could not be read."""

    result: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    samples: tuple[SamplePair, ...] = ()
    has_report: bool = False
    problems: tuple[str, ...] = ()

    @property
    def gates(self) -> dict[str, Gate]:
        """The gates' verdicts by name, as result.json has them."""
        found = self.result.get("gates")
        named = found if isinstance(found, dict) else {}
        return {
            name: Gate(text(gate.get("outcome")) or "cannot-tell", text(gate.get("line")))
            for name, gate in named.items()
            if isinstance(gate, dict)
        }


def view(folder: Path) -> RunView:
    """Reads a run's folder. Raises nothing: what cannot be read is a problem that the page names."""
    problems: list[str] = []

    def tried(reader: Callable[[Path], _T], path: Path, nothing: _T) -> _T:
        try:
            return reader(path)
        except FileNotFoundError:
            return nothing
        except (Unreadable, OSError) as error:
            problems.append(str(error))
        except _OTHER_FORM:
            problems.append(f"{path.name} has not the form that a run gives it")
        return nothing

    return RunView(
        tried(read_object, folder / RESULT, {}),
        tried(read_object, folder / RUN_PROGRESS, {}),
        tuple(sorted(_stages(folder, problems), key=lambda stage: stage.at)),
        tried(_curve, folder / "trained" / "curve.json", ()),
        tried(_samples, folder / "evaluation" / "samples.json", ()),
        os.path.isfile(folder / REPORT),
        tuple(problems),
    )


def places(folder: Path) -> Iterator[Path]:
    """Folders in a run's that hold an artifact."""
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith(".") and name != "work")
        if len(Path(place).relative_to(folder).parts) >= _DEEP:
            names.clear()
        if manifest.NAME in files:
            names.clear()
            yield Path(place)


def _stages(folder: Path, problems: list[str]) -> Iterator[Stage]:
    for place in places(folder):
        try:
            yield _stage(place, place.relative_to(folder).as_posix())
        except FileNotFoundError:  # made anew while we look
            continue
        except (Unreadable, OSError) as error:
            problems.append(f"{place.relative_to(folder).as_posix()}: {error}")
        except _OTHER_FORM:
            problems.append(f"{place.relative_to(folder).as_posix()}: {manifest.NAME} is no artifact's")


def _stage(place: Path, relative: str) -> Stage:
    found = read_object(place / manifest.NAME)
    at = (place / manifest.NAME).stat().st_mtime
    seconds, files = number(found["facts"].get("seconds")), dict(found["files"])
    is_set = records.TEXT in files and os.path.isfile(place / records.TEXT)
    return Stage(
        _said(found["identity"], "stage"), relative, _said(found, "id"), at, seconds, len(files), is_set
    )


def _said(told: dict[str, Any], name: str) -> str:
    """A text that must be there. Raises TypeError and KeyError."""
    found = told[name]
    if not isinstance(found, str):
        raise TypeError(name)
    return found


def _curve(path: Path) -> tuple[CurvePoint, ...]:
    """What training logged: of the whole student, else of the newest checkpoint; thinned where it is long."""
    try:
        points = read_json(path)
        measured = _measured(path.with_name("held-out-curve.json"))
    except FileNotFoundError:
        states = sorted((path.parents[1] / "work" / "checkpoints").glob("step-*/state.json"))
        state = read_object(states[-1]) if states else {}
        points, measured = state.get("curve", []), _means(state.get("measured", []))
    every = -(-len(points) // _MOST_POINTS) or 1
    kept = [each for place, each in enumerate(points) if place % every == 0 or each["step"] in measured]
    return tuple(_point(each, measured.get(each["step"])) for each in kept)


def _point(told: dict[str, Any], held_out_kl: float | None) -> CurvePoint:
    """A point of a curve. A loss that is no number any more is a gap in it."""
    step, seconds, loss = (number(told[name]) for name in ("step", "seconds", "loss"))
    if step is None or seconds is None or not isinstance(told["loss"], int | float):
        raise TypeError("a point of a curve")
    lr, rate, entropy, distinct = (
        number(told.get(name)) for name in ("lr", "label_tokens_per_s", "own_entropy", "own_distinct")
    )
    shown = math.nan if loss is None else loss
    return CurvePoint(int(step), seconds, shown, lr, rate, number(held_out_kl), entropy, distinct)


def _measured(path: Path) -> dict[int, float]:
    try:
        return _means(read_json(path))
    except FileNotFoundError:
        return {}


def _means(measured: list[dict[str, Any]]) -> dict[int, float]:
    """Mean KL by step, in nats a token, of the sums that each measuring left."""
    sums = {one["step"]: one["found"] for one in measured if "kl" in one["found"]}
    return {step: sum(f["kl"]) / sum(f["tokens"]) for step, f in sums.items() if f["kl"] and sum(f["tokens"])}


def _samples(path: Path) -> tuple[SamplePair, ...]:
    return tuple(_sample(each) for each in read_json(path))


def _sample(told: dict[str, Any]) -> SamplePair:
    fields = SamplePair.__dataclass_fields__
    given = {name: _said(told, name) for name in fields if told.get(name) is not None}
    return SamplePair(**given)


@final
@dataclass(frozen=True)
class Page:
    """Some records of a set, each as (role, text) pairs; where the next begin, None at the end."""

    rows: tuple[_Row, ...]
    at: int
    next: int | None
    size: int


def record_page(folder: Path, at: int) -> Page:
    """Records from byte ``at`` of the set's text on: the page costs the same wherever it is. Raises
    FileNotFoundError where the text was erased, Unreadable where no record begins at ``at`` and as
    ``open_file``."""
    with open_file(folder / records.TEXT) as file:
        size = os.fstat(file.fileno()).st_size
        if not 0 <= at <= size:
            raise Unreadable("no record begins there")
        if at:
            file.seek(at - 1)
            if file.read(1) != b"\n":
                raise Unreadable("no record begins there")
        rows: list[_Row] = []
        after = at
        while len(rows) < _ROWS and (found := _next(file)) is not None:
            rows.append(found)
            after = file.tell()
    return Page(tuple(rows), at, after if rows and after < size else None, size)


def _next(file: BinaryIO) -> _Row | None:
    """The next line, told; None where there is no whole one. One that is too long is passed over."""
    begin, line = file.tell(), file.readline(_MOST_LINE)
    if line.endswith(b"\n"):
        return _told(line)
    while line and not line.endswith(b"\n"):
        line = file.readline(_MOST_LINE)
    if not line:
        return None
    return (("too long to be shown", f"a line of {file.tell() - begin:,} bytes"),)


def _told(line: bytes) -> _Row:
    """A record's messages and its completion; a line that is none, as it is."""
    try:
        record = records.parse_record(line)
        completion = _said(vars(record), "completion")
    except _OTHER_FORM:
        return (("not a record", line.decode(errors="replace")),)
    prompt = record.prompt
    said = [("prompt", prompt)] if isinstance(prompt, str) else [(m.role, m.content) for m in prompt]
    return (*said, ("completion", completion))
