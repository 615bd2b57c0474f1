"""One error tree. Every error says what was expected, what was found and what to do.

The exit code of the command line is a property of the class, so that a room never
decides how a process ends: 2 bad input, 3 a person must decide, 4 the answer is no, 1 our fault.
"""

from __future__ import annotations


class InbondError(Exception):
    """Root of everything Inbond raises on purpose."""

    exit_code = 1

    def __init__(self, *, expected: str, found: str, fix: str) -> None:
        self.expected = expected
        self.found = found
        self.fix = fix
        super().__init__(f"expected {expected}; found {found}; fix: {fix}")

    def to_json(self) -> dict[str, str]:
        """The object printed by ``--json`` under ``error``."""
        return {"expected": self.expected, "found": self.found, "fix": self.fix}


class InputError(InbondError, ValueError):
    """Something the user gave (a recipe, a file, a name, a machine without space) cannot be used."""

    exit_code = 2


class UnwritableError(InputError, OSError):
    """The disk is full, or a folder may not be written. Nothing half-written stays behind."""


class NewerFormatError(InputError):
    """A newer Inbond wrote it: this one can neither verify it nor say that it was changed."""


class MissingExtraError(InputError, ImportError):
    """A verb needs an optional dependency that is not installed."""


class DecisionNeededError(InbondError):
    """A verdict is review or cannot-tell: a person must decide (``--accept REASON`` records that)."""

    exit_code = 3


class DeniedError(InbondError):
    """A gate said no."""

    exit_code = 4


class TamperedError(InbondError):
    """Bytes are not those that were signed or digested."""

    exit_code = 4


class TeacherError(InbondError):
    """A teacher did not give a usable answer.

    ``reason`` is one of ``teachers.protocols.FAILURES``; ``retryable`` says whether asking the same
    thing again may help; ``retry_after_s`` is the wait that the host itself asked for, in seconds;
    ``spent`` is (prompt tokens, completion tokens) where an unusable answer was counted all the same.
    """

    exit_code = 2

    def __init__(
        self,
        *,
        expected: str,
        found: str,
        fix: str,
        reason: str,
        retryable: bool,
        retry_after_s: float | None = None,
        spent: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(expected=expected, found=found, fix=fix)
        self.reason = reason
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.spent = spent


def need_extra(extra: str, missing: str) -> MissingExtraError:
    """The error for a missing optional dependency, with the command that installs it."""
    return MissingExtraError(
        expected=f"the package {missing!r}",
        found="it is not installed",
        fix=f"pip install 'inbond[{extra}]'",
    )
