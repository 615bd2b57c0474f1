"""Errors: what the user reads, and how the process ends."""

from __future__ import annotations

import pytest

from inbond import errors


@pytest.mark.parametrize(
    ("kind", "code", "also"),
    [
        (errors.InbondError, 1, Exception),
        (errors.InputError, 2, ValueError),
        (errors.UnwritableError, 2, OSError),
        (errors.MissingExtraError, 2, ImportError),
        (errors.DecisionNeededError, 3, errors.InbondError),
        (errors.DeniedError, 4, errors.InbondError),
        (errors.TamperedError, 4, errors.InbondError),
    ],
)
def test_every_error_says_three_things_and_its_exit_code(
    kind: type[errors.InbondError], code: int, also: type[Exception]
) -> None:
    error = kind(expected="a", found="b", fix="c")
    assert str(error) == "expected a; found b; fix: c"
    assert error.to_json() == {"expected": "a", "found": "b", "fix": "c"}
    assert error.exit_code == code
    assert isinstance(error, also)


def test_a_teachers_error_says_whether_to_ask_again() -> None:
    error = errors.TeacherError(
        expected="a", found="b", fix="c", reason="rate-limited", retryable=True, retry_after_s=3.5
    )
    assert (error.reason, error.retryable, error.retry_after_s) == ("rate-limited", True, 3.5)
    assert error.exit_code == 2


def test_a_missing_extra_names_the_command_that_installs_it() -> None:
    assert errors.need_extra("train", "torch").to_json() == {
        "expected": "the package 'torch'",
        "found": "it is not installed",
        "fix": "pip install 'inbond[train]'",
    }
