"""Wildwarden in Osprey, ROOST's rules engine: UDFs that have a listing rated and read the rating.

`RateListing` asks a server, once a listing; the others read what it answered. Where there is no answer the rating fails open to a
person: its suggestion is REVIEW, it has no risk, and `RatingFailure` says why. Nothing here raises for what a server or a network does.

Settings come from the environment:

    WILDWARDEN_SERVER       URL of the server; http://127.0.0.1:50051
    WILDWARDEN_KEY          sent as `authorization: Bearer`; needs the role "classify". Empty: none
    WILDWARDEN_DEADLINE_MS  milliseconds for a rating, waiting and trying again included; 2000
    WILDWARDEN_LANGUAGE     of the sentences for moderators, "en" or "zh"; en

Needs Python 3.11 and nothing beside it and Osprey. Written to the interface that Osprey publishes (docs/integration/integrations.md and
osprey_worker/src/osprey/engine/udf in github.com/roostorg/osprey); it was not run inside Osprey.
"""

import base64
import binascii
import http.client
import json
import os
import random
import ssl
import time
import urllib.parse
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, List, Optional

from osprey.engine.executor.execution_context import ExecutionContext, ExpectedUdfException
from osprey.engine.udf.arguments import ArgumentsBase
from osprey.engine.udf.base import UDFBase
from osprey.worker.adaptor.plugin_manager import hookimpl_osprey

PATH = "/v1/listings:rate"
SUGGESTIONS = {"PASS", "REVIEW", "BLOCK"}
# A server that is full, or that starts or drains: what it refuses now it may take soon.
TRANSIENT = {429, 503}
FIRST_PAUSE = 0.05  # seconds, where a refusal names no delay; doubles with each attempt
LAST_PAUSE = 1.0
# How much less than is left of the deadline the server is told, in seconds, so that its own refusal still arrives.
LEAD = 0.05
MOST_ANSWER_BYTES = 8 << 20


@dataclass(frozen=True)
class Settings:
    server: urllib.parse.SplitResult
    key: str
    deadline: float
    language: str

    @classmethod
    def from_environment(cls) -> "Settings":
        server = urllib.parse.urlsplit(os.environ.get("WILDWARDEN_SERVER") or "http://127.0.0.1:50051")
        if server.scheme not in ("http", "https") or not server.hostname:
            raise ValueError(f"WILDWARDEN_SERVER is no URL of http or https: {server.geturl()!r}")
        deadline = int(os.environ.get("WILDWARDEN_DEADLINE_MS") or "2000")
        if not 1 <= deadline <= 60_000:
            raise ValueError(f"WILDWARDEN_DEADLINE_MS is {deadline}; 1 to 60000 are allowed")
        return cls(server, os.environ.get("WILDWARDEN_KEY", ""), deadline / 1000, os.environ.get("WILDWARDEN_LANGUAGE") or "en")


@dataclass(frozen=True)
class Reason:
    # As in the contract's ReasonCode, without its prefix: "TEXT_EVIDENCE".
    code: str
    # Empty when it speaks of the listing.
    category: str
    # A sentence for a moderator.
    text: str


@dataclass(frozen=True)
class ListingRating:
    """What rules read. Keep it in a local, `_Rating`: Osprey stores every other name as a feature, and this is no JSON."""

    # PASS, REVIEW or BLOCK.
    suggestion: str
    # Why there is no rating, or which part of the listing has none; empty: all was rated.
    failure: str = ""
    # In [0, 1]; None: there is no rating.
    risk: Optional[float] = None
    # In [0, 1], by category; what was not rated is not there.
    probabilities: Mapping[str, float] = field(default_factory=dict)
    # The strongest first.
    reasons: Sequence[Reason] = ()


def for_a_person(failure: str) -> ListingRating:
    """No rating: somebody should look."""
    return ListingRating(suggestion="REVIEW", failure=failure)


def from_base64(photo: str) -> Optional[bytes]:
    try:
        return base64.b64decode(photo, validate=True) or None
    except (binascii.Error, ValueError):
        return None


# Makes bytes of an entry of `photos`; None: there are none. Entries are base64 unless a plugin puts something else here, such as a look into
# the platform's own store. It must not open a URL from a listing: that is the seller's to choose.
read_photo: Callable[[str], Optional[bytes]] = from_base64


