"""What is rated, and what comes of it: one listing, its photos, and the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from wildwarden.v1 import risk_pb2

Rated: TypeAlias = risk_pb2.ClassifyResponse
"""The rating of one listing, as the contract has it."""


@dataclass(frozen=True, slots=True)
class Image:
    """One photograph: a file's bytes, and an id of the caller's that comes back with what was seen in it."""

    content: bytes
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing. At least one image or a word of text is needed."""

    title: str = ""
    description: str = ""
    images: Sequence[bytes | Image] = ()
    listing_id: str = ""
    request_id: str = ""

    def request(self, options: risk_pb2.Options | None = None) -> risk_pb2.ClassifyRequest:
        """The message of the contract."""
        images = [image if isinstance(image, Image) else Image(image) for image in self.images]
        return risk_pb2.ClassifyRequest(
            request_id=self.request_id,
            listing_id=self.listing_id,
            title=self.title,
            description=self.description,
            images=[risk_pb2.Image(image_id=image.image_id, content=image.content) for image in images],
            options=options,
        )


@dataclass(frozen=True, slots=True)
class NotRated:
    """Why one listing of many has no rating."""

    code: str
    """Name of the gRPC status that `Client.rate` would have raised, such as INVALID_ARGUMENT; UNREADABLE: it never reached the server."""
    message: str
    field: str = ""
    """The field at fault, for INVALID_ARGUMENT."""
    retry_after: float | None = None
    """Seconds until the server would have had room, for RESOURCE_EXHAUSTED."""


Outcome: TypeAlias = Rated | NotRated
