"""Personal data in a text: what can be told by form and, where there is one, by its check digits.

E-mail addresses, telephone numbers (the phonenumbers library), payment cards (Luhn), bank accounts
(IBAN, ISO 7064 mod 97), public IP addresses, US social security numbers, Japanese My Numbers. Names,
street addresses and birthdays cannot be told by form and are not found. Full-width forms are read as
their plain ones (NFKC). Addresses reserved for documentation (RFC 2606, RFC 5737) are nobody's.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from inbond.errors import need_extra

_EMAIL = re.compile(
    r"(?<![\w.+%-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}@((?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})(?![\w-])"
)
_RESERVED_HOST = re.compile(
    r"(^|\.)(example\.(com|org|net|edu)|example|test|invalid|localhost)$", re.IGNORECASE
)
_MAYBE_PHONE = re.compile(r"[+(]?\d[\d\s().\-]{5,18}\d")
_CARD = re.compile(
    r"(?<![\d.-])(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -]?)\d{6}\2\d{4,5})(?![\d-]|\.\d)"
)
_CARD_ISSUER = re.compile(
    r"4\d{12}(\d{3}){0,2}|(5[1-5]\d{2}|2(22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720))\d{12}|3[47]\d{13}"
    r"|(6011|65\d\d|64[4-9]\d)\d{12}|35(2[89]|[3-8]\d)\d{12}|3(0[0-5]|[689]\d)\d{11}|62\d{14,17}"
)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![\w:])")
_VERSION_BEFORE = re.compile(r"(version|release|firmware|\bv)\.?\s*$", re.IGNORECASE)
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])")
_MY_NUMBER = re.compile(r"(?:マイナンバー|個人番号)\D{0,10}(\d{4}[ -]?\d{4}[ -]?\d{4})(?!\d)")


def find(text: str, phone_regions: Sequence[str]) -> str | None:
    """The kind of the first personal datum (``e-mail address``), or None. Never the datum."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    if "@" in plain and _has_email(plain):
        return "e-mail address"
    if not _DIGITS.search(plain):
        return None
    for kind, test in _TESTS:
        if test(plain):
            return kind
    return "telephone number" if _has_phone(plain, phone_regions) else None


_DIGITS = re.compile(r"\d[\d\s().:A-Fa-f\-]{4}|::")


def _has_email(text: str) -> bool:
    return any(not _RESERVED_HOST.search(match[1]) for match in _EMAIL.finditer(text))


def _has_card(text: str) -> bool:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if _CARD_ISSUER.fullmatch(digits) and _luhn(digits):
            return True
    return False


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    values = [int(digit) for digit in reversed(digits)]
    doubled = sum(value * 2 - 9 * (value > 4) for value in values[1::2])
    return (sum(values[0::2]) + doubled) % 10 == 0


def _has_iban(text: str) -> bool:
    """The text after an IBAN may look like more of it, so shorter readings are tried too."""
    for match in _IBAN.finditer(text):
        words = match[0].split(" ")
        if any(_mod_97("".join(words[:count])) for count in range(len(words), 0, -1)):
            return True
    return False


def _mod_97(iban: str) -> bool:
    """ISO 13616: the first four characters last, letters as 10..35, remainder 1 by 97."""
    if not 15 <= len(iban) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


def _has_ip(text: str) -> bool:
    for match in _IPV4.finditer(text):
        before = text[max(0, match.start() - 12) : match.start()]
        if not _VERSION_BEFORE.search(before) and _is_public(match[0]):
            return True
    return text.count(":") > 2 and any(_is_public(match[0]) for match in _IPV6.finditer(text))


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast


def _has_ssn(text: str) -> bool:
    return _SSN.search(text) is not None


def _has_my_number(text: str) -> bool:
    """Twelve digits, named as one, whose last is the check digit of Ministry Ordinance 85 (2014)."""
    for match in _MY_NUMBER.finditer(text):
        digits = [int(char) for char in match[1] if char.isdigit()]
        total = sum(d * (n + 1 if n <= 6 else n - 5) for n, d in enumerate(reversed(digits[:11]), 1))
        if digits[11] == (0 if total % 11 <= 1 else 11 - total % 11):
            return True
    return False


_TESTS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("payment card number", _has_card),
    ("bank account number (IBAN)", _has_iban),
    ("social security number", _has_ssn),
    ("My Number", _has_my_number),
    ("IP address", _has_ip),
)


def _has_phone(text: str, regions: Sequence[str]) -> bool:
    """International numbers with their +, national ones as ``regions`` write them: grouped, since a bare
    run of digits is more often something else."""
    for candidate in _MAYBE_PHONE.finditer(text):
        said = candidate[0]
        international = said.startswith("+")
        if not international and not re.search(r"\d[\s().\-]+\d", said):
            continue
        if any(_is_phone(said, region) for region in ([None] if international else regions)):
            return True
    return False


def _is_phone(said: str, region: str | None) -> bool:
    library = _phonenumbers()
    matcher = library.PhoneNumberMatcher(said, region, leniency=library.Leniency.STRICT_GROUPING)
    return matcher.has_next() is True


def known_regions() -> frozenset[str]:
    """ISO 3166 codes whose numbering plan is known. Raises MissingExtraError."""
    return frozenset(_phonenumbers().SUPPORTED_REGIONS)


@lru_cache(maxsize=1)
def _phonenumbers() -> Any:
    try:
        import phonenumbers
    except ImportError as error:
        raise need_extra("filters", "phonenumbers") from error
    return phonenumbers
