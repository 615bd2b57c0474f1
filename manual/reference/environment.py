"""Environment variables: which there are is found in code and scripts, what they do is said here."""

from __future__ import annotations

import re

from manual.reference.words import MADE, SOURCE, code, must_know, table

_SAYS = {
    "INBOND_HOME": "the workspace, where `--home` is not given; default `./bond`",
    "INBOND_LEDGER": "the address of a team's ledger in PostgreSQL ([ledger.md](../ledger.md))",
    "INBOND_UI_TOKEN": "what visitors of `inbond ui` must know, where others than this machine can reach it",
    "INBOND_VENV": "for the repository's scripts: which virtual environment they make and use; default `.venv`",
    "PYTHON": "for `scripts/setup`: which Python makes it; default `python3`",
    "XDG_CONFIG_HOME": "where `inbond/` with keys, `hosts.yaml` and your own terms lies; default `~/.config`",
    "XDG_CACHE_HOME": "where `inbond/` with pulled and converted models lies; default `~/.cache`",
    "OMP_NUM_THREADS": "how many threads a model computes with; default: all cores that this process may use",
    "NO_COLOR": "no colours on the terminal",
    "COLUMNS": "how wide lines are set on the terminal",
}
_OURS = re.compile(r"\bINBOND_[A-Z_]+\b")


def page() -> str:
    scripts = [path for path in (SOURCE.parents[1] / "scripts").iterdir() if path.is_file()]
    found = {name for path in (*SOURCE.rglob("*.py"), *scripts) for name in _OURS.findall(path.read_text("utf-8"))}
    must_know(found, _SAYS, "manual/reference/environment.py")
    return (
        f"# Environment variables\n\n{MADE}\n" + table(["variable", "meaning"], [[code(a), b] for a, b in _SAYS.items()])
        + "\nKeys of hosts stand in variables that you name yourself: `key_env` in [hosts.yaml](../hosts.md), and in the guard's "
        "configuration. A key is sent to its own host alone, and never written down.\n"
    )  # fmt: skip
