"""Every address of the site: what it shows, and what it refuses."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from inbond.digest import of_bytes
from inbond.ui.safety import Rules
from inbond.ui.site import build
from inbond.workspace import Workspace
from tests.ui_scene import HOSTILE, RESULT, make, progress, write

HERE = "http://127.0.0.1:8765"
TOKEN = "0123456789abcdef"


def visitor(workspace: Workspace, rules: Rules | None = None, base: str = HERE) -> TestClient:
    return TestClient(build(workspace, rules or Rules(), 60), base_url=base, follow_redirects=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        return make(tmp_path_factory.mktemp("made") / "bond").home


@pytest.fixture
def scene(made: Path, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(made, tmp_path / "bond")))


@pytest.fixture
def site(scene: Workspace) -> TestClient:
    return visitor(scene)


PAGES = {
    "/": "4 runs, ",
    "/runs": "stuck",
    "/runs/a": "Permitted, with obligations",
    "/runs/stuck": "it was stopped",
    "/runs/broken": "result.json is not JSON",
    "/runs/a/records?set=data/train": "答え 1",
    "/lineage": "run:a",
    "/lineage?target=run:a": "hf:lab/first",
    "/lineage?target=run:a&from=gpt-4o": "Yes: run:a descends from api:api.openai.com/gpt-4o-2024-08-06",
    "/lineage?target=hf:lab/first": "Made from it",
    "/ledger": "stage.completed",
    "/ledger?kind=note.made": "note.made",
    "/ledger/0": "none: this is the first",
    "/terms": "AI21 API terms",
    "/terms?q=ai21": "1 text.",
    "/terms/text?id=LicenseRef-inbond-ai21-api": "models that compete with AI21",
    "/terms?teacher=hf:HuggingFaceTB/SmolLM2-135M-Instruct": "Permitted, with obligations",
    "/roundtables": "unanimous",
    "/verify": "Does everything still say what was signed?",
    "/guard": "No guard keeps its state in this workspace",
    "/forensics": "hf:lab/first",
}


@pytest.mark.parametrize("path", PAGES)
def test_each_page_shows_what_it_is_for_and_no_markup_of_others(site: TestClient, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 200
    assert PAGES[path] in answer.text
    assert HOSTILE not in answer.text
    assert "<b>bold" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:")
    assert "unsafe" not in policy
    assert "style=" not in answer.text
    assert answer.text.count("<script") == 1
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert site.head(path).status_code == 200


def test_a_lineage_without_the_name_says_that_it_cannot_tell_or_no(site: TestClient) -> None:
    said = site.get("/lineage", params={"target": "run:a", "from": "hf:lab/another"}).text
    assert "Cannot tell" in said


def test_an_unknown_target_is_told_with_the_form_still_there(site: TestClient) -> None:
    answer = site.get("/lineage", params={"target": "<i>nobody"})
    assert answer.status_code == 404
    assert "&lt;i&gt;nobody" in answer.text
    assert 'name="target"' in answer.text


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_a_bill_of_materials_is_handed_out_as_a_file(site: TestClient, form: str) -> None:
    answer = site.get("/lineage/bom", params={"target": "run:a", "form": form})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="run-a.{form}.json"'
    assert "hf:lab/first" in answer.text
    assert answer.json()


def test_the_kept_report_is_shut_in(site: TestClient) -> None:
    assert site.get("/roundtables/held").text == "<h1>held</h1>"
    answer = site.get("/runs/a/report")
    assert answer.text.startswith("<h1>kept</h1>")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize(
    "path",
    [
        "/runs/nobody", "/runs/%2e%2e%2f%2e%2e", "/runs/..%2fbond", "/runs/a/records?set=../../..",
        "/runs/a/records?set=data/train&at=3", "/runs/a/records", "/lineage/bom?target=run:a&form=exe",
        "/ledger/99999", "/ledger/99999999999999999999999", "/runs/stuck/report", "/nothing",
        "/terms?teacher=gguf:/etc/passwd",
        "/terms?teacher=%00", "/terms/text?id=none", "/forensics/sha256:0",
        "/verify?run=../..", "/verify/now?run=..%2fx", "/roundtables/nobody", "/roundtables/%2e%2e%2f%2e%2e",
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(site: TestClient, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code in (400, 404)
    assert "<h1>" in answer.text


def test_links_out_of_the_workspace_are_not_followed(scene: Workspace, tmp_path: Path) -> None:
    (tmp_path / "secret.html").write_text("secret", "utf-8")
    report = scene.run("a") / "report.html"
    report.unlink()
    report.symlink_to(tmp_path / "secret.html")
    (tmp_path / "elsewhere").mkdir()
    (scene.runs / "link").symlink_to(tmp_path / "elsewhere")
    site = visitor(scene)
    assert site.get("/runs/a/report").status_code == 404
    assert site.get("/runs/link").status_code == 404


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_can_only_be_read(site: TestClient, verb: str) -> None:
    answer = site.request(verb, "/runs")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("rules", "host", "status"),
    [
        (Rules(), "127.0.0.1:8765", 200),
        (Rules(), "localhost", 200),
        (Rules(), "[::1]:8765", 200),
        (Rules(), "evil.example:8765", 421),
        (Rules(), "127.0.0.1.evil.example", 421),
        (Rules(), "192.168.1.2:8765", 421),
        (Rules("0.0.0.0", TOKEN), "192.168.1.2:8765", 403),
        (Rules("0.0.0.0", TOKEN), "evil.example", 421),
        (Rules("box.lan", TOKEN), "box.lan:8765", 403),
    ],
)
def test_only_its_own_names_are_answered(scene: Workspace, rules: Rules, host: str, status: int) -> None:
    answer = visitor(scene, rules).get("/runs", headers={"host": host})
    assert answer.status_code == status
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_pages_of_other_sites_may_link_but_not_ask(site: TestClient) -> None:
    foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert site.get("/runs", headers=foreign).status_code == 403
    assert site.get("/runs", headers=foreign | {"sec-fetch-mode": "navigate"}).status_code == 200


def test_a_token_is_asked_for_once_and_leaves_the_address(scene: Workspace) -> None:
    site = visitor(scene, Rules("127.0.0.1", TOKEN))
    assert site.get("/runs").status_code == 403
    assert site.get("/runs?token=wrong").status_code == 403
    assert site.get("/runs", headers={"cookie": "inbond-ui=wrong"}).status_code == 403
    assert site.get("/runs", headers={"cookie": f"inbond-ui={TOKEN}"}).status_code == 403
    welcome = site.get(f"/runs?q=a&token={TOKEN}")
    assert (welcome.status_code, welcome.headers["location"]) == (303, "/runs?q=a")
    cookie = welcome.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert site.get("/runs").status_code == 200


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/"])
def test_the_way_in_leads_to_no_other_host(scene: Workspace, path: str) -> None:
    site = visitor(scene, Rules("127.0.0.1", TOKEN))
    answer = site.get(f"{HERE}{path}?token={TOKEN}")
    assert answer.headers["location"].startswith("/evil.example")


def test_filters_and_pages_of_runs(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "bond")
    for number in range(120):
        write(workspace.run(f"run-{number}") / "result.json", RESULT)
    site = visitor(workspace)
    assert "120 runs, page 1 of 3" in site.get("/runs").text
    assert site.get("/runs?page=3").text.count("<tr") == 21
    assert "page 3 of 3" in site.get("/runs?page=99").text
    assert "1 of 120 runs." in site.get("/runs?q=RUN-77").text
    assert "None fits" in site.get("/runs?state=running").text


def test_the_list_follows_what_is_written_and_erased(scene: Workspace) -> None:
    site = visitor(scene)
    assert "run-new" not in site.get("/runs").text
    write(scene.run("run-new") / "result.json", RESULT | {"verdict": "review"})
    assert "A person must decide" in site.get("/runs?q=run-new").text
    old = time.time() - 100
    os.utime(scene.run("run-new"), (old, old))
    assert "A person must decide" in site.get("/runs?q=run-new").text
    (scene.run("run-new") / "next").write_text('{"outcome": "stopped", "stopped_by": ["x"]}', "utf-8")
    (scene.run("run-new") / "next").replace(scene.run("run-new") / "result.json")
    assert "1 of 5 runs" in site.get("/runs?q=run-new&state=stopped").text
    shutil.rmtree(scene.run("run-new"))
    assert "None fits" in site.get("/runs?q=run-new").text


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the system does not tell who holds locks")
def test_a_run_at_work_is_followed_by_its_lock(scene: Workspace) -> None:
    site, folder = visitor(scene), scene.run("stuck")
    write(folder / ".progress.json", progress("train", 5, 12))
    assert site.get("/runs/stuck/live").json()["state"] == "interrupted"
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        told = site.get("/runs/stuck/live").json()
        page = site.get("/runs/stuck").text
    finally:
        os.close(handle)
    assert (told["state"], told["stage"], told["done"], told["total"]) == ("running", "train", 5, 12)
    assert 'data-live="/runs/stuck/live"' in page
    assert "train: 5 of 12" in page
    assert site.get("/runs/stuck/live").json()["state"] == "interrupted"


def test_records_are_paged_by_their_place_in_the_file(scene: Workspace) -> None:
    site, text = visitor(scene), scene.run("a") / "data" / "train" / "records.jsonl"
    line = '{"completion":"%d","messages":[{"content":"q","role":"user"}]}\n'
    text.write_text("".join(line % number for number in range(50)), "utf-8")
    first = site.get("/runs/a/records?set=data/train").text
    place = first.rpartition("at=")[2].partition('"')[0]
    second = site.get(f"/runs/a/records?set=data/train&at={place}").text
    assert (first.count('class="record"'), second.count('class="record"')) == (20, 20)
    assert ">20</p>" in second
    assert ">20</p>" not in first


@pytest.mark.parametrize("there", [False, True])
def test_an_empty_or_missing_workspace_says_how_to_begin(tmp_path: Path, there: bool) -> None:
    home = tmp_path / "bond"
    if there:
        home.mkdir()
    site = visitor(Workspace(home))
    assert "inbond run demo" in site.get("/").text
    for path in ("/runs", "/lineage", "/ledger"):
        assert site.get(path).status_code == 200
    assert home.exists() == there


def test_a_changed_artifact_is_named_and_nothing_else_breaks(scene: Workspace) -> None:
    (scene.run("a") / "trained" / "manifest.json").write_text("{}", "utf-8")
    site = visitor(scene)
    answer = site.get("/lineage?target=run:a")
    assert answer.status_code == 409
    assert "was changed" in answer.text
    assert site.get("/runs/a").status_code == 200


def test_reading_changes_nothing(scene: Workspace) -> None:
    def state() -> dict[str, object]:
        files = (path for path in scene.home.rglob("*") if path.is_file() and "ledger.db-" not in path.name)
        return {path.as_posix(): of_bytes(path.read_bytes()) for path in files}

    before, site = state(), visitor(scene)
    for path in PAGES:
        site.get(path)
    assert state() == before
