"""One odd file takes no page down: it is told, and all else is shown."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from inbond.guard.state_opening import FILE
from inbond.guard.state_sqlite import SqliteState
from inbond.ledger import manifest, records
from inbond.ui.pages import moment
from inbond.ui.safety import Rules
from inbond.ui.site import build
from inbond.workspace import Workspace
from tests.ui_scene import RESULT, make, progress, write

BRIEF = "0123456789abcdef"
BRIEFING = {
    "format": "inbond.briefing/1", "id": BRIEF, "title": "The strike", "summary": "s", "tags": ["ports"],
    "made_at": "2026-11-23T00:00:00Z", "language": "en", "source": {"title": "x"},
}  # fmt: skip
OVERVIEWS = ("/", "/runs", "/roundtables", "/briefings", "/ledger")
PAGES = (
    *OVERVIEWS, "/runs/a", "/runs/a/live", "/runs/a/report", "/runs/stuck", "/runs/stuck/live",
    "/runs/a/records?set=data/train", "/lineage", "/lineage?target=run:a", "/terms?teacher=run:a",
    "/lineage/bom?target=run:a&form=spdx", "/forensics", "/roundtables/held",
    f"/briefings/{BRIEF}", f"/briefings/{BRIEF}/index.html",
)  # fmt: skip
FILES = {
    "runs/a/result.json": RESULT,
    "runs/stuck/.progress.json": progress("train", 3, 12),
    "runs/a/trained/curve.json": [{"step": n, "seconds": n, "loss": 3 / n, "lr": 1e-3} for n in range(1, 5)],
    "runs/a/trained/held-out-curve.json": [{"step": 1, "found": {"kl": [1.0], "tokens": [4]}}],
    "runs/a/evaluation/samples.json": [{"prompt": "p", "teacher": "t", "after": "a", "lang": "en"}],
    "runs/a/data/train/manifest.json": None,
    "runs/a/data/answers/origins.json": None,
    "sessions/held/result.json": {"outcome": "unanimous", "winner": "w"},
    f"briefings/{BRIEF}/briefing.json": BRIEFING,
}
OTHERS: dict[str, Callable[[Path], None]] = {
    "folder": lambda path: path.mkdir(),
    "fifo": lambda path: os.mkfifo(path),
    "loop": lambda path: path.symlink_to(path),
    "bytes": lambda path: _put(path, b"\xff\xfe{"),
    "deep": lambda path: _put(path, b'{"a":' * 5000),
    "digits": lambda path: _put(path, b"[" + b"9" * 5000 + b"]"),
}


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        home = make(tmp_path_factory.mktemp("made") / "bond").home
    for name, value in FILES.items():
        if value is not None:
            write(home / name, value)
    (home / "briefings" / BRIEF / "index.html").write_text("<h1>x</h1>", "utf-8")
    return home


@pytest.fixture
def scene(made: Path, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(made, tmp_path / "bond")))


def visitor(workspace: Workspace) -> TestClient:
    base = "http://127.0.0.1:8765"
    return TestClient(build(workspace, Rules(), 60), base_url=base, follow_redirects=False)


def soon(ask: Callable[[], Any], seconds: float = 30) -> Any:
    """What it gives; fails where it waits for ever."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it raised an error, or waits for ever"
    return found[0]


def statuses(workspace: Workspace, pages: tuple[str, ...]) -> dict[str, int]:
    site = visitor(workspace)
    return {page: site.get(page).status_code for page in pages}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", FILES)
