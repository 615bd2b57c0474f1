"""One run as its page shows it, from what lies in its folder: whole, half made, or being made just now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from inbond.ledger import manifest, records
from inbond.recipes.plan import RESULT
from inbond.report.data import CurvePoint, SamplePair
from inbond.ui.reading import Unreadable, read_json, read_object
from inbond.workspace import RUN_PROGRESS

REPORT: Final = "report.html"
_DEEP: Final = 4
_MOST_POINTS: Final = 400
_ROWS: Final = 20
_MOST_LINE: Final = 1 << 20


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
    def gates(self) -> dict[str, dict[str, Any]]:
        """The gates' verdicts by name, as result.json has them."""
        found = self.result.get("gates")
        named = found if isinstance(found, dict) else {}
        return {name: gate for name, gate in named.items() if isinstance(gate, dict)}


def view(folder: Path) -> RunView:
    """Reads a run's folder. Raises nothing: what cannot be read is a problem that the page names."""
    problems: list[str] = []

    def tried(reader: Any, path: Path, nothing: Any) -> Any:
        try:
            return reader(path)
        except FileNotFoundError:
            return nothing
        except (Unreadable, OSError, ValueError, TypeError, KeyError) as error:
            problems.append(str(error) or type(error).__name__)
            return nothing

    return RunView(
        tried(read_object, folder / RESULT, {}),
        tried(read_object, folder / RUN_PROGRESS, {}),
        tuple(sorted(_stages(folder, problems), key=lambda stage: stage.at)),
        tried(_curve, folder, ()),
        tried(_samples, folder / "evaluation" / "samples.json", ()),
        (folder / REPORT).is_file(),
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
            found = read_object(place / manifest.NAME)
            at = (place / manifest.NAME).stat().st_mtime
            seconds, files = found["facts"].get("seconds"), found["files"]
            name, relative = str(found["identity"]["stage"]), place.relative_to(folder).as_posix()
            is_set = records.TEXT in files and (place / records.TEXT).is_file()
            yield Stage(name, relative, str(found["id"]), at, seconds, len(files), is_set)
        except FileNotFoundError:  # made anew while we look
            continue
        except (Unreadable, OSError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"{place.relative_to(folder).as_posix()}: {error}")


def _curve(folder: Path) -> tuple[CurvePoint, ...]:
    """What training logged: of the whole student, else of the newest checkpoint; thinned where it is long."""
    try:
        points = read_json(folder / "trained" / "curve.json")
        measured = _measured(folder / "trained" / "held-out-curve.json")
    except FileNotFoundError:
        states = sorted((folder / "work" / "checkpoints").glob("step-*/state.json"))
        state = read_object(states[-1]) if states else {}
        points, measured = state.get("curve", []), _means(state.get("measured", []))
    every = -(-len(points) // _MOST_POINTS) or 1
    kept = [point for number, point in enumerate(points) if number % every == 0 or point["step"] in measured]
    fields = CurvePoint.__dataclass_fields__
    return tuple(
        CurvePoint(**{**{k: v for k, v in p.items() if k in fields}, "held_out_kl": measured.get(p["step"])})
        for p in kept
    )


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
    fields = SamplePair.__dataclass_fields__
    return tuple(SamplePair(**{k: v for k, v in s.items() if k in fields}) for s in read_json(path))


@final
@dataclass(frozen=True)
class Page:
    """Some records of a set, each as (role, text) pairs; where the next begin, None at the end."""

    rows: tuple[tuple[tuple[str, str], ...], ...]
    at: int
    next: int | None
    size: int


def record_page(folder: Path, at: int) -> Page:
    """Records from byte ``at`` of the set's text on: the page costs the same wherever it is. Raises
    FileNotFoundError where the text was erased, Unreadable where no record begins at ``at``."""
    path = folder / records.TEXT
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        size = os.fstat(handle).st_size
        if at:
            file.seek(at - 1)
        if not 0 <= at <= size or (at and file.read(1) != b"\n"):
            raise Unreadable("no record begins there")
        lines = list(_lines(file))
    after = at + sum(map(len, lines))
    return Page(tuple(map(_told, lines)), at, after if lines and after < size else None, size)


def _lines(file: Any) -> Iterator[bytes]:
    for _ in range(_ROWS):
        line = file.readline(_MOST_LINE)
        if not line.endswith(b"\n"):
            return
        yield line


def _told(line: bytes) -> tuple[tuple[str, str], ...]:
    """A record's messages and its completion; a line that is none, as it is."""
    try:
        record = records.parse_record(line)
    except (ValueError, KeyError, TypeError):
        return (("not a record", line.decode(errors="replace")),)
    prompt = record.prompt
    said = [("prompt", prompt)] if isinstance(prompt, str) else [(m.role, m.content) for m in prompt]
    return (*said, ("completion", record.completion))
