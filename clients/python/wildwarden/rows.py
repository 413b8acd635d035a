"""Ratings as flat rows: the columns of `wildwarden scan`, of data frames, of Spark and of Ray, made in this one place.

Needs nothing but protobuf; `schema` needs pyarrow, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from google.protobuf import json_format

from wildwarden.listing import NotRated, Outcome
from wildwarden.v1 import risk_pb2

if TYPE_CHECKING:
    import pyarrow

SCHEMA_VERSION = "1"
SCHEMA_KEY = "wildwarden.schema"
UNREADABLE = "UNREADABLE"
"""`error_code` of a row whose photos or texts could not be read: it was sent to no server."""

# By value: looked up for every row.
_LEVELS = {number: name.removeprefix("LEVEL_").lower() for name, number in risk_pb2.Level.items()}
_SUGGESTIONS = {number: name.removeprefix("SUGGESTION_").lower() for name, number in risk_pb2.Suggestion.items()}
_REASONS = {number: name.removeprefix("REASON_CODE_").lower() for name, number in risk_pb2.ReasonCode.items()}

Kind: TypeAlias = Literal["utf8", "float64", "bool", "list<utf8>"]


class Column(NamedTuple):
    """A rating column. Every one may be null."""

    name: str
    kind: Kind


def columns(categories: Sequence[str]) -> list[Column]:
    """All rating columns in their order, of a policy that looks for `categories`."""
    whole = [Column("listing_id", "utf8"), Column("error_code", "utf8"), Column("error", "utf8")]
    whole += [Column("risk", "float64"), Column("level", "utf8"), Column("suggestion", "utf8")]
    for category in categories:
        whole += [Column(f"{of}_{category}", "float64") for of in ("probability", "image", "text")]
    whole += [Column("best_image", "utf8"), Column("reasons", "list<utf8>"), Column("degraded", "bool")]
    return whole + [Column("missing", "list<utf8>"), Column("versions", "list<utf8>"), Column("rating", "utf8")]


def row(outcome: Outcome, categories: Sequence[str], listing_id: str = "") -> dict[str, object]:
    """One listing's row: a value by column, in the order of `columns`. `listing_id`: of one that was not rated."""
    empty: dict[str, object] = {column.name: None for column in columns(categories)}
    if isinstance(outcome, NotRated):
        return empty | {"listing_id": listing_id or None, "error_code": outcome.code, "error": outcome.message}
    return empty | {
        "listing_id": outcome.listing_id or None,
        "risk": outcome.risk,
        "level": _word(_LEVELS, outcome.level),
        "suggestion": _word(_SUGGESTIONS, outcome.suggestion),
        **_probabilities(outcome.categories, categories),
        "best_image": _best_image(outcome.categories),
        "reasons": [_reason(reason) for reason in outcome.reasons],
        "degraded": outcome.degraded,
        "missing": list(outcome.missing),
        "versions": [f"policy={outcome.policy.version}", *(f"{model.name}={model.version}" for model in outcome.models)],
        "rating": json_format.MessageToJson(outcome, indent=None, ensure_ascii=False),
    }


def schema(categories: Sequence[str]) -> pyarrow.Schema:
    """The columns as an Arrow schema, whose metadata has the version of this layout."""
    import pyarrow as pa

    types = {"utf8": pa.string(), "float64": pa.float64(), "bool": pa.bool_(), "list<utf8>": pa.list_(pa.string())}
    fields = [pa.field(column.name, types[column.kind]) for column in columns(categories)]
    return pa.schema(fields, metadata={SCHEMA_KEY: SCHEMA_VERSION})


def _probabilities(ratings: Iterable[risk_pb2.CategoryRating], categories: Sequence[str]) -> dict[str, object]:
    # A category that a newer policy added has no column; the column `rating` has it.
    found: dict[str, object] = {}
    for of in ratings:
        if of.category in categories:
            found[f"probability_{of.category}"] = None if of.unrated else of.probability
            found[f"image_{of.category}"] = of.image_probability if of.HasField("image_probability") else None
            found[f"text_{of.category}"] = of.text_probability if of.HasField("text_probability") else None
    return found


def _best_image(ratings: Iterable[risk_pb2.CategoryRating]) -> str | None:
    # Of equals, `max` takes the first.
    best = max((of for of in ratings if not of.unrated), key=lambda of: of.probability, default=None)
    return best.best_image_id or None if best else None


def _reason(reason: risk_pb2.Reason) -> str:
    code = _word(_REASONS, reason.code)
    return f"{code}:{reason.category}" if reason.category else code


def _word(words: Mapping[int, str], value: int) -> str:
    # A newer server may send values that these stubs do not know.
    return words.get(value, str(value))
