"""Verifiers by their kind."""

from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, final

from inbond.digest import Digest
from inbond.engine.verifying import functions
from inbond.engine.verifying.programs import CodeVerifier
from inbond.engine.verifying.ruling import Verifies
from inbond.engine.verifying.sandbox import Limits, Sandbox
from inbond.engine.verifying.worker import WorkerVerifier
from inbond.errors import need_extra

Kind = Literal["number", "expression", "code", "json", "regex", "function", "briefing"]
_PACKAGES: dict[str, str] = {"number": "math-verify", "expression": "math-verify", "json": "jsonschema"}
_BENEATH: dict[str, tuple[str, ...]] = {
    "math-verify": ("latex2sympy2-extended", "antlr4-python3-runtime", "sympy", "mpmath"),
    "jsonschema": ("jsonschema-specifications", "referencing"),
}
"""What these two rule by, and what may change under them."""


@final
@dataclass(frozen=True)
class Rules:
    """A verifier that another room of this package brings: a module with ``rule(completion, expected)``,
    which gives a Ruling, and ``prepare()``, both called in the worker. ``source`` is the digest of all that
    it rules by."""

    module: str
    source: Digest

    def __post_init__(self) -> None:
        assert self.module.startswith("inbond."), "a user's own is a function, and is loaded as one"

    @property
    def tool(self) -> str:
        """Its name in a lineage: the room's, with the beginning of the digest."""
        return f"tool:{self.module.rpartition('.')[0]}@{self.source.removeprefix('sha256:')[:12]}"


@final
@dataclass(frozen=True)
class Chosen:
    """A verifier before it is opened. ``function`` is module:name, looked for in ``folder`` first: its file
    is looked at once, and another text of it is refused later. ``rules`` are for the kinds of other rooms."""

    kind: Kind
    limits: Limits
    function: str | None = None
    folder: Path = Path()
    rules: Rules | None = None

    @property
    def tool(self) -> str:
        """Its name in a lineage. Raises MissingExtraError, InputError for a function's module."""
        if self.rules is not None:
            return self.rules.tool
        if self.kind == "function":
            assert self.function is not None, "the recipe names one"
            return f"tool:{self.function}@{self.source.removeprefix('sha256:')[:12]}"
        if self.kind in _PACKAGES:
            package = _PACKAGES[self.kind]
            try:
                return f"tool:{package}@{metadata.version(package)}"
            except metadata.PackageNotFoundError as error:
                raise need_extra("train", package) from error
        return f"tool:{'python' if self.kind == 'code' else 're'}@{platform.python_version()}"

    def to_json(self) -> dict[str, Any]:
        """All of it that decides rulings. Raises as ``tool``."""
        value: dict[str, Any] = {"kind": self.kind, "tool": self.tool, "seconds": self.limits.seconds}
        value |= {"python": platform.python_version(), "with": _versions(_PACKAGES.get(self.kind, ""))}
        if self.kind == "code":
            value |= {"memory_mb": self.limits.memory_mb, "output_bytes": self.limits.output_bytes}
        value |= {"source": self.rules.source} if self.rules is not None else {}
        return value | ({"function": self.function, "source": self.source} if self.function else {})

    def open(self) -> Verifies:
        """The verifier; nothing runs before its first answer. Raises as ``tool``."""
        if self.kind == "code":
            return CodeVerifier(self.limits)
        told: dict[str, Any] = {"kind": self.kind, "seconds": self.limits.seconds}
        if self.function is not None:
            folder = str(self.folder.resolve())
            told |= {"function": self.function, "folder": folder, "source": self.source}
        if self.rules is not None:
            told |= {"rules": self.rules.module}
        return WorkerVerifier(self.tool, told, self.limits.seconds)

    @cached_property
    def source(self) -> Digest:
        """The digest of the file that the function is in. Raises InputError where there is none."""
        assert self.function is not None, "asked of functions alone"
        return functions.digest_of(self.function, self.folder)


def _versions(package: str) -> dict[str, str]:
    """Of what is beneath a package, as far as it is installed."""
    found = {}
    for name in _BENEATH.get(package, ()):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def check_machine(kind: Kind) -> None:
    """Raises InputError when this machine cannot run what a verifier runs: before anybody is paid."""
    if kind == "code":
        sandbox = Sandbox(Limits())
        try:
            sandbox.check()
        finally:
            sandbox.close()
