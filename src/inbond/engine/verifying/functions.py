"""The verifier ``function``: a user's own, ``module:name``, called with an answer and what is expected.

It returns True, False, or None for "cannot tell"; or one of these with a reason, as a pair. It is the user's
own code and runs as such, but in a worker: what hangs, ends or prints there is a ruling and nothing more.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from inbond.digest import Digest, of_file
from inbond.engine.verifying.ruling import Ruling, cannot_tell, failed, passed, said_by
from inbond.errors import InputError

_NAME = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


def parts_of(name: str) -> tuple[str, str]:
    """The module and the function in ``module:function``. Raises InputError."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            expected="a function as module:name, such as checks:is_polite",
            found=repr(name),
            fix="write the module's name, a colon, and the function's name",
        )
    return match[1], match[2]


def digest_of(name: str, folder: Path) -> Digest:
    """The digest of the file that a function is in, found without running it. Raises InputError.

    What that file imports is not covered.
    """
    module, _ = parts_of(name)
    places: list[str] = [str(folder), *sys.path]
    found = None
    for step in module.split("."):
        found = PathFinder.find_spec(step, places)
        places = list(found.submodule_search_locations or []) if found is not None else []
    if found is None or found.origin is None or not os.path.isfile(found.origin):
        raise InputError(
            expected=f"the module {module!r} of verify.function, in {folder} or installed",
            found="none",
            fix="put the file beside the recipe, or correct the name",
        )
    return of_file(Path(found.origin))


def load(name: str, folder: str, source: Digest) -> Callable[[str, Any], Any]:
    """The function itself, from the file whose digest is ``source``: of two texts, rulings of one run would
    be by two verifiers. Raises ValueError for another text, AttributeError, TypeError, and whatever its
    module raises."""
    module, function = parts_of(name)
    if digest_of(name, Path(folder)) != source:
        raise ValueError("its file is another than when the run began: run it again")
    sys.path.insert(0, folder)
    found = getattr(importlib.import_module(module), function)
    if not callable(found):
        raise TypeError(f"{name} is a {type(found).__name__}, no function")
    return found  # type: ignore[no-any-return]


def rule(function: Callable[[str, Any], Any], completion: str, expected: Any) -> Ruling:
    """Rules as the function says; anything it says but these three is no ruling."""
    try:
        said = function(completion, expected)
    except Exception as error:
        return cannot_tell("raised", f"the function raised {type(error).__name__}: {said_by(error)}")
    told = said if isinstance(said, tuple) and len(said) == 2 and isinstance(said[1], str) else (said, "")
    right, reason = told
    if right is True:
        return passed(reason or "the function says so")
    if right is False:
        return failed("wrong", reason or "the function says so")
    if right is None:
        return cannot_tell("undecided", reason or "the function cannot tell")
    return cannot_tell("no ruling", f"the function returned {said!r:.80}, not True, False or None")
