"""A day's briefings as one content: the same event once, the weightiest first. Pure.

Format ``inbond.briefing-day/1``. It holds what may be shown to others (title, one sentence, key points, tags,
score, where the articles are) and neither translation nor original text; nor impact and comment, which are
opinion. Nothing in it tells when it was put together: the same briefings give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from inbond.briefing.briefing import Briefing
from inbond.briefing.merging import merged
from inbond.briefing.telling import Telling, same_address
from inbond.digest import of_value, to_raw
from inbond.errors import InputError
from inbond.ledger.formats import refuse_newer

FORMAT: Final = "inbond.briefing-day/1"
NOTICE: Final = (
    "Titles, summaries, key points and tags were written by machines from the articles that are named, whose "
    "rights stay with their owners. A score is a machine's opinion, not fact."
)

Moment = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z$")]
DayText = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}(-[0-9]{2}){2}$")]
BriefingId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@final
class DaySource(_Part):
    """An article: what it calls itself, where it is ("" for a file), and its briefing's id."""

    title: str
    site: str
    url: Annotated[str, StringConstraints(pattern=r"^(https?://.*)?$")]
    language: str
    date: str
    id: BriefingId


@final
class DayPoint(_Part):
    """A key point, and the block of the article that it rests on."""

    heading: str
    sentence: str
    block: str


@final
class Entry(_Part):
    """One event. ``briefing`` is the one that speaks, ``model`` who wrote that; ``merged`` counts the
    articles. ``published`` and ``updated`` are when its first and its last briefing was made."""

    id: str
    briefing: BriefingId
    title: str
    summary: str
    score: str | None
    points: tuple[DayPoint, ...]
    tags: tuple[str, ...]
    sources: Annotated[tuple[DaySource, ...], Field(min_length=1)]
    merged: Annotated[int, Field(ge=1)]
    model: str
    published: Moment
    updated: Moment


@final
class Day(_Part):
    """A day of a reader's: from ``begins`` until before ``ends``, both UTC. ``title`` is "" for none of its
    own; ``notice`` says whose words these are. There is at least one entry."""

    format: Literal["inbond.briefing-day/1"]
    id: str
    day: DayText
    begins: Moment
    ends: Moment
    language: str
    title: str
    notice: str
    updated: Moment
    entries: Annotated[tuple[Entry, ...], Field(min_length=1)]

    def to_json(self) -> dict[str, Any]:
        """``from_json`` reads it."""
        return self.model_dump(mode="json")

    @property
    def articles(self) -> int:
        """How many articles the entries tell of."""
        return sum(entry.merged for entry in self.entries)

    @classmethod
    def from_json(cls, value: Any, where: str = "the day") -> Day:
        """Raises InputError for what is no such content; NewerFormatError for a newer Inbond's."""
        said = value.get("format") if isinstance(value, dict) else None
        refuse_newer(said, FORMAT, "a day of briefings")
        try:
            return cls.model_validate_json(json.dumps(value))
        except (ValidationError, ValueError, RecursionError) as error:
            first = error.errors()[0] if isinstance(error, ValidationError) else None
            place = ".".join(map(str, first["loc"])) if first else ""
            raise InputError(
                expected=f"{where} in the format {FORMAT}",
                found=f"{place or 'the whole'}: {first['msg'] if first else error}"[:300],
                fix="make it again with inbond briefing day",
            ) from None


def span(day: date, zone: tzinfo | None) -> tuple[datetime, datetime]:
    """When a day begins and the next one does, in UTC; None is the zone of this machine."""
    midnights = (datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1)))
    first, last = (each.astimezone(UTC) for each in midnights)
    return first, last


def made_within(briefings: Iterable[Briefing], begins: datetime, ends: datetime) -> list[Briefing]:
    """Those that were made from ``begins`` until before ``ends``."""
    return [each for each in briefings if begins <= moment_of(each.made_at) < ends]


