"""The verifiers ``json`` and ``regex``: has the answer the form that is expected of it?

Both run in a worker: a pattern, or one in a schema, may take for ever.
"""

from __future__ import annotations

import re
from math import isinf
from typing import Any

from inbond import strict_json
from inbond.engine.verifying.ruling import Ruling, cannot_tell, failed, passed

_FENCED = re.compile(r"\A\s*```(?:json)?[ \t]*\n(.*?)\n?[ \t]*```\s*\Z", re.S | re.I)


def rule_json(completion: str, expected: Any) -> Ruling:
    """Rules on an answer that has to be one JSON value, alone or alone in a fence. ``expected`` is a JSON
    schema; what it refers to elsewhere is never fetched."""
    from jsonschema.exceptions import SchemaError, best_match
    from jsonschema.validators import validator_for
    from referencing import Registry

    if not isinstance(expected, (dict, bool)):
        return cannot_tell("expected", f"expected is {expected!r:.80}, no JSON schema")
    fenced = _FENCED.match(completion)
    try:
        value = strict_json.parse(fenced[1] if fenced else completion, _finite)
    except ValueError as error:
        return failed("no JSON", f"the answer is no JSON: {error}")
    from jsonschema import Draft202012Validator

    checks = validator_for(expected, default=Draft202012Validator)
    try:
        checks.check_schema(expected)
    except SchemaError as error:
        return cannot_tell("expected", f"the schema is none: {error.message}")
    try:
        wrong = best_match(checks(expected, registry=Registry()).iter_errors(value))
    except Exception as error:  # a reference that leads nowhere, a pattern that is none
        return cannot_tell("expected", f"the schema cannot be used ({type(error).__name__}: {error})")
    if wrong is None:
        return passed("it fits the schema")
    return failed("does not fit", f"{wrong.json_path}: {wrong.message}")


def _finite(text: str) -> float:
    """A number of JSON. Raises ValueError for one that would become infinite."""
    number = float(text)
    if isinf(number):
        raise ValueError(f"{text:.40} is larger than a number can be here")
    return number


def rule_regex(completion: str, expected: Any) -> Ruling:
    """Rules on an answer in which a pattern has to be found; ``\\A`` and ``\\Z`` anchor it. ``expected`` is
    the pattern."""
    if not isinstance(expected, str) or not expected:
        return cannot_tell("expected", f"expected is {expected!r:.80}, no pattern")
    try:
        pattern = re.compile(expected)
    except (re.error, RecursionError, OverflowError) as error:
        return cannot_tell("expected", f"{expected!r:.80} is no pattern: {error}")
    found = pattern.search(completion)
    if found is None:
        return failed("not found", f"{expected!r:.80} is not in the answer")
    return passed(f"found {found[0]!r:.80}")