def rate(settings: Settings, listing_id: str, title: str, description: str = "", photos: Sequence[str] = ()) -> ListingRating:
    """Has a listing rated within the deadline."""
    contents = [content for content in map(read_photo, photos) if content]
    if not contents and not (title.strip() or description.strip()):
        return for_a_person("NOTHING_TO_RATE")
    body = {
        # The same one for every attempt: who asks again gets the answer that got lost, and the work is not done twice.
        "requestId": uuid.uuid4().hex,
        "listingId": listing_id,
        "title": title,
        "description": description,
        "images": [{"content": base64.b64encode(content).decode()} for content in contents],
    }
    rating = ask(settings, json.dumps(body).encode())
    if len(contents) < len(photos) and not rating.failure:
        # A PASS would speak of photos that nobody has seen.
        suggestion = "REVIEW" if rating.suggestion == "PASS" else rating.suggestion
        rating = replace(rating, suggestion=suggestion, failure="PHOTOS_UNREADABLE")
    return rating


def ask(settings: Settings, body: bytes) -> ListingRating:
    end = time.monotonic() + settings.deadline
    pause, failure = FIRST_PAUSE, ""
    while (left := end - time.monotonic()) > 0:
        try:
            status, answer, after = attempt(settings, body, left)
        except TimeoutError:
            break
        except (OSError, http.client.HTTPException):
            failure, wait = "UNREACHABLE", 0.0
        except ValueError:
            return for_a_person("BAD_ANSWER")
        else:
            if status == 200:
                return rating_of(answer)
            failure, wait = refused(status, answer), after
            if status not in TRANSIENT:
                return for_a_person(failure)
        # Drawn, so that those who were refused together do not come back together.
        wait = max(wait, pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, LAST_PAUSE)
        if wait >= end - time.monotonic():
            # It could only come too late: the refusal says more than a deadline that has passed.
            return for_a_person(failure)
        time.sleep(wait)
    return for_a_person(failure or "DEADLINE_EXCEEDED")


