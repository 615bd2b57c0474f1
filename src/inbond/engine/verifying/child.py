"""A worker's own side: reads answers from standard input and rules on them, one JSON line each.

``python -m inbond.engine.verifying.child``. The first line says the kind of verifier; what comes back is
``{"ready": true}``, or ``{"error": text}`` for a function that cannot be loaded. Whatever else prints, prints
nowhere.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from inbond.engine.verifying.ruling import Ruling, cannot_tell, said_by

MEMORY = 4 << 30
"""Bytes of address space for what is not the user's own code."""

PATIENCE_S = 30.0
"""Beyond an answer's own time, until a worker that nobody ends any more ends itself."""

Rules = Callable[[str, Any], Ruling]


def rules_of(told: Mapping[str, Any]) -> Rules:
    """The verifier that a worker is told to be. Raises what loading a user's function raises."""
    kind = told["kind"]
    if kind == "function":
        from inbond.engine.verifying import functions

        function = functions.load(told["function"], told["folder"], told["source"])
        return lambda completion, expected: functions.rule(function, completion, expected)
    _limit_memory()
    if "rules" in told:
        brought = importlib.import_module(told["rules"])
        brought.prepare()
        found: Rules = brought.rule
        return found
    if kind in ("number", "expression"):
        from inbond.engine.verifying import mathematics

        mathematics.rule("expression", "1", "1")  # loads sympy before the clock runs
        return lambda completion, expected: mathematics.rule(kind, completion, expected)
    from inbond.engine.verifying import texts

    if kind == "json":
        texts.rule_json("1", True)
    return {"json": texts.rule_json, "regex": texts.rule_regex}[kind]


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return  # no such thing on this system: the clock still holds
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def ruled(rules: Rules, asked: Mapping[str, Any]) -> Ruling:
    """One ruling, whatever the answer does to the rules."""
    try:
        return rules(asked["completion"], asked["expected"])
    except BaseException as error:
        return cannot_tell("raised", f"the verifier raised {type(error).__name__}: {said_by(error)}")


def main() -> None:
    """Serves until standard input ends."""
    me, out = os.getpid(), os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)

    def tell(value: Mapping[str, Any]) -> None:
        out.write(json.dumps(value) + "\n")
        out.flush()

    told = json.loads(sys.stdin.readline())
    patience_s = told["seconds"] + PATIENCE_S
    try:
        rules = rules_of(told)
    except BaseException as error:
        tell({"error": f"{type(error).__name__}: {said_by(error)}"})
        return
    tell({"ready": True})
    for line in sys.stdin:
        # Whoever asked ends what takes too long; the kernel does when that one was killed itself.
        signal.setitimer(signal.ITIMER_REAL, patience_s)
        asked = json.loads(line)
        ruling = ruled(rules, asked)
        if os.getpid() != me:
            os._exit(0)  # a function forked, and both went on: one of them answers
        signal.setitimer(signal.ITIMER_REAL, 0)
        tell({"number": asked["number"], "ruling": ruling.to_json()})


if __name__ == "__main__":
    main()
