"""A run whose student is trained by two processes is the run of one, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file

from inbond import __version__
from inbond.cli.main import run as inbond
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[2]
RECIPE: dict[str, Any] = {
    "name": "tiny", "teacher": "path:teacher",
    "prompts": {"items": [f"define the word {w}" for w in ("river", "stone", "sun", "川", "sea")]},
    "generate": {"max_tokens": 8, "samples": 3}, "held_out": 0.3,
    "filters": {"truncated": False, "near_duplicates": None},
    "capture": {"k": 16}, "student": {"layers": 2, "probe": 2},
    "train": {"epochs": 8, "warmup_steps": 1, "batch": 3, "lr": 2e-4, "checkpoint_seconds": 0.2},
    "gates": {"capacity": {"points": 2}, "diversity": {"action": "off"}, "generality": {"action": "off"}},
    "evaluate": {"samples": 0},
}  # fmt: skip
COPIES = {"distributed_type": "MULTI_CPU", "num_processes": 2, "mixed_precision": "no", "use_cpu": True}
SHARDS = {**COPIES, "distributed_type": "FSDP", "fsdp_config": {"fsdp_version": 2}}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a teacher, a recipe and two configurations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("inbond.evaluate.speed.peak_memory", lambda folders, _: [0] * len(folders))
    monkeypatch.setattr("inbond.evaluate.speed.decode_speeds", lambda models, _: [1.0] * len(models))
    save_tiny(tmp_path / "teacher", padding=5)
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE), "utf-8")
    for name, values in {"copies": COPIES, "shards": SHARDS}.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values), "utf-8")
    return tmp_path


def trained(home: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    folder = Path(home, "runs", "tiny", "trained")
    return load_file(folder / "model.safetensors"), json.loads((folder / "manifest.json").read_bytes())


def assert_same(one: str, other: str) -> None:
    (weights, manifest), (others, theirs) = trained(one), trained(other)
    assert manifest["id"] == theirs["id"]
    assert manifest["files"].keys() == theirs["files"].keys()
    assert manifest["facts"]["label_tokens"] == theirs["facts"]["label_tokens"]
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        torch.testing.assert_close(others[name], value, rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.slow
def test_copies_and_shards_give_the_student_of_one_process(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbond.cli.watch.LINE_EVERY_S", 0.0)  # however quickly it is done
    assert inbond(["run", "recipe.json", "--home", "one"]) == 0, capsys.readouterr()
    for kind in ("copies", "shards"):
        code = inbond(["run", "recipe.json", "--home", kind, "--accelerate", f"{kind}.yaml"])
        said = capsys.readouterr()
        assert code == 0, said.out + said.err
        assert "train: 1/" in said.err, "what the processes tell is shown"
        assert_same("one", kind)
        facts = trained(kind)[1]["facts"]
        assert (facts["processes"], facts["sharded"]) == (2, kind == "shards")
        assert not (here / kind / "runs" / "tiny" / "work").exists()
        assert inbond(["verify", "--home", kind]) == 0, capsys.readouterr()


def start(*more: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "inbond", "run", "recipe.json", "--home", "bond", "--json", *more],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def crew_of(run: subprocess.Popen[bytes], after: int) -> list[psutil.Process]:
    """The run's processes, once they have left a checkpoint of more than so many steps."""
    kept = Path("bond", "runs", "tiny", "work", "checkpoints")
    until = time.monotonic() + 300
    while time.monotonic() < until and run.poll() is None:
        if any(int(path.name[5:]) > after for path in kept.glob("step-*")):
            crew = psutil.Process(run.pid).children()
            return [process for process in crew if "inbond.recipes.crew_member" in process.cmdline()]
        time.sleep(0.01)
    pytest.fail("no checkpoint came")


@pytest.mark.slow
def test_who_is_killed_costs_the_steps_since_the_checkpoint(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """First one of the crew, then the run itself; one process alone finishes what shards began."""
    (here / "recipe.json").write_text(json.dumps({**RECIPE, "train": {**RECIPE["train"], "epochs": 40}}))
    run = start("--accelerate", "shards.yaml")
    crew = crew_of(run, 0)
    assert len(crew) == 2
    crew[1].send_signal(signal.SIGKILL)
    told = run.communicate(timeout=300)[0]
    assert run.returncode == 2
    error = json.loads(told)["error"]
    assert error["found"] == "process 2 of 2 was killed (SIGKILL)"
    assert "goes on from the newest checkpoint, also without --accelerate" in error["fix"]
    psutil.wait_procs(crew, timeout=60)
    assert not any(process.is_running() for process in crew)

    work = here / "bond" / "runs" / "tiny" / "work"
    step = max(int(path.name[5:]) for path in (work / "checkpoints").glob("step-*"))
    run = start("--accelerate", "copies.yaml")
    crew = crew_of(run, step)
    run.kill()
    run.communicate(timeout=60)
    psutil.wait_procs(crew, timeout=60)
    assert not any(process.is_running() for process in crew), "a crew without a run ends"

    assert list((work / "checkpoints").glob("step-*"))
    for home in ("bond", "one"):
        assert inbond(["run", "recipe.json", "--home", home]) == 0, capsys.readouterr()
    assert_same("one", "bond")
    assert "processes" not in trained("bond")[1]["facts"]
    assert inbond(["verify", "--home", "bond"]) == 0, capsys.readouterr()


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "inbond", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{__version__}\n"


def test_a_configuration_is_refused_before_anything_is_asked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "gpus.yaml").write_text("distributed_type: MULTI_GPU\nnum_processes: 512\n", "utf-8")
    assert inbond(["run", "recipe.json", "--accelerate", "gpus.yaml"]) == 2
    assert "expected a GPU for each of 512 processes" in capsys.readouterr().err
    assert inbond(["run", "recipe.json", "--accelerate", "none.yaml"]) == 2
    assert "make one: accelerate config" in capsys.readouterr().err
    assert not Path("bond").exists()
