"""The site in a real browser, as a person uses it: at any width, by keyboard, in light and dark."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")

import uvicorn

from inbond.ui.safety import Rules
from inbond.ui.serve import listen
from inbond.ui.site import build
from inbond.workspace import Workspace
from tests.browser.test_report_page import CONTRAST, Visit, browser
from tests.guard_report_examples import decide, watch
from tests.ui_scene import make, progress, write

__all__ = ["browser"]
pytestmark = pytest.mark.browser
PATHS = (
    "", "runs", "runs/a", "runs/stuck", "runs/a/records?set=data/train", "lineage",
    "lineage?target=run:a&from=gpt-4o", "ledger", "ledger/2", "terms?teacher=hf:lab/first",
    "terms/text?id=LicenseRef-inbond-ai21-api", "roundtables", "nothing",
    "verify", "verify/now?run=a", "guard", "guard/accounts", "guard/account?name=t0/a", "forensics",
    f"forensics/sha256:{'1' * 64}",
)  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        workspace = make(tmp_path_factory.mktemp("ui") / "bond")
        guarding = threading.Thread(target=lambda: (watch(workspace), decide(workspace)))  # a loop of its own
        guarding.start()
        guarding.join()
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(build(workspace, Rules(), 60), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield workspace, f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_can_be_read_and_ask_nobody_else(
    browser: Any, served: tuple[Workspace, str], width: int, scheme: str
) -> None:
    place = served[1]
    for path in PATHS:
        with Visit(
            browser, place + path, color_scheme=scheme, viewport={"width": width, "height": 800}
        ) as visit:
            assert visit.page.evaluate("document.documentElement.scrollWidth") == width, path
            assert visit.page.evaluate(CONTRAST)["below"] == [], path
            assert all(url.startswith(place) for url in visit.requests)
            complaints = [said for said in visit.complaints if "404" not in said and "400" not in said]
            assert complaints == [], path


def test_a_person_finds_the_run_asks_and_takes_the_bill_along(
    browser: Any, served: tuple[Workspace, str]
) -> None:
    with Visit(browser, served[1], viewport={"width": 1280, "height": 800}) as visit:
        page = visit.page
        page.get_by_role("navigation", name="Site").get_by_role("link", name="Runs").click()
        page.get_by_label("Words in name or outcome").fill("obligations")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="a", exact=True).click()
        page.get_by_role("link", name="Its lineage").click()
        page.get_by_label("Is it distilled from").fill("gpt-4o")
        page.keyboard.press("Enter")
        page.wait_for_url("**from=gpt-4o")
        assert page.locator("#answer").inner_text().startswith("Yes: run:a descends from")
        with page.expect_download() as waiting:
            page.get_by_role("link", name="CycloneDX bill of materials").click()
        found = json.loads(Path(waiting.value.path()).read_text("utf-8"))
        assert found["bomFormat"] == "CycloneDX"
        page.locator("#walk").get_by_role("link").first.click()
        page.wait_for_function("!document.title.startsWith('run:a')")
        assert page.locator("#walk").get_by_role("link").count() >= 1
        assert visit.complaints == []


def test_a_run_at_work_is_followed_without_loading_the_page_again(
    browser: Any, served: tuple[Workspace, str]
) -> None:
    folder = served[0].run("stuck")
    write(folder / ".progress.json", progress("train", 5, 12))
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with Visit(browser, served[1] + "runs/stuck") as visit:
            words = visit.page.locator("#live-words")
            assert words.inner_text().startswith("train: 5 of 12")
            write(folder / ".progress.json", progress("train", 11, 12))
            visit.page.locator("#live-words", has_text="train: 11 of 12").wait_for()
            os.close(handle)
            handle = -1
            visit.page.get_by_text("Nobody is at work on it").wait_for()
    finally:
        if handle >= 0:
            os.close(handle)


def test_the_keyboard_comes_to_the_page_first_and_sees_where_it_is(
    browser: Any, served: tuple[Workspace, str]
) -> None:
    with Visit(browser, served[1] + "runs") as visit:
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.textContent") == "Skip to the page"
        assert visit.page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        visit.page.keyboard.press("Enter")
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.id") == "q"


def test_by_keyboard_alone_an_account_is_found_with_its_reasons(
    browser: Any, served: tuple[Workspace, str]
) -> None:
    with Visit(browser, served[1] + "guard/accounts", viewport={"width": 360, "height": 800}) as visit:
        page = visit.page
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        for _ in range(3):  # the crumb, or the filter at once
            if page.evaluate("document.activeElement.id") == "q":
                break
            page.keyboard.press("Tab")
        page.keyboard.type("学校")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=**")
        link = page.get_by_role("link", name="学校/川-窓口")
        link.focus()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        page.keyboard.press("Enter")
        page.get_by_text("replay, read twice").first.wait_for()
        assert "suspended by a person" in page.locator("#answer").inner_text()
        assert all(url.startswith(served[1]) for url in visit.requests)


def test_a_verification_is_followed_and_ends_with_what_it_found(
    browser: Any, served: tuple[Workspace, str]
) -> None:
    with Visit(browser, served[1] + "runs/a", viewport={"width": 1280, "height": 800}) as visit:
        page = visit.page
        page.get_by_role("link", name="Verify it").click()
        assert page.get_by_label("Run").input_value() == "a"
        page.get_by_role("button", name="Verify").click()
        page.wait_for_url("**result=**")
        assert "Not ok: 1 problem" in page.locator("#result").inner_text()
        assert "curve.json" in page.locator("#result").inner_text()
        assert visit.complaints == []


def test_without_scripts_the_answer_comes_in_a_page_that_grows(
    browser: Any, served: tuple[Workspace, str]
) -> None:
    with Visit(browser, served[1] + "verify?run=a", java_script_enabled=False) as visit:
        visit.page.get_by_role("button", name="Verify").click()
        visit.page.get_by_role("heading", name="Not ok: 1 problem").wait_for()
        visit.page.goto(served[1] + "terms?teacher=hf:HuggingFaceTB/SmolLM2-135M-Instruct")
        assert "Permitted, with obligations" in visit.page.locator("#verdict").inner_text()


def test_the_verdict_is_one_step_from_the_top_of_a_run(browser: Any, served: tuple[Workspace, str]) -> None:
    with Visit(browser, served[1] + "runs/a", viewport={"width": 360, "height": 800}) as visit:
        visit.page.get_by_role("link", name="Its verdict and why").click()
        assert "Keep the notice." in visit.page.locator("#verdict").inner_text()
