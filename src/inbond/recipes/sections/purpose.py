"""What a student is for: the section ``purpose`` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from inbond.policy.places import COUNTRIES
from inbond.recipes.sections.base import Section


def _a_country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError(f"{code!r} is not an ISO 3166-1 code of two letters such as JP, DE or GB")
    return code


_Country = Annotated[str, AfterValidator(_a_country)]


class Purpose(Section):
    """What the student is for; the gate judges it. Defaults are the most demanding plan."""

    use: Literal["research", "internal", "commercial"] = Field(
        "commercial", description="what it is used for"
    )
    release: Literal["none", "service", "weights"] = Field(
        "weights", description="none: stays in house; service: others can ask it; weights: others get them"
    )
    kind: Literal["general", "classifier", "embedding"] = Field(
        "general", description="what it is; some texts except classifiers and embedding models"
    )
    name: str | None = Field(
        None,
        pattern=r"^[^\s](.{0,198}[^\s])?$",
        description="the name it is handed out under; null: the recipe's name",
    )
    competes: Literal["yes", "no", "unknown"] = Field(
        "unknown", description="whether it competes with the teacher's provider"
    )
    domains: tuple[str, ...] = Field(
        (), description="fields of use, such as medical; docs/terms.md lists them"
    )
    mau: Annotated[int, Field(ge=0, le=10**12)] | None = Field(None, description="monthly active users")
    revenue_usd: Annotated[float, Field(ge=0, le=1e15)] | None = Field(None, description="US dollars a year")
    territory: _Country | None = Field(None, description="where: ISO 3166-1 code of two letters, such as JP")
    agreements: tuple[str, ...] = Field((), description="files; relative to the recipe's own folder")