def test_whatever_lies_in_place_of_a_file_no_page_fails(scene: Workspace, name: str, other: str) -> None:
    path = scene.home / name
    path.unlink()
    OTHERS[other](path)
    found = soon(lambda: statuses(scene, PAGES))
    assert {page: found[page] for page in OVERVIEWS} == dict.fromkeys(OVERVIEWS, 200)
    assert set(found.values()) <= {200, 307, 400, 404, 409}


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        ("runs/a/result.json", ("/", "/runs", "/runs/a")),
        ("runs/a/trained/curve.json", ("/runs/a",)),
        ("sessions/held/result.json", ("/roundtables",)),
        (f"briefings/{BRIEF}/briefing.json", ("/briefings",)),
    ],
)
@pytest.mark.parametrize("other", ["folder", "fifo", "loop"])
def test_the_row_says_what_is_wrong(scene: Workspace, name: str, pages: tuple[str, ...], other: str) -> None:
    path = scene.home / name
    path.unlink()
    OTHERS[other](path)
    site = visitor(scene)
    for page in pages:
        assert f"{path.name} cannot be opened: " in soon(lambda page=page: site.get(page)).text


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("runs/a/report.html", "/runs/a/report"),
        ("sessions/held/page.html", "/roundtables/held"),
        (f"briefings/{BRIEF}/index.html", f"/briefings/{BRIEF}/index.html"),
    ],
)
def test_a_kept_page_that_is_a_folder_cannot_be_shown(scene: Workspace, name: str, page: str) -> None:
    (scene.home / name).unlink()
    (scene.home / name).mkdir()
    answer = visitor(scene).get(page)
    assert answer.status_code == 404
    assert "it is not a regular file" in answer.text


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(
        [10**400, -(10**400), 10**17, float("nan"), float("inf"), -float("inf"), 1e308, "\ud800", "", "\0",
         json.loads("[" * 400 + "]" * 400)]
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a value another may be put."""
    yield at
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        yield from places(inner, (*at, name))


def changed(value: Any, at: tuple[Any, ...], odd: Any) -> Any:
    if not at:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(value[at[0]], at[1:], odd)
    return copy


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_in_a_file_makes_a_page_fail(scene: Workspace, name: str, data: st.DataObject) -> None:
    path = scene.home / name
    before = path.read_bytes()
    value = json.loads(before)
    odd = changed(value, data.draw(st.sampled_from(list(places(value)))), data.draw(ODD))
    try:
        write(path, odd)
        found = statuses(scene, PAGES)
    finally:
        path.write_bytes(before)
    assert {page: found[page] for page in OVERVIEWS} == dict.fromkeys(OVERVIEWS, 200)
    assert set(found.values()) <= {200, 307, 400, 404, 409}


@pytest.mark.parametrize(
    ("name", "value", "page", "said"),
    [
        ("runs/a/trained/curve.json", ["a"], "/runs/a", "curve.json has not the form that a run gives it"),
        ("runs/a/evaluation/samples.json", [{"prompt": 1}], "/runs/a", "samples.json has not the form"),
        ("runs/a/result.json", RESULT | {"gates": {"x": {}}}, "/runs/a", "cannot-tell"),
        ("runs/a/result.json", RESULT | {"metrics": {"kl_after": 10**400}}, "/runs", "1 min 1 s"),
        ("runs/a/result.json", RESULT | {"stages": [{"run": "\ud800"}]}, "/runs/a", "/runs/%EF%BF%BD"),
        (f"briefings/{BRIEF}/briefing.json", BRIEFING | {"tags": ["\ud800"]}, "/briefings", "tag=%EF%BF%BD"),
    ],
)  # fmt: skip
def test_odd_values_are_told_or_left_out(
    scene: Workspace, name: str, value: Any, page: str, said: str
) -> None:
    write(scene.home / name, value)
    answer = visitor(scene).get(page)
    assert answer.status_code == 200
    assert said in answer.text


@pytest.mark.parametrize(
    "odd", [{"at": -float("inf")}, {"at": 10**400}, {"done": float("nan")}, {"note": "\ud800", "total": "x"}]
)
def test_how_far_a_run_is_is_always_told_as_json(scene: Workspace, odd: dict[str, Any]) -> None:
    write(scene.run("stuck") / ".progress.json", progress("train", 3, 12) | odd)
    site = visitor(scene)
    told = site.get("/runs/stuck/live").json()
    assert told["stage"] == "train"
    assert isinstance(told["done"], int)
    assert "train" in site.get("/runs/stuck").text


@pytest.mark.parametrize("kind", ["run", "session"])
def test_a_folder_whose_name_is_no_utf8_is_listed_and_its_page_opens(scene: Workspace, kind: str) -> None:
    runs = kind == "run"
    place = os.fsencode(scene.runs if runs else scene.sessions) + b"/caf\xe9"
    os.mkdir(place)
    shutil.copy(scene.run("a") / "result.json", place + b"/result.json")
    shutil.copy(scene.run("a") / "report.html", place + b"/page.html")
    site = visitor(scene)
    page = "/runs" if runs else "/roundtables"
    assert site.get("/").status_code == 200
    assert f'href="{page}/caf%EF%BF%BD"' in site.get(page).text
    answer = site.get(f"{page}/caf%EF%BF%BD")
    assert answer.status_code == 200
    assert ("Permitted" if runs else "<h1>kept") in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/ledger/" + "9" * 5000, "/ledger/-1", "/ledger/x",
        "/runs/a/records?set=data/train&at=999999999999999", "/terms?teacher=run:" + "a" * 300,
        "/lineage?target=run:" + "a" * 300, "/runs/" + "a" * 3000, "/verify?run=%00",
    ],
)  # fmt: skip
def test_odd_addresses_are_answered(scene: Workspace, path: str) -> None:
    answer = visitor(scene).get(path)
    assert answer.status_code in ((200,) if path.startswith("/verify") else (400, 404))
    assert "<h1>" in answer.text


def text_of(scene: Workspace) -> Path:
    return scene.run("a") / "data" / "train" / records.TEXT


def test_a_record_that_is_too_long_is_passed_over_and_told(scene: Workspace) -> None:
    text = text_of(scene)
    lines = text.read_bytes()
    big = b'{"completion":"' + b"x" * (2 << 20) + b'"}\n'
    text.write_bytes(big * 21 + lines)
    site = visitor(scene)
    first = site.get("/runs/a/records?set=data/train").text
    assert first.count(f"a line of {len(big):,} bytes") == 20
    place = first.rpartition("at=")[2].partition('"')[0]
    assert "答え 1" in site.get(f"/runs/a/records?set=data/train&at={place}").text


def test_lines_that_are_no_records_hide_no_others(scene: Workspace) -> None:
    text = text_of(scene)
    odd = [b"[" * 100_000, b"\xff", b"5", b'{"prompt":5,"completion":"x"}', b'{"prompt":"p","completion":{}}']
    text.write_bytes(b"\n".join([*odd, text.read_bytes()]))
    page = visitor(scene).get("/runs/a/records?set=data/train").text
    assert page.count("<h4>not a record</h4>") == len(odd)
    assert "答え 1" in page


@pytest.mark.parametrize("other", ["folder", "fifo", "loop"])
def test_records_that_are_no_file_cannot_be_shown(scene: Workspace, other: str) -> None:
    text_of(scene).unlink()
    OTHERS[other](text_of(scene))
    answer = soon(lambda: visitor(scene).get("/runs/a/records?set=data/train"))
    assert answer.status_code == 404
    assert "no such records" in answer.text


def test_a_link_to_records_is_not_followed(scene: Workspace) -> None:
    text = text_of(scene)
    text.rename(text.with_name("elsewhere"))
    text.symlink_to("elsewhere")
    answer = visitor(scene).get("/runs/a/records?set=data/train")
    assert answer.status_code == 404
    assert "records.jsonl cannot be opened" in answer.text


@pytest.mark.parametrize("name", [records.TEXT, records.ORIGINS, manifest.NAME])
def test_verifying_in_the_browser_ends_and_names_a_fifo(scene: Workspace, name: str) -> None:
    path = scene.run("a") / "data" / "train" / name
    path.unlink()
    os.mkfifo(path)
    page = soon(lambda: visitor(scene).get("/verify/now").text)
    assert f"{name}: it " in page
    assert "regular file" in page


def _of_another_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (a)")
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    "broken",
    [
        lambda path: path.write_bytes(b""), lambda path: path.write_bytes(bytes(range(256)) * 40),
        lambda path: path.write_bytes(b"SQLite format 3\0" + b"x" * 9000), _of_another_version,
        lambda path: path.mkdir(), lambda path: path.symlink_to(path), lambda path: os.mkfifo(path),
    ],
)  # fmt: skip
def test_a_broken_state_of_a_guard_is_told(scene: Workspace, broken: Callable[[Path], object]) -> None:
    scene.guard.mkdir()
    broken(scene.guard / "state.db")
    site = visitor(scene)
    for page in ("/guard", "/guard/accounts", "/guard/account?name=x"):
        answer = soon(lambda page=page: site.get(page))
        assert (answer.status_code, "<h1>" in answer.text) in ((400, True), (200, True))
        assert "state.db" in answer.text or "No guard keeps its state" in answer.text
    assert site.get("/").status_code == 200


@pytest.mark.parametrize("data", [b"[]", b"5", b"[" * 5000, 5, b"\xff", b"{}"])
def test_a_verdict_of_another_form_in_the_state_of_a_guard_is_told(scene: Workspace, data: Any) -> None:
    async def begin() -> None:
        state = SqliteState(scene.guard / FILE)
        await state.folded()
        await state.close()

    scene.guard.mkdir()
    asyncio.run(begin())
    with sqlite3.connect(scene.guard / FILE) as connection:
        connection.execute("INSERT INTO tier VALUES ('x', ?)", (data,))
    for page in ("/guard", "/guard/accounts", "/guard/account?name=x"):
        answer = visitor(scene).get(page)
        assert answer.status_code == (200 if data == b"{}" else 400)
        assert data == b"{}" or "guard&#39;s state of this version" in answer.text


def test_a_time_that_no_calendar_has_is_not_known() -> None:
    assert moment(0) == "1970-01-01 00:00"
    assert moment(1e15) == moment(float("inf")) == "unknown"