def attempt(settings: Settings, body: bytes, left: float) -> tuple[int, Any, float]:
    """Status, answer, and seconds after which to ask again. One connection, no redirects and no proxy: a listing and a key go where they
    are sent."""
    server = settings.server
    headers = {
        "content-type": "application/json",
        "accept": "application/json, application/problem+json",
        "accept-language": settings.language,
        "x-timeout-ms": str(max(1, int((left - min(left / 8, LEAD)) * 1000))),
    }
    if settings.key:
        headers["authorization"] = f"Bearer {settings.key}"
    if server.scheme == "https":
        connection = http.client.HTTPSConnection(server.hostname, server.port, timeout=left, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(server.hostname, server.port, timeout=left)
    try:
        connection.request("POST", server.path.rstrip("/") + PATH, body, headers)
        response = connection.getresponse()
        said = response.read(MOST_ANSWER_BYTES + 1)
        if len(said) > MOST_ANSWER_BYTES:
            raise ValueError("the answer is too long")
        return response.status, answer_of(said, response.status), retry_after(said, response.getheader("retry-after", ""))
    finally:
        connection.close()


def answer_of(said: bytes, status: int) -> Any:
    try:
        return json.loads(said)
    except ValueError:
        if status == 200:
            raise
        return None  # a refusal by something between


def retry_after(said: bytes, header: str) -> float:
    """Seconds: the exact delay of the problem details, else the header's whole seconds, else none."""
    try:
        return max(0, int(json.loads(said)["retryAfterMs"])) / 1000
    except (ValueError, KeyError, TypeError):
        return float(header) if header.isdecimal() else 0.0


def refused(status: int, answer: Any) -> str:
    """Why, in a word: the problem details' `reason`."""
    reason = answer.get("reason") if isinstance(answer, dict) else None
    return reason if isinstance(reason, str) and reason else f"HTTP_{status}"


def rating_of(answer: Any) -> ListingRating:
    try:
        suggestion = answer["suggestion"].removeprefix("SUGGESTION_")
        if suggestion not in SUGGESTIONS:
            return for_a_person("BAD_ANSWER")
        return ListingRating(
            suggestion=suggestion,
            risk=float(answer["risk"]),
            probabilities={of["category"]: float(of["probability"]) for of in answer["categories"] if not of.get("unrated")},
            reasons=tuple(
                Reason(of["code"].removeprefix("REASON_CODE_"), of.get("category", ""), of.get("text", "")) for of in answer["reasons"]
            ),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return for_a_person("BAD_ANSWER")


class RateListingArguments(ArgumentsBase):
    listing_id: str
    """The platform's id of the listing; at most 128 bytes."""
    title: Optional[str] = None
    description: Optional[str] = None
    photos: List[str] = []
    """Photos as `read_photo` takes them: base64, unless a plugin says otherwise."""


class RateListing(UDFBase[RateListingArguments, ListingRating]):
    """Has Wildwarden rate a listing for illegal wildlife trade. Keep the result in a local, and read it with the Rating UDFs."""

    category = "HTTP"
    # It waits for the network.
    execute_async = True

    def __init__(self, validation_context: Any, arguments: RateListingArguments):
        super().__init__(validation_context, arguments)
        # Here and not with the first listing: a wrong setting stops the start.
        self._settings = Settings.from_environment()

    def execute(self, execution_context: ExecutionContext, arguments: RateListingArguments) -> ListingRating:
        return rate(self._settings, arguments.listing_id, arguments.title or "", arguments.description or "", arguments.photos)


class RatingArguments(ArgumentsBase):
    rating: ListingRating
    """What RateListing gave."""


class RatingSuggestion(UDFBase[RatingArguments, str]):
    """PASS, REVIEW or BLOCK; REVIEW where there is no rating."""

    def execute(self, execution_context: ExecutionContext, arguments: RatingArguments) -> str:
        return arguments.rating.suggestion


class RatingRisk(UDFBase[RatingArguments, float]):
    """The risk, 0 to 1. Fails where there is no rating, so that rules over it are skipped: do not read it as 0."""

    def execute(self, execution_context: ExecutionContext, arguments: RatingArguments) -> float:
        if arguments.rating.risk is None:
            raise ExpectedUdfException(arguments.rating.failure)
        return arguments.rating.risk


class RatingProbabilityArguments(RatingArguments):
    of: str
    """Name of a category, as the server's policy has it: "ivory"."""


class RatingProbability(UDFBase[RatingProbabilityArguments, float]):
    """The probability of one category, 0 to 1. Fails as RatingRisk does, also for a category that was not rated."""

    def execute(self, execution_context: ExecutionContext, arguments: RatingProbabilityArguments) -> float:
        if arguments.of not in arguments.rating.probabilities:
            raise ExpectedUdfException(f"no rating of {arguments.of}")
        return arguments.rating.probabilities[arguments.of]


class RatingReasons(UDFBase[RatingArguments, List[str]]):
    """Codes of the reasons, the strongest first: "TEXT_EVIDENCE", "CLAIM_FOR_SALE"."""

    def execute(self, execution_context: ExecutionContext, arguments: RatingArguments) -> List[str]:
        return list(dict.fromkeys(reason.code for reason in arguments.rating.reasons))


class RatingText(UDFBase[RatingArguments, str]):
    """The reasons as sentences for a moderator. They hold words of the listing: keep them as you keep the listing."""

    def execute(self, execution_context: ExecutionContext, arguments: RatingArguments) -> str:
        return " ".join(reason.text for reason in arguments.rating.reasons)


class RatingFailure(UDFBase[RatingArguments, str]):
    """Why there is no rating, or not of all: a refusal's `reason`, UNREACHABLE, DEADLINE_EXCEEDED, BAD_ANSWER, NOTHING_TO_RATE,
    PHOTOS_UNREADABLE. Empty: all was rated."""

    def execute(self, execution_context: ExecutionContext, arguments: RatingArguments) -> str:
        return arguments.rating.failure


@hookimpl_osprey
def register_udfs() -> Sequence[type[UDFBase[Any, Any]]]:
    return [RateListing, RatingSuggestion, RatingRisk, RatingProbability, RatingReasons, RatingText, RatingFailure]
