"""The receipts that lie beside a teacher's answers, and whether they are for just these.

Format ``inbond.receipts/1``, two files in the folder of a record set. ``receipts.jsonl``: one answer a line,
canonical JSON ``{row, request, receipt}``, where ``request`` is what was sent but for the record's prompt.
``issuer-keys.json``: the keys that signed them, a JWK set as the host gave it when it answered. No text lies
in them, so that they stay when the text is erased; then nobody can tell any more what they are for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import TamperedError
from inbond.ledger import issuer_keys, receipts, records
from inbond.ledger.attest import PublicKey
from inbond.ledger.issuer_keys import Keys
from inbond.ledger.receipts import Receipt
from inbond.types import Record, prompt_to_json
from inbond.workspace import opened, write_bytes

NAME: Final = "receipts.jsonl"
KEYS: Final = "issuer-keys.json"
_SHOWN = 20


def mismatch(receipt: Receipt, request: Mapping[str, Any], record: Record) -> str | None:
    """What a receipt says that is not so of a record; None when it is for it. Says nothing of who signed."""
    claims = receipt.claims
    if claims.model != request.get("model"):
        return f"its receipt is for the model {claims.model!r:.100}, not {request.get('model')!r:.100}"
    if not claims.request.fits("request", {**request, **prompt_to_json(record.prompt)}):
        return "its receipt is for another request"
    if claims.text is None or not claims.text.fits("text", [record.completion]):
        return "its receipt is for another answer than this text"
    return None


# When answers come ----------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class Got:
    """A receipt as it came with the answer of a row, and the key that the host gave for it."""

    row: int
    record: Record
    request: Mapping[str, Any]
    token: str
    key: PublicKey | None


@final
@dataclass
class Collected:
    """Receipts worth keeping, as lines; the keys of them; and why others are not kept, counted."""

    lines: list[bytes] = field(default_factory=list)
    keys: dict[Digest, PublicKey] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def write(self, folder: Path) -> None:
        """Writes nothing where there is nothing. Raises UnwritableError."""
        if self.lines:
            write_bytes(folder / NAME, b"".join(line + b"\n" for line in self.lines))
            write_bytes(folder / KEYS, issuer_keys.encode(self.keys.values()) + b"\n")

    def facts(self) -> dict[str, Any]:
        """What a manifest says of them."""
        refused = {"refused": dict(sorted(self.refused.items()))} if self.refused else {}
        return {"receipts": {"kept": len(self.lines), **refused}} if self.lines or refused else {}


def collect(got: Iterable[Got]) -> Collected:
    """Keeps the receipts that are for their records. One whose key is not known is kept all the same: who
    verifies may have the key."""
    found = Collected()
    for one in got:
        try:
            receipt = receipts.read(one.token)
        except TamperedError:
            found.refused["no receipt"] += 1
            continue
        if mismatch(receipt, one.request, one.record) is not None:
            found.refused["not for the request and its answer"] += 1
        elif one.key is not None and not receipt.signed_by(one.key):
            found.refused["a signature that does not fit"] += 1
        else:
            line = {"row": one.row, "request": dict(one.request), "receipt": one.token}
            found.lines.append(digest.canonical(line))
            if one.key is not None:
                found.keys[one.key.id] = one.key
    return found


# When they are checked ------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class Checked:
    """What the receipts of a record set come to. ``valid`` of ``answers`` have one that verifies, with a key
    of ``keys``, given by ``issuers``; ``notes`` say what could not be looked at."""

    answers: int
    valid: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    issuers: tuple[str, ...]
    keys: tuple[Digest, ...]

    @property
    def whole(self) -> bool:
        """Whether every answer has one."""
        return self.answers == self.valid > 0 and not self.problems


def lies_in(names: Iterable[str]) -> bool:
    """Whether an artifact with these files has receipts."""
    return NAME in names


def check(folder: Path, pinned: Keys | None = None) -> Checked:
    """Checks the receipts in a record set's folder, with the ``pinned`` keys alone or else with those that
    lie beside them. Whatever is wrong becomes a problem."""
    try:
        kept = _texts(folder)
        lines = _bytes(folder / NAME).split(b"\n")
        keys = pinned if pinned is not None else issuer_keys.decode(_bytes(folder / KEYS))
    except (OSError, ValueError) as error:
        return Checked(0, 0, (f"its receipts cannot be read ({error})"[:200],), (), (), ())
    return _Checking(kept, keys, pinned is not None).check(lines)


def _bytes(path: Path) -> bytes:
    with opened(path) as file:
        return file.read()


def _texts(folder: Path) -> Sequence[Record | None] | None:
    """The records as they lie there, None for one that is none; None when their text was erased."""
    try:
        lines = _bytes(folder / records.TEXT).split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    return [_record(line) for line in lines]


def _record(line: bytes) -> Record | None:
    try:
        return records.parse_record(line)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


@final
class _Checking:
    """The state of one check."""

    def __init__(self, kept: Sequence[Record | None] | None, keys: Keys, pinned: bool) -> None:
        self._kept = kept
        self._keys = keys
        self._pinned = pinned
        self._problems: list[str] = []
        self._seen: set[int] = set()
        self._unkeyed = 0
        self._valid: list[Receipt] = []

    def check(self, lines: Sequence[bytes]) -> Checked:
        for number, line in enumerate(lines[:-1], 1):
            row = self._line(line)
            if row is None:
                self._problems.append(f"line {number} of {NAME} is no receipt of an answer")
        if lines[-1]:
            self._problems.append(f"{NAME} does not end with a whole line")
        problems = self._problems[:_SHOWN]
        if len(self._problems) > _SHOWN:
            problems.append(f"{len(self._problems) - _SHOWN} more of its receipts do not fit")
        used = dict.fromkeys(receipt.key for receipt in self._valid)
        issuers = dict.fromkeys(receipt.claims.issuer for receipt in self._valid)
        erased = self._kept is None
        return Checked(
            len(self._kept or ()), 0 if erased else len(self._valid), tuple(problems), tuple(self._notes()),
            tuple(issuers), tuple(used),
        )  # fmt: skip

    def _line(self, line: bytes) -> int | None:
        """The row that a line speaks of; None when it is not as it was written."""
        try:
            value = digest.parse(line)
            row, request, token = value["row"], value["request"], value["receipt"]
            good = isinstance(row, int) and not isinstance(row, bool) and row >= 0
            good = good and isinstance(request, dict) and isinstance(token, str)
            good = good and set(value) == {"row", "request", "receipt"} and digest.canonical(value) == line
        except (ValueError, KeyError, TypeError):
            return None
        if not good or row in self._seen or (self._kept is not None and row >= len(self._kept)):
            return None
        self._seen.add(row)
        self._receipt(row, request, token)
        return int(row)

    def _receipt(self, row: int, request: Mapping[str, Any], token: str) -> None:
        try:
            receipt = receipts.read(token)
        except TamperedError as error:
            self._problems.append(f"record {row}: its receipt is none ({error.found})")
            return
        key = self._keys.get(receipt.key)
        if key is None and not self._pinned:
            self._unkeyed += 1
        elif key is None:
            self._problems.append(
                f"record {row}: its receipt names the key {receipt.key}, which you did not give"
            )
        elif not receipt.signed_by(key):
            self._problems.append(f"record {row}: its receipt was changed, or its issuer did not sign it")
        elif wrong := self._wrong(row, receipt, request):
            self._problems.append(f"record {row}: {wrong}")
        else:
            self._valid.append(receipt)

    def _wrong(self, row: int, receipt: Receipt, request: Mapping[str, Any]) -> str | None:
        if self._kept is None:
            return None
        record = self._kept[row]
        return "it cannot be read" if record is None else mismatch(receipt, request, record)

    def _notes(self) -> Iterator[str]:
        if self._kept is None:
            yield "its text was erased: only who signed its receipts was checked, not what for"
        if self._unkeyed:
            yield f"{self._unkeyed:,} receipts name a key that is not kept: check them with --issuer-key"
        if self._valid and self._kept is not None:
            by = ", ".join(sorted({receipt.claims.issuer for receipt in self._valid}))[:300]
            how = (
                "a key that you gave" if self._pinned else "a key that its host gave, which you may not know"
            )
            yield f"{len(self._valid):,} of {len(self._kept):,} answers have a receipt of {by!r}, by {how}"
