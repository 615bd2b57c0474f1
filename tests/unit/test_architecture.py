"""The shape of the code: who may import whom, what stays light, what is explained, how long it gets."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "inbond"

# A room may import from every tier above its own, from itself, and as ALSO says. Nothing else.
TIERS: tuple[tuple[str, ...], ...] = (
    ("types", "errors", "digest", "strict_json", "strict_yaml", "workspace", "spread", "llama_cpp", "cores"),
    ("policy", "ledger", "losses"),
    ("teachers", "engine", "train", "evaluate", "edge", "forensics", "report"),
    ("recipes", "guard", "roundtable", "briefing"),
    ("ui",),
    ("cli",),
    ("__main__",),
)
ALSO: dict[str, tuple[str, ...]] = {
    # The nouns stand on each other: errors on nothing, digest on errors, types on both.
    "digest": ("errors",),
    "types": ("digest", "errors"),
    "workspace": ("errors",),
    "ledger": ("policy",),
    "engine": ("teachers",),
    "train": ("teachers.protocols",),
    "evaluate": ("teachers.tokens",),
    "forensics": ("teachers.protocols",),
    "report": (
        "roundtable",
        "forensics.report",
        "briefing.blocks",
        "briefing.briefing",
        "briefing.day",
        "briefing.licence",
        "briefing.rendering",
    ),  # ADR 1
    "recipes": (
        *("roundtable.judge", "roundtable.ladder", "roundtable.seating"),  # ADR 15
        *("briefing.article", "briefing.blocks", "briefing.prompting", "briefing.questions"),  # ADR 26
        *("briefing.ruling", "briefing.source"),
    ),
}
ANYONE = ("__version__",)

# Rooms that must start fast and run where nothing heavy is installed.
LIGHT = (
    "types",
    "errors",
    "digest",
    "strict_json",
    "strict_yaml",
    "workspace",
    "policy",
    "ledger",
    "guard",
    "report",
    "cli",
)
NOT_THE_GUARDS = ("pyarrow", "jinja2", "stix2", "license_expression")
"""What a server must not keep in memory."""
HEAVY = (
    "torch",
    "transformers",
    "accelerate",
    "safetensors",
    "gguf",
    "xllamacpp",
    "datasets",
    "ray",
    "onnx",
    "onnxruntime",
)

LONGEST_FUNCTION = 100
LONGEST_FILE = 400


def files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported, inside functions too; ``from a import b`` is a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def may_import(room: str, name: str) -> bool:
    """``name`` is what follows ``inbond.``"""
    target = name.split(".")[0]
    if target == room or name in ANYONE:
        return True
    if any(name == also or name.startswith(also + ".") for also in ALSO.get(room, ())):
        return True
    above = next(i for i, tier in enumerate(TIERS) if room in tier)
    return any(target in tier for tier in TIERS[:above])


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_rooms_import_only_what_stands_above_them(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert list(imports(path)) == []
        return
    assert any(room in tier for tier in TIERS), f"{room} stands in no tier of this table"
    wrong = [
        f"line {line}: {name}"
        for line, name in imports(path)
        if name.startswith("inbond.") and not may_import(room, name.removeprefix("inbond."))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("room", "name", "allowed"),
    [
        ("ledger", "policy.decide", True), ("policy", "ledger.events", False),
        ("ledger", "errors.InputError", True), ("digest", "types.Record", False),
        ("train", "teachers.protocols.Scores", True), ("train", "teachers.local", False),
        ("evaluate", "train.loop", False), ("recipes", "train.loop", True), ("engine", "recipes", False),
        ("report", "cli.main", False), ("cli", "recipes.stages", True), ("cli", "__version__", True),
    ],
)  # fmt: skip
def test_the_table_itself_says_yes_and_no(room: str, name: str, allowed: bool) -> None:
    assert may_import(room, name) == allowed


def light_modules() -> list[str]:
    paths = [path for path in files() if room_of(path) in LIGHT]
    dotted = [".".join(("inbond", *path.relative_to(SOURCE).with_suffix("").parts)) for path in paths]
    return [name.removesuffix(".__init__") for name in dotted]


def test_light_rooms_load_nothing_heavy() -> None:
    """A fresh interpreter imports every light module, registers the verbs, and tells what came along."""
    code = (
        "import importlib, sys, typer\n"
        "for name in sys.argv[1].split(): importlib.import_module(name)\n"
        "from inbond.cli import verbs\n"
        "verbs.register(typer.Typer())\n"
        "print(*sys.modules)"
    )
    arguments = [sys.executable, "-c", code, " ".join(light_modules())]
    loaded = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    assert "inbond.cli.verify" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_the_guard_loads_only_what_it_serves_with() -> None:
    code = (
        "import sys, typer\n"
        "from inbond.cli import verbs\n"
        "app = typer.Typer()\n"
        "verbs.register(app, 'guard')\n"
        "assert [group.name for group in app.registered_groups] == ['guard']\n"
        "import inbond.guard.serve\n"
        "print(*sys.modules)\n"
        "verbs.register(app)\n"
        "groups = {group.name for group in app.registered_groups}\n"
        "assert groups == {'models', 'keys', 'guard', 'roundtable', 'briefing', 'forensics'}\n"
        "assert len(app.registered_commands) == 8"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "inbond.guard.serve" in loaded
    assert [name for name in (*NOT_THE_GUARDS, *HEAVY) if name in loaded] == []


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def definitions(path: Path) -> Iterator[tuple[str, Definition, ast.ClassDef | None]]:
    """Module-level functions and classes, and the methods of those classes, by dotted name."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, Definition):
            yield node.name, node, None
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, FUNCTIONS):
                    yield f"{node.name}.{inner.name}", inner, node


