"""A newcomer's way with the real commands: the site is open while a real run is at work, and after it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")

from tests.browser.test_report_page import browser
from tests.small_demo import SMALL

__all__ = ["browser"]
pytestmark = [pytest.mark.browser, pytest.mark.slow]
INBOND = (sys.executable, "-m", "inbond")
PATHS = (
    "", "runs", "runs/demo", "runs/demo/live", "runs/demo/records?set=data/train", "lineage",
    "lineage?target=run:demo&from=gpt-4o", "lineage/bom?target=run:demo&form=cyclonedx", "ledger", "ledger/0",
    "terms", "forensics", "verify",
)  # fmt: skip
# 400: a run that has recorded nothing yet is no name of the lineage; 404: not there yet; 409: a file was
# being replaced, look again; 503: the ledger is being read, and the page comes back by itself.
FAIR = (200, 400, 404, 409, 503)


@contextlib.contextmanager
def serving(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """``inbond ui`` as a process; gives its address, and ends it as Ctrl-C does."""
    command = [*INBOND, "ui", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split("Open ")[1].split(" ")[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_run_is_followed_from_an_empty_workspace_to_its_lineage_and_verdict(
    browser: Any, tmp_path: Path
) -> None:
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "keys")}
    with serving(tmp_path, environment) as place, (tmp_path / "log").open("w") as log:
        page = browser.new_page()
        page.goto(place)
        assert "There is no workspace here yet" in page.inner_text("main")
        command = [*INBOND, "run", "demo", *SMALL]
        run = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
        seen: dict[str, set[int]] = {path: set() for path in PATHS}
        states, words = set(), set()
        try:
            while run.poll() is None:
                for path in PATHS:
                    seen[path].add(status(place + path))
                time.sleep(0.5)
                if status(place + "runs/demo") != 200:
                    continue
                if not page.url.endswith("runs/demo"):
                    page.goto(place + "runs/demo")  # and never again: its script follows the run
                with contextlib.suppress(Exception):  # between two pages while it loads itself anew
                    states.add(page.inner_text("#state", timeout=2000).split()[-1])
                    words.add(page.inner_text("#live-words", timeout=2000).split(":")[0])
        finally:
            run.kill()
            run.wait()
        assert run.returncode == 0, (tmp_path / "log").read_text("utf-8")
        unfair = {path: sorted(found) for path, found in seen.items() if found - set(FAIR)}
        assert unfair == {}
        assert "running" in states, states
        assert len(words) > 2, words
        page.wait_for_selector("#state >> text=done", timeout=60_000)
        assert "May it be made" in page.inner_text("main")
        assert "Apache" in page.inner_text("#verdict, main")
        page.click("text=Its lineage")
        page.wait_for_selector("#from")
        for name, answer in (
            ("gpt-4o", "Cannot tell: nothing known says"),
            ("SmolLM2-135M-Instruct", "Yes: "),
        ):
            page.fill("#from", name)
            page.click("text=Answer")
            page.wait_for_url(f"**from={name}")
            assert page.locator("#answer").inner_text().startswith(answer)
        with page.expect_download() as download:
            page.get_by_role("link", name="CycloneDX bill of materials").click()
        assert b"SmolLM2" in Path(download.value.path()).read_bytes()
        page.close()
        assert [status(place + path) for path in PATHS] == [200] * len(PATHS)
