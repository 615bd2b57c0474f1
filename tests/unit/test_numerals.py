"""Numbers in answers: which one counts, and when two mean the same."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine.verifying import numerals
from inbond.engine.verifying.numerals import Number, read

READ = {
    "1e3": 1000, "1.5E+3": 1500, "2e-3": Fraction(1, 500), "10^3": 1000, "10**3": 1000, "10³": 1000,
    "2 \\times 10^3": 2000, "$2 \\cdot 10^{-3}$": Fraction(1, 500), "2×10³": 2000, "3 * 10^2": 300,
    "１２": 12, "１，２３４．５": Fraction(2469, 2), "١٢": 12, "۱۲٫۵": Fraction(25, 2), "१२": 12,
    "1,234,567": 1234567, "1 234": 1234, "1.234,5": Fraction(2469, 2), "1,5": Fraction(3, 2),
    "$1{,}234$": 1234,
    "50%": 50, "50 %": 50, "５０％": 50, "12kg": 12, "$12": 12, "12 €": 12, "-$4": -4, "#### 72": 72,
    "23 + 6 = 29": 29, "29 = 23 + 6": 29, "30 = 23 + 6": 30, "5 + 12 = 17 = 17": 17, "8-9=-1": -1,
    "= - 4": -4,
    "−4": -4, "–4": -4, "-½": Fraction(-1, 2), "3 3/4": Fraction(15, 4), "2½": Fraction(5, 2), "(-4)": -4,
    "+17": 17, "-.5": Fraction(-1, 2), "17.": 17, "**17**": 17, "`17`": 17, "{17}": 17, "\\(17\\)": 17,
    "\\boxed{1} and \\boxed{17}, not 3": 17, "\\boxed{\\frac{1}{2}}": Fraction(1, 2), "\\text{so } 17": 17,
    "17\0": 17, "\ud80017": 17, "17 then 18": 18, "8 + 9 is 17, since 10 + 7 = 17": 17, "7 x 8 = 56": 56,
    "56 / 8 = 7": 7, "17/day": 17, "17 - that is it": 17, "- 4": 4,
}  # fmt: skip
UNREAD = {
    "12 + 5": "formula", "12 + 5 =": "formula", "7*8": "formula", "56/8": "formula", "12 -5": "formula",
    "10^10^10": "formula", "10**10**10": "formula", "2^10": "formula", "5²": "formula", "sqrt(16)": "formula",
    "√16": "formula", "3π": "formula", "3x": "formula", "": "none", "seventeen": "none", "十二": "none",
    "nan": "none", "infinity": "none", "1/0": "none", "0x11": "none", "x17": "none", "1.2.3": "none",
    "\\boxed{}": "none", "\\boxed{17": "latex", "\\sqrt{16}": "latex", "\\infty": "latex",
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), READ.items(), ids=ascii)
def test_the_last_number_that_stands_for_itself_counts(text: str, value: Fraction) -> None:
    found = read(text)
    assert isinstance(found, Number)
    assert found.value == value


@pytest.mark.parametrize(("text", "found"), UNREAD.items(), ids=ascii)
def test_what_is_no_number_is_none(text: str, found: str) -> None:
    assert read(text) == found


SAME = [
    ("1/2", "0.5"),
    ("50%", "0.5"),
    ("50%", "50"),
    ("1/3", "0.333333"),
    ("17.0", "17"),
    ("1e-7", "0.0000001"),
]
OTHER = [
    ("50%", "0.5%"), ("1e-7", "2e-7"), ("100.0001", "100"), ("3.14159", "3.14158"), ("4", "-4"),
    ("0", "1e-9"),
    ("12345678901234567891", "12345678901234567890"), ("9" * 5000, "9" * 5000), ("1e99999", "1e99999"),
]  # fmt: skip


def number(text: str) -> Number:
    found = read(text)
    assert isinstance(found, Number)
    return found


@pytest.mark.parametrize(("one", "other"), SAME)
def test_they_are_compared_by_value(one: str, other: str) -> None:
    assert number(one).same(number(other))
    assert number(other).same(number(one))


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_only_looks_near_is_another(one: str, other: str) -> None:
    assert not number(one).same(number(other))
    assert not number(other).same(number(one))


@given(st.integers(-(10**30), 10**30), st.integers(-99, 99), st.integers(-99, 99))
def test_whole_numbers_are_exact_wherever_they_stand(value: int, a: int, b: int) -> None:
    for text in (
        f"{value}",
        f"it is {value:,}.",
        f"{abs(a)} + {abs(b)} = {value}",
        f"{value} = {a} + {abs(b)}",
    ):
        assert number(text).value == value, text
    assert not number(str(value)).same(number(str(value + 1)))


@given(st.fractions(min_value=-1000, max_value=1000, max_denominator=999))
def test_fractions_are_exact(value: Fraction) -> None:
    if value.denominator > 1:
        assert number(f"so {value}").value == value
    assert number(f"{float(value):.9f}").same(Number(value, ""))


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    found = read(text)
    assert isinstance(found, Number) or found in ("none", "formula", "latex")
    numerals.whole(text)
    numerals.ordinary(text).encode()


@pytest.mark.parametrize(
    "text",
    ["1" * 3_000_000, "1," * 1_000_000, "1 " * 1_000_000, "a1" * 1_000_000, "\\boxed{" * 300_000,
     "1" + " " * 2_000_000,
     "\\text{" * 300_000, "(" * 2_000_000, "1^" * 1_000_000, "1 + " * 500_000],
    ids=["digits", "commas", "numbers", "letters", "boxes", "spaces", "commands", "open", "powers", "a sum"],
)  # fmt: skip
@pytest.mark.timeout(60)
def test_much_text_is_no_trouble(text: str) -> None:
    found = read(text)
    assert isinstance(found, (Number, str))