def speaks_for_itself(node: Definition, owner: ast.ClassDef | None) -> bool:
    """A public name needs a docstring, but for methods of a few lines: properties, ``to_json``, ..."""
    if isinstance(node, ast.ClassDef):
        return False
    statements = [
        line
        for line in node.body
        if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
    ]
    return owner is not None and len(statements) <= 3


def test_everything_public_is_explained() -> None:
    silent = [
        f"{path.relative_to(SOURCE)}: {name}"
        for path in files()
        for name, node, owner in definitions(path)
        if not any(part.startswith("_") for part in name.split("."))
        and not speaks_for_itself(node, owner)
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(SOURCE))
        for path in files()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_function_is_longer_than_a_screen_or_two() -> None:
    long = [
        f"{path.relative_to(SOURCE)}:{node.lineno}: {node.name}"
        for path in files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, FUNCTIONS) and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


def test_no_file_is_more_than_a_person_can_hold_in_mind() -> None:
    long = [
        str(path.relative_to(SOURCE))
        for path in files()
        if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE
    ]
    assert long == []


def test_bytes_are_hashed_in_one_place() -> None:
    others = [
        str(path.relative_to(SOURCE))
        for path in files()
        if path != SOURCE / "digest.py" and any(name.startswith("hashlib") for _, name in imports(path))
    ]
    assert others == []


def test_json_is_told_how_to_be_strict_in_one_place() -> None:
    others = [
        str(path.relative_to(SOURCE))
        for path in files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg in ("object_pairs_hook", "parse_constant")
    ]
    assert others == ["strict_json.py"] * 2


TOUCHES_DISK = ("files", "declared")
"""The policy's modules that open files. ``library``, ``agreements`` and ``weights`` stand on the first."""
DISK = ("pathlib", "os", "io", "shutil", "tempfile", "importlib.resources", "socket", "urllib")


def needed_by(start: Path) -> set[str]:
    """The policy's modules that one of them needs, itself too."""
    found, waiting = set(), [start.stem]
    while waiting:
        name = waiting.pop()
        path = SOURCE / "policy" / f"{name}.py"
        if name in found or not path.exists():
            continue
        found.add(name)
        inner = [each.removeprefix("inbond.policy.") for _, each in imports(path) if "inbond.policy." in each]
        waiting += [each.split(".")[0] for each in inner]
    return found


def test_what_decides_needs_no_module_that_reads_files() -> None:
    needs = needed_by(SOURCE / "policy" / "decide.py")
    assert {"applying", "lifting", "conditions", "terms", "schema"} <= needs
    assert needs & {*TOUCHES_DISK, "library", "agreements", "weights", "foreign"} == set()
    for name in needs:
        used = [each for _, each in imports(SOURCE / "policy" / f"{name}.py")]
        assert [each for each in used if each.startswith(DISK)] == [], name


def test_the_policys_files_are_opened_in_two_modules() -> None:
    opens = ("open", "read_bytes", "read_text", "iterdir", "glob")
    opening = {
        path.stem
        for path in (SOURCE / "policy").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if getattr(node, "attr", None) in opens or getattr(node, "id", None) == "open"
    }
    assert opening == set(TOUCHES_DISK)