def moment_of(made_at: str) -> datetime:
    """When that was; a moment that cannot have been (the 13th month, the year 1) is the first of all."""
    try:
        found = datetime.strptime(made_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return _FIRST
    return found if 1970 <= found.year < 9999 else _FIRST


def local_day(made_at: str) -> date:
    """The day, by this machine's clock, on which a briefing was made."""
    return moment_of(made_at).astimezone().date()


def main_language(briefings: Iterable[Briefing]) -> str:
    """The language of most of them; of two with as many the first by code. There is at least one."""
    languages = [each.language for each in briefings]
    return min(set(languages), key=lambda language: (-languages.count(language), language))


def of_day(
    day: date, within: tuple[datetime, datetime], briefings: Sequence[Briefing], title: str = ""
) -> Day:
    """The content of a day: ``briefings`` are those made on it, at least one, in one language."""
    language = briefings[0].language
    assert {each.language for each in briefings} == {language}, "one day, one language"
    by_id = {each.id: each for each in briefings}
    groups = merged([Telling.of(each) for each in by_id.values()])
    first = min(briefings, key=lambda each: (each.made_at, each.id))
    entries = (_entry([[by_id[key] for key in article] for article in group], f"{day}") for group in groups)
    return Day(
        format="inbond.briefing-day/1",
        id=urn(f"{day}", language, first.identity),
        day=f"{day}",
        begins=_written(within[0]),
        ends=_written(within[1]),
        language=language,
        title=title,
        notice=NOTICE,
        updated=max(each.made_at for each in briefings),
        entries=tuple(sorted(entries, key=_order)),
    )


def urn(*parts: str) -> str:
    """A name that is the same whenever it is made of these parts: a UUID of version 8 (RFC 9562) out of their
    digest."""
    raw = bytearray(to_raw(of_value([FORMAT, *parts]))[:16])
    raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw)).urn


def model_name(uri: str) -> str:
    """A model's name for others to see: of a file only its name, not the folders of this machine."""
    scheme, colon, rest = uri.partition(":")
    place = rest if colon else scheme
    is_path = scheme == "gguf" or place.startswith(("/", ".", "~")) or "\\" in place
    name = place.replace("\\", "/").rstrip("/").rpartition("/")[2] if is_path else place
    return f"{scheme}:{name}" if colon else name


def _entry(articles: Sequence[Sequence[Briefing]], day: str) -> Entry:
    every = [each for article in articles for each in article]
    speaks = min(every, key=_rank)
    first = min(every, key=lambda each: (each.made_at, each.id))
    return Entry(
        id=urn(day, speaks.language, "entry", first.identity),
        briefing=speaks.id,
        title=speaks.shown_title,
        summary=speaks.summary,
        score=speaks.score,
        points=tuple(
            DayPoint(heading=each.heading, sentence=each.sentence, block=each.block) for each in speaks.points
        ),
        tags=tuple(dict.fromkeys(speaks.tags)),
        sources=tuple(_sources(articles)),
        merged=len(articles),
        model=model_name(speaks.model.uri),
        published=first.made_at,
        updated=max(each.made_at for each in every),
    )


def _rank(briefing: Briefing) -> tuple[Decimal, int, str]:
    """Who of a group speaks comes first: the best score, then the longest, then the first by id."""
    said = (briefing.summary, *(f"{each.heading}{each.sentence}" for each in briefing.points))
    return -_score(briefing.score), -sum(map(len, said)), briefing.id


def _score(score: str | None) -> Decimal:
    return Decimal(-1) if score is None else Decimal(score)


def _sources(articles: Sequence[Sequence[Briefing]]) -> Iterable[DaySource]:
    """Each article once at each of its addresses, that of the speaker first."""
    for article in sorted(articles, key=lambda each: min(map(_rank, each))):
        places: Mapping[str, Briefing] = {
            same_address(each.source.url) or each.source.digest: each
            for each in sorted(article, key=_rank, reverse=True)
        }
        for briefing in sorted(places.values(), key=_rank):
            source = briefing.source
            yield DaySource(
                title=source.title or source.from_,
                site=source.site,
                url=source.url,
                language=source.language,
                date=source.date,
                id=briefing.id,
            )


def _order(entry: Entry) -> tuple[Decimal, int, str, str]:
    return -_score(entry.score), -entry.merged, entry.published, entry.id


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
